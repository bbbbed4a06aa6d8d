//! What a model takes and returns, and whether a request suits it.
//!
//! The ONNX file says it (inputs that have no initializer; a symbolic dimension is -1), and `config.pbtxt` may say it more narrowly:
//! a size where the graph has a symbol. Where they disagree the model is not loaded, as Triton does it. Requests are checked here
//! completely, before anything is converted or allocated, so that an action reads what was expected and what came.

use rten_onnx::onnx;

use super::super::tensor::ShapeText;
use super::super::{DataType, InferenceRequest, TensorInfo};
use super::config_pbtxt::ConfiguredTensor;
use super::repository::{LocatedModel, listed};
use crate::error::{Error, Result};

/// The element types that rten computes with, or that convert to one of those ([`super::convert`]).
const SUPPORTED: [DataType; 8] =
    [DataType::Bool, DataType::Uint8, DataType::Int8, DataType::Int32, DataType::Int64, DataType::Fp16, DataType::Fp32, DataType::Fp64];

/// An input or output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port {
    pub name: String,
    pub data_type: DataType,
    /// -1 for any size; none if the file does not even say how many dimensions there are.
    pub shape: Option<Vec<i64>>,
}

/// The inputs and outputs of one version of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature {
    /// `name:version`, for messages.
    pub label: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// 0: dimension 0 is a dimension like the others.
    max_batch_size: u32,
}

/// A request that suits the signature.
#[derive(Debug, PartialEq)]
pub(super) struct Bound {
    /// For each input of the signature, its index in the request.
    pub inputs: Vec<usize>,
    /// For each output to return, its index in the signature.
    pub outputs: Vec<usize>,
}

impl Port {
    pub fn info(&self) -> TensorInfo {
        TensorInfo { name: self.name.clone(), data_type: self.data_type, shape: self.shape.clone().unwrap_or_default() }
    }

    /// `FP32 [-1,3,640,640]`
    fn text(&self) -> String {
        match &self.shape {
            Some(shape) => format!("{} {}", self.data_type, ShapeText(shape)),
            None => format!("{} of any shape", self.data_type),
        }
    }
}

impl Signature {
    /// Reads it from the graph, and makes it as narrow as the model's configuration says.
    ///
    /// # Errors
    /// `unavailable`: the two disagree, naming both; `invalid`: an element type that the embedded backend does not have.
    pub fn read(graph: &onnx::GraphProto, located: &LocatedModel) -> Result<Self> {
        let initialized = |name: &str| graph.initializer.iter().any(|tensor| tensor.name.as_deref() == Some(name));
        let inputs = graph.input.iter().filter(|info| !initialized(info.name.as_deref().unwrap_or_default()));
        let config = &located.config;
        let reader = Reader { located, batched: config.max_batch_size > 0 };
        let mut inputs = inputs.map(|info| reader.port("input", info)).collect::<Result<Vec<_>>>()?;
        let mut outputs = graph.output.iter().map(|info| reader.port("output", info)).collect::<Result<Vec<_>>>()?;
        if !config.inputs.is_empty() {
            reader.reconcile("input", &config.inputs, &mut inputs)?;
            if let Some(port) = inputs.iter().find(|port| config.inputs.iter().all(|given| given.name != port.name)) {
                return Err(reader.disagree(format!("has the input {}, which is not in config.pbtxt", port.name)));
            }
        }
        if !config.outputs.is_empty() {
            reader.reconcile("output", &config.outputs, &mut outputs)?;
            outputs.retain(|port| config.outputs.iter().any(|given| given.name == port.name));
        }
        if reader.batched {
            reader.check_batch("input", &inputs)?;
            reader.check_batch("output", &outputs)?;
        }
        Ok(Self { label: located.label(), inputs, outputs, max_batch_size: config.max_batch_size })
    }

