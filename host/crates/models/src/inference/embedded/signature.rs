//! What the files of a model say that it takes and returns.
//!
//! The ONNX file says it (inputs that have no initializer; a symbolic dimension is -1), and
//! `config.pbtxt` may say it more narrowly: a size where the graph has a symbol. Where they
//! disagree the model is not loaded, as Triton does it.

use rten_onnx::onnx;

use super::super::DataType;
use super::super::model_files::element_type;
use super::super::signature::{Port, Signature, listed, suits};
use super::super::tensor::ShapeText;
use super::config_pbtxt::ConfiguredTensor;
use super::repository::LocatedModel;
use keynet_base::error::{Error, Result};

/// The element types that rten computes with, or that convert to one of those ([`super::convert`]).
pub(super) const SUPPORTED: &[DataType] = &[
    DataType::Bool,
    DataType::Uint8,
    DataType::Int8,
    DataType::Int32,
    DataType::Int64,
    DataType::Fp16,
    DataType::Fp32,
    DataType::Fp64,
];

/// Reads a model's signature from the graph, and makes it as narrow as the model's configuration
/// says. The engine has the `supported` element types.
///
/// # Errors
/// `unavailable`: the two disagree, naming both; `invalid`: an element type that the embedded
/// backend does not have.
pub(super) fn read(
    graph: &onnx::GraphProto,
    located: &LocatedModel,
    supported: &[DataType],
) -> Result<Signature> {
    let initialized =
        |name: &str| graph.initializer.iter().any(|tensor| tensor.name.as_deref() == Some(name));
    let inputs =
        graph.input.iter().filter(|info| !initialized(info.name.as_deref().unwrap_or_default()));
    let config = &located.config;
    let reader = Reader { located, supported, batched: config.max_batch_size > 0 };
    let mut inputs = inputs.map(|info| reader.port("input", info)).collect::<Result<Vec<_>>>()?;
    let mut outputs =
        graph.output.iter().map(|info| reader.port("output", info)).collect::<Result<Vec<_>>>()?;
    if !config.inputs.is_empty() {
        reader.reconcile("input", &config.inputs, &mut inputs)?;
        if let Some(port) =
            inputs.iter().find(|port| config.inputs.iter().all(|given| given.name != port.name))
        {
            return Err(reader
                .disagree(format!("has the input {}, which is not in config.pbtxt", port.name)));
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
    Ok(Signature { label: located.label(), inputs, outputs, max_batch_size: config.max_batch_size })
}

struct Reader<'a> {
    located: &'a LocatedModel,
    supported: &'a [DataType],
    batched: bool,
}

impl Reader<'_> {
    fn disagree(&self, what: String) -> Error {
        Error::unavailable(format!("model {}: {} {what}", self.located.label(), self.located.shown))
    }

    fn port(&self, kind: &str, info: &onnx::ValueInfoProto) -> Result<Port> {
        let name = info.name.clone().unwrap_or_default();
        let label = self.located.label();
        let Some(tensor) = info.r#type.as_ref().and_then(|declared| declared.tensor_type.as_ref())
        else {
            return Err(Error::invalid(format!(
                "model {label}: its {kind} {name} is not a tensor"
            )));
        };
        let element = tensor.elem_type;
        let data_type = element.and_then(element_type::of_onnx).filter(|found| self.supported.contains(found)).ok_or_else(|| {
            let element = element.as_ref().and_then(|element| element.name()).unwrap_or("no type");
            let supported: Vec<_> = self.supported.iter().map(|known| known.name()).collect();
            let supported = supported.join(", ");
            Error::invalid(format!(
                "model {label}: its {kind} {name} has elements of {element}, which models run in \
                    process cannot have (they can have {supported}); Triton can: set TRITON_URL"
            ))
        })?;
        let shape = tensor.shape.as_ref().map(|shape| {
            shape
                .dim
                .iter()
                .map(|dim| dim.dim_value.filter(|size| *size >= 0).unwrap_or(-1))
                .collect()
        });
        Ok(Port::new(name, data_type, shape))
    }

    /// Narrows `ports` to what the configuration says of them.
    fn reconcile(&self, kind: &str, given: &[ConfiguredTensor], ports: &mut [Port]) -> Result<()> {
        for tensor in given {
            let names: Vec<_> = ports.iter().map(|port| port.name.clone()).collect();
            let Some(port) = ports.iter_mut().find(|port| port.name == tensor.name) else {
                let name = &tensor.name;
                return Err(self.disagree(format!(
                    "has no {kind} {name}, which config.pbtxt names; its {kind}s are {}",
                    listed(&names)
                )));
            };
            if let Some(data_type) = tensor.data_type.filter(|given| *given != port.data_type) {
                return Err(self.disagree(format!(
                    "has {kind} {} of {}, but config.pbtxt says {data_type}",
                    port.name, port.data_type
                )));
            }
            let Some(dims) = &tensor.dims else { continue };
            let batch =
                |dims: &[i64]| if self.batched { [&[-1], dims].concat() } else { dims.to_vec() };
            let whole = batch(dims);
            // As Triton: a configuration may narrow what the graph leaves open, and nothing else.
            let of_model = tensor
                .reshape
                .as_ref()
                .map_or_else(|| whole.clone(), |reshape| batch(&reshape.of_model));
            let narrower = |shape: &Vec<i64>| suits(Some(shape), &of_model);
            if !port.shape.as_ref().is_none_or(narrower) {
                let batch = if self.batched {
                    " after the batch that max_batch_size stands for"
                } else {
                    ""
                };
                return Err(self.disagree(format!(
                    "has {kind} {} of shape {}, but config.pbtxt says {}{batch}",
                    port.name,
                    ShapeText(port.shape.as_deref().unwrap_or_default()),
                    ShapeText(tensor.reshape.as_ref().map_or(dims, |reshape| &reshape.of_model))
                )));
            }
            port.shape = Some(whole);
        }
        Ok(())
    }

    fn check_batch(&self, kind: &str, ports: &[Port]) -> Result<()> {
        match ports
            .iter()
            .find(|port| port.shape.as_ref().is_some_and(|shape| shape.first() != Some(&-1)))
        {
            None => Ok(()),
            Some(port) => Err(self.disagree(format!(
                "has {kind} {} of shape {}, whose dimension 0 is no batch of any size, but \
                    config.pbtxt says max_batch_size: {}",
                port.name,
                ShapeText(port.shape.as_deref().unwrap_or_default()),
                self.located.config.max_batch_size
            ))),
        }
    }
}
