//! Cache of the server's model descriptions.
//!
//! A prediction needs its model's signature; requesting it each time would double the calls. A
//! description is cached for `KEYNET_TRITON_METADATA_TTL`, and requested again when a request does
//! not match it, because the model may have been replaced. Concurrent callers share one request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as Turn;

use super::failure::Failure;
use super::proto::{
    ModelConfig, ModelConfigRequest, ModelMetadataRequest, ModelMetadataResponse,
    model_metadata_response::TensorMetadata,
};
use super::retry::Attempts;
use super::server::Server;
use crate::inference::signature::{Bound, Port, Signature};
use crate::inference::{DataType, InferenceRequest, ModelMetadata, Shape};
use keynet_base::budget::{CallBudget, MemoryBudget, Reservation};
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::quote::{quoted, shown};

/// Maximum number of cached models; more than a server has.
const MAX_REMEMBERED: usize = 1024;
/// Maximum size of all cached descriptions, in bytes.
const MAX_REMEMBERED_BYTES: u64 = 32 << 20;
/// Maximum number of inputs of a model, and of outputs.
const MAX_PORTS: usize = 1024;
/// Maximum length of the name of an input or output, in bytes.
const MAX_NAME: usize = 1 << 10;
/// Age up to which a description is not requested again for a request that does not match it.
const FRESH: Duration = Duration::from_secs(1);

/// Model of the server: its name and, unless the server chooses, its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Served {
    pub name: String,
    pub version: Option<u64>,
}

/// Description of a model.
#[derive(Debug)]
pub(super) struct Model {
    pub metadata: ModelMetadata,
    pub signature: Signature,
    /// Set if the model may respond any number of times, so that it can only be used with a stream.
    pub decoupled: bool,
}

type Cell = Arc<Turn<Option<(Arc<Model>, Instant, Reservation)>>>;

/// Cache of the descriptions of models.
#[derive(Debug)]
pub(super) struct Models {
    cells: Mutex<BTreeMap<Served, Cell>>,
    /// Memory of the descriptions in the cells.
    memory: MemoryBudget,
}

impl Default for Models {
    fn default() -> Self {
        Self { cells: Mutex::default(), memory: MemoryBudget::process(MAX_REMEMBERED_BYTES) }
    }
}

impl Served {
    /// Returns the version as the protocol writes it: empty for the server's choice.
    pub fn version_text(&self) -> String {
        self.version.map(|version| version.to_string()).unwrap_or_default()
    }

    /// Returns `name` or `name:version`.
    pub fn label(&self) -> String {
        self.version.map_or_else(|| self.name.clone(), |version| format!("{}:{version}", self.name))
    }

    /// Returns the subject for error messages.
    pub fn subject(&self) -> String {
        format!("model {}", self.label())
    }
}

impl Model {
    /// Returns the approximate size of its description, in bytes.
    fn size(&self) -> u64 {
        let text: usize =
            self.metadata.versions.iter().map(|version| size_of::<String>() + version.len()).sum();
        let ports = self.metadata.inputs.iter().chain(&self.metadata.outputs);
        // Counted twice, because the signature holds each port too.
        let ports: usize = ports
            .map(|port| {
                2 * (size_of::<Port>() + port.name.len() + size_of_val(port.shape.as_slice()))
            })
            .sum();
        (size_of::<Self>() + self.metadata.name.len() + self.metadata.platform.len() + text + ports)
            as u64
    }
}

