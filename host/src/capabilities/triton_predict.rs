//! `triton-predict`: tensors in the host's memory, and questions to models.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::bindings::keynet::inference::{triton_predict as wit, types};
use super::{Backend, CallContext, CallError, to_guest};
use crate::budget::CallBudget;
use crate::error::Error;
use crate::inference::{DataType, InferenceBackend, InferenceRequest, ModelRef, NamedTensor, Shape, Tensor, TensorInfo};
use crate::policy::Grants;

/// The most requests in one `predict-many`.
const MAX_REQUESTS: usize = 256;

/// `triton-predict`'s part of a store.
pub struct TritonPredictCtx {
    backend: Backend<dyn InferenceBackend>,
    default_model: Option<Arc<str>>,
    grants: Arc<Grants>,
    calls: CallContext,
}

impl TritonPredictCtx {
    /// Asks `backend` about the models that `grants` names; `default_model` is asked where a request names none.
    pub fn new(backend: Backend<dyn InferenceBackend>, default_model: Option<Arc<str>>, grants: Arc<Grants>, calls: CallContext) -> Self {
        Self { backend, default_model, grants, calls }
    }

    fn backend(&self) -> Result<Arc<dyn InferenceBackend>, Error> {
        self.backend.clone()
    }

    fn model(&self, named: &str) -> Result<ModelRef, Error> {
        let name = match (named, &self.default_model) {
            ("", Some(default)) => default,
            ("", None) => {
                return Err(Error::invalid("no model is named, and MODEL_NAME is not set: name one in the request, or set MODEL_NAME"));
            }
            _ => named,
        };
        let model: ModelRef = name.parse()?;
        self.grants.models.check("model", model.name())?;
        Ok(model)
    }
}

/// The answers of a model that may answer many times; a resource of the guest.
pub struct PredictionStream {
    /// None after the last answer or an error.
    answers: Option<BoxStream<'static, Result<Vec<NamedTensor>, Error>>>,
}

/// What the generated traits are implemented on.
pub struct TritonPredictView<'a> {
    /// The context.
    pub ctx: &'a mut TritonPredictCtx,
    /// The activation's resources.
    pub table: &'a mut ResourceTable,
}

impl TritonPredictView<'_> {
    fn request(&self, request: wit::Request) -> Result<(InferenceRequest, CallBudget), CallError> {
        let model = self.ctx.model(&request.model)?;
        let inputs =
            request.inputs.into_iter().map(|input| Ok(NamedTensor { name: input.name, tensor: self.table.get(&input.tensor)?.clone() }));
        let mut budget = self.ctx.calls.budget.clone();
        if let Some(milliseconds) = request.timeout_ms {
            let asked = std::time::Instant::now() + std::time::Duration::from_millis(milliseconds.into());
            budget.deadline = budget.deadline.min(asked);
        }
        let request = InferenceRequest {
            model,
            inputs: inputs.collect::<Result<_, CallError>>()?,
            outputs: request.outputs,
            parameters: parameters(&request.parameters)?,
        };
        Ok((request, budget))
    }

    fn outputs(&mut self, outputs: Vec<NamedTensor>) -> Result<Vec<wit::Output>, CallError> {
        let output = |NamedTensor { name, tensor }| Ok(wit::Output { name, tensor: self.table.push(tensor)? });
        outputs.into_iter().map(output).collect()
    }
}

fn parameters(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    if text.is_empty() {
        return Ok(serde_json::Map::new());
    }
    let parameters: serde_json::Map<_, _> =
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("the request's parameters are not a JSON object: {error}")))?;
    match parameters.iter().find(|(_, value)| value.is_null() || value.is_array() || value.is_object()) {
        Some((name, _)) => Err(Error::invalid(format!("request parameter {name:?} is not a string, number or boolean"))),
        None => Ok(parameters),
    }
}

