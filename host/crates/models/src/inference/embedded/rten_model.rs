//! A model in rten.

use rten::{Model, NodeId, Value, ValueOrView, ValueView};
use rten_tensor::Layout;

use super::super::NamedTensor;
use super::super::signature::{Port, Signature};
use super::convert;
use super::graph::Prepared;
use super::stages::Stages;
use keynet_base::error::{Error, Result};

/// A model that rten can run.
#[derive(Debug)]
pub(super) struct RtenModel {
    model: Model,
    stages: Stages,
    /// Of the signature's inputs and outputs, in its order.
    inputs: Vec<NodeId>,
    outputs: Vec<NodeId>,
    /// Of its inputs: FP64 that may be rounded to FP32.
    rounded: Vec<bool>,
}

/// The inputs of a run, as rten takes them.
pub(super) type Values<'a> = Vec<(NodeId, ValueOrView<'a>)>;

impl RtenModel {
    /// A prepared model, once it is loaded.
    ///
    /// # Errors
    /// One of the signature's values is not there, as `broken` has it.
    pub fn new(
        model: Model,
        prepared: Prepared,
        signature: &Signature,
        broken: impl Fn(&str) -> Error,
    ) -> Result<Self> {
        let Prepared { cut, rounded, .. } = prepared;
        let node = |name: &str| {
            model.node_id(name).map_err(|error| broken(&format!("cannot be prepared: {error}")))
        };
        let nodes =
            |ports: &[Port]| ports.iter().map(|port| node(&port.name)).collect::<Result<Vec<_>>>();
        Ok(Self {
            inputs: nodes(&signature.inputs)?,
            outputs: nodes(&signature.outputs)?,
            rounded: signature.inputs.iter().map(|port| rounded.contains(&port.name)).collect(),
            stages: Stages::new(cut, node)?,
            model,
        })
    }

    /// The inputs of a request.
    ///
    /// # Errors
    /// `invalid`: an element that rten cannot compute with.
    pub fn values<'a>(&self, label: &str, inputs: &'a [NamedTensor]) -> Result<Values<'a>> {
        let nodes = self.inputs.iter().zip(&self.rounded).zip(inputs);
        let values = nodes.map(|((node, rounded), given)| {
            let value = convert::to_rten(&given.tensor, *rounded).map_err(|error| Error {
                message: format!("model {label}, input {}: {error}", given.name),
                ..error
            })?;
            Ok((*node, value))
        });
        values.collect()
    }

    /// The elements of a value for these inputs, if it has at most `most`.
    pub fn compute(&self, value: &str, inputs: &Values<'_>, most: usize) -> Option<Vec<f64>> {
        let node = self.model.find_node(value)?;
        if let Some((_, given)) = inputs.iter().find(|(input, _)| *input == node) {
            return numbers(&given.as_view(), most);
        }
        let views = inputs
            .iter()
            .map(|(input, value)| (*input, ValueOrView::from(value.as_view())))
            .collect();
        let computed: Vec<Value> = self.model.run(views, &[node], None).ok()?;
        numbers(&computed.first()?.as_view(), most)
    }

    /// Computes the outputs of these places in the signature. This takes as long as it takes: rten
    /// cannot be interrupted.
    ///
    /// # Errors
    /// As [`Stages::run`].
    pub fn run(
        &self,
        inputs: Values<'_>,
        outputs: impl Iterator<Item = usize>,
    ) -> Result<Vec<Value>> {
        let nodes: Vec<_> = outputs.filter_map(|index| self.outputs.get(index).copied()).collect();
        self.stages.run(&self.model, inputs, &nodes)
    }
}

fn numbers(view: &ValueView<'_>, most: usize) -> Option<Vec<f64>> {
    match view {
        ValueView::Int32Tensor(tensor) if tensor.len() <= most => {
            Some(tensor.iter().map(|value| f64::from(*value)).collect())
        }
        ValueView::FloatTensor(tensor) if tensor.len() <= most => {
            Some(tensor.iter().map(|value| f64::from(*value)).collect())
        }
        _ => None,
    }
}
