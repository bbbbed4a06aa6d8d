//! Reasons why an activation has no result, in words for the author of the action.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use super::frames::trace;
use keynet_base::error::Error;
use keynet_base::quote::bounded;

/// Maximum characters of wasmtime's own message in a failure.
const MAX_REASON: usize = 1_000;

/// Reason why an activation has no result. It affects that activation only.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The action returned an error of its own.
    #[error("{0}")]
    Action(Error),
    /// The action panicked, or its language's runtime aborted.
    #[error("the action panicked: {message}")]
    Panic {
        /// Message of the panic.
        message: String,
        /// Backtrace, the innermost frame first.
        trace: Vec<String>,
    },
    /// The sandbox stopped the guest.
    #[error("the action trapped: {reason}")]
    Trap {
        /// Cause of the trap.
        reason: String,
        /// Backtrace, the innermost frame first.
        trace: Vec<String>,
    },
    /// The action ended its process instead of returning.
    #[error("the action called exit({0}): return a result or an error from its function instead")]
    Exit(i32),
    /// The activation timed out.
    #[error(
        "the action did not finish within {} ms{}: {}",
        .limit.as_millis(),
        spent(.waiting.as_ref()),
        .origin.advice()
    )]
    Time {
        /// Time limit.
        limit: Duration,
        /// Origin of the limit.
        origin: TimeLimit,
        /// Host call that the guest was waiting for at the end, and the time it had waited.
        waiting: Option<(&'static str, Duration)>,
    },
    /// The action exceeded a limit.
    #[error("{message}")]
    Limit {
        /// Text that names the limit and how to raise it.
        message: String,
        /// Last message of the guest, if it wrote one.
        said: Option<String>,
    },
    /// Its result is not a JSON object or array.
    #[error("the action's result is not a JSON object or array: {0}")]
    Result(String),
    /// The host cannot run it.
    #[error("the action cannot be started: {0}")]
    Start(String),
}

/// Origin of the time limit that an activation exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeLimit {
    /// Configuration of the host, or its policy.
    Host,
    /// Deadline that came with the request: OpenWhisk derives it from the action's timeout.
    Deadline,
    /// Fixed limit, for the time in which an action describes itself.
    Fixed,
}

impl TimeLimit {
    /// Returns what raises the limit, for a message.
    fn advice(self) -> &'static str {
        match self {
            Self::Host => {
                "make it faster, or give it more time (KEYNET_TIME, or `time` in the policy)"
            }
            Self::Deadline => {
                "the deadline of its request had come; make it faster, or raise the action's \
                    timeout in OpenWhisk (`keynet-inference deploy --timeout`)"
            }
            Self::Fixed => "this limit is fixed; do less when the action starts",
        }
    }
}

fn spent(waiting: Option<&(&'static str, Duration)>) -> String {
    match waiting {
        Some((call, time)) => format!(" (the last {} ms it waited for {call})", time.as_millis()),
        None => " (it was computing or sleeping)".to_owned(),
    }
}

/// Error that the epoch callback raises when the guest's time is over.
#[derive(Debug, thiserror::Error)]
#[error("the activation's time is over")]
pub(super) struct TimeIsUp;

/// State of a guest that ended without a result.
pub(super) struct Scene {
    /// Time limit.
    pub(super) limit: Duration,
    /// Origin of the time limit.
    pub(super) origin: TimeLimit,
    /// Reason why its memory could not grow; `None` if it could.
    pub(super) refused: Option<String>,
    /// Last lines of its standard error.
    pub(super) tail: Vec<String>,
    /// Maximum number of handles.
    pub(super) handles: u32,
    /// Maximum bytes that one call may pass to the host.
    pub(super) call_bytes: u64,
}

impl Failure {
    /// Classifies wasmtime's error by the types in it and its root cause. Its other causes are
    /// never formatted: a backtrace among them would contain names that the guest chose.
    pub(super) fn of(error: &wasmtime::Error, scene: Scene) -> Self {
        if error.is::<TimeIsUp>() {
            return Self::Time { limit: scene.limit, origin: scene.origin, waiting: None };
        }
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return Self::Exit(*code);
        }
        let said = panic_message(&scene.tail);
        if let Some(refusal) = error.downcast_ref::<Error>() {
            return Self::Limit { message: refusal.message.clone(), said };
        }
        let cause = bounded(error.root_cause(), MAX_REASON);
        // wasmtime has no type for the first error and does not export that of the hostcalls' fuel.
        if cause.contains("store handle limit exceeded") || is_full(error) {
            let message = format!(
                "the action has more than {} handles open: drop some, or raise KEYNET_HANDLES",
                scene.handles
            );
            return Self::Limit { message, said };
        }
        if cause.contains("fuel allocated for hostcalls has been exhausted") {
            let message = format!(
                "the action handed more than {} bytes to the host in one call: write in parts, or \
                    raise KEYNET_CALL_BYTES",
                scene.call_bytes
            );
            return Self::Limit { message, said };
        }
        let trace = trace(error);
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::Trap {
                reason:
                    "it recursed deeper than the 512 KiB of stack an action has; use a loop or the \
                        heap"
                        .to_owned(),
                trace,
            },
            Some(Trap::UnreachableCodeReached) => match (scene.refused, said) {
                (Some(message), said) => Self::Limit {
                    message: format!("the action ran out of memory: {message}"),
                    said,
                },
                (None, Some(message)) => Self::Panic { message, trace },
                (None, None) => Self::Trap {
                    reason: "it aborted (`unreachable`) without saying why".to_owned(),
                    trace,
                },
            },
            // Code that does not check a failed allocation accesses an invalid address.
            Some(Trap::MemoryOutOfBounds) if scene.refused.is_some() => {
                let message = scene.refused.unwrap_or_default();
                Self::Limit {
                    message: format!("the action ran out of memory, and trapped: {message}"),
                    said,
                }
            }
            Some(trap) => Self::Trap { reason: trap.to_string(), trace },
            // Its memory is larger than the limit from the beginning.
            None if scene.refused.is_some() => {
                let message = scene.refused.unwrap_or_default();
                Self::Limit { message: format!("the action cannot start: {message}"), said }
            }
            None if is_the_systems(error) => Self::Start(format!(
                "the system refuses memory or address space (see `ulimit -v` and \
                    vm.max_map_count): {cause}"
            )),
            None => Self::Trap { reason: cause, trace },
        }
    }

    /// Returns the backtrace, the innermost frame first; empty if it is not known.
    pub fn trace(&self) -> &[String] {
        match self {
            Self::Panic { trace, .. } | Self::Trap { trace, .. } => trace,
            _ => &[],
        }
    }
}

