//! `triton-predict`: tensors in the host's memory, and inference requests to models.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::bindings::keynet::inference::{triton_predict as wit, types};
use super::held::{Held, Place};
use super::{Backend, CallContext, CallError, request_parameters, to_guest};
use crate::policy::Grants;
use keynet_base::budget::CallBudget;
use keynet_base::error::Error;
use keynet_base::limits;
use keynet_models::inference::{
    DataType, InferenceBackend, InferenceRequest, ModelMetadata, ModelRef, NamedTensor, Shape,
    Tensor, TensorInfo,
};

/// Bytes that a request counts besides its texts and tensors: its parameters, and the state of a
/// backend.
const REQUEST: u64 = 16 << 10;

/// Bytes that an input or a named output of a request counts besides its name: here, and in the
/// types of a backend.
const TENSOR_OF_A_REQUEST: u64 = 1024;

/// A tensor; a resource of the guest.
pub type OpenTensor = Held<Tensor>;

/// The responses of a model that may return many; a resource of the guest.
pub type OpenStream = Held<PredictionStream>;

/// Context of `triton-predict` in a store.
pub struct TritonPredictCtx {
    backend: Backend<dyn InferenceBackend>,
    default_model: Option<Arc<str>>,
    grants: Arc<Grants>,
    calls: CallContext,
}

impl TritonPredictCtx {
    /// Creates the context for `backend` and the models that `grants` names; `default_model` is
    /// used if a request names none.
    pub fn new(
        backend: Backend<dyn InferenceBackend>,
        default_model: Option<Arc<str>>,
        grants: Arc<Grants>,
        calls: CallContext,
    ) -> Self {
        Self { backend, default_model, grants, calls }
    }

    fn backend(&self) -> Result<Arc<dyn InferenceBackend>, Error> {
        self.backend.clone()
    }

    fn model(&self, named: &str) -> Result<ModelRef, Error> {
        let name = match (named, &self.default_model) {
            ("", Some(default)) => default,
            ("", None) => {
                return Err(Error::invalid(
                    "no model is named, and MODEL_NAME is not set: name one in the request, or set \
                        MODEL_NAME",
                ));
            }
            _ => named,
        };
        let model: ModelRef = name.parse()?;
        self.grants.models.check("model", model.name())?;
        Ok(model)
    }
}

/// The responses of a model that may return many.
pub struct PredictionStream {
    /// `None` after the last response or an error.
    answers: Option<BoxStream<'static, Result<Vec<NamedTensor>, Error>>>,
}

/// View that implements the generated traits.
pub struct TritonPredictView<'a> {
    /// Context.
    pub ctx: &'a mut TritonPredictCtx,
    /// Table of the activation's resources.
    pub table: &'a mut ResourceTable,
}

