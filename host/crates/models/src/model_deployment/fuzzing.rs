//! Fuzzing of ONNX files; see [`keynet_base::fuzzing`].

use super::configuration::Configuration;
use crate::inference::fuzzing::check_config;
use crate::inference::model_files::onnx_file::{external_files, read_graph};
use keynet_base::fuzzing::{checked, in_folder};

/// Reads an ONNX file. The configuration that is generated from its graph must be valid.
pub fn onnx(data: &[u8]) {
    in_folder(|folder| {
        let file = folder.join("model.onnx");
        assert!(std::fs::write(&file, data).is_ok());
        let Some(graph) = checked(read_graph(&file)) else { return };
        let names: usize = external_files(&graph).iter().map(|name| name.len()).sum();
        assert!(names <= data.len(), "names that the file does not have");
        if let Some(configuration) =
            checked(Configuration::of_graph("model", &graph, Some("labels.txt")))
        {
            assert!(configuration.check_name("model").is_ok());
            check_config(&configuration.serving(&[1].into()));
        }
    });
}