impl wit::Host for TritonPredictView<'_> {
    async fn predict(&mut self, request: wit::Request) -> Result<Vec<wit::Output>, CallError> {
        let (request, budget) = self.request(request)?;
        let backend = self.ctx.backend()?;
        let answer = self.ctx.calls.meter.wait("triton-predict.predict", backend.predict(request, &budget)).await??;
        self.outputs(answer)
    }

    async fn predict_many(&mut self, requests: Vec<wit::Request>) -> wasmtime::Result<Vec<Result<Vec<wit::Output>, types::Error>>> {
        let asked = requests.len();
        if asked > MAX_REQUESTS {
            let refused = Error::too_large(format!("{asked} requests in one predict-many: at most {MAX_REQUESTS} may go at once"));
            return Ok((0..asked).map(|_| Err(refused.clone().into())).collect());
        }
        let mut answers = Vec::with_capacity(asked);
        for request in requests {
            let prepared = self.request(request).and_then(|(request, budget)| Ok((self.ctx.backend()?, request, budget)));
            answers.push(async {
                let (backend, request, budget) = prepared?;
                Ok::<_, CallError>(backend.predict(request, &budget).await?)
            });
        }
        let answers = self.ctx.calls.meter.wait("triton-predict.predict-many", futures::future::join_all(answers)).await?;
        let to_guest = |answer: Result<Vec<NamedTensor>, CallError>| match answer.and_then(|outputs| self.outputs(outputs)) {
            Ok(outputs) => Ok(Ok(outputs)),
            Err(error) => to_guest(error).map(Err),
        };
        answers.into_iter().map(to_guest).collect()
    }

    async fn predict_stream(&mut self, request: wit::Request) -> Result<Resource<PredictionStream>, CallError> {
        let (request, budget) = self.request(request)?;
        let backend = self.ctx.backend()?;
        let answers = self.ctx.calls.meter.wait("triton-predict.predict-stream", backend.predict_stream(request, &budget)).await??;
        Ok(self.table.push(PredictionStream { answers: Some(answers) })?)
    }

    async fn metadata(&mut self, model: String) -> Result<wit::ModelMetadata, CallError> {
        let model = self.ctx.model(&model)?;
        let backend = self.ctx.backend()?;
        let calls = &self.ctx.calls;
        let metadata = calls.meter.wait("triton-predict.metadata", backend.metadata(&model, &calls.budget)).await??;
        Ok(wit::ModelMetadata {
            name: metadata.name,
            versions: metadata.versions,
            platform: metadata.platform,
            inputs: metadata.inputs.into_iter().map(Into::into).collect(),
            outputs: metadata.outputs.into_iter().map(Into::into).collect(),
        })
    }
}

impl wit::HostTensor for TritonPredictView<'_> {
    fn create(&mut self, data_type: wit::DataType, shape: Vec<i64>, data: Vec<u8>) -> Result<Resource<Tensor>, CallError> {
        self.ctx.calls.meter.allow("triton-predict.tensor.create")?;
        let reservation = self.ctx.calls.memory().reserve(data.len() as u64, "a tensor")?;
        let tensor = Tensor::new(data_type.into(), Shape::new(shape)?, Bytes::from(data), Some(reservation))?;
        Ok(self.table.push(tensor)?)
    }

    fn data_type(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<wit::DataType> {
        Ok(self.table.get(&tensor)?.data_type().into())
    }

    fn shape(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<i64>> {
        Ok(self.table.get(&tensor)?.shape().dimensions().to_vec())
    }

    fn byte_length(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&tensor)?.data().len() as u64)
    }

    fn data(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u8>> {
        let data = self.table.get(&tensor)?.data();
        // The copy that is lowered into the guest; it is gone when the guest goes on.
        let _copy = self.ctx.calls.memory().reserve(data.len() as u64, "a copy of a tensor")?;
        Ok(data.to_vec())
    }

    fn read(&mut self, tensor: Resource<Tensor>, offset: u64, length: u64) -> wasmtime::Result<Vec<u8>> {
        let data = self.table.get(&tensor)?.data();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(data.len());
        let _copy = self.ctx.calls.memory().reserve((end - start) as u64, "a copy of a part of a tensor")?;
        Ok(data.get(start..end).unwrap_or_default().to_vec())
    }

    fn drop(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<()> {
        self.table.delete(tensor)?;
        Ok(())
    }
}

impl wit::HostPredictionStream for TritonPredictView<'_> {
    async fn next(&mut self, stream: Resource<PredictionStream>) -> Result<Option<Vec<wit::Output>>, CallError> {
        let stream = self.table.get_mut(&stream)?;
        let next = match &mut stream.answers {
            Some(answers) => self.ctx.calls.meter.wait("triton-predict.prediction-stream.next", answers.next()).await?,
            None => None,
        };
        if !matches!(next, Some(Ok(_))) {
            stream.answers = None;
        }
        next.map(|answer| self.outputs(answer?)).transpose()
    }

    fn drop(&mut self, stream: Resource<PredictionStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl From<TensorInfo> for wit::TensorInfo {
    fn from(info: TensorInfo) -> Self {
        Self { name: info.name, data_type: info.data_type.into(), shape: info.shape }
    }
}

macro_rules! same_data_types {
    ($($name:ident),*) => {
        impl From<wit::DataType> for DataType {
            fn from(data_type: wit::DataType) -> Self {
                match data_type { $(wit::DataType::$name => Self::$name,)* }
            }
        }

        impl From<DataType> for wit::DataType {
            fn from(data_type: DataType) -> Self {
                match data_type { $(DataType::$name => Self::$name,)* }
            }
        }
    };
}

same_data_types!(Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Bf16, Fp32, Fp64, Bytes);

struct HasTritonPredict;

impl HasData for HasTritonPredict {
    type Data<'a> = TritonPredictView<'a>;
}

/// Adds `triton-predict` to `linker`.
///
/// # Errors
/// It is there already.
pub fn add_to_linker<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> TritonPredictView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasTritonPredict>(linker, view)
}
