//! Anonymous files that nobody can change any more once they are sealed.

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, SealFlags};

/// An empty one.
pub(super) fn create() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create("keynet-component", flags)?.into())
}

/// From here on its bytes and its length are fixed for everyone. Fails while somebody has it mapped
/// to write.
pub(super) fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    Ok(rustix::fs::fcntl_add_seals(file, seals)?)
}
