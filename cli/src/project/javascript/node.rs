//! The user's Node.js, which runs the tools.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::JavaScriptError;

/// The oldest that runs the tools and the tests of a project.
const OLDEST: u32 = 20;

/// What it may be called.
const CANDIDATES: [&str; 2] = ["node", "nodejs"];

/// Returns the path of a Node.js that runs the tools.
///
/// # Errors
/// There is none, or it is too old.
pub fn find() -> Result<PathBuf, JavaScriptError> {
    let mut best = JavaScriptError::NoNode;
    for candidate in CANDIDATES {
        match look(candidate) {
            Some(Ok(path)) => return Ok(path),
            Some(Err(error)) => best = error,
            None => {}
        }
    }
    Err(best)
}

/// Returns the path of a Node.js or what is wrong with it; `None` if there is none of this name.
fn look(candidate: &str) -> Option<Result<PathBuf, JavaScriptError>> {
    let about = "console.log(process.versions.node, process.execPath)";
    let output = Command::new(candidate).args(["-e", about]).stdin(Stdio::null()).output().ok()?;
    judge(&String::from_utf8_lossy(&output.stdout))
}

fn judge(said: &str) -> Option<Result<PathBuf, JavaScriptError>> {
    let (version, program) = said.trim().split_once(' ')?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    let program = PathBuf::from(program);
    Some(if major < OLDEST {
        Err(JavaScriptError::OldNode { program, version: version.to_owned() })
    } else {
        Ok(program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_is_told_with_its_version() {
        assert_eq!(
            judge("20.20.2 /usr/bin/node\n").unwrap().unwrap(),
            PathBuf::from("/usr/bin/node")
        );
        let error = judge("18.19.0 /usr/bin/node\n").unwrap().unwrap_err();
        assert_eq!(error.to_string(), "/usr/bin/node is Node.js 18.19.0, which is too old");
        assert!(judge("").is_none());
    }
}
