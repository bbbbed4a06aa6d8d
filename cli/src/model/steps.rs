//! Progress of deploying a model: a bar on a terminal, lines otherwise.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keynet_models::model_deployment::{Progress, Step};

use crate::ui::console::{Console, printable};
use crate::ui::{secrecy, units};

use super::error::Phase;

/// Display of the steps.
pub struct Steps {
    console: Console,
    quiet: bool,
    bar: Option<ProgressBar>,
    said: Mutex<String>,
    phase: Mutex<Phase>,
}

impl Steps {
    /// Creates a display that shows nothing if it is `quiet`.
    pub fn new(quiet: bool, console: Console) -> Self {
        let bar = (console.watcher && !quiet)
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        Self { console, quiet, bar, said: Mutex::default(), phase: Mutex::default() }
    }

    /// Returns the part of the operation that is in progress, or in which it ended.
    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line, unless it is the same as the last one.
    fn say(&self, text: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != text && !self.quiet {
            self.console.say(&format!("{}\n", printable(&secrecy::hide(text))));
            text.clone_into(&mut said);
        }
    }
}

impl Progress for Steps {
    fn step(&self, step: &Step) {
        if let Some(phase) = phase(step) {
            *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        }
        let text = words(step);
        let Some(bar) = &self.bar else { return self.say(&text) };
        if let Step::Writing { written, total } = step {
            bar.set_length(*total);
            bar.set_position(*written);
            set_style(bar, "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}");
        } else {
            set_style(bar, "{spinner} {msg} ({elapsed})");
        }
        bar.set_message(printable(&secrecy::hide(&text)).into_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
    }
}

impl Drop for Steps {
    /// Clears the bar, so that the result starts on a clean line.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Returns the part of an operation that a step begins; `None` if it is not a part of its own.
fn phase(step: &Step) -> Option<Phase> {
    match step {
        Step::Waiting { .. } | Step::RollingBack { .. } => None,
        Step::Fetching { .. } => Some(Phase::Fetching),
        Step::Fetched { .. } | Step::Writing { .. } => Some(Phase::Writing),
        Step::Loading | Step::Unloading => Some(Phase::Loading),
    }
}

fn words(step: &Step) -> String {
    match step {
        Step::Waiting { why } => format!("waiting for the server: {why}"),
        Step::Fetching { source } => format!("fetching {source}"),
        Step::Fetched { bytes, files: 1 } => format!("fetched {} in 1 file", units::bytes(*bytes)),
        Step::Fetched { bytes, files } => {
            format!("fetched {} in {files} files", units::bytes(*bytes))
        }
        Step::Writing { total, .. } => {
            format!("writing {} into the model repository", units::bytes(*total))
        }
        Step::Loading => "loading".to_owned(),
        Step::Unloading => "unloading".to_owned(),
        Step::RollingBack { why } => format!("changing everything back: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_in_a_few_words() {
        assert_eq!(words(&Step::Fetched { bytes: 2048, files: 1 }), "fetched 2.0 KiB in 1 file");
        let (first, later) =
            (Step::Writing { written: 0, total: 10 }, Step::Writing { written: 10, total: 10 });
        assert_eq!(words(&first), words(&later), "said once");
    }
}