/// Reports whether the table of handles was full.
fn is_full(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(ResourceTableError::Full)))
}

/// Reports whether the operating system, not the guest, is at fault: the address space is too
/// small, or there are too many mappings.
fn is_the_systems(error: &wasmtime::Error) -> bool {
    error.is::<std::io::Error>() || error.is::<rustix::io::Errno>()
}

/// Returns the message of a guest that aborted, in the form in which the runtimes of Rust, Go,
/// Python and C write it to standard error.
fn panic_message(tail: &[String]) -> Option<String> {
    let last = tail.iter().rposition(|line| {
        line.contains("panicked at ")
            || line.starts_with("panic: ")
            || line.starts_with("memory allocation of ")
            || line.starts_with("fatal error: ")
    });
    let Some(at) = last else {
        return tail
            .iter()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(|line| line.trim().to_owned());
    };
    let line = tail.get(at)?;
    // Rust writes `thread '…' (…) panicked at src/lib.rs:3:5:` and the message on the lines that
    // follow; this project's SDK writes both on one line.
    let Some((_, told)) = line.split_once("panicked at ") else { return Some(line.clone()) };
    let (place, first) = told.split_once(": ").unwrap_or((told.trim_end_matches(':'), ""));
    let rest = tail.get(at + 1..).unwrap_or_default().iter().map(String::as_str);
    let rest = rest
        .take_while(|line| !line.starts_with("note: ") && !line.starts_with("stack backtrace:"));
    let message = std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n");
    Some(match message.trim() {
        "" => place.to_owned(),
        message => format!("{message} ({place})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_guests_own_message_is_found() {
        let rust = "hello\n\nthread '<unnamed>' (1) panicked at src/lib.rs:3:5:\nindex 4 is out of \
            range\nfor this picture\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(
            panic_message(&lines(rust)).unwrap(),
            "index 4 is out of range\nfor this picture (src/lib.rs:3:5)"
        );
        let sdk = "panicked at src/lib.rs:98:24: the picture: it has no pixels";
        assert_eq!(
            panic_message(&lines(sdk)).unwrap(),
            "the picture: it has no pixels (src/lib.rs:98:24)"
        );
        assert_eq!(
            panic_message(&lines("panicked at src/lib.rs:98:24:")).unwrap(),
            "src/lib.rs:98:24"
        );
        assert_eq!(panic_message(&lines("panic: oh no\ngoroutine 1")).unwrap(), "panic: oh no");
        assert_eq!(
            panic_message(&lines("Traceback\nValueError: bad\n\n")).unwrap(),
            "ValueError: bad"
        );
        assert_eq!(panic_message(&[]), None);
    }

    #[test]
    fn native_code_that_goes_on_without_its_memory_ran_out_of_it() {
        let of = |refused: Option<&str>| {
            let scene = Scene {
                limit: Duration::from_secs(1),
                origin: TimeLimit::Host,
                refused: refused.map(str::to_owned),
                tail: Vec::new(),
                handles: 1,
                call_bytes: 1,
            };
            Failure::of(&wasmtime::Error::from(Trap::MemoryOutOfBounds), scene)
        };
        let told = of(Some("raise KEYNET_MEMORY"));
        assert!(
            matches!(&told, Failure::Limit { message, .. } if message.ends_with("trapped: raise \
                KEYNET_MEMORY")),
            "{told}"
        );
        assert!(matches!(of(None), Failure::Trap { .. }));
    }

    #[test]
    fn a_time_out_says_who_spent_the_time() {
        let limit = Duration::from_secs(2);
        let told = |waiting| Failure::Time { limit, origin: TimeLimit::Host, waiting }.to_string();
        let computing = told(None);
        assert!(computing.contains("2000 ms (it was computing or sleeping)"), "{computing}");
        let waiting = told(Some(("triton-predict.predict", Duration::from_millis(1500))));
        assert!(waiting.contains("1500 ms it waited for triton-predict.predict"), "{waiting}");
    }

    #[test]
    fn a_time_out_names_the_limit_that_was_met() {
        let limit = Duration::from_secs(2);
        let told = |origin| Failure::Time { limit, origin, waiting: None }.to_string();
        let (host, deadline) = (told(TimeLimit::Host), told(TimeLimit::Deadline));
        assert!(host.contains("KEYNET_TIME") && !host.contains("OpenWhisk"), "{host}");
        assert!(
            deadline.contains("timeout in OpenWhisk") && !deadline.contains("KEYNET_TIME"),
            "{deadline}"
        );
        let fixed = told(TimeLimit::Fixed);
        assert!(fixed.contains("fixed") && !fixed.contains("KEYNET_TIME"), "{fixed}");
    }
}
