//! Runs a prepared graph: rten for most of it, and between its stages what is computed here.

use std::collections::HashMap;

use rten::{Model, NodeId, RunErrorKind, Value, ValueOrView, ValueView};

use super::graph::kernels::Kernel;
use super::graph::{Cut, Stage};
use keynet_base::error::{Error, ErrorKind, Result};

/// The stages of a model's run, with rten's numbers for the values.
#[derive(Debug)]
pub(super) struct Stages {
    stages: Vec<NumberedStage>,
}

#[derive(Debug)]
struct NumberedStage {
    values: Vec<NodeId>,
    /// Numbers that must be 0, and what they guard.
    guards: Vec<(NodeId, String)>,
    kernels: Vec<NumberedKernel>,
}

#[derive(Debug)]
struct NumberedKernel {
    kernel: Kernel,
    /// `None` for an input that is left out.
    inputs: Vec<Option<NodeId>>,
    outputs: Vec<NodeId>,
}

impl Stages {
    /// Finds the values of the stages in rten's model.
    ///
    /// # Errors
    /// One of them is not there, by its name.
    pub fn new(cut: Cut, node: impl Fn(&str) -> Result<NodeId>) -> Result<Self> {
        let number = |stage: Stage| {
            let guards =
                stage.guards.into_iter().map(|guard| Ok((node(&guard.value)?, guard.node)));
            let kernels = stage.kernels.into_iter().map(|(kernel, inputs, outputs)| {
                let inputs = inputs
                    .iter()
                    .map(|name| if name.is_empty() { Ok(None) } else { node(name).map(Some) });
                let (inputs, outputs) = (
                    inputs.collect::<Result<_>>()?,
                    outputs.iter().map(|name| node(name)).collect::<Result<_>>()?,
                );
                Ok(NumberedKernel { kernel, inputs, outputs })
            });
            Ok(NumberedStage {
                values: stage.values.iter().map(|name| node(name)).collect::<Result<_>>()?,
                guards: guards.collect::<Result<_>>()?,
                kernels: kernels.collect::<Result<_>>()?,
            })
        };
        Ok(Self { stages: cut.stages.into_iter().map(number).collect::<Result<_>>()? })
    }

    /// Computes `outputs`.
    ///
    /// # Errors
    /// `invalid`: the inputs do not suit an operator, or an integer needs more than 32 bits.
    /// `internal`: rten failed.
    pub fn run(
        &self,
        model: &Model,
        inputs: Vec<(NodeId, ValueOrView<'_>)>,
        outputs: &[NodeId],
    ) -> Result<Vec<Value>> {
        let Some((last, earlier)) = self.stages.split_last() else { return Ok(Vec::new()) };
        if earlier.is_empty() {
            return last.run(model, inputs, outputs);
        }
        let mut held: HashMap<NodeId, Value> = HashMap::new();
        for stage in earlier {
            let values = stage.run(model, views(&inputs, &held), &stage.values)?;
            held.extend(stage.values.iter().copied().zip(values));
            for kernel in &stage.kernels {
                let values = kernel.run(&inputs, &held)?;
                held.extend(kernel.outputs.iter().copied().zip(values));
            }
        }
        let missing: Vec<NodeId> =
            outputs.iter().copied().filter(|output| !held.contains_key(output)).collect();
        let values = last.run(model, views(&inputs, &held), &missing)?;
        held.extend(missing.into_iter().zip(values));
        let output = |node: &NodeId| {
            held.remove(node).ok_or_else(|| Error::internal("an output was not computed"))
        };
        outputs.iter().map(output).collect()
    }
}

/// All that is known, for rten.
fn views<'a>(
    inputs: &'a [(NodeId, ValueOrView<'_>)],
    held: &'a HashMap<NodeId, Value>,
) -> Vec<(NodeId, ValueOrView<'a>)> {
    let given = inputs.iter().map(|(node, value)| (*node, ValueOrView::from(value.as_view())));
    let computed = held.iter().filter(|(node, _)| inputs.iter().all(|(input, _)| input != *node));
    given.chain(computed.map(|(node, value)| (*node, ValueOrView::from(value.as_view())))).collect()
}

impl NumberedStage {
    fn run(
        &self,
        model: &Model,
        inputs: Vec<(NodeId, ValueOrView<'_>)>,
        wanted: &[NodeId],
    ) -> Result<Vec<Value>> {
        let guards = self.guards.iter().map(|(node, _)| *node);
        let all: Vec<NodeId> = wanted.iter().copied().chain(guards).collect();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = model.run(inputs, &all, None).map_err(|error| {
            let kind = match error.kind() {
                RunErrorKind::OperatorError | RunErrorKind::InvalidInput => ErrorKind::Invalid,
                _ => ErrorKind::Internal,
            };
            Error { kind, message: format!("cannot run on these inputs: {error}") }
        })?;
        for (value, (_, node)) in values.drain(wanted.len().min(values.len())..).zip(&self.guards) {
            if !is_zero(&value.as_view()) {
                return Err(Error::invalid(format!(
                    "cannot run on these inputs: {node} computes an integer that needs more than \
                        the 32 bits that a model run in process has; Triton has all 64 \
                        (TRITON_URL)"
                )));
            }
        }
        Ok(values)
    }
}

fn is_zero(count: &ValueView<'_>) -> bool {
    match count {
        ValueView::FloatTensor(count) => count.iter().all(|count| *count == 0.0),
        _ => false,
    }
}

impl NumberedKernel {
    fn run(
        &self,
        inputs: &[(NodeId, ValueOrView<'_>)],
        held: &HashMap<NodeId, Value>,
    ) -> Result<Vec<Value>> {
        let find = |node: &NodeId| {
            let given =
                inputs.iter().find(|(input, _)| input == node).map(|(_, value)| value.as_view());
            given.or_else(|| held.get(node).map(Value::as_view))
        };
        let views: Vec<_> = self.inputs.iter().map(|node| node.as_ref().and_then(find)).collect();
        self.kernel.run(&views).map_err(|error| {
            Error::invalid(format!(
                "cannot run on these inputs: operator {} {error}",
                self.kernel.operator()
            ))
        })
    }
}
