//! One version of a model in memory: loading it, checking a request against it, running it.
//!
//! [`LoadedModel::load`] and [`LoadedModel::run`] block for long: they are called on a thread of
//! their own. A panic inside an engine is an error here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::model_files::onnx_file;
use super::super::signature::{Bound, Port, Signature};
use super::super::{DataType, InferenceRequest, NamedTensor, Tensor};
use super::config_pbtxt::{ConfiguredTensor, Reshape};
use super::estimate::{MemoryModel, Sizes};
use super::graph;
use super::growth::{Growth, MAX_OPERAND};
use super::onnxruntime::{self, Library, Parts, Session, Stop};
use super::repository::LocatedModel;
use super::rten_model::RtenModel;
use super::shapes::Shapes;
use super::{EmbeddedLimits, convert, signature};
use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::{Error, ErrorKind, Result};

/// A model that can be run.
#[derive(Debug)]
pub(super) struct LoadedModel {
    pub signature: Signature,
    engine: Engine,
    memory: MemoryModel,
    growth: Growth,
    /// Of the signature's inputs and outputs, in its order: the shapes that they have in the model,
    /// where the configuration says others.
    input_reshapes: Vec<Option<Reshape>>,
    output_reshapes: Vec<Option<Reshape>>,
}

/// The engine of a model.
#[derive(Debug)]
enum Engine {
    Rten(Box<RtenModel>),
    OnnxRuntime { session: Session, parts: Parts },
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
    /// Ends it; `None` where it cannot be ended.
    pub stop: Option<Stop>,
}

