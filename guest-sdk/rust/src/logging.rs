//! Output, logs and panic messages of an action, which go to its activation's logs.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

use std::io::{Write, stderr, stdout};
use std::panic::{self, PanicHookInfo};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Environment variable (of the action, set by its owner) that selects the log level: `error`,
/// `warn`, `info`, `debug`, `trace`, `off`.
const LEVEL_VARIABLE: &str = "RUST_LOG";

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // A failure of the log itself cannot be reported.
            let _ = writeln!(
                stderr(),
                "{:5} {}: {}",
                record.level().as_str(),
                record.target(),
                record.args()
            );
        }
    }

    fn flush(&self) {}
}

/// Sets up logging. Called once per instance, before the user's function.
pub(crate) fn start() {
    // Fails if the user has set a logger of their own, which is then kept.
    if log::set_logger(&Logger).is_ok() {
        let wanted =
            std::env::var(LEVEL_VARIABLE).ok().and_then(|level| level.parse::<LevelFilter>().ok());
        log::set_max_level(wanted.unwrap_or(Level::Info.to_level_filter()));
    }
    panic::set_hook(Box::new(report_panic));
}

/// Flushes standard output: text without a final newline would stay in the guest.
pub(crate) fn flush() {
    let _ = stdout().flush();
}

/// Writes one line, which the host looks for when the guest then traps:
/// `panicked at src/lib.rs:12:5: message`.
fn report_panic(panic: &PanicHookInfo<'_>) {
    flush();
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let line = match panic.location() {
        Some(location) => format!("panicked at {location}: {}\n", one_line(message)),
        None => format!("panicked at an unknown place: {}\n", one_line(message)),
    };
    let _ = stderr().write_all(line.as_bytes());
}

fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_failed_assertion_is_one_line() {
        let text = "assertion `left == right` failed\n  left: 1\n right: 2";
        assert_eq!(super::one_line(text), "assertion `left == right` failed; left: 1; right: 2");
    }
}
