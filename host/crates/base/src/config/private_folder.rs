//! Default folder of keys and caches: a folder of this user among the system's temporary files.
//!
//! Every user of the machine can create folders there, under any name. Files in another user's
//! folder are under that user's control: keys would not be secret, and foreign code could be built
//! into actions.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Returns the path of the folder.
pub(super) fn path() -> PathBuf {
    std::env::temp_dir().join(format!("keynet-inference-{}", rustix::process::geteuid().as_raw()))
}

/// Creates the folder at `path` with mode 0700, or checks an existing one. On a read-only file
/// system the folder cannot be created by any user, which is not an error.
///
/// # Errors
/// The folder belongs to another user, is writable by others, is not a folder, or cannot be
/// created; the text is the reason.
pub(super) fn claim(path: &Path) -> Result<(), String> {
    let failed = |what: &str, error: &std::io::Error| {
        format!("{} cannot be {what}: {error}", path.display())
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let found = match (fs::symlink_metadata(path), made) {
        (Ok(found), _) => found,
        (Err(_), Err(error)) if error.kind() == ErrorKind::ReadOnlyFilesystem => return Ok(()),
        (Err(_), Err(error)) => return Err(failed("made", &error)),
        (Err(error), Ok(())) => return Err(failed("looked at", &error)),
    };
    let me = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return Err(format!("{} is not a folder", path.display()));
    }
    if found.uid() != me {
        return Err(format!(
            "{} belongs to another user ({}, not {me})",
            path.display(),
            found.uid()
        ));
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!(
            "{} can be written by others (mode {:04o})",
            path.display(),
            found.mode() & 0o7777
        ));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|error| failed("closed to others", &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn the_folder_is_made_for_its_owner_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("keynet-inference-1");
        claim(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        // Earlier versions left the folder readable by others.
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        claim(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_folder_that_others_own_or_can_write_is_not_taken_over() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("keynet-inference-1");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        assert!(claim(&path).unwrap_err().ends_with("can be written by others (mode 0777)"));
        assert_eq!(mode(&path), 0o777);

        let (link, file) = (temporary.path().join("link"), temporary.path().join("file"));
        let own = temporary.path().join("own");
        claim(&own).unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        fs::write(&file, "").unwrap();
        for path in [link, file] {
            assert!(claim(&path).unwrap_err().ends_with("is not a folder"), "{}", path.display());
        }

        // Only root can change the owner of a folder; other users test with a folder of root.
        let theirs = match rustix::process::geteuid().is_root() {
            true => {
                std::os::unix::fs::chown(&own, Some(65_534), None).unwrap();
                own
            }
            false => PathBuf::from("/"),
        };
        let refused = claim(&theirs).unwrap_err();
        assert!(refused.contains("belongs to another user"), "{refused}");
    }
}
