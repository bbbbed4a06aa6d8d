//! One region: a locked file in `/dev/shm`, and its name on the server.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::failure::Failure;
use super::super::proto::{
    SystemSharedMemoryRegisterRequest, SystemSharedMemoryStatusRequest,
    SystemSharedMemoryUnregisterRequest,
};
use super::super::server::Server;
use keynet_base::error::{Error, Result};

/// Folder of POSIX shared memory on Linux.
pub(super) const FOLDER: &str = "/dev/shm";
/// Prefix of the names of this program's regions, followed by process ID, start time and 128 random
/// bits.
pub(super) const PREFIX: &str = "keynet-";
/// Prefix of the name of a region until it is locked.
pub(super) const UNFINISHED: &str = "keynet-new-";
const SOON: Duration = Duration::from_secs(5);
/// Subject of error messages.
pub(super) const SUBJECT: &str = "shared memory";

/// Shared memory region. Its file is removed on drop; the server keeps its own mapping of the
/// memory until the region is unregistered.
#[derive(Debug)]
pub(super) struct Region {
    name: String,
    file: Arc<File>,
    bytes: u64,
}

/// Memory of a region, for a thread that copies.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<File>);

/// `PID-START`: the start time distinguishes processes with the same process ID.
static OWNER: LazyLock<String> = LazyLock::new(|| {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The process name before it, in parentheses, may contain any character.
    let start = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).unwrap_or("0");
    format!("{}-{start}", std::process::id())
});

/// Returns a unique name.
fn random_name() -> String {
    format!("{PREFIX}{}-{}", *OWNER, Uuid::new_v4().simple())
}

/// Returns the path of a region's file.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn failed(doing: &str) -> impl Fn(io::Error) -> Error {
    move |error| Error::unavailable(format!("{SUBJECT}: cannot {doing}: {error}"))
}

impl Region {
    /// Creates a fully allocated file of `bytes` bytes, locked before it has its final name.
    pub(super) fn make(bytes: u64) -> Result<Self> {
        let unfinished = path(&format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished);
        let file = file.map_err(failed("make a file"))?;
        let name = random_name();
        let finish = || {
            file.try_lock().map_err(io::Error::from)?;
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
            std::fs::rename(&unfinished, path(&name))
        };
        finish().map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            failed("allocate a file")(error)
        })?;
        Ok(Self { name, file: Arc::new(file), bytes })
    }

    /// Creates a region and registers it with the server.
    ///
    /// # Errors
    /// `unavailable`: no room, or the server does not see it.
    pub async fn register(server: &Server, bytes: u64) -> Result<Self> {
        let region = Self::make(bytes)?;
        register(server, &region.name, bytes).await.map_err(|failure| failure.error)?;
        Ok(region)
    }

    /// Unregisters the region and removes it.
    ///
    /// # Errors
    /// The region itself, if the server reports that it still uses it.
    pub async fn unregister(self, server: &Server) -> Result<(), Self> {
        if unregister(server, &self.name).await { Ok(()) } else { Err(self) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn memory(&self) -> Memory {
        Memory(Arc::clone(&self.file))
    }
}

impl Memory {
    /// Copies `data` to `offset`.
    ///
    /// # Errors
    /// `unavailable`: the file cannot be written.
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write_all_at(data, offset).map_err(failed("write"))
    }

    /// Returns a copy of `bytes` bytes from `offset` on.
    ///
    /// # Errors
    /// `unavailable`: the file cannot be read.
    pub fn read(&self, offset: u64, bytes: u64) -> Result<Bytes> {
        let mut data = vec![
            0;
            usize::try_from(bytes).map_err(|_| Error::too_large(format!(
                "{SUBJECT}: {bytes} bytes at once"
            )))?
        ];
        self.0.read_exact_at(&mut data, offset).map_err(failed("read"))?;
        Ok(data.into())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(path(&self.name));
    }
}