impl TritonPredictView<'_> {
    fn request(&self, request: wit::Request) -> Result<(InferenceRequest, CallBudget), CallError> {
        check(&request)?;
        let model = self.ctx.model(&request.model)?;
        let inputs = request.inputs.into_iter().map(|input| {
            Ok(NamedTensor {
                name: input.name,
                tensor: Tensor::clone(self.table.get(&input.tensor)?),
            })
        });
        let mut budget = self.ctx.calls.budget.clone();
        if let Some(milliseconds) = request.timeout_ms {
            let asked =
                std::time::Instant::now() + std::time::Duration::from_millis(milliseconds.into());
            budget.deadline = budget.deadline.min(asked);
        }
        let request = InferenceRequest {
            model,
            inputs: inputs.collect::<Result<_, CallError>>()?,
            outputs: request.outputs,
            parameters: request_parameters::read(&request.parameters)?,
        };
        Ok((request, budget))
    }

    /// Passes tensors to the guest: all of them, or none if there is no memory for one of them.
    fn outputs(&mut self, outputs: Vec<NamedTensor>) -> Result<Vec<wit::Output>, CallError> {
        self.ctx.calls.meter.received(bytes_of(&outputs));
        let mut handed = Vec::with_capacity(outputs.len());
        for NamedTensor { name, tensor } in outputs {
            match self.tensor(tensor) {
                Ok(tensor) => handed.push(wit::Output { name, tensor }),
                Err(error) => {
                    for wit::Output { tensor, .. } in handed {
                        self.table.delete(tensor)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(handed)
    }

    fn tensor(&mut self, tensor: Tensor) -> Result<Resource<OpenTensor>, CallError> {
        let place = Place::take(self.ctx.calls.memory(), "a tensor's handle")?;
        Ok(self.table.push(place.holds(tensor))?)
    }

    /// Returns a copy of `length` bytes of a tensor's data, from byte `offset` on, for the guest.
    fn copy(
        &self,
        tensor: &Resource<OpenTensor>,
        offset: u64,
        length: u64,
        what: &str,
    ) -> wasmtime::Result<Vec<u8>> {
        let data = self.table.get(tensor)?.data();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let end =
            start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(data.len());
        self.ctx.calls.lend(end - start, what)?;
        Ok(data.get(start..end).unwrap_or_default().to_vec())
    }
}

/// Checks the size of a request, before any of it is parsed.
///
/// # Errors
/// `invalid`: a name is too long. `too-large`: too many inputs or outputs, or too long parameters.
fn check(request: &wit::Request) -> Result<(), Error> {
    limits::check("the model", &request.model, limits::MODEL)?;
    limits::check_count(
        "inputs in one request",
        request.inputs.len(),
        limits::TENSORS_OF_A_REQUEST,
    )?;
    limits::check_count(
        "outputs in one request",
        request.outputs.len(),
        limits::TENSORS_OF_A_REQUEST,
    )?;
    limits::check_count(
        "bytes of request parameters",
        request.parameters.len(),
        limits::REQUEST_PARAMETERS_TEXT,
    )?;
    request.inputs.iter().try_for_each(|input| {
        limits::check("the name of an input", &input.name, limits::TENSOR_NAME)
    })?;
    request
        .outputs
        .iter()
        .try_for_each(|name| limits::check("the name of an output", name, limits::TENSOR_NAME))
}

/// Returns the bytes that a request holds until its response arrives.
fn held(request: &wit::Request) -> u64 {
    let names = request.inputs.iter().map(|input| &input.name).chain(&request.outputs);
    let names: u64 = names.map(|name| TENSOR_OF_A_REQUEST + 2 * name.len() as u64).sum();
    REQUEST + (request.model.len() + 2 * request.parameters.len()) as u64 + names
}

/// Returns the bytes of the elements of tensors.
fn bytes_of(tensors: &[NamedTensor]) -> u64 {
    tensors.iter().map(|tensor| tensor.tensor.data().len() as u64).sum()
}

/// Returns the size in bytes of a model's metadata.
fn size_of_metadata(metadata: &ModelMetadata) -> usize {
    let tensors = metadata.inputs.iter().chain(&metadata.outputs);
    let tensors: usize = tensors
        .map(|info| {
            size_of::<wit::TensorInfo>() + info.name.len() + size_of_val(info.shape.as_slice())
        })
        .sum();
    let versions: usize =
        metadata.versions.iter().map(|version| size_of::<String>() + version.len()).sum();
    metadata.name.len() + metadata.platform.len() + versions + tensors
}

impl wit::Host for TritonPredictView<'_> {
    async fn predict(&mut self, request: wit::Request) -> Result<Vec<wit::Output>, CallError> {
        self.ctx.calls.meter.allow("triton-predict.predict")?;
        check(&request)?;
        let _held = self.ctx.calls.memory().reserve(held(&request), "a request")?;
        let (request, budget) = self.request(request)?;
        let (backend, sent) = (self.ctx.backend()?, bytes_of(&request.inputs));
        let answer = self
            .ctx
            .calls
            .meter
            .send("triton-predict.predict", sent, backend.predict(request, &budget))
            .await??;
        self.outputs(answer)
    }

    async fn predict_many(
        &mut self,
        requests: Vec<wit::Request>,
    ) -> wasmtime::Result<Vec<Result<Vec<wit::Output>, types::Error>>> {
        let asked = requests.len();
        self.ctx.calls.meter.allow("triton-predict.predict-many")?;
        let room = match asked <= limits::REQUESTS {
            true => {
                // The other requests are each rejected on their own, before they are parsed.
                let asked =
                    requests.iter().filter(|request| check(request).is_ok()).map(held).sum();
                self.ctx.calls.memory().reserve(asked, "the requests of one predict-many")
            }
            false => Err(Error::too_large(format!(
                "{asked} requests in one predict-many: at most {} may go at once",
                limits::REQUESTS
            ))),
        };
        let _held = match room {
            Ok(held) => held,
            Err(refused) => {
                let each =
                    size_of::<Result<Vec<wit::Output>, types::Error>>() + refused.message.len();
                self.ctx
                    .calls
                    .lend(asked.saturating_mul(each), "the answers of one predict-many")?;
                return Ok((0..asked).map(|_| Err(refused.clone().into())).collect());
            }
        };
        let (mut answers, mut sent) = (Vec::with_capacity(asked), 0);
        for request in requests {
            let prepared = self
                .request(request)
                .and_then(|(request, budget)| Ok((self.ctx.backend()?, request, budget)));
            sent += prepared.as_ref().map_or(0, |(_, request, _)| bytes_of(&request.inputs));
            answers.push(async {
                let (backend, request, budget) = prepared?;
                Ok::<_, CallError>(backend.predict(request, &budget).await?)
            });
        }
        let answers = self
            .ctx
            .calls
            .meter
            .send("triton-predict.predict-many", sent, futures::future::join_all(answers))
            .await?;
        let to_guest = |answer: Result<Vec<NamedTensor>, CallError>| match answer
            .and_then(|outputs| self.outputs(outputs))
        {
            Ok(outputs) => Ok(Ok(outputs)),
            Err(error) => to_guest(error).map(Err),
        };
        answers.into_iter().map(to_guest).collect()
    }

    async fn predict_stream(
        &mut self,
        request: wit::Request,
    ) -> Result<Resource<OpenStream>, CallError> {
        self.ctx.calls.meter.allow("triton-predict.predict-stream")?;
        check(&request)?;
        // The backend keeps the request as long as the stream is open.
        let mut place = Place::take(self.ctx.calls.memory(), "a prediction stream")?;
        place.grow(held(&request), "a prediction stream")?;
        let (request, budget) = self.request(request)?;
        let (backend, sent) = (self.ctx.backend()?, bytes_of(&request.inputs));
        let answers = self
            .ctx
            .calls
            .meter
            .send("triton-predict.predict-stream", sent, backend.predict_stream(request, &budget))
            .await??;
        Ok(self.table.push(place.holds(PredictionStream { answers: Some(answers) }))?)
    }

    async fn metadata(&mut self, model: String) -> Result<wit::ModelMetadata, CallError> {
        self.ctx.calls.meter.allow("triton-predict.metadata")?;
        let model = self.ctx.model(&model)?;
        let backend = self.ctx.backend()?;
        let calls = &self.ctx.calls;
        let metadata = calls
            .meter
            .wait("triton-predict.metadata", backend.metadata(&model, &calls.budget))
            .await??;
        calls.lend(size_of_metadata(&metadata), "what is known of a model")?;
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
    async fn create(
        &mut self,
        data_type: wit::DataType,
        shape: Vec<i64>,
        data: Vec<u8>,
    ) -> Result<Resource<OpenTensor>, CallError> {
        let calls = &self.ctx.calls;
        calls.meter.allow("triton-predict.tensor.create")?;
        let reservation = calls.memory().reserve(data.len() as u64, "a tensor")?;
        let shape = Shape::new(shape)?;
        let tensor = Tensor::check(
            data_type.into(),
            shape,
            Bytes::from(data),
            reservation,
            calls.budget.deadline,
        )
        .await?;
        self.tensor(tensor)
    }

    fn data_type(&mut self, tensor: Resource<OpenTensor>) -> wasmtime::Result<wit::DataType> {
        Ok(self.table.get(&tensor)?.data_type().into())
    }

    fn shape(&mut self, tensor: Resource<OpenTensor>) -> wasmtime::Result<Vec<i64>> {
        Ok(self.table.get(&tensor)?.shape().dimensions().to_vec())
    }

    fn byte_length(&mut self, tensor: Resource<OpenTensor>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&tensor)?.data().len() as u64)
    }

    fn data(&mut self, tensor: Resource<OpenTensor>) -> wasmtime::Result<Vec<u8>> {
        self.ctx.calls.meter.allow("triton-predict.tensor.data")?;
        self.copy(&tensor, 0, u64::MAX, "a copy of a tensor")
    }

    fn read(
        &mut self,
        tensor: Resource<OpenTensor>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Vec<u8>> {
        self.ctx.calls.meter.allow("triton-predict.tensor.read")?;
        self.copy(&tensor, offset, length, "a copy of a part of a tensor")
    }

    fn drop(&mut self, tensor: Resource<OpenTensor>) -> wasmtime::Result<()> {
        self.ctx.calls.meter.lowered();
        self.table.delete(tensor)?;
        Ok(())
    }
}

impl wit::HostPredictionStream for TritonPredictView<'_> {
    async fn next(
        &mut self,
        stream: Resource<OpenStream>,
    ) -> Result<Option<Vec<wit::Output>>, CallError> {
        let stream = self.table.get_mut(&stream)?;
        let next = match &mut stream.answers {
            Some(answers) => {
                self.ctx
                    .calls
                    .meter
                    .wait("triton-predict.prediction-stream.next", answers.next())
                    .await?
            }
            None => None,
        };
        if !matches!(next, Some(Ok(_))) {
            stream.answers = None;
        }
        next.map(|answer| self.outputs(answer?)).transpose()
    }

    fn drop(&mut self, stream: Resource<OpenStream>) -> wasmtime::Result<()> {
        self.ctx.calls.meter.lowered();
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

same_data_types!(
    Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Bf16, Fp32, Fp64, Bytes
);

struct HasTritonPredict;

impl HasData for HasTritonPredict {
    type Data<'a> = TritonPredictView<'a>;
}

/// Adds `triton-predict` to `linker`.
///
/// # Errors
/// It was already added.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> TritonPredictView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasTritonPredict>(linker, view)
}
