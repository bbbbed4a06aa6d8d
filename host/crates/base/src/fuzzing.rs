//! Support for the fuzz targets in `host/fuzz`: one function for each parser that reads foreign
//! bytes.
//!
//! Each takes any bytes and asserts the properties that hold for all input: the parser ends without
//! a panic, parsed values survive a round trip, no secret is left, limits hold, and messages are
//! short and free of terminal control characters. The functions are beside their parsers, in files
//! called `fuzzing.rs`, which exist in tests and with the feature `fuzzing`; each crate lists its
//! own in `fuzzing::TARGETS`, and its unit tests run them over the committed corpus.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::quote::{MAX_SHOWN, steers};

/// Largest length of any message, in bytes.
const MAX_MESSAGE: usize = 16 << 10;

/// Entry function of a fuzz target: it panics if a property does not hold.
pub type Target = fn(&[u8]);

/// Fuzz targets of this crate, each with the name of its file and of its corpus folders.
#[cfg(any(test, feature = "fuzzing"))]
pub const TARGETS: &[(&str, Target)] = &[
    ("configuration", crate::config::fuzzing::configuration),
    ("quantity", crate::config::fuzzing::quantity),
    ("redaction", crate::redaction::fuzzing::redaction),
    ("redaction_work", crate::redaction::fuzzing::redaction_work),
];

/// Runs every target over its corpus and its regressions in `folder`, which is `host/fuzz`.
///
/// # Panics
/// A property does not hold for an input, or a target has no file or no corpus.
#[track_caller]
pub fn check_corpus(folder: &Path, targets: &[(&str, Target)]) {
    for (name, target) in targets {
        let file = folder.join("fuzz_targets").join(name).with_extension("rs");
        assert!(file.is_file(), "{} is missing", file.display());
        let corpus = inputs(folder, "corpus", name);
        assert!(!corpus.is_empty(), "host/fuzz/corpus/{name} has no input");
        for path in corpus.into_iter().chain(inputs(folder, "regressions", name)) {
            eprintln!("{}", path.display()); // shown only if the input fails
            let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}"));
            target(&input);
        }
    }
}

fn inputs(folder: &Path, kind: &str, target: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join(kind).join(target)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Asserts the properties of every message that a person reads: it is short and free of terminal
/// control characters.
///
/// # Panics
/// A property does not hold.
#[track_caller]
pub fn check_message(message: &dyn Display) {
    let message = message.to_string();
    let start: String = message.chars().take(MAX_SHOWN).collect();
    assert!(message.len() <= MAX_MESSAGE, "a message of {} bytes: {start:?}", message.len());
    let steering = message.chars().find(|c| *c != '\n' && steers(*c));
    assert!(steering.is_none(), "a message with {steering:?}: {message:?}");
}

/// Returns the value, or `None` after [`check_message`] of the error.
///
/// # Panics
/// Those of [`check_message`].
#[track_caller]
pub fn checked<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| check_message(error)).ok()
}

/// Calls `with` with a temporary folder of this thread, for parsers that read files.
pub fn in_folder(with: impl FnOnce(&Path)) {
    thread_local!(static FOLDER: Option<tempfile::TempDir> = tempfile::tempdir().ok());
    FOLDER.with(|folder| folder.as_ref().map(|folder| with(folder.path())));
}

/// Returns `data` as text; `None` if it is not UTF-8. Parsers of text never see other bytes: their
/// callers reject them.
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_holds_for_the_corpus_and_for_what_was_found_before() {
        check_corpus(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz")), TARGETS);
    }

    #[test]
    #[should_panic(expected = "a message with")]
    fn a_message_that_steers_a_terminal_is_a_finding() {
        check_message(&"\u{1b}[31m");
    }

    #[test]
    #[should_panic(expected = "a message of 16385 bytes")]
    fn a_message_without_bound_is_a_finding() {
        check_message(&"x".repeat(MAX_MESSAGE + 1));
    }
}
