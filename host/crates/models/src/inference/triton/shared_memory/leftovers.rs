//! Cleanup after killed processes: files whose lock is free, and regions of the server whose file
//! does not exist.

use std::fs::File;
use std::time::Duration;

use super::super::proto::SystemSharedMemoryStatusRequest;
use super::super::server::Server;
use super::region::{FOLDER, PREFIX, SUBJECT, UNFINISHED, path, unregister};

/// Age at which an unfinished file is considered abandoned.
const MAKING: Duration = Duration::from_secs(60);

/// Removes them. A file or region that cannot be removed only wastes memory.
pub(super) async fn remove(server: &Server) {
    for name in abandoned() {
        if unregister(server, &name).await {
            let _ = std::fs::remove_file(path(&name));
        }
    }
    let everything = SystemSharedMemoryStatusRequest::default();
    let known = server.ask(SUBJECT, everything).await;
    let Ok(known) = known else { return };
    for name in known.regions.into_keys().filter(|name| name.starts_with(PREFIX)) {
        // A region's file is created before the region is registered, and removed after it was
        // unregistered.
        if !path(&name).exists() {
            unregister(server, &name).await;
        }
    }
}

/// Returns the names of files that are not locked.
fn abandoned() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(FOLDER) else { return Vec::new() };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(PREFIX));
    names.filter(|name| is_abandoned(name)).collect()
}

fn is_abandoned(name: &str) -> bool {
    // Files of other users cannot be opened, and are not removed.
    let Ok(file) = File::open(path(name)) else { return false };
    if name.starts_with(UNFINISHED) {
        let age = file
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| modified.elapsed().ok());
        if age.is_none_or(|age| age < MAKING) {
            return false;
        }
    }
    file.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_locked_is_not_abandoned() {
        let name = format!("{PREFIX}1-1-{}", uuid::Uuid::new_v4().simple());
        let file = File::create(path(&name)).unwrap();
        file.lock().unwrap();
        assert!(!is_abandoned(&name));
        drop(file);
        assert!(is_abandoned(&name) && abandoned().contains(&name));
        std::fs::remove_file(path(&name)).unwrap();

        let young = format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple());
        File::create(path(&young)).unwrap();
        assert!(!is_abandoned(&young));
        std::fs::remove_file(path(&young)).unwrap();
    }
}
