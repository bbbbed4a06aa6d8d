//! What the binary carries: the SDKs and the templates of new projects. `build.rs` collects them.

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Below the folder it is unpacked to, with `/`.
    pub path: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
