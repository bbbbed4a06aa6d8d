//! One version of a model in memory: loading it, checking a request against it, running it.
//!
//! [`LoadedModel::load`] and [`LoadedModel::run`] block for long: they are called on a thread of
//! their own. A panic inside rten is an error here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rten::{Model, NodeId, Value};

use super::super::model_files::onnx_file;
use super::super::signature::{Bound, Port, Signature};
use super::super::{InferenceRequest, NamedTensor};
use super::config_pbtxt::{ConfiguredTensor, Reshape};
use super::estimate::{MemoryModel, Sizes};
use super::graph::{self, Prepared};
use super::growth::Growth;
use super::repository::LocatedModel;
use super::stages::Stages;
use super::{EmbeddedLimits, convert, signature};
use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::{Error, ErrorKind, Result};

/// A model that can be run.
#[derive(Debug)]
pub(super) struct LoadedModel {
    pub signature: Signature,
    model: Model,
    stages: Stages,
    memory: MemoryModel,
    growth: Growth,
    /// Of the signature's inputs and outputs, in its order.
    inputs: Vec<NodeId>,
    outputs: Vec<NodeId>,
    /// Of its inputs: FP64 that may be rounded to FP32.
    rounded: Vec<bool>,
    /// Likewise: the shapes that they have in the model, where the configuration says others.
    input_reshapes: Vec<Option<Reshape>>,
    output_reshapes: Vec<Option<Reshape>>,
}

/// A request that was checked, with the memory for its answer taken.
#[derive(Debug)]
pub(super) struct PreparedRun {
    /// In the order of the signature's inputs.
    inputs: Vec<NamedTensor>,
    /// Which outputs to return, by their index in the signature, and what was reserved for each.
    outputs: Vec<(usize, Reservation)>,
    sizes: Sizes,
    limits: EmbeddedLimits,
}

