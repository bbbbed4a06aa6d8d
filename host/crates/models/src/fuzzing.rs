//! Entry points of the fuzz targets of this crate; see [`keynet_base::fuzzing`].

use keynet_base::fuzzing::Target;

pub use crate::inference::fuzzing::{
    config_pbtxt, model_graph, model_ref, size_expression, tensor, triton_answer,
};
pub use crate::model_deployment::fuzzing::onnx;
pub use crate::model_registry::fuzzing::mlflow;

/// Fuzz targets of this crate, by the name of their source file and of their input folders.
pub const TARGETS: &[(&str, Target)] = &[
    ("config_pbtxt", config_pbtxt),
    ("mlflow", mlflow),
    ("model_graph", model_graph),
    ("model_ref", model_ref),
    ("onnx", onnx),
    ("size_expression", size_expression),
    ("tensor", tensor),
    ("triton_answer", triton_answer),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_target_holds_for_the_corpus_and_for_what_was_found_before() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"));
        keynet_base::fuzzing::check_corpus(folder, super::TARGETS);
    }
}
