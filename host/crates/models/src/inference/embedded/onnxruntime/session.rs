//! A model in ONNX Runtime.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ort::ep;
use ort::session::{NoSelectedOutputs, RunOptions};
use ort::value::DynValue;
use rten_onnx::onnx::GraphProto;

use super::super::super::NamedTensor;
use super::library::Library;
use super::{file, refuse, values};
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::quote::shown;

/// A model that can be run. One run at a time: the others wait for it.
#[derive(Debug)]
pub(in super::super) struct Session {
    session: Mutex<ort::session::Session>,
}

/// Ends a run from another thread.
#[derive(Clone)]
pub(in super::super) struct Stop(Arc<RunOptions<NoSelectedOutputs>>);

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stop")
    }
}

impl Stop {
    /// Makes the means to end a run that is to begin.
    ///
    /// # Errors
    /// `internal`: it cannot be made.
    pub fn new() -> Result<Self> {
        let options = RunOptions::new();
        let failed = |error: ort::Error| Error::internal(shown(error.message()).to_string());
        Ok(Self(Arc::new(options.map_err(failed)?)))
    }

    /// Ends the run after the operator that it is in; also one that has not begun.
    pub fn stop(&self) {
        // It fails where the library is damaged; the run goes on then.
        let _still_running = self.0.terminate();
    }
}

impl Session {
    /// Reads the file of a model with this graph and loads it. `most` is the most bytes it may have
    /// with its weights.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub fn open(
        library: &Library,
        graph: &GraphProto,
        file: &Path,
        most: u64,
    ) -> std::result::Result<(Self, Vec<u8>), String> {
        refuse::check(graph)?;
        let bytes = file::read(file, most)?;
        Ok((Self::new(library, &bytes)?, bytes))
    }

    /// Loads a model from memory.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub fn new(library: &Library, model: &[u8]) -> std::result::Result<Self, String> {
        let failed = |error: ort::Error| refuse::reason(error.message());
        let failed_building = |error: ort::Error<_>| failed(ort::Error::new(error.message()));
        let cpu = ep::CPU::default().with_arena_allocator(false).build();
        let session = ort::session::Session::builder(&library.environment)
            .map_err(failed)?
            .with_execution_providers([cpu])
            .map_err(failed_building)?
            // It would be planned for the shapes of one request and kept for the next.
            .with_memory_pattern(false)
            .map_err(failed_building)?
            .commit_from_memory(model)
            .map_err(failed)?;
        Ok(Self { session: Mutex::new(session) })
    }

    /// Runs it on inputs that suit its signature, and returns these of its outputs.
    ///
    /// # Errors
    /// `invalid`: an operator refuses the inputs. `too-large`: memory that cannot be had.
    /// `timeout`: it was stopped.
    pub fn run<'a>(
        &self,
        inputs: &[NamedTensor],
        outputs: impl Iterator<Item = &'a str>,
        stop: &Stop,
    ) -> Result<Vec<DynValue>> {
        let mut values = Vec::with_capacity(inputs.len());
        for given in inputs {
            let value = values::to_ort(&given.tensor).map_err(|error| Error {
                message: format!("input {}: {error}", shown(&given.name)),
                ..error
            })?;
            values.push((given.name.as_str(), value));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut computed = session.run_with_options(values, &stop.0).map_err(|error| {
            let text = error.message();
            let kind = if text.contains("terminate flag") {
                ErrorKind::Timeout
            } else if text.contains("bad_alloc") || text.contains("Failed to allocate") {
                ErrorKind::TooLarge
            } else {
                ErrorKind::Invalid
            };
            Error { kind, message: format!("cannot run on these inputs: {}", shown(text)) }
        })?;
        let output = |name: &str| {
            computed
                .remove(name)
                .ok_or_else(|| Error::internal(format!("has not computed {}", shown(name))))
        };
        outputs.map(output).collect()
    }
}
