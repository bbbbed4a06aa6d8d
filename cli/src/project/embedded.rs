//! Files that the binary carries: the SDKs and the templates of new projects. `build.rs` collects
//! them.

/// Embedded file.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Path below the folder it is unpacked to, separated by `/`.
    pub path: &'static str,
    /// Content.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
