//! What lies in a model's folder: ONNX files, and `config.pbtxt` in protocol buffers' text format.
//!
//! Read by whatever runs models from a folder, and by what puts them there. Nothing here runs a model.

pub(crate) mod element_type;
pub(crate) mod onnx_file;
pub(crate) mod text_format;

/// The most bytes a `config.pbtxt` may have.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1 << 20;
