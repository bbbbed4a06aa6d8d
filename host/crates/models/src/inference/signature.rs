//! What a model takes and returns, and whether a request suits it: the same for every backend.
//!
//! Requests are checked completely before anything is converted, allocated or sent, so that an
//! action reads what was expected and what came.

use super::tensor::ShapeText;
use super::{DataType, InferenceRequest, TensorInfo};
use keynet_base::error::{Error, Result};
use keynet_base::quote::{quoted, shown};

/// How many names an error lists.
const LISTED: usize = 10;

/// An input or output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port {
    pub name: String,
    pub data_type: DataType,
    /// -1 for any size; none if the model does not even say how many dimensions there are.
    pub shape: Option<Vec<i64>>,
    /// An input that may be left out.
    pub optional: bool,
    /// Dimension 0 is a batch that all inputs share, where the signature has one.
    pub batched: bool,
}

/// The inputs and outputs of one version of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature {
    /// `name:version`, for messages.
    pub label: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// 0: dimension 0 is a dimension like the others.
    pub max_batch_size: u32,
}

/// A request that suits the signature.
#[derive(Debug, PartialEq)]
pub(super) struct Bound {
    /// For each input of the signature that is given, its index in the request.
    pub inputs: Vec<usize>,
    /// For each output to return, its index in the signature.
    pub outputs: Vec<usize>,
}

impl Port {
    /// An input that must be given, or an output.
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

    /// `FP32 [-1,3,640,640]`
    fn text(&self) -> String {
        match &self.shape {
            Some(shape) => format!("{} {}", self.data_type, ShapeText(shape)),
            None => format!("{} of any shape", self.data_type),
        }
    }
}

impl Signature {
    /// Checks a request against it.
    ///
    /// # Errors
    /// `invalid`, saying what was expected and what came.
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

/// Whether a shape is one that a declared shape stands for.
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

/// The first ten, and how many there are more.
pub(super) fn listed<T: ToString>(items: &[T]) -> String {
    let shown: Vec<_> = items.iter().take(LISTED).map(ToString::to_string).collect();
    match items.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
