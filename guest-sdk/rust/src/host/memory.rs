//! The host in a native test: the environment that [`testing`](crate::testing) set up for this
//! thread.
//!
//! The kinds of errors, and most of the rules behind them, are those of the real host, so that
//! tests cover them too.

mod environment;
mod objects;

use std::sync::Arc;

use super::{NamedTensors, Request};
use crate::data_type::DataType;
use crate::error::{Error, Result};

pub(crate) use environment::{Model, State, current, enter};
pub(crate) use objects::{Object, StoredObject, Upload, storage};

/// Tensor, as the host would hold it.
#[derive(Clone)]
pub(crate) struct Tensor(Arc<TensorData>);

struct TensorData {
    data_type: DataType,
    shape: Vec<i64>,
    data: Vec<u8>,
}

impl Tensor {
    pub fn create(data_type: DataType, shape: &[i64], data: &[u8]) -> Result<Self> {
        Self::from_vec(data_type, shape, data.to_vec())
    }

    fn from_vec(data_type: DataType, shape: &[i64], data: Vec<u8>) -> Result<Self> {
        let count = shape
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(usize::try_from(*size).ok()?))
            .ok_or_else(|| {
                Error::invalid(format_args!(
                    "the shape {shape:?} has a negative or too large dimension"
                ))
            })?;
        let fits = match data_type.size() {
            Some(size) => count.checked_mul(size) == Some(data.len()),
            None => count_strings(&data) == Some(count),
        };
        if !fits {
            return Err(Error::invalid(format_args!(
                "{} bytes do not fill a tensor of {data_type} elements and shape {shape:?}",
                data.len()
            )));
        }
        Ok(Self(Arc::new(TensorData { data_type, shape: shape.to_vec(), data })))
    }

    pub fn data_type(&self) -> DataType {
        self.0.data_type
    }

    pub fn shape(&self) -> Vec<i64> {
        self.0.shape.clone()
    }

    pub fn byte_length(&self) -> u64 {
        self.0.data.len() as u64
    }

    pub fn data(&self) -> Vec<u8> {
        self.0.data.clone()
    }

    pub fn read(&self, offset: u64, length: u64) -> Vec<u8> {
        part(&self.0.data, offset, length).to_vec()
    }
}

/// Returns `length` bytes from `offset` on, or as many as there are.
fn part(data: &[u8], offset: u64, length: u64) -> &[u8] {
    let end = data.len();
    let from = usize::try_from(offset).unwrap_or(end).min(end);
    let to = usize::try_from(offset.saturating_add(length)).unwrap_or(end).min(end);
    data.get(from..to).unwrap_or_default()
}

/// Returns the number of length-prefixed strings in the bytes; `None` if they contain anything
/// else.
fn count_strings(mut data: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !data.is_empty() {
        let (length, rest) = data.split_first_chunk::<4>()?;
        data = rest.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..)?;
        count += 1;
    }
    Some(count)
}

pub(crate) mod user_input {
    use super::{Result, current};

    pub fn get(name: &str) -> Result<Option<String>> {
        current()?.read(|state| state.parameters.get(name).map(ToString::to_string))
    }

    pub fn names() -> Result<Vec<String>> {
        current()?.read(|state| state.parameters.keys().cloned().collect())
    }

    pub fn all() -> Result<String> {
        current()?.read(|state| serde_json::Value::Object(state.parameters.clone()).to_string())
    }
}

/// Responses of a fake model, all computed at once.
pub(crate) struct PredictionStream(std::cell::RefCell<std::vec::IntoIter<NamedTensors>>);

impl PredictionStream {
    pub fn next(&self) -> Result<Option<NamedTensors>> {
        Ok(self.0.borrow_mut().next())
    }
}

pub(crate) mod triton {
    use serde_json::{Map, Value};

    use super::environment::Answers;
    use super::{Error, NamedTensors, PredictionStream, Request, Result, current};
    use crate::tensor::Tensor;
    use crate::triton::{ModelMetadata, Tensors};

    /// Maximum number of requests of `predict-many`, from the contract.
    const MANY: usize = 256;

    pub fn ready() -> Result<()> {
        current().map(drop)
    }

    pub fn predict(request: Request<'_>) -> Result<NamedTensors> {
        let mut answers = ask(&request)?;
        match answers.len() {
            1 => Ok(answers.remove(0)),
            count => Err(Error::invalid(format_args!(
                "the model `{}` gave {count} answers: ask it with `predict_stream`",
                request.model
            ))),
        }
    }

    pub fn predict_many(requests: Vec<Request<'_>>) -> Vec<Result<NamedTensors>> {
        let count = requests.len();
        requests
            .into_iter()
            .map(|request| {
                if count > MANY {
                    return Err(Error::too_large(format_args!(
                        "{count} requests at once, at most {MANY} are allowed"
                    )));
                }
                predict(request)
            })
            .collect()
    }

    pub fn predict_stream(request: Request<'_>) -> Result<PredictionStream> {
        Ok(PredictionStream(std::cell::RefCell::new(ask(&request)?.into_iter())))
    }

    pub fn metadata(model: &str) -> Result<ModelMetadata> {
        let model = current()?.model(model)?;
        model.metadata.clone().ok_or_else(|| {
            Error::unavailable(
                "the model has no metadata in this testing::Environment: give it some with \
                    `.metadata(…)`",
            )
        })
    }

    fn ask(request: &Request<'_>) -> Result<Vec<NamedTensors>> {
        let model = current()?.model(request.model)?;
        check_options(request)?;
        let inputs = request
            .inputs
            .iter()
            .map(|(name, tensor)| ((*name).to_owned(), Tensor::from_host((*tensor).clone())))
            .collect();
        // The environment is not borrowed here, because a fake model may use the SDK.
        let answers: Answers = match &model.answer {
            Some(answer) => answer(&Tensors::new(inputs))?,
            None => {
                return Err(Error::unavailable(
                    "the model has metadata only: add it with `.model(…)`",
                ));
            }
        };
        answers.into_iter().map(|outputs| choose(request, outputs)).collect()
    }

    /// Checks `parameters` and `timeout-ms` as the contract requires.
    fn check_options(request: &Request<'_>) -> Result<()> {
        if request.timeout_ms == Some(0) {
            return Err(Error::timeout(format_args!(
                "the model `{}` did not answer within 0 ms",
                request.model
            )));
        }
        if request.parameters.is_empty() {
            return Ok(());
        }
        let parameters: Map<String, Value> = serde_json::from_str(&request.parameters)?;
        match parameters
            .iter()
            .find(|(_, value)| value.is_null() || value.is_array() || value.is_object())
        {
            Some((name, value)) => Err(Error::invalid(format_args!(
                "the request's parameter `{name}` is {value}: it must be a string, a number or a \
                    boolean"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the requested outputs, in that order; all of them if none were requested.
    fn choose(request: &Request<'_>, mut outputs: Vec<(String, Tensor)>) -> Result<NamedTensors> {
        let chosen = if request.outputs.is_empty() {
            outputs
        } else {
            let mut chosen = Vec::new();
            for wanted in request.outputs {
                let Some(position) = outputs.iter().position(|(name, _)| name == wanted) else {
                    return Err(Error::invalid(format_args!("the model has no output `{wanted}`")));
                };
                chosen.push(outputs.swap_remove(position));
            }
            chosen
        };
        Ok(chosen.into_iter().map(|(name, tensor)| (name, tensor.into_host())).collect())
    }
}
