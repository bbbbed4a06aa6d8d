//! A model's inputs and outputs, and the check of a request against them: the same for every
//! backend.
//!
//! Requests are checked completely before anything is converted, allocated or sent, so that the
//! action receives an error with the expected and the given inputs.

use super::tensor::ShapeText;
use super::{DataType, InferenceRequest, TensorInfo};
use keynet_base::error::{Error, Result};
use keynet_base::quote::{quoted, shown};

/// Maximum number of names in an error message.
const LISTED: usize = 10;

/// Input or output of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port {
    pub name: String,
    pub data_type: DataType,
    /// -1 for a dynamic size; `None` if the model does not declare the number of dimensions.
    pub shape: Option<Vec<i64>>,
    /// Set for an input that may be omitted.
    pub optional: bool,
    /// Set if dimension 0 is the batch dimension that all inputs share, in a signature that has
    /// one.
    pub batched: bool,
}

/// Inputs and outputs of one version of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature {
    /// `name:version`, for messages.
    pub label: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Maximum batch size; 0 if dimension 0 is not a batch dimension.
    pub max_batch_size: u32,
}

/// Request that matches the signature.
#[derive(Debug, PartialEq)]
pub(super) struct Bound {
    /// For each input of the signature that is given, its index in the request.
    pub inputs: Vec<usize>,
    /// For each output to return, its index in the signature.
    pub outputs: Vec<usize>,
}

impl Port {
    /// Creates a required input, or an output.
    pub fn new(name: String, data_type: DataType, shape: Option<Vec<i64>>) -> Self {
        Self { name, data_type, shape, optional: false, batched: true }
    }

    pub fn info(&self) -> TensorInfo {
        TensorInfo {
            name: self.name.clone(),
            data_type: self.data_type,
            shape: self.shape.clone().unwrap_or_default(),
        }
    }

    /// Formats the type and shape: `FP32 [-1,3,640,640]`.
    fn text(&self) -> String {
        match &self.shape {
            Some(shape) => format!("{} {}", self.data_type, ShapeText(shape)),
            None => format!("{} of any shape", self.data_type),
        }
    }
}

impl Signature {
    /// Checks a request against the signature.
    ///
    /// # Errors
    /// `invalid`, with the expected and the given inputs.
    pub fn bind(&self, request: &InferenceRequest) -> Result<Bound> {
        let label = &self.label;
        for (index, given) in request.inputs.iter().enumerate() {
            if !self.inputs.iter().any(|port| port.name == given.name) {
                return Err(Error::invalid(format!(
                    "model {label} has no input {}; it has {}",
                    quoted(&given.name),
                    texts(&self.inputs)
                )));
            }
            if request.inputs.iter().take(index).any(|earlier| earlier.name == given.name) {
                return Err(Error::invalid(format!(
                    "model {label}: input {} was given twice",
                    shown(&given.name)
                )));
            }
        }
        let mut inputs = Vec::with_capacity(self.inputs.len());
        let mut batch: Option<(&str, i64)> = None;
        for port in &self.inputs {
            match request.inputs.iter().position(|given| given.name == port.name) {
                Some(index) => inputs.push(index),
                None if port.optional => {}
                None => {
                    return Err(Error::invalid(format!(
                        "model {label}: input {} is missing; expected {}",
                        port.name,
                        port.text()
                    )));
                }
            }
        }
        for given in inputs.iter().filter_map(|index| request.inputs.get(*index)) {
            let Some(port) = self.inputs.iter().find(|port| port.name == given.name) else {
                continue;
            };
            let shape = given.tensor.shape();
            if given.tensor.data_type() != port.data_type
                || !suits(port.shape.as_deref(), shape.dimensions())
            {
                return Err(Error::invalid(format!(
                    "model {label}, input {}: expected {}, got {} {shape}",
                    port.name,
                    port.text(),
                    given.tensor.data_type()
                )));
            }
            if self.max_batch_size > 0 && port.batched {
                let size = shape.dimensions().first().copied().unwrap_or_default();
                if size > i64::from(self.max_batch_size) || size == 0 {
                    return Err(Error::invalid(format!(
                        "model {label}, input {}: the batch, dimension 0, is 1 to {} \
                            (max_batch_size in its config.pbtxt), got {size}",
                        port.name, self.max_batch_size
                    )));
                }
                match batch {
                    Some((other, expected)) if expected != size => {
                        return Err(Error::invalid(format!(
                            "model {label}, input {}: a batch of {size}, but input {other} has a \
                                batch of {expected}",
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
                let has = texts(&self.outputs);
                return Err(Error::invalid(format!(
                    "model {} has no output {}; it has {has}",
                    self.label,
                    quoted(name)
                )));
            };
            if found.contains(&index) {
                return Err(Error::invalid(format!(
                    "model {}: output {} was asked for twice",
                    self.label,
                    shown(name)
                )));
            }
            found.push(index);
        }
        Ok(found)
    }
}

/// Reports whether a shape matches a declared shape.
pub(super) fn suits(declared: Option<&[i64]>, given: &[i64]) -> bool {
    declared.is_none_or(|declared| {
        declared.len() == given.len()
            && declared
                .iter()
                .zip(given)
                .all(|(expected, size)| *expected == -1 || expected == size)
    })
}

fn texts(ports: &[Port]) -> String {
    listed(&ports.iter().map(|port| format!("{} {}", port.name, port.text())).collect::<Vec<_>>())
}

/// Formats the first ten items, with the number of the others.
pub(super) fn listed<T: ToString>(items: &[T]) -> String {
    let shown: Vec<_> = items.iter().take(LISTED).map(ToString::to_string).collect();
    match items.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
