//! The user's Python, which makes the environment that components are built in.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::PythonError;

/// Oldest version of Python that can make the environment.
const OLDEST: (u32, u32) = (3, 10);

/// Names and paths of Python. The system's own is last: a newer one is often earlier in `PATH`, but
/// may lack modules that are needed.
const CANDIDATES: [&str; 8] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "/usr/bin/python3",
    "/usr/local/bin/python3",
];

/// Script that prints the version and the path of Python, and fails if the modules that make
/// environments are missing.
const ABOUT: &str = "import sys
print(sys.version_info[0], sys.version_info[1], sys.executable)
import venv, ensurepip";

/// Returns the path of a Python that can make environments.
///
/// # Errors
/// No Python is suitable: the error is that of the best one found.
pub fn find() -> Result<PathBuf, PythonError> {
    let mut best = PythonError::NoPython;
    for candidate in CANDIDATES {
        match look(candidate) {
            Some(Ok(path)) => return Ok(path),
            Some(Err(error))
                if matches!(best, PythonError::NoPython)
                    || matches!(error, PythonError::NoVenv { .. }) =>
            {
                best = error
            }
            _ => {}
        }
    }
    Err(best)
}

/// Returns the path of the Python with this name, or the reason why it cannot be used; `None` if
/// there is no such program.
fn look(candidate: &str) -> Option<Result<PathBuf, PythonError>> {
    let output =
        Command::new(candidate).args(["-I", "-c", ABOUT]).stdin(Stdio::null()).output().ok()?;
    judge(&String::from_utf8_lossy(&output.stdout), output.status.success())
}

fn judge(said: &str, has_venv: bool) -> Option<Result<PathBuf, PythonError>> {
    let mut words = said.trim().splitn(3, ' ');
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let program = PathBuf::from(words.next()?);
    Some(match (version < OLDEST, has_venv) {
        (true, _) => Err(PythonError::OldPython { program, version }),
        (false, false) => Err(PythonError::NoVenv { program, version }),
        (false, true) => Ok(program),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_python_lacks_is_told_with_the_command_that_mends_it() {
        assert_eq!(
            judge("3 11 /usr/bin/python3\n", true).unwrap().unwrap(),
            PathBuf::from("/usr/bin/python3")
        );
        let lacks = |said, venv| {
            let error = judge(said, venv).unwrap().unwrap_err();
            (error.to_string(), crate::errors::Diagnostic::hint(&error).unwrap())
        };
        let (text, hint) = lacks("3 11 /usr/bin/python3\n", false);
        assert!(
            text.contains("/usr/bin/python3") && hint.contains("apt install python3-venv"),
            "{text} {hint}"
        );
        let (text, hint) = lacks("3 9 /usr/bin/python3\n", true);
        assert!(text.contains("3.9") && hint.contains("3.10"), "{text} {hint}");
        assert!(judge("", true).is_none() && judge("pyenv: version not set", false).is_none());
    }
}
