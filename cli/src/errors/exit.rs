//! Exit codes of the process.

use std::process::ExitCode;

/// The exit codes, for `--help`. `docs/cli.md` has the same table.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  the action answered with an error, failed or met a limit
  2  the command line, or a file of parameters, cannot be understood
  3  the component is not an action that this version can load, or publish
  4  the configuration or the policy cannot be used, or this machine cannot run WebAssembly
  5  the project cannot be made or built
  6  a file, a folder or an address cannot be read, written or used
  7  nobody is signed in, the login has expired, or a server refused the credentials
  8  a server refused the request
  9  a server failed, or its answer cannot be understood
 10  a server cannot be reached, or it was not done in the time it was given
 11  the artifact is not there, is damaged or is none of an action, or its signature does not fit
 12  a replay differs from its recording
130  it was stopped with Ctrl-C or SIGTERM, and undone";

/// Exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The action returned an error, failed or exceeded a limit.
    Failed = 1,
    /// The command line, or a file of parameters, is wrong. clap uses the same code.
    Usage = 2,
    /// The component cannot be used.
    Component = 3,
    /// The configuration or the policy is wrong, or the machine cannot run WebAssembly.
    Configuration = 4,
    /// `new` or `build` failed.
    Project = 5,
    /// A file, a folder or an address cannot be used.
    Io = 6,
    /// The user is not signed in, or the server rejected the credentials.
    Login = 7,
    /// A server refused the request.
    Refused = 8,
    /// A server failed.
    Server = 9,
    /// A server cannot be reached.
    Connection = 10,
    /// The published artifact or its signature is wrong.
    Artifact = 11,
    /// A replay differs from its recording.
    Differs = 12,
    /// Ctrl-C or SIGTERM stopped the command, which undid what it had begun. A command that has
    /// nothing to undo is ended by the signal itself, which shells report as the same code.
    Stopped = 130,
}

impl Exit {
    /// Returns its name in `--json`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Component => "component",
            Self::Configuration => "configuration",
            Self::Project => "project",
            Self::Io => "io",
            Self::Login => "login",
            Self::Refused => "refused",
            Self::Server => "server",
            Self::Connection => "connection",
            Self::Artifact => "artifact",
            Self::Differs => "differs",
            Self::Stopped => "stopped",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_documented() {
        let documented = include_str!("../../../docs/cli.md");
        let all = [
            [
                Exit::Failed,
                Exit::Usage,
                Exit::Component,
                Exit::Configuration,
                Exit::Project,
                Exit::Io,
            ]
            .as_slice(),
            &[Exit::Login, Exit::Refused, Exit::Server, Exit::Connection, Exit::Artifact],
            &[Exit::Differs, Exit::Stopped],
        ];
        for exit in all.concat() {
            let code = exit as u8;
            assert!(EXIT_CODES.contains(&format!("\n{code:>3}  ")), "{exit:?}");
            assert!(documented.contains(&format!("\n| {code} | ")), "{exit:?}");
        }
    }
}