impl Models {
    /// Returns the description of a model, no older than `age`.
    ///
    /// # Errors
    /// `not-found`, or the server does not respond.
    pub async fn get(
        &self,
        server: &Server,
        served: &Served,
        age: Duration,
        budget: &CallBudget,
    ) -> Result<Arc<Model>> {
        let cell = self.cell(served);
        let mut known = cell.lock().await;
        if let Some((model, asked, _)) = known.as_ref()
            && asked.elapsed() < age
        {
            return Ok(Arc::clone(model));
        }
        // Even if the request fails, the cached description is too old.
        *known = None;
        let asked = Instant::now();
        let mut attempts = Attempts::new(server.retry(), budget.deadline, true);
        let model = loop {
            match describe(server, served).await {
                Ok(model) => break Arc::new(model),
                Err(failure) => attempts.again(failure).await?,
            }
        };
        // A description that does not fit into the cache is requested again by the next call.
        *known = self.room(&model).map(|room| (Arc::clone(&model), asked, room));
        Ok(model)
    }

    /// Returns a model and the binding of `request` to it. If the request does not match a cached
    /// description, the description is requested again.
    ///
    /// # Errors
    /// `invalid`: the request does not match the model. Otherwise the same as for [`Models::get`].
    pub async fn bind(
        &self,
        server: &Server,
        served: &Served,
        request: &InferenceRequest,
        budget: &CallBudget,
    ) -> Result<(Arc<Model>, Bound)> {
        let model = self.get(server, served, server.link.metadata_ttl, budget).await?;
        if let Ok(bound) = model.signature.bind(request) {
            return Ok((model, bound));
        }
        let model = self.get(server, served, FRESH.min(server.link.metadata_ttl), budget).await?;
        let bound = model.signature.bind(request)?;
        Ok((model, bound))
    }

    /// Removes a model from the cache, after a response that contradicts its description.
    pub fn forget(&self, served: &Served) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(served);
    }

    /// Reserves memory to cache a model, if necessary by removing the others. `None` if it alone is
    /// too large.
    fn room(&self, model: &Model) -> Option<Reservation> {
        let (bytes, what) = (model.size(), "the description of a model");
        self.memory.reserve(bytes, what).ok().or_else(|| {
            self.cells
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, cell| Arc::strong_count(cell) > 1);
            self.memory.reserve(bytes, what).ok()
        })
    }

    fn cell(&self, served: &Served) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MAX_REMEMBERED && !cells.contains_key(served) {
            // Mostly names of models that do not exist. Cells in use are kept.
            cells.retain(|_, cell| Arc::strong_count(cell) > 1);
        }
        Arc::clone(cells.entry(served.clone()).or_default())
    }
}

async fn describe(server: &Server, served: &Served) -> Result<Model, Failure> {
    let (name, version, subject) = (served.name.clone(), served.version_text(), served.subject());
    let metadata = ModelMetadataRequest { name: name.clone(), version: version.clone() };
    let metadata = server.ask(&subject, metadata);
    let config = ModelConfigRequest { name, version };
    let config = server.ask(&subject, config);
    let (metadata, config) = futures::join!(metadata, config);
    let config = match config {
        Ok(answer) => answer.config.unwrap_or_default(),
        // Servers without Triton's extension, and those that restrict access to it: dimension 0 is
        // then not a batch dimension.
        Err(failure) if matches!(failure.error.kind, ErrorKind::Invalid | ErrorKind::Denied) => {
            ModelConfig::default()
        }
        Err(failure) => return Err(failure),
    };
    Ok(model(served, metadata?, config)?)
}

/// Checks that a description is within the limits.
fn check(served: &Served, metadata: &ModelMetadataResponse) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::too_large(format!("{}: the server describes it with {what}", served.subject())))
    };
    for (what, tensors) in [("inputs", &metadata.inputs), ("outputs", &metadata.outputs)] {
        if tensors.len() > MAX_PORTS {
            return refuse(format!(
                "{} {what}, more than the {MAX_PORTS} that are accepted",
                tensors.len()
            ));
        }
        for tensor in tensors {
            if tensor.name.len() > MAX_NAME || tensor.shape.len() > Shape::MAX_DIMENSIONS {
                let (bytes, dimensions) = (tensor.name.len(), tensor.shape.len());
                let most = Shape::MAX_DIMENSIONS;
                return refuse(format!(
                    "{what} whose name has {bytes} bytes and whose shape {dimensions} dimensions: \
                        {MAX_NAME} and {most} are accepted"
                ));
            }
        }
    }
    Ok(())
}

