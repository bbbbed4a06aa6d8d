//! `run --record` and `run --replay`: activations in folders, run again without servers.

mod shelf;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keynet_base::Config;
use keynet_base::config::{LimitOverrides, parse_bytes};
use keynet_host::policy::Policy;
use keynet_host::recording::{
    Recorded, RecordedOutcome, Recorder, RecordingError, Replay, ReplayReport,
};
use keynet_host::{Action, Backends, Failure, Host, Parameters, ResultText};
use serde::Serialize;

pub use shelf::Shelf;

use crate::errors::{Diagnostic, Exit, ExpectedError, failure};
use crate::ui::console::Console;
use crate::ui::units;

/// Options of a recording.
#[derive(Debug, Clone, Args)]
pub struct RecordingArgs {
    /// Keep the run in this folder, with what models and objects answered, so that --replay runs
    /// it again without any server; with --serve each request, in a folder of its own below
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Largest data of one recording
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_bytes)]
    record_limit: u64,
    /// Run the action as in this folder's recording, without any server, and report where its
    /// calls and its result differ
    #[arg(long, value_name = "DIR",
          conflicts_with_all = ["params", "params_file", "inputs", "models", "storage", "serve", "trust"])]
    replay: Option<PathBuf>,
}

/// A replay that differs from its recording.
#[derive(Debug, thiserror::Error)]
#[error("the replay differs from the recording {}", .folder.display())]
pub struct ReplayDiffers {
    folder: PathBuf,
    differences: Vec<String>,
}

impl Diagnostic for ReplayDiffers {
    fn exit(&self) -> Exit {
        Exit::Differs
    }

    fn details(&self) -> Vec<(&'static str, &str)> {
        self.differences.iter().map(|difference| ("differs", difference.as_str())).collect()
    }

    fn hint(&self) -> Option<String> {
        Some(
            "if that is as it should be, keep it: `--replay DIR --record DIR` replaces the \
                recording"
                .to_owned(),
        )
    }
}

impl Diagnostic for RecordingError {
    fn exit(&self) -> Exit {
        Exit::Io
    }
}

/// Comparison with a recording, for `--json`.
#[derive(Debug, Serialize)]
pub struct Comparison {
    #[serde(skip)]
    folder: PathBuf,
    same: bool,
    differences: Vec<String>,
}

impl RecordingArgs {
    /// Begins the recording, if there is to be one.
    ///
    /// # Errors
    /// The folder holds something else, or cannot be written.
    pub fn recorder(&self) -> Result<Option<Recorder>, ExpectedError> {
        let begun =
            self.record.as_deref().map(|folder| Recorder::create(folder, self.record_limit));
        Ok(begun.transpose()?)
    }

    /// Opens the folder of a server's recordings, if there are to be any.
    ///
    /// # Errors
    /// It holds something else, or cannot be written.
    pub fn shelf(&self) -> Result<Option<Shelf>, ExpectedError> {
        let opened = self.record.as_deref().map(|folder| Shelf::open(folder, self.record_limit));
        Ok(opened.transpose()?)
    }

    /// Reads the recording that is replayed, if one is.
    ///
    /// # Errors
    /// It is none, or was damaged or changed.
    pub fn replay(&self) -> Result<Option<Arc<Replay>>, ExpectedError> {
        let opened = self.replay.as_deref().map(Replay::open).transpose()?;
        Ok(opened.map(Arc::new))
    }

    /// Writes a recording and reports it.
    ///
    /// # Errors
    /// It would be too large, or cannot be written.
    pub fn finish(
        &self,
        recorder: Recorder,
        ended: Activation<'_>,
        console: Console,
    ) -> Result<(), ExpectedError> {
        let Some(folder) = &self.record else { return Ok(()) };
        ended.keep(recorder, folder, console)?;
        Ok(())
    }

    /// Compares an activation with the recording that was replayed.
    pub fn compare(&self, replay: &Replay, result: &Result<ResultText, Failure>) -> Comparison {
        let ReplayReport { differences, .. } = replay.report(&outcome(result));
        let folder = self.replay.clone().unwrap_or_default();
        Comparison { folder, same: differences.is_empty(), differences }
    }
}

/// An activation that ended.
pub struct Activation<'a> {
    /// Action that ran.
    pub action: &'a Action,
    /// Policy that it ran under.
    pub policy: &'a Policy,
    /// Parameters.
    pub parameters: &'a Parameters,
    /// Result, or the reason why there is none.
    pub result: &'a Result<ResultText, Failure>,
}

impl Activation<'_> {
    fn keep(
        self,
        recorder: Recorder,
        folder: &Path,
        console: Console,
    ) -> Result<(), RecordingError> {
        let recorded = Recorded {
            action: self.action,
            policy: self.policy,
            parameters: self.parameters,
            environment: Vec::new(),
            outcome: outcome(self.result),
        };
        let summary = recorder.finish(recorded)?;
        let calls = if summary.calls == 1 { "call" } else { "calls" };
        console.note(format_args!(
            "recorded in {}: {} {calls}, {} of data; --replay {0} runs it again without servers",
            folder.display(),
            summary.calls,
            units::bytes(summary.bytes)
        ));
        if summary.redacted {
            console.note(
                "secrets among the parameters are not in the recording: a replay has *** in their \
                    place",
            );
        }
        Ok(())
    }
}

fn outcome(result: &Result<ResultText, Failure>) -> RecordedOutcome {
    match result {
        Ok(json) => RecordedOutcome::result(json),
        Err(failed) => RecordedOutcome::Error {
            kind: failure::kind(failed).to_owned(),
            message: failed.to_string(),
        },
    }
}

/// Creates a host without servers, under the policy of a recording and the limits of `limits`.
///
/// # Errors
/// WebAssembly cannot run on this machine.
pub fn host(
    config: &Config,
    replay: &Replay,
    limits: &LimitOverrides,
) -> Result<Host, ExpectedError> {
    let policy = replay.policy().clone().with_limits(limits);
    Ok(Host::builder(config).policy(policy).backends(Backends::none(config)).build()?)
}

/// Reports what of a replay is not as in its recording before it begins.
pub fn announce(replay: &Replay, action: &Action, console: Console) {
    if !replay.is_of(action.digest()) {
        console.note(format_args!(
            "the recording is of another component, {}; this one is {}",
            replay.component(),
            action.digest()
        ));
    }
    if !replay.environment().is_empty() {
        console.note(format_args!(
            "the values of environment variables are not recorded: {} are not set",
            replay.environment().join(", ")
        ));
    }
}

impl Comparison {
    /// Reports whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.same
    }

    /// Reports it beside a failure of the action.
    pub fn tell(&self, console: Console) {
        if self.same {
            console.note("the recorded run made the same calls, and failed in the same way");
        }
        for difference in &self.differences {
            console.note(format_args!("differs from the recording: {difference}"));
        }
    }

    /// Returns the error of a replay that differs.
    ///
    /// # Errors
    /// It differs.
    pub fn check(self) -> Result<(), ReplayDiffers> {
        match self.same {
            true => Ok(()),
            false => Err(ReplayDiffers { folder: self.folder, differences: self.differences }),
        }
    }
}
