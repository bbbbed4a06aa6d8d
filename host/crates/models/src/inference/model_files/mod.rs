//! What lies in a model's folder: ONNX files, and `config.pbtxt` in protocol buffers' text format.
//!
//! Read by whatever runs models from a folder, and by what puts them there. Nothing here runs a
//! model.

pub(crate) mod element_type;
pub(crate) mod onnx_file;
pub(crate) mod text_format;

/// The most bytes a `config.pbtxt` may have.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The version whose folder is called so: a positive number without leading zeros. Triton passes
/// over other folders.
pub(crate) fn version_number(folder: &str) -> Option<u64> {
    let plain = !folder.starts_with('0') && folder.bytes().all(|byte| byte.is_ascii_digit());
    folder.parse().ok().filter(|_| plain)
}