    /// Checks a request against it.
    ///
    /// # Errors
    /// `invalid`, saying what was expected and what came.
    pub fn bind(&self, request: &InferenceRequest) -> Result<Bound> {
        let label = &self.label;
        for (index, given) in request.inputs.iter().enumerate() {
            if !self.inputs.iter().any(|port| port.name == given.name) {
                return Err(Error::invalid(format!("model {label} has no input {:?}; it has {}", given.name, texts(&self.inputs))));
            }
            if request.inputs.iter().take(index).any(|earlier| earlier.name == given.name) {
                return Err(Error::invalid(format!("model {label}: input {} was given twice", given.name)));
            }
        }
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for port in &self.inputs {
            let Some(index) = request.inputs.iter().position(|given| given.name == port.name) else {
                return Err(Error::invalid(format!("model {label}: input {} is missing; expected {}", port.name, port.text())));
            };
            inputs.push(index);
        }
        let mut batch: Option<(&str, i64)> = None;
        for (port, given) in self.inputs.iter().zip(inputs.iter().filter_map(|index| request.inputs.get(*index))) {
            let shape = given.tensor.shape();
            if given.tensor.data_type() != port.data_type || !suits(port.shape.as_deref(), shape.dimensions()) {
                return Err(Error::invalid(format!(
                    "model {label}, input {}: expected {}, got {} {shape}",
                    port.name,
                    port.text(),
                    given.tensor.data_type()
                )));
            }
            if self.max_batch_size > 0 {
                let size = shape.dimensions().first().copied().unwrap_or_default();
                if size > i64::from(self.max_batch_size) || size == 0 {
                    return Err(Error::invalid(format!(
                        "model {label}, input {}: the batch, dimension 0, is 1 to {} (max_batch_size in its config.pbtxt), got {size}",
                        port.name, self.max_batch_size
                    )));
                }
                match batch {
                    Some((other, expected)) if expected != size => {
                        return Err(Error::invalid(format!(
                            "model {label}, input {}: a batch of {size}, but input {other} has a batch of {expected}",
                            port.name
                        )));
                    }
                    _ => batch = Some((&port.name, size)),
                }
            }
        }
        Ok(Bound { inputs, outputs: self.bind_outputs(&request.outputs)? })
    }

    fn bind_outputs(&self, wanted: &[String]) -> Result<Vec<usize>> {
        if wanted.is_empty() {
            return Ok((0..self.outputs.len()).collect());
        }
        let mut found = Vec::with_capacity(wanted.len());
        for name in wanted {
            let Some(index) = self.outputs.iter().position(|port| port.name == *name) else {
                return Err(Error::invalid(format!("model {} has no output {name:?}; it has {}", self.label, texts(&self.outputs))));
            };
            if found.contains(&index) {
                return Err(Error::invalid(format!("model {}: output {name} was asked for twice", self.label)));
            }
            found.push(index);
        }
        Ok(found)
    }
}

/// Whether a shape is one that a declared shape stands for.
fn suits(declared: Option<&[i64]>, given: &[i64]) -> bool {
    declared.is_none_or(|declared| {
        declared.len() == given.len() && declared.iter().zip(given).all(|(expected, size)| *expected == -1 || expected == size)
    })
}

fn texts(ports: &[Port]) -> String {
    listed(&ports.iter().map(|port| format!("{} {}", port.name, port.text())).collect::<Vec<_>>())
}

struct Reader<'a> {
    located: &'a LocatedModel,
    batched: bool,
}

