//! Progress of a transfer or a build: bars on a terminal, lines otherwise.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use keynet_artifact::store::Blob;
use keynet_artifact::{BlobEvent, Progress};
use keynet_base::Digest;

use crate::ui::console::{Console, printable};
use crate::ui::{secrecy, units};

/// Interval between the messages of a long transfer without a terminal.
const REMINDER: Duration = Duration::from_secs(10);

/// Display of the long steps of a build: on a terminal a line during the step, otherwise a note
/// when it begins.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    console: Console,
    quiet: bool,
}

/// A running step; it ends when this is dropped.
#[derive(Debug)]
pub struct Step(Option<ProgressBar>);

impl Steps {
    /// Creates a display that shows nothing if it is `quiet`.
    pub fn new(quiet: bool, console: Console) -> Self {
        Self { console, quiet }
    }

    /// Begins the step `what`.
    pub fn begin(self, what: &str) -> Step {
        if self.quiet {
            return Step(None);
        }
        if !self.console.watcher {
            self.note(what);
            return Step(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(printable(&secrecy::hide(what)).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Step(Some(bar))
    }

    /// Returns the console of the display.
    pub fn console(self) -> Console {
        self.console
    }

    /// Prints the output of a tool, as it is, even where the rest is quiet.
    pub fn say(self, text: &str) {
        self.console.say(text);
    }

    /// Returns whether colours are shown.
    pub fn colored(self) -> bool {
        self.console.colored()
    }

    /// Prints a note.
    pub fn note(self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.console.note(text);
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the registry.
    Push,
    /// From it.
    Pull,
}

/// Display and byte counter of a transfer.
pub struct Transfer {
    way: Way,
    console: Console,
    quiet: bool,
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    moving: HashMap<Digest, Moving>,
    moved: u64,
}

/// A blob during its transfer.
struct Moving {
    /// Bytes that an earlier transfer had already sent or received.
    resumed: u64,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Transfer {
    /// Creates a display that shows nothing if it is `quiet`.
    pub fn new(way: Way, quiet: bool, console: Console) -> Self {
        let bars = (console.watcher && !quiet)
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { way, console, quiet, bars, state: Mutex::default() }
    }

    /// Returns the number of bytes that were transferred.
    pub fn moved(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).moved
    }

    fn say(&self, text: &str) {
        let text = printable(&secrecy::hide(text)).into_owned();
        match &self.bars {
            _ if self.quiet => {}
            Some(bars) => drop(bars.println(&text)),
            None => self.console.say(&format!("{text}\n")),
        }
    }

    fn moving(&self, blob: &Blob) -> Moving {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(blob.size));
            if let Ok(style) = ProgressStyle::with_template(
                "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}",
            ) {
                bar.set_style(style);
            }
            bar.set_message(short(blob));
            bar
        });
        Moving { resumed: 0, said: Instant::now(), bar }
    }
}

impl Progress for Transfer {
    fn blob(&self, blob: &Blob, event: BlobEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let moving = state.moving.entry(blob.digest).or_insert_with(|| self.moving(blob));
        let said = match event {
            BlobEvent::Exists => "is there already".to_owned(),
            BlobEvent::Mounted => "is taken from another repository".to_owned(),
            BlobEvent::Resumed(from) => {
                moving.resumed = from;
                format!("goes on after {}", units::bytes(from))
            }
            BlobEvent::At(bytes) => {
                if let Some(bar) = &moving.bar {
                    bar.set_position(bytes);
                    return;
                }
                if moving.said.elapsed() < REMINDER {
                    return;
                }
                moving.said = Instant::now();
                format!("{} of {}", units::bytes(bytes), units::bytes(blob.size))
            }
            BlobEvent::Done => match self.way {
                Way::Push => "sent".to_owned(),
                Way::Pull => "fetched".to_owned(),
            },
        };
        if !matches!(event, BlobEvent::At(_) | BlobEvent::Resumed(_)) {
            let ended = state.moving.remove(&blob.digest);
            if let Some(bar) = ended.as_ref().and_then(|ended| ended.bar.as_ref()) {
                bar.finish_and_clear();
            }
            if event == BlobEvent::Done {
                state.moved += blob.size.saturating_sub(ended.map_or(0, |ended| ended.resumed));
            }
        }
        drop(state);
        self.say(&format!("{} {:>10}  {said}", short(blob), units::bytes(blob.size)));
    }

    fn retrying(&self, reason: &str, wait: Duration) {
        self.say(&format!("trying again in {}: {reason}", units::time(wait)));
    }
}

impl Drop for Transfer {
    /// Clears the bars, so that an error starts on a clean line.
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }
}

fn short(blob: &Blob) -> String {
    let hex = blob.digest.hex();
    format!("sha256:{}", hex.get(..12).unwrap_or(&hex))
}

/// The steps of publishing on the Keynet platform, a line each on standard error.
#[derive(Debug, Clone, Copy)]
pub struct StepLines {
    /// Whether no lines are written.
    pub quiet: bool,
    /// The streams.
    pub console: Console,
}

impl StepLines {
    /// Writes that step `number` of `total` begins.
    pub fn step(&self, number: u8, total: u8, doing: &str) {
        self.line(format_args!("[{number}/{total}] {doing}"));
    }

    /// Writes the result of a step.
    pub fn done(&self, result: &str) {
        self.line(format_args!("       {result}"));
    }

    fn line(&self, text: std::fmt::Arguments<'_>) {
        if !self.quiet {
            self.console.say(&format!("{}\n", printable(&text.to_string())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moved_is_counted() {
        let transfer = Transfer::new(Way::Push, true, Console::plain());
        let (one, two, three) = (Blob::of(b"one"), Blob::of(b"and two"), Blob::of(b"three"));
        transfer.blob(&one, BlobEvent::Exists);
        transfer.blob(&two, BlobEvent::Resumed(4));
        transfer.blob(&two, BlobEvent::At(5));
        transfer.blob(&two, BlobEvent::Done);
        transfer.blob(&three, BlobEvent::Mounted);
        assert_eq!(transfer.moved(), 3);
    }
}