fn model(served: &Served, metadata: ModelMetadataResponse, config: ModelConfig) -> Result<Model> {
    let port = |kind: &str, tensor: TensorMetadata| match DataType::named(&tensor.datatype) {
        Some(data_type) => Ok(Port::new(tensor.name, data_type, Some(tensor.shape))),
        None => Err(Error::internal(format!(
            "{}: its {kind} {} has elements of {}, which this version does not know",
            served.subject(),
            shown(&tensor.name),
            quoted(&tensor.datatype)
        ))),
    };
    check(served, &metadata)?;
    let mut inputs = metadata
        .inputs
        .into_iter()
        .map(|tensor| port("input", tensor))
        .collect::<Result<Vec<_>>>()?;
    let outputs = metadata
        .outputs
        .into_iter()
        .map(|tensor| port("output", tensor))
        .collect::<Result<Vec<_>>>()?;
    let infos = |ports: &[Port]| ports.iter().map(Port::info).collect::<Vec<_>>();
    let (declared_inputs, declared_outputs) = (infos(&inputs), infos(&outputs));
    for input in &mut inputs {
        let Some(given) = config.input.iter().find(|given| given.name == input.name) else {
            continue;
        };
        input.optional = given.optional;
        if given.allow_ragged_batch || given.is_shape_tensor {
            // Its first dimension is independent of the batch of the other inputs.
            (input.batched, input.shape) = (false, None);
        }
    }
    Ok(Model {
        metadata: ModelMetadata {
            name: metadata.name,
            versions: metadata.versions,
            platform: metadata.platform,
            inputs: declared_inputs,
            outputs: declared_outputs,
        },
        signature: Signature {
            label: served.label(),
            inputs,
            outputs,
            max_batch_size: u32::try_from(config.max_batch_size).unwrap_or(0),
        },
        decoupled: config.model_transaction_policy.is_some_and(|policy| policy.decoupled),
    })
}

#[cfg(test)]
mod tests {
    use super::super::proto::{ModelInput, ModelTransactionPolicy};
    use super::*;
    use crate::inference::{ModelRef, NamedTensor, Tensor};

    fn tensor(name: &str, datatype: &str, shape: &[i64]) -> TensorMetadata {
        TensorMetadata {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
        }
    }

    fn served() -> Served {
        Served { name: "m".to_owned(), version: Some(2) }
    }

    fn described(config: ModelConfig) -> Model {
        let metadata = ModelMetadataResponse {
            name: "m".to_owned(),
            versions: vec!["2".to_owned()],
            platform: "python".to_owned(),
            inputs: vec![tensor("image", "FP32", &[-1, 3]), tensor("hint", "INT64", &[-1, 1])],
            outputs: vec![tensor("score", "BF16", &[-1])],
        };
        model(&served(), metadata, config).unwrap()
    }

    fn request(inputs: &[(&str, DataType, &[i64])]) -> InferenceRequest {
        let tensor = |data_type: DataType, shape: &[i64]| {
            let shape = Shape::new(shape.to_vec()).unwrap();
            let bytes = shape.elements() * data_type.size().unwrap();
            Tensor::new(data_type, shape, vec![0; usize::try_from(bytes).unwrap()].into(), None)
                .unwrap()
        };
        InferenceRequest {
            model: ModelRef::Served { name: "m".to_owned(), version: None },
            inputs: inputs
                .iter()
                .map(|(name, kind, shape)| NamedTensor {
                    name: (*name).to_owned(),
                    tensor: tensor(*kind, shape),
                })
                .collect(),
            outputs: Vec::new(),
            parameters: serde_json::Map::new(),
        }
    }

