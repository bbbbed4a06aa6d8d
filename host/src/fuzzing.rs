//! Entry points of the fuzz targets in `host/fuzz`: one function for each parser that meets the
//! outside.
//!
//! Each takes any bytes and asserts what must hold for all of them: the parser ends without a
//! panic, a text that is read and written is read alike again, no secret is left, limits hold, and
//! messages are short and free of characters that steer a terminal. The functions lie beside their
//! parsers, in files called `fuzzing.rs`. `cargo test` runs every one over the committed inputs of
//! `host/fuzz`. This module is not part of the API: it exists in tests and with the feature
//! `fuzzing`.

use std::fmt::Display;
use std::path::Path;

pub use crate::action::fuzzing::description;
pub use crate::activation::fuzzing::log_lines;
pub use crate::artifact::fuzzing::{
    component, docker_config, layout_index, manifest, reference, registry_answer, signature,
    www_authenticate,
};
pub use crate::config::fuzzing::{configuration, quantity};
pub use crate::deployment::fuzzing::onnx;
pub use crate::inference::fuzzing::{
    config_pbtxt, model_graph, model_ref, size_expression, tensor, triton_answer,
};
pub use crate::model_registry::fuzzing::mlflow;
pub use crate::object_storage::fuzzing::{location, s3_answer, storage_request};
pub use crate::openwhisk::fuzzing::{archive, init_body, parameters, run_body};
pub use crate::policy::fuzzing::{ask, policy};
pub use crate::redaction::fuzzing::{redaction, redaction_work};

use crate::quote::{MAX_SHOWN, steers};

/// The most bytes of any message.
const MAX_MESSAGE: usize = 16 << 10;

/// The entry function of a parser: it panics if a property does not hold.
pub type Target = fn(&[u8]);

/// Every target and its name, which is that of its file and of its folders of inputs.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("ask", ask),
    ("component", component),
    ("config_pbtxt", config_pbtxt),
    ("configuration", configuration),
    ("description", description),
    ("docker_config", docker_config),
    ("init_body", init_body),
    ("layout_index", layout_index),
    ("location", location),
    ("log_lines", log_lines),
    ("manifest", manifest),
    ("mlflow", mlflow),
    ("model_graph", model_graph),
    ("model_ref", model_ref),
    ("onnx", onnx),
    ("parameters", parameters),
    ("policy", policy),
    ("quantity", quantity),
    ("redaction", redaction),
    ("redaction_work", redaction_work),
    ("reference", reference),
    ("registry_answer", registry_answer),
    ("run_body", run_body),
    ("s3_answer", s3_answer),
    ("signature", signature),
    ("size_expression", size_expression),
    ("storage_request", storage_request),
    ("tensor", tensor),
    ("triton_answer", triton_answer),
    ("www_authenticate", www_authenticate),
];

/// Asserts what holds for every message that a person reads: it is short, and nothing in it steers
/// a terminal.
#[track_caller]
pub(crate) fn check_message(message: &dyn Display) {
    let message = message.to_string();
    let start: String = message.chars().take(MAX_SHOWN).collect();
    assert!(message.len() <= MAX_MESSAGE, "a message of {} bytes: {start:?}", message.len());
    let steering = message.chars().find(|c| *c != '\n' && steers(*c));
    assert!(steering.is_none(), "a message with {steering:?}: {message:?}");
}

/// Returns the value, or none after [`check_message`] of the error.
#[track_caller]
pub(crate) fn checked<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| check_message(error)).ok()
}

/// Calls `with` with a folder of this thread's own, for parsers that read files.
pub(crate) fn in_folder(with: impl FnOnce(&Path)) {
    thread_local!(static FOLDER: Option<tempfile::TempDir> = tempfile::tempdir().ok());
    FOLDER.with(|folder| folder.as_ref().map(|folder| with(folder.path())));
}

/// Returns `data` as text. Parsers of text are not asked about other bytes: their callers refuse
/// those.
pub(crate) fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn every_target_holds_for_the_corpus_and_for_what_was_found_before() {
        for (name, target) in TARGETS {
            let corpus = inputs("corpus", name);
            assert!(!corpus.is_empty(), "host/fuzz/corpus/{name} has no input");
            for path in corpus.into_iter().chain(inputs("regressions", name)) {
                eprintln!("{}", path.display()); // shown only where the input fails
                target(&std::fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn every_target_has_a_file_and_every_file_a_target() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: BTreeSet<_> =
            files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(files, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
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