async fn register(server: &Server, name: &str, byte_size: u64) -> Result<(), Failure> {
    let message = SystemSharedMemoryRegisterRequest {
        name: name.to_owned(),
        key: format!("/{name}"),
        offset: 0,
        byte_size,
    };
    let call = server.ask(SUBJECT, message);
    soon(call).await.map(|_| ())
}

/// Applies a timeout to a call that takes little time on the server, and that an inference call
/// waits for.
async fn soon<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| {
        Err(Error::timeout(format!(
            "{SUBJECT}: the server did not answer within {} s",
            SOON.as_secs()
        ))
        .into())
    };
    tokio::time::timeout(SOON, call).await.unwrap_or_else(late)
}

/// Unregisters a region; returns false if the server reports that it still uses it. If the server
/// does not respond, it has either lost the registration or [`super::leftovers`] unregisters it
/// later.
pub(super) async fn unregister(server: &Server, name: &str) -> bool {
    let message = SystemSharedMemoryUnregisterRequest { name: name.to_owned() };
    let call = server.ask(SUBJECT, message);
    match soon(call).await {
        Ok(_) => true,
        Err(failure) => {
            tracing::debug!(error = %failure.error, region = name, "a region stays registered");
            !failure.error.message.contains("currently in use")
        }
    }
}

/// Proves that the server shares memory with this host; the module documentation describes the
/// steps.
///
/// # Errors
/// The step that failed.
pub(super) async fn prove(server: &Server) -> Result<()> {
    const SIZE: u64 = 4096;
    let none = random_name();
    if register(server, &none, SIZE).await.is_ok() {
        unregister(server, &none).await;
        return Err(Error::unavailable(format!(
            "{SUBJECT}: the server accepts a region for which there is no file"
        )));
    }
    let region = Region::register(server, SIZE).await?;
    let known = known_everywhere(server, &region).await;
    let _nobody_uses_it = region.unregister(server).await;
    known
}

async fn known_everywhere(server: &Server, region: &Region) -> Result<()> {
    for lease in server.calls.each() {
        let message = SystemSharedMemoryStatusRequest { name: region.name.clone() };
        let status = server.ask_on(&lease, SUBJECT, message);
        let regions = soon(status).await.map_err(|failure| failure.error)?.regions;
        let same =
            |there: &super::super::proto::system_shared_memory_status_response::RegionStatus| {
                there.key == format!("/{}", region.name) && there.byte_size == region.bytes
            };
        if !regions.get(&region.name).is_some_and(same) {
            return Err(Error::unavailable(format!(
                "{SUBJECT}: a connection leads to a server that does not know the region"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_whole_locked_private_and_gone_when_dropped() {
        use std::os::unix::fs::MetadataExt;
        let region = Region::make(100_000).unwrap();
        let file = path(region.name());
        let there = std::fs::metadata(&file).unwrap();
        assert_eq!((there.len(), there.mode() & 0o777), (100_000, 0o600));
        assert!(there.blocks() * 512 >= 100_000);
        assert!(File::open(&file).unwrap().try_lock().is_err());
        let memory = region.memory();
        memory.write(70_000, b"tensor").unwrap();
        assert_eq!(memory.read(69_999, 7).unwrap().as_ref(), b"\0tensor");
        assert!(memory.read(99_999, 2).is_err());
        drop(region);
        assert!(!file.exists());
    }

    #[test]
    fn a_region_that_finds_no_room_leaves_nothing() {
        let before = unfinished();
        assert!(Region::make(1 << 50).is_err());
        assert_eq!(unfinished(), before);
    }

    fn unfinished() -> usize {
        std::fs::read_dir(FOLDER)
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED))
            .count()
    }

    #[test]
    fn a_name_says_whose_it_is() {
        let name = random_name();
        let parts: Vec<_> = name.split('-').collect();
        assert_eq!(
            (parts.len(), parts[0], parts[1]),
            (4, "keynet", std::process::id().to_string().as_str())
        );
        assert!(parts[2].parse::<u64>().unwrap() > 0 && parts[3].len() == 32);
        assert_ne!(random_name(), name);
    }
}
