//! The Go toolchain of this machine.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::GoError;

/// The oldest Go that builds components with the SDK.
const OLDEST: (u32, u32) = (1, 25);

/// Returns the `go` command, to be run in `folder`.
pub fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder).stdin(Stdio::null());
    go
}

/// Checks that there is a Go that can build the program in `folder`.
///
/// # Errors
/// There is none, or one that is too old and cannot get a newer one by itself.
pub fn check(folder: &Path) -> Result<(), GoError> {
    let output = go(folder).args(["env", "GOVERSION"]).output().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound { GoError::NoGo } else { GoError::Start(error) }
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(GoError::Unusable { said });
    }
    judge(String::from_utf8_lossy(&output.stdout).trim())
}

/// A version that is not written as releases are is taken: it is a newer one under development.
fn judge(version: &str) -> Result<(), GoError> {
    let numbers = version.strip_prefix("go").and_then(|version| {
        let mut parts = version.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    match numbers {
        Some(numbers) if numbers < OLDEST => Err(GoError::OldGo { version: version.to_owned() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_go_is_refused_with_its_version() {
        for version in ["go1.25", "go1.26.8", "go1.27rc1", "go2.0", "devel +abc"] {
            assert!(judge(version).is_ok(), "{version}");
        }
        for version in ["go1.19.8", "go1.24.11"] {
            let error = judge(version).unwrap_err().to_string();
            assert!(error.contains(version), "{error}");
        }
    }
}