impl LoadedModel {
    /// Reads the file, checks it against the configuration and prepares it.
    ///
    /// # Errors
    /// `unavailable`: the file cannot be read, is no ONNX model, or disagrees with its
    /// configuration. `invalid`: it has an operator or a type that cannot be run in process as ONNX
    /// says. `too-large`: above `limits.max_model_bytes`.
    pub fn load(located: &LocatedModel, limits: &EmbeddedLimits) -> Result<Self> {
        let label = located.label();
        let broken =
            |what: &str| Error::unavailable(format!("model {label}: {} {what}", located.shown));
        let too_large = |bytes: u64| {
            Error::too_large(format!(
                "model {label}: {} has {bytes} bytes, more than the {} of \
                    KEYNET_EMBEDDED_MODEL_BYTES",
                located.shown, limits.max_model_bytes
            ))
        };
        if located.stamp.model_bytes() > limits.max_model_bytes {
            return Err(too_large(located.stamp.model_bytes()));
        }
        let load = || {
            let file = onnx_file::read_model(&located.file)
                .map_err(|error| broken(&format!("is no ONNX model: {error}")))?;
            let given = file.graph.as_ref().ok_or_else(|| broken("has no graph"))?;
            let total = located
                .stamp
                .model_bytes()
                .saturating_add(onnx_file::external_bytes(given, &located.file));
            if total > limits.max_model_bytes {
                return Err(too_large(total));
            }
            let signature = signature::read(given, located)?;
            let refused = |error: String| {
                Error::invalid(format!(
                    "model {label}: {} cannot be run in process: {error}",
                    located.shown
                ))
            };
            let most_elements =
                i64::try_from(limits.max_run_bytes / 4).unwrap_or(i64::MAX).max(1 << 28);
            let prepared = graph::prepare(file, &located.file, most_elements).map_err(refused)?;
            let model = prepared.load().map_err(refused)?;
            let Prepared { graph, cut, rounded, .. } = prepared;
            let node = |name: &str| {
                model.node_id(name).map_err(|error| broken(&format!("cannot be prepared: {error}")))
            };
            let inputs =
                signature.inputs.iter().map(|port| node(&port.name)).collect::<Result<_>>()?;
            let outputs =
                signature.outputs.iter().map(|port| node(&port.name)).collect::<Result<_>>()?;
            let stages = Stages::new(cut, node)?;
            let memory = MemoryModel::new(&graph, &model);
            let growth = Growth::new(&graph, &model, &memory);
            let (input_reshapes, output_reshapes) = (
                reshapes(&signature.inputs, &located.config.inputs),
                reshapes(&signature.outputs, &located.config.outputs),
            );
            let rounded =
                signature.inputs.iter().map(|port| rounded.contains(&port.name)).collect();
            Ok(Self {
                rounded,
                signature,
                model,
                stages,
                memory,
                growth,
                inputs,
                outputs,
                input_reshapes,
                output_reshapes,
            })
        };
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
            Err(broken(&format!("made rten panic: {}", panic_text(&*panic))))
        })
    }

    /// Checks a request and takes the memory of its answer from `memory`, as far as it can be told.
    ///
    /// # Errors
    /// `invalid`: an input does not suit the model. `too-large`: a limit, naming it.
    pub fn prepare(
        &self,
        request: &InferenceRequest,
        limits: &EmbeddedLimits,
        memory: &MemoryBudget,
    ) -> Result<PreparedRun> {
        let label = &self.signature.label;
        let bound = self.signature.bind(request)?;
        self.check_dimensions(request, &bound, limits)?;
        let given = bound
            .inputs
            .iter()
            .zip(&self.input_reshapes)
            .filter_map(|(index, reshape)| Some((request.inputs.get(*index)?, reshape)));
        let inputs = given
            .map(|(given, reshape)| self.as_in_model(given.clone(), reshape.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        let sizes = self.memory.sizes(
            inputs.iter().map(|given| (given.name.as_str(), given.tensor.shape().dimensions())),
        );
        self.check_memory(&inputs, &sizes, limits)?;
        let reserve = |index: &usize| {
            let port =
                self.signature.outputs.get(*index).ok_or_else(|| {
                    Error::internal(format!("model {label} has no output {index}"))
                })?;
            let bytes = self.output_bytes(port, &sizes).unwrap_or(0);
            Ok((*index, memory.reserve(bytes, &self.output_text(port))?))
        };
        let outputs = bound.outputs.iter().map(reserve).collect::<Result<_>>()?;
        Ok(PreparedRun { inputs, outputs, sizes, limits: *limits })
    }

    /// The dimensions that the batch of `config.pbtxt` takes.
    fn batch(&self) -> usize {
        usize::from(self.signature.max_batch_size > 0)
    }

    /// An input of a request in the shape that the model has for it.
    fn as_in_model(&self, given: NamedTensor, reshape: Option<&Reshape>) -> Result<NamedTensor> {
        let Some(reshape) = reshape else { return Ok(given) };
        let shape = reshape.to_model(given.tensor.shape().dimensions(), self.batch());
        Ok(NamedTensor { tensor: given.tensor.reshaped(shape)?, name: given.name })
    }

    /// The memory that the run is estimated to take is within the limit.
    fn check_memory(
        &self,
        inputs: &[NamedTensor],
        sizes: &Sizes,
        limits: &EmbeddedLimits,
    ) -> Result<()> {
        let converted: u64 =
            inputs.iter().map(|given| given.tensor.shape().elements().saturating_mul(4)).sum();
        let bytes = self.memory.most(&self.memory.bytes(sizes)).saturating_add(converted);
        if bytes <= limits.max_run_bytes {
            return Ok(());
        }
        let given: Vec<_> =
            inputs.iter().map(|given| format!("{} {}", given.name, given.tensor.shape())).collect();
        Err(Error::too_large(format!(
            "model {} with {} would take about {} MiB to run, more than the {} MiB a run may take: \
                send smaller inputs, or raise KEYNET_EMBEDDED_RUN_MEMORY",
            self.signature.label,
            given.join(", "),
            bytes >> 20,
            limits.max_run_bytes >> 20
        )))
    }

    /// The bytes of an output; none where they depend on data.
    fn output_bytes(&self, port: &Port, sizes: &Sizes) -> Option<u64> {
        let elements = sizes.elements(self.memory.find(&port.name)?)?;
        Some(elements.saturating_mul(port.data_type.size().unwrap_or(1)))
    }

    fn output_text(&self, port: &Port) -> String {
        format!("output {} of model {}", port.name, self.signature.label)
    }

    /// The sizes of dimensions that the model leaves open are within the limit.
    fn check_dimensions(
        &self,
        request: &InferenceRequest,
        bound: &Bound,
        limits: &EmbeddedLimits,
    ) -> Result<()> {
        for (port, index) in self.signature.inputs.iter().zip(&bound.inputs) {
            let Some(given) = request.inputs.get(*index) else { continue };
            let sizes = given.tensor.shape().dimensions();
            let open = |position: usize| {
                port.shape.as_ref().is_none_or(|shape| shape.get(position) == Some(&-1))
            };
            if let Some((position, size)) = sizes.iter().enumerate().find(|(position, size)| {
                size.unsigned_abs() > limits.max_dimension && open(*position)
            }) {
                return Err(Error::too_large(format!(
                    "model {}, input {}: dimension {position} of {} is {size}, more than the {} a \
                        dimension may have: raise KEYNET_EMBEDDED_MAX_DIMENSION",
                    self.signature.label,
                    port.name,
                    given.tensor.shape(),
                    limits.max_dimension
                )));
            }
        }
        Ok(())
    }

    /// Runs it. This takes as long as it takes: rten cannot be interrupted.
    ///
    /// # Errors
    /// `invalid`: an operator refuses the inputs. `internal`: rten panicked. `too-large`: an output
    /// whose size could not be told.
    pub fn run(&self, run: PreparedRun) -> Result<Vec<NamedTensor>> {
        let label = &self.signature.label;
        let PreparedRun { inputs, mut outputs, mut sizes, limits } = run;
        let mut values = Vec::with_capacity(inputs.len());
        for ((node, rounded), given) in self.inputs.iter().zip(&self.rounded).zip(&inputs) {
            let value = convert::to_rten(&given.tensor, *rounded).map_err(|error| Error {
                message: format!("model {label}, input {}: {error}", given.name),
                ..error
            })?;
            values.push((*node, value));
        }
        let panicked = |panic: Box<dyn Any + Send>| {
            Error::internal(format!("model {label} made rten panic: {}", panic_text(&*panic)))
        };
        if self.growth.is_possible() {
            catch_unwind(AssertUnwindSafe(|| {
                self.growth.refine(&self.model, &self.memory, &values, &mut sizes)
            }))
            .map_err(panicked)?;
            self.check_memory(&inputs, &sizes, &limits)?;
            for (index, reserved) in &mut outputs {
                let Some(port) = self.signature.outputs.get(*index) else { continue };
                let Some(bytes) = self.output_bytes(port, &sizes) else { continue };
                reserved.resize(bytes, &self.output_text(port))?;
            }
        }
        let nodes: Vec<NodeId> =
            outputs.iter().filter_map(|(index, _)| self.outputs.get(*index).copied()).collect();
        let answer =
            catch_unwind(AssertUnwindSafe(|| self.stages.run(&self.model, values, &nodes)))
                .map_err(panicked)?;
        let answer =
            answer.map_err(|error| Error { message: format!("model {label} {error}"), ..error })?;
        let answered = outputs.into_iter().zip(answer).filter_map(|((index, reserved), value)| {
            let port = self.signature.outputs.get(index)?;
            Some(self.output(port, self.output_reshapes.get(index)?.as_ref(), value, reserved))
        });
        answered.collect()
    }

    fn output(
        &self,
        port: &Port,
        reshape: Option<&Reshape>,
        value: Value,
        mut reserved: Reservation,
    ) -> Result<NamedTensor> {
        let what = self.output_text(port);
        let reserve = |bytes: u64| reserved.resize(bytes, &what).map(|()| reserved);
        let tensor =
            convert::from_rten(value, port.data_type, reserve).map_err(|error| {
                match error.kind {
                    ErrorKind::TooLarge => error,
                    kind => Error { kind, message: format!("{what}: {error}") },
                }
            })?;
        let tensor = match reshape {
            None => tensor,
            Some(reshape) => {
                let shape = reshape.to_request(tensor.shape().dimensions(), self.batch());
                tensor
                    .reshaped(shape)
                    .map_err(|error| Error { message: format!("{what}: {error}"), ..error })?
            }
        };
        Ok(NamedTensor { name: port.name.clone(), tensor })
    }
}

/// The `reshape` of each port that has one.
fn reshapes(ports: &[Port], configured: &[ConfiguredTensor]) -> Vec<Option<Reshape>> {
    let of =
        |port: &Port| configured.iter().find(|tensor| tensor.name == port.name)?.reshape.clone();
    ports.iter().map(of).collect()
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)")
}
