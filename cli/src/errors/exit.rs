//! What the process ends with.

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
 10  a server cannot be reached, or did not answer in time
 11  the artifact is not there, is damaged or is none of an action, or its signature does not fit";

/// What a process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The action answered with an error, failed or met a limit.
    Failed = 1,
    /// The command line, or a file of parameters. Also clap's.
    Usage = 2,
    /// The component.
    Component = 3,
    /// The configuration, the policy, the machine.
    Configuration = 4,
    /// `new` and `build`.
    Project = 5,
    /// Files, folders, addresses.
    Io = 6,
    /// Who one is.
    Login = 7,
    /// What a server was asked for.
    Refused = 8,
    /// A server.
    Server = 9,
    /// The way to a server.
    Connection = 10,
    /// What was published, and its signature.
    Artifact = 11,
}

impl Exit {
    /// Its name in `--json`.
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
        ];
        for exit in all.concat() {
            let code = exit as u8;
            assert!(EXIT_CODES.contains(&format!("\n{code:>3}  ")), "{exit:?}");
            assert!(documented.contains(&format!("\n| {code} | ")), "{exit:?}");
        }
    }
}
