//! Anonymous files that no process can change once they are sealed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;

/// Creates an empty file.
pub(super) fn create() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create("keynet-component", flags)?.into())
}

/// Returns the path by which this process may open `file` once more.
pub(super) fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Attempts to seal a file. The kernel waits up to 150 ms for its own references to pages that were
/// just written; on a busy machine that may not be enough.
const ATTEMPTS: u32 = 5;

/// Fixes the bytes and the length for all processes. Fails while a process has a writable mapping
/// of the file.
pub(super) fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    for _ in 1..ATTEMPTS {
        match rustix::fs::fcntl_add_seals(file, seals) {
            Err(Errno::BUSY) => {}
            sealed => return Ok(sealed?),
        }
    }
    Ok(rustix::fs::fcntl_add_seals(file, seals)?)
}
