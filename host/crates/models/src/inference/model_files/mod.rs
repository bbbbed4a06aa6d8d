//! The files of a model's folder: ONNX files, and `config.pbtxt` in protocol buffers' text format.
//!
//! Used by the embedded backend, which runs models from a folder, and by deployment, which writes
//! them. Nothing here runs a model.

pub(crate) mod element_type;
pub(crate) mod onnx_file;
pub(crate) mod text_format;

/// Maximum size of a `config.pbtxt`, in bytes.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Returns the version number of a folder: a positive number without leading zeros. Triton ignores
/// other folders.
pub(crate) fn version_number(folder: &str) -> Option<u64> {
    let plain = !folder.starts_with('0') && folder.bytes().all(|byte| byte.is_ascii_digit());
    folder.parse().ok().filter(|_| plain)
}