impl LoadedModel {
    /// Reads the file, checks it against the configuration and prepares it for ONNX Runtime, or
    /// for rten where there is no such library.
    ///
    /// # Errors
    /// `unavailable`: the file cannot be read, is no ONNX model, or disagrees with its
    /// configuration. `invalid`: it has an operator or a type that cannot be run in process as ONNX
    /// says. `too-large`: above `limits.max_model_bytes`.
    pub fn load(
        located: &LocatedModel,
        limits: &EmbeddedLimits,
        library: Option<&Library>,
    ) -> Result<Self> {
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
            let supported = match library {
                Some(_) => onnxruntime::SUPPORTED,
                None => signature::SUPPORTED,
            };
            let signature = signature::read(given, located, supported)?;
            let refused = |error: String| {
                Error::invalid(format!(
                    "model {label}: {} cannot be run in process: {error}",
                    located.shown
                ))
            };
            let most_elements =
                i64::try_from(limits.max_run_bytes / 4).unwrap_or(i64::MAX).max(1 << 28);
            let (engine, memory, growth) = match library {
                Some(library) => {
                    let opened =
                        Session::open(library, given, &located.file, limits.max_model_bytes);
                    let (session, bytes) = opened.map_err(refused)?;
                    let given = given.clone();
                    let outline = graph::outline(file, &located.file, most_elements);
                    let shapes = Shapes::of_onnx(&given, outline.as_ref());
                    let memory = MemoryModel::new(&given, &shapes);
                    let growth = Growth::new(&given, &memory);
                    let parts = Parts::new(library, &bytes, &given, &growth.operands());
                    (Engine::OnnxRuntime { session, parts }, memory, growth)
                }
                None => {
                    let prepared =
                        graph::prepare(file, &located.file, most_elements).map_err(refused)?;
                    let model = prepared.load().map_err(refused)?;
                    let memory = MemoryModel::new(&prepared.graph, &Shapes::of_rten(&model));
                    let growth = Growth::new(&prepared.graph, &memory);
                    let model = RtenModel::new(model, prepared, &signature, broken)?;
                    (Engine::Rten(Box::new(model)), memory, growth)
                }
            };
            let (input_reshapes, output_reshapes) = (
                reshapes(&signature.inputs, &located.config.inputs),
                reshapes(&signature.outputs, &located.config.outputs),
            );
            Ok(Self { signature, engine, memory, growth, input_reshapes, output_reshapes })
        };
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
            Err(broken(&format!("made its engine panic: {}", panic_text(&*panic))))
        })
    }

    /// Returns its engine's platform, as Triton names them.
    pub fn platform(&self) -> &'static str {
        match self.engine {
            Engine::Rten(_) => super::RTEN,
            Engine::OnnxRuntime { .. } => super::ONNX_RUNTIME,
        }
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
        let stop = match &self.engine {
            Engine::Rten(_) => None,
            Engine::OnnxRuntime { .. } => Some(Stop::new()?),
        };
        Ok(PreparedRun { inputs, outputs, sizes, limits: *limits, stop })
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

    /// Runs it. This takes as long as it takes: only ONNX Runtime can be interrupted.
    ///
    /// # Errors
    /// `invalid`: an operator refuses the inputs. `internal`: the engine panicked. `too-large`: an
    /// output whose size could not be told.
    pub fn run(&self, run: PreparedRun) -> Result<Vec<NamedTensor>> {
        let run = AssertUnwindSafe(|| match &self.engine {
            Engine::Rten(model) => self.run_in_rten(model, run),
            Engine::OnnxRuntime { session, parts } => self.run_in_onnxruntime(session, parts, run),
        });
        catch_unwind(run).unwrap_or_else(|panic: Box<dyn Any + Send>| {
            Err(Error::internal(format!(
                "model {} made its engine panic: {}",
                self.signature.label,
                panic_text(&*panic)
            )))
        })
    }

    fn run_in_rten(&self, model: &RtenModel, mut run: PreparedRun) -> Result<Vec<NamedTensor>> {
        let inputs = std::mem::take(&mut run.inputs);
        let values = model.values(&self.signature.label, &inputs)?;
        self.refine(&inputs, &mut run, |value| model.compute(value, &values, MAX_OPERAND))?;
        let outputs = run.outputs.iter().map(|(index, _)| *index);
        let answer = model.run(values, outputs).map_err(|error| self.failed(error))?;
        self.answered(run.outputs, answer, |value, declared, reserve| {
            convert::from_rten(value, declared, reserve)
        })
    }

    fn run_in_onnxruntime(
        &self,
        session: &Session,
        parts: &Parts,
        mut run: PreparedRun,
    ) -> Result<Vec<NamedTensor>> {
        let inputs = std::mem::take(&mut run.inputs);
        self.refine(&inputs, &mut run, |value| parts.compute(value, &inputs, MAX_OPERAND))?;
        let stop = run.stop.ok_or_else(|| Error::internal("a run without its options"))?;
        let outputs = run.outputs.iter().filter_map(|(index, _)| {
            self.signature.outputs.get(*index).map(|port| port.name.as_str())
        });
        let answer = session.run(&inputs, outputs, &stop).map_err(|error| self.failed(error))?;
        self.answered(run.outputs, answer, |value, declared, reserve| {
            onnxruntime::from_ort(&value, declared, reserve)
        })
    }

    fn failed(&self, error: Error) -> Error {
        Error { message: format!("model {} {error}", self.signature.label), ..error }
    }

    /// Looks at values that outputs grow by, and estimates the run anew.
    fn refine(
        &self,
        inputs: &[NamedTensor],
        run: &mut PreparedRun,
        compute: impl Fn(&str) -> Option<Vec<f64>>,
    ) -> Result<()> {
        if !self.growth.is_possible() {
            return Ok(());
        }
        self.growth.refine(&self.memory, &mut run.sizes, compute);
        self.check_memory(inputs, &run.sizes, &run.limits)?;
        for (index, reserved) in &mut run.outputs {
            let Some(port) = self.signature.outputs.get(*index) else { continue };
            let Some(bytes) = self.output_bytes(port, &run.sizes) else { continue };
            reserved.resize(bytes, &self.output_text(port))?;
        }
        Ok(())
    }

    /// The outputs of a run, each made by `convert` of the engine's value.
    fn answered<V>(
        &self,
        outputs: Vec<(usize, Reservation)>,
        values: Vec<V>,
        convert: impl Fn(V, DataType, &mut dyn FnMut(u64) -> Result<Reservation>) -> Result<Tensor>,
    ) -> Result<Vec<NamedTensor>> {
        let outputs = outputs.into_iter().zip(values);
        let answered = outputs.filter_map(|((index, reserved), value)| {
            let port = self.signature.outputs.get(index)?;
            let reshape = self.output_reshapes.get(index)?.as_ref();
            let mut reserved = Some(reserved);
            let mut reserve = |bytes: u64| {
                let mut taken =
                    reserved.take().ok_or_else(|| Error::internal("an output that came twice"))?;
                taken.resize(bytes, &self.output_text(port)).map(|()| taken)
            };
            let tensor = convert(value, port.data_type, &mut reserve);
            Some(self.output(port, reshape, tensor))
        });
        answered.collect()
    }

    fn output(
        &self,
        port: &Port,
        reshape: Option<&Reshape>,
        tensor: Result<Tensor>,
    ) -> Result<NamedTensor> {
        let what = self.output_text(port);
        let tensor = tensor.map_err(|error| match error.kind {
            ErrorKind::TooLarge => error,
            kind => Error { kind, message: format!("{what}: {error}") },
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
