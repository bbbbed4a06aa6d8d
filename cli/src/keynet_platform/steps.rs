//! The ten steps: prints each before it begins, and reports the completed ones when one fails.

use std::fmt;

use super::progress::PublishProgress;
use crate::errors::{Diagnostic, Exit, ExpectedError};
use crate::keynet_platform::{PlatformError, PublishError};
use crate::ui::secrecy;

/// Number of steps.
const STEPS: u8 = 10;

/// Counts and says them.
pub(super) struct Steps<'a> {
    progress: &'a dyn PublishProgress,
    number: u8,
    doing: &'static str,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("step {number} of {STEPS} failed: {doing}")]
pub struct StepFailed {
    number: u8,
    doing: &'static str,
    /// Completed work, and its result on the servers.
    pub done: String,
    /// Next thing to do.
    pub next: &'static str,
    pub source: ExpectedError,
}

impl Diagnostic for StepFailed {
    fn exit(&self) -> Exit {
        self.source.exit()
    }

    fn details(&self) -> Vec<(&'static str, &str)> {
        vec![("so far", &self.done)]
    }

    fn hint(&self) -> Option<String> {
        let hint = self.source.hint();
        if let Some(PublishError::Undescribed { .. }) = self.source.downcast_ref() {
            return hint; // it lists all that is to do, on several lines
        }
        Some(match (self.source.downcast_ref(), hint) {
            (Some(PlatformError::Authentication { .. }), _) => {
                format!("run: keynet-inference login <server-url>; then {}", self.next)
            }
            (Some(PlatformError::Validation { .. }), _) => {
                format!("correct what it refuses; then {}", self.next)
            }
            (_, Some(hint)) => format!("{hint}; then {}", self.next),
            (_, None) => self.next.to_owned(),
        })
    }
}

impl<'a> Steps<'a> {
    pub(super) fn new(progress: &'a dyn PublishProgress) -> Self {
        Self { progress, number: 0, doing: "" }
    }

    /// Begins the next step and prints it.
    pub(super) fn begin(&mut self, doing: &'static str) {
        self.number += 1;
        self.doing = doing;
        self.progress.step(self.number, STEPS, doing);
    }

    /// Prints the result of the step.
    pub(super) fn end(&self, result: impl fmt::Display) {
        self.progress.done(&secrecy::hide(&result.to_string()));
    }

    /// Returns a function for `map_err`: this step failed after `done`; `next` is the next thing to
    /// do.
    pub(super) fn failed<E: Into<ExpectedError>>(
        &self,
        done: impl fmt::Display,
        next: &'static str,
    ) -> impl FnOnce(E) -> ExpectedError {
        let (number, doing, done) = (self.number, self.doing, done.to_string());
        move |error| StepFailed { number, doing, done, next, source: error.into() }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::console::Console;

    #[test]
    fn a_failed_step_says_what_is_done_and_how_to_go_on() {
        struct Unseen;
        impl PublishProgress for Unseen {
            fn step(&self, _: u8, _: u8, _: &str) {}
            fn done(&self, _: &str) {}
        }
        let mut steps = Steps::new(&Unseen);
        steps.begin("the login");
        steps.begin("the component");
        let error = PlatformError::Server {
            server: "https://x".to_owned(),
            status: 503,
            said: "later".to_owned(),
        };
        let error = steps.failed("nothing was sent yet", "push again")(error);
        assert_eq!(
            error.report(Console::plain()),
            "error: step 2 of 10 failed: the component\n  caused by: the platform at https://x \
                failed (503): later\n  so far: nothing was sent yet\n  \
             hint: push again\n"
        );
        assert_eq!((error.exit(), error.kind()), (Exit::Server, "server"));
    }
}