impl Reader<'_> {
    fn disagree(&self, what: String) -> Error {
        Error::unavailable(format!("model {}: {} {what}", self.located.label(), self.located.shown))
    }

    fn port(&self, kind: &str, info: &onnx::ValueInfoProto) -> Result<Port> {
        let name = info.name.clone().unwrap_or_default();
        let label = self.located.label();
        let Some(tensor) = info.r#type.as_ref().and_then(|declared| declared.tensor_type.as_ref()) else {
            return Err(Error::invalid(format!("model {label}: its {kind} {name} is not a tensor")));
        };
        let element = tensor.elem_type;
        let data_type = element.and_then(data_type).filter(|found| SUPPORTED.contains(found)).ok_or_else(|| {
            let element = element.as_ref().and_then(|element| element.name()).unwrap_or("no type");
            let supported = SUPPORTED.map(DataType::name).join(", ");
            Error::invalid(format!(
                "model {label}: its {kind} {name} has elements of {element}, which models run in process cannot have \
                 (they can have {supported}); Triton can: set TRITON_URL"
            ))
        })?;
        let shape =
            tensor.shape.as_ref().map(|shape| shape.dim.iter().map(|dim| dim.dim_value.filter(|size| *size >= 0).unwrap_or(-1)).collect());
        Ok(Port { name, data_type, shape })
    }

    /// Narrows `ports` to what the configuration says of them.
    fn reconcile(&self, kind: &str, given: &[ConfiguredTensor], ports: &mut [Port]) -> Result<()> {
        for tensor in given {
            let names: Vec<_> = ports.iter().map(|port| port.name.clone()).collect();
            let Some(port) = ports.iter_mut().find(|port| port.name == tensor.name) else {
                let name = &tensor.name;
                return Err(self.disagree(format!("has no {kind} {name}, which config.pbtxt names; its {kind}s are {}", listed(&names))));
            };
            if let Some(data_type) = tensor.data_type.filter(|given| *given != port.data_type) {
                return Err(self.disagree(format!("has {kind} {} of {}, but config.pbtxt says {data_type}", port.name, port.data_type)));
            }
            let Some(dims) = &tensor.dims else { continue };
            let whole = if self.batched { [&[-1], dims.as_slice()].concat() } else { dims.clone() };
            // As Triton: a configuration may narrow what the graph leaves open, and nothing else.
            let narrower = |shape: &Vec<i64>| suits(Some(shape), &whole);
            if !port.shape.as_ref().is_none_or(narrower) {
                let batch = if self.batched { " after the batch that max_batch_size stands for" } else { "" };
                return Err(self.disagree(format!(
                    "has {kind} {} of shape {}, but config.pbtxt says {}{batch}",
                    port.name,
                    ShapeText(port.shape.as_deref().unwrap_or_default()),
                    ShapeText(dims)
                )));
            }
            port.shape = Some(whole);
        }
        Ok(())
    }

    fn check_batch(&self, kind: &str, ports: &[Port]) -> Result<()> {
        match ports.iter().find(|port| port.shape.as_ref().is_some_and(|shape| shape.first() != Some(&-1))) {
            None => Ok(()),
            Some(port) => Err(self.disagree(format!(
                "has {kind} {} of shape {}, whose dimension 0 is no batch of any size, but config.pbtxt says max_batch_size: {}",
                port.name,
                ShapeText(port.shape.as_deref().unwrap_or_default()),
                self.located.config.max_batch_size
            ))),
        }
    }
}

fn data_type(element: onnx::DataType) -> Option<DataType> {
    Some(match element {
        onnx::DataType::FLOAT => DataType::Fp32,
        onnx::DataType::UINT8 => DataType::Uint8,
        onnx::DataType::INT8 => DataType::Int8,
        onnx::DataType::UINT16 => DataType::Uint16,
        onnx::DataType::INT16 => DataType::Int16,
        onnx::DataType::INT32 => DataType::Int32,
        onnx::DataType::INT64 => DataType::Int64,
        onnx::DataType::STRING => DataType::Bytes,
        onnx::DataType::BOOL => DataType::Bool,
        onnx::DataType::FLOAT16 => DataType::Fp16,
        onnx::DataType::DOUBLE => DataType::Fp64,
        onnx::DataType::UINT32 => DataType::Uint32,
        onnx::DataType::UINT64 => DataType::Uint64,
        onnx::DataType::BFLOAT16 => DataType::Bf16,
        _ => return None,
    })
}
