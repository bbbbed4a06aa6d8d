//! Entry points of the fuzz targets in `host/fuzz`; see [`keynet_base::fuzzing`].
//!
//! This module is not part of the API: it exists in tests and with the feature `fuzzing`, which has
//! the targets of the other crates too.

#[cfg(feature = "fuzzing")]
pub use keynet_artifact::fuzzing::{
    component, docker_config, layout_index, manifest, reference, registry_answer, signature,
    www_authenticate,
};
use keynet_base::fuzzing::Target;
#[cfg(feature = "fuzzing")]
pub use keynet_base::{
    config::fuzzing::{configuration, quantity},
    redaction::fuzzing::{redaction, redaction_work},
};
#[cfg(feature = "fuzzing")]
pub use keynet_models::fuzzing::{
    config_pbtxt, mlflow, model_graph, model_ref, onnx, size_expression, tensor, triton_answer,
};
#[cfg(feature = "fuzzing")]
pub use keynet_object_storage::fuzzing::{location, s3_answer, storage_request};

pub use crate::action::fuzzing::description;
pub use crate::activation::fuzzing::log_lines;
pub use crate::container::fuzzing::{archive, init_body, parameters, run_body};
pub use crate::policy::fuzzing::{ask, policy};
pub use crate::recording::fuzzing::recording;

/// The targets of this crate, by the name of their file and of their folders of inputs.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("ask", ask),
    ("description", description),
    ("init_body", init_body),
    ("log_lines", log_lines),
    ("parameters", parameters),
    ("policy", policy),
    ("recording", recording),
    ("run_body", run_body),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_target_holds_for_the_corpus_and_for_what_was_found_before() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"));
        keynet_base::fuzzing::check_corpus(folder, super::TARGETS);
    }
}
