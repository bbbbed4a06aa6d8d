//! Fuzzing of a model's configuration and its graph; see [`keynet_base::fuzzing`].

use std::collections::HashMap;

use super::config_pbtxt::ModelConfig;
use super::size_expression::Size;
use super::{graph, onnxruntime};
use crate::inference::model_files::onnx_file::read_model;
use keynet_base::fuzzing::{check_message, checked, in_folder, text};

/// A `config.pbtxt`.
pub fn config_pbtxt(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(config) = checked(ModelConfig::parse(text)) else { return };
    let tensors = config.inputs.iter().chain(&config.outputs);
    assert!(tensors.map(|tensor| tensor.name.len()).sum::<usize>() <= text.len() * 3);
    assert!(
        config
            .default_model_filename
            .is_none_or(|name| !name.contains(['/', '\\']) && !name.starts_with('.'))
    );
}

/// An ONNX file, as it is prepared for rten and for ONNX Runtime. What rten gets can be prepared
/// once more: it is a model as any other.
pub fn model_graph(data: &[u8]) {
    const MOST_ELEMENTS: i64 = 1 << 28;
    in_folder(|folder| {
        let file = folder.join("model.onnx");
        assert!(std::fs::write(&file, data).is_ok());
        let Some(model) = checked(read_model(&file)) else { return };
        checked(onnxruntime::inlined(&file, data.len() as u64));
        if let Ok(model) = read_model(&file) {
            checked(graph::outlined(model, &file, MOST_ELEMENTS));
        }
        if let Some(prepared) = checked(graph::prepare(model, &file, MOST_ELEMENTS)) {
            assert!(prepared.bytes.len() <= (data.len() + 64) * 256, "a file that grows");
        }
    });
}

/// Asserts that a configuration of our own can be read.
pub(crate) fn check_config(text: &str) {
    match ModelConfig::parse(text) {
        Ok(config) => assert_eq!(config.max_batch_size, 0),
        Err(error) => {
            check_message(&error);
            panic!("a configuration that was made cannot be read: {error}");
        }
    }
}

/// The size of a dimension, which rten writes of names in the model.
pub fn size_expression(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let size = Size::parse(text);
    size.value(&HashMap::new());
    size.value(&HashMap::from([("n", 0), ("m", u64::MAX), ("a", 1)]));
}