    #[test]
    fn a_request_is_checked_against_metadata_and_configuration() {
        let optional =
            ModelInput { name: "hint".to_owned(), optional: true, ..ModelInput::default() };
        let batched = described(ModelConfig {
            max_batch_size: 4,
            input: vec![optional],
            ..ModelConfig::default()
        });
        let check = |inputs: &[(&str, DataType, &[i64])]| {
            batched.signature.bind(&request(inputs)).map(|_| ()).map_err(|error| error.message)
        };
        assert_eq!(check(&[("image", DataType::Fp32, &[4, 3])]), Ok(()));
        assert_eq!(
            check(&[("hint", DataType::Int64, &[2, 1]), ("image", DataType::Fp32, &[2, 3])]),
            Ok(())
        );
        for (inputs, text) in [
            (
                &[("image", DataType::Fp32, [3].as_slice())][..],
                "model m:2, input image: expected FP32 [-1,3], got FP32 [3]",
            ),
            (
                &[("image", DataType::Fp64, &[1, 3])],
                "model m:2, input image: expected FP32 [-1,3], got FP64 [1,3]",
            ),
            (
                &[("image", DataType::Fp32, &[5, 3])],
                "model m:2, input image: the batch, dimension 0, is 1 to 4",
            ),
            (
                &[("image", DataType::Fp32, &[1, 3]), ("hint", DataType::Int64, &[2, 1])],
                "a batch of 2, but input image has a batch of 1",
            ),
            (
                &[("hint", DataType::Int64, &[2, 1])],
                "model m:2: input image is missing; expected FP32 [-1,3]",
            ),
            (
                &[("picture", DataType::Fp32, &[1, 3])],
                "model m:2 has no input \"picture\"; it has image FP32 [-1,3], hint INT64 [-1,1]",
            ),
        ] {
            let refused = check(inputs).unwrap_err();
            assert!(refused.contains(text), "{refused}");
        }
    }

    #[test]
    fn what_the_configuration_says_is_heeded() {
        let ragged = ModelInput {
            name: "image".to_owned(),
            allow_ragged_batch: true,
            ..ModelInput::default()
        };
        let policy = Some(ModelTransactionPolicy { decoupled: true });
        let model = described(ModelConfig {
            max_batch_size: 4,
            input: vec![ragged],
            model_transaction_policy: policy,
        });
        assert!(model.decoupled);
        let uneven =
            request(&[("image", DataType::Fp32, &[2, 9]), ("hint", DataType::Int64, &[1, 1])]);
        assert!(model.signature.bind(&uneven).is_ok());
        // Without a configuration dimension 0 is not a batch dimension.
        let any =
            request(&[("image", DataType::Fp32, &[99, 3]), ("hint", DataType::Int64, &[1, 1])]);
        assert!(described(ModelConfig::default()).signature.bind(&any).is_ok());
    }

    #[test]
    fn descriptions_are_forgotten_rather_than_kept_without_an_end() {
        let model = Arc::new(described(ModelConfig::default()));
        let remembering =
            |bytes: u64| Models { cells: Mutex::default(), memory: MemoryBudget::process(bytes) };
        let models = remembering(2 * model.size());
        for version in 0..9 {
            let cell = models.cell(&Served { name: "m".to_owned(), version: Some(version) });
            let room = models.room(&model).unwrap();
            *cell.try_lock().unwrap() = Some((Arc::clone(&model), Instant::now(), room));
        }
        assert!(models.cells.lock().unwrap().len() <= 2);
        assert!(remembering(model.size() - 1).room(&model).is_none());
    }

    #[test]
    fn an_element_type_of_the_future_is_named() {
        let metadata = ModelMetadataResponse {
            inputs: vec![tensor("x", "FP8", &[1])],
            ..ModelMetadataResponse::default()
        };
        let error = model(&served(), metadata, ModelConfig::default()).unwrap_err();
        assert!(error.message.contains("\"FP8\""), "{error}");
    }
}
