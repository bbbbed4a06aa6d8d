//! Every way a command can fail that is not a bug: one error type, whose kinds have an exit code with a meaning.
//!
//! Messages are fragments in lower case that read well after `error: `: what happened, and to which thing. What to do next is either
//! in the cause, in the words of the host, or a hint.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keynet_host::artifact::ArtifactError;
use keynet_host::config::ConfigError;
use keynet_host::policy::AskError;
use keynet_host::{ActionError, Failure, HostError};

use crate::account::AccountError;
use crate::console::{Console, printable};
use crate::image::ImageError;
use crate::openwhisk::error::OpenWhiskError;
use crate::platform::{PlatformError, StepFailed};
use crate::{failure, secrecy};

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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectedError {
    /// The action ran and has no result.
    #[error("{}", failure::sentence(.0))]
    Failed(Failure),
    /// The parameters of a run.
    #[error("the parameters in {origin} cannot be used")]
    Parameters {
        /// The file or flag.
        origin: String,
        /// What is wrong with them.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A component that is not an action.
    #[error("{} cannot be loaded", path.display())]
    Action {
        /// Its file, or its reference.
        path: PathBuf,
        /// What is wrong with it.
        source: ActionError,
    },
    /// A setting.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// The policy, the state folder, the machine.
    #[error("the host cannot start")]
    Host(#[from] HostError),
    /// The name of a new project.
    #[error("{name:?} cannot be the name of a {language} action: {why}")]
    Name {
        /// What was asked for.
        name: String,
        /// Its language.
        language: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is something where the project would be.
    #[error("{} is there already and is not an empty folder", .0.display())]
    Occupied(PathBuf),
    /// Nothing to build.
    #[error("{} is not a project: it has no Cargo.toml", .0.display())]
    NoProject(PathBuf),
    /// The SDK that a project was made with is gone.
    #[error("the project's SDK is not at {} any more", path.display())]
    SdkGone {
        /// Where the project looks for it.
        path: PathBuf,
        /// Where this version's is.
        instead: PathBuf,
    },
    /// Rust cannot build components.
    #[error("no Rust toolchain with the target wasm32-wasip2 was found")]
    NoToolchain,
    /// cargo cannot be started.
    #[error("{program} cannot be started")]
    Program {
        /// Which program.
        program: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// cargo has told why.
    #[error("cargo could not build the project ({0})")]
    CargoFailed(std::process::ExitStatus),
    /// cargo built nothing that could be an action.
    #[error("{0}")]
    Artifact(String),
    /// The project's `keynet.toml`.
    #[error("{} cannot be used", path.display())]
    Ask {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: AskError,
    },
    /// What was built is not an action.
    #[error("the project was built, but the component it makes is not an action")]
    NotAnAction(#[source] ActionError),
    /// A file, folder or address.
    #[error("cannot {what} {thing}")]
    Io {
        /// What was tried: "read", "listen on".
        what: &'static str,
        /// The path or address.
        thing: String,
        /// Why not.
        source: io::Error,
    },
    /// A container image.
    #[error("the image cannot be made")]
    Image(#[source] ImageError),
    /// The embedded store.
    #[error("the object store cannot be used")]
    Storage(#[source] keynet_host::Error),
    /// OpenWhisk.
    #[error(transparent)]
    OpenWhisk(#[from] OpenWhiskError),
    /// A published component, its registry or its signature.
    #[error(transparent)]
    Published(#[from] ArtifactError),
    /// The file was replaced while it was published.
    #[error("{} was changed while it was being published", .0.display())]
    Changed(PathBuf),
    /// Something was not said, and nobody was there to be asked.
    #[error("the {what} is missing: say it with {flag}")]
    Missing {
        /// What.
        what: String,
        /// What says it.
        flag: &'static str,
    },
    /// An argument that clap could not judge.
    #[error("{argument}: {why}")]
    Argument {
        /// What was written; no secret.
        argument: String,
        /// What to write instead.
        why: String,
    },
    /// Certificate authorities.
    #[error("the certificate authorities in {} cannot be used: {why}", path.display())]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The files of logins.
    #[error("the login cannot be used")]
    Account(#[from] AccountError),
    /// Nobody is signed in on the platform. In the words of the package that we replace.
    #[error("Not logged in. Run: keynet-inference login <server-url>")]
    NotLoggedIn,
    /// Whoever was is not any more.
    #[error("the login at {server} has expired ({at}). Run: keynet-inference login {server}")]
    LoginExpired {
        /// When.
        at: String,
        /// Where.
        server: String,
    },
    /// The platform names a registry that its login is not for.
    #[error(
        "the platform wants the upload at {host}, and its login {}",
        harbor.as_ref().map_or_else(|| "is for no registry".to_owned(), |harbor| format!("is for {harbor}: nothing is shown to another"))
    )]
    NoHarbor {
        /// The registry that it names.
        host: String,
        /// The one that the login is for.
        harbor: Option<String>,
    },
    /// A registry that was shown a login.
    #[error("{registry} does not accept this login: {said}")]
    NotAccepted {
        /// The registry.
        registry: String,
        /// Its own words.
        said: String,
    },
    /// The platform's server cannot be sent a password safely.
    #[error("what is sent to {0} can be read on the way")]
    ReadableOnTheWay(String),
    /// The platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A step of publishing on the platform.
    #[error(transparent)]
    Step(StepFailed),
    /// A function that nobody would know what it is for.
    #[error("the function {name:?} has no {what}, which is shown to whoever looks for it")]
    Undescribed {
        /// `name` or `description`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl From<ImageError> for ExpectedError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Artifact(error) => Self::Published(error),
            ImageError::Host(error) => Self::Host(error),
            other => Self::Image(other),
        }
    }
}

impl ExpectedError {
    /// A failed operation on a path.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let thing = path.display().to_string();
        move |source| Self::Io { what, thing, source }
    }

    /// Its exit code.
    pub fn exit(&self) -> Exit {
        match self {
            // The machine is at fault, whoever noticed it.
            Self::Failed(Failure::Start(_)) | Self::Action { source: ActionError::Describe(Failure::Start(_)), .. } => Exit::Configuration,
            Self::Failed(_) => Exit::Failed,
            Self::Parameters { .. } => Exit::Usage,
            Self::Action { .. } => Exit::Component,
            Self::Config(_) | Self::Host(_) => Exit::Configuration,
            Self::Name { .. }
            | Self::Occupied(_)
            | Self::NoProject(_)
            | Self::SdkGone { .. }
            | Self::NoToolchain
            | Self::Program { .. }
            | Self::CargoFailed(_)
            | Self::Artifact(_)
            | Self::Ask { .. }
            | Self::NotAnAction(_) => Exit::Project,
            Self::Image(ImageError::Compile { .. }) => Exit::Component,
            Self::Image(ImageError::Time(_)) => Exit::Configuration,
            Self::Image(_) => Exit::Io,
            Self::Io { .. } | Self::Storage(_) | Self::Account(_) | Self::Changed(_) => Exit::Io,
            Self::Authorities { .. } => Exit::Configuration,
            Self::Undescribed { .. } => Exit::Component,
            Self::Missing { .. } | Self::Argument { .. } | Self::ReadableOnTheWay(_) => Exit::Usage,
            Self::NotLoggedIn | Self::LoginExpired { .. } | Self::NoHarbor { .. } | Self::NotAccepted { .. } => Exit::Login,
            Self::Published(error) => of_artifact(error),
            Self::Platform(error) => of_platform(error),
            Self::Step(step) => step.source.exit(),
            Self::OpenWhisk(error) => error.exit(),
        }
    }

    /// Its name in `--json`. For a failed action that of the failure.
    pub fn kind(&self) -> &'static str {
        match (self, self.exit()) {
            (Self::Failed(failure), _) => failure::kind(failure),
            (Self::OpenWhisk(error), _) => error.kind(),
            (_, Exit::Failed) => "failed",
            (_, Exit::Usage) => "usage",
            (_, Exit::Component) => "component",
            (_, Exit::Configuration) => "configuration",
            (_, Exit::Project) => "project",
            (_, Exit::Io) => "io",
            (_, Exit::Login) => "login",
            (_, Exit::Refused) => "refused",
            (_, Exit::Server) => "server",
            (_, Exit::Connection) => "connection",
            (_, Exit::Artifact) => "artifact",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OpenWhisk(error) => error.hint(),
            Self::Failed(Failure::Time { .. }) => Some("--timeout gives it more, such as --timeout 5m".to_owned()),
            Self::NoToolchain => Some(
                "run `rustup target add wasm32-wasip2`; where that target cannot be downloaded, `guest-sdk/setup-wasm-toolchain` in a clone of \
                 keynet-inference builds a toolchain called keynet-wasm"
                    .to_owned(),
            ),
            Self::Program { program: "cargo", .. } => Some("install Rust from https://rustup.rs".to_owned()),
            Self::NoProject(_) => Some("make one with `keynet-inference new NAME`, or name its folder with --path".to_owned()),
            Self::Occupied(_) => Some("choose another name, or remove it".to_owned()),
            Self::SdkGone { instead, .. } => {
                Some(format!("this version's SDK is at {}: write that path into the project's Cargo.toml", instead.display()))
            }
            Self::Io { source, what: "read", .. } if source.kind() == io::ErrorKind::IsADirectory => {
                Some("name the component's file; `keynet-inference build` makes it from a project's folder".to_owned())
            }
            Self::Step(step) => Some(step.hint()),
            Self::ReadableOnTheWay(_) => Some("write https:// if the server speaks it, or accept it with --insecure".to_owned()),
            Self::Platform(PlatformError::Connection { .. }) => Some("check the server's URL and the network".to_owned()),
            Self::Io { source, what: "make", .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("what is there is not replaced: choose another name".to_owned())
            }
            Self::Undescribed { name, .. } => Some(how_to_describe(name)),
            Self::Io { source, what: "listen on", .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another process listens there: stop it, or choose another address".to_owned())
            }
            _ => None,
        }
    }

    /// The message with its causes, on one line: for `--json`.
    pub fn one_line(&self) -> String {
        let mut text = match self {
            // Alone, without the sentence around it, as the action said it.
            Self::Failed(failure) => failure.to_string(),
            other => other.to_string(),
        };
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        secrecy::hide(&text).into_owned()
    }

    /// The message, its causes, where it happened and what to do next, for a person.
    pub fn report(&self, console: Console) -> String {
        let mut text = format!("{} {}\n", console.error_label(), indented(&self.to_string()));
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = writeln!(text, "  caused by: {}", indented(&error.to_string()));
            cause = error.source();
        }
        if let Self::Failed(failure) = self {
            for frames in failure.trace().chunk_by(|one, next| one == next) {
                let times = if frames.len() > 1 { format!(", {} times", frames.len()) } else { String::new() };
                let _ = writeln!(text, "  at {}{times}", printable(frames.first().map_or("", String::as_str)));
            }
            if let Failure::Limit { said: Some(said), .. } = failure {
                let _ = writeln!(text, "  it said last: {}", indented(said));
            }
        }
        if let Self::Step(step) = self {
            let _ = writeln!(text, "  so far: {}", indented(&step.done));
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "  {} {hint}", console.hint_label());
        }
        secrecy::hide(&text).into_owned()
    }
}

fn of_artifact(error: &ArtifactError) -> Exit {
    use ArtifactError as Of;
    match error {
        Of::Reference { .. } => Exit::Usage,
        Of::NotAComponent { .. } => Exit::Component,
        Of::Host { .. } => Exit::Configuration,
        Of::Key { .. } | Of::Io { .. } => Exit::Io,
        Of::Unauthorized { .. } | Of::Denied { .. } | Of::Realm { .. } | Of::Credentials { .. } => Exit::Login,
        Of::TooManyRequests { .. } | Of::Server { .. } | Of::Protocol { .. } => Exit::Server,
        Of::Tls { .. } | Of::Unreachable { .. } => Exit::Connection,
        // What is not there, damaged, something else, too large, or signed by somebody else.
        _ => Exit::Artifact,
    }
}

fn of_platform(error: &PlatformError) -> Exit {
    match error {
        PlatformError::Authentication { .. } => Exit::Login,
        PlatformError::Validation { .. } | PlatformError::Other { .. } => Exit::Refused,
        PlatformError::Server { .. } | PlatformError::Answer { .. } => Exit::Server,
        PlatformError::Connection { .. } => Exit::Connection,
    }
}

fn how_to_describe(name: &str) -> String {
    let name = if name.is_empty() { "my-function" } else { name };
    format!(
        "say it where the function is written, and build it again:\n    \
         Rust       #[keynet_function(name = \"{name}\", description = \"What it does, for a person.\")]\n    \
         Python     @keynet_function(name=\"{name}\", description=\"What it does, for a person.\")\n    \
         otherwise  `name` and `description` in what the exported `describe` answers"
    )
}

/// Further lines of a message under its first one.
fn indented(text: &str) -> String {
    printable(text.trim_end()).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_causes_and_a_hint() {
        let source = io::Error::from(io::ErrorKind::IsADirectory);
        let error = ExpectedError::io("read", Path::new("hello"))(source);
        let report = error.report(Console::plain());
        assert_eq!(
            report,
            "error: cannot read hello\n  caused by: is a directory\n  hint: name the component's file; `keynet-inference build` makes it from a project's folder\n"
        );
        assert_eq!((error.exit(), error.kind()), (Exit::Io, "io"));
    }

    #[test]
    fn every_exit_code_is_documented() {
        let documented = include_str!("../../docs/cli.md");
        let all = [
            [Exit::Failed, Exit::Usage, Exit::Component, Exit::Configuration, Exit::Project, Exit::Io].as_slice(),
            &[Exit::Login, Exit::Refused, Exit::Server, Exit::Connection, Exit::Artifact],
        ];
        for exit in all.concat() {
            let code = exit as u8;
            assert!(EXIT_CODES.contains(&format!("\n{code:>3}  ")), "{exit:?}");
            assert!(documented.contains(&format!("\n| {code} | ")), "{exit:?}");
        }
    }

    #[test]
    fn every_class_of_the_platforms_errors_has_its_own_code() {
        let said = || "said".to_owned();
        let errors = [
            PlatformError::Authentication { server: said(), status: 401, said: said() },
            PlatformError::Validation { server: said(), status: 400, said: said() },
            PlatformError::Server { server: said(), status: 500, said: said() },
            PlatformError::Connection { server: said(), why: said() },
        ];
        let codes = errors.map(|error| ExpectedError::from(error).exit());
        assert_eq!(codes, [Exit::Login, Exit::Refused, Exit::Server, Exit::Connection]);
    }

    #[test]
    fn a_report_shows_no_secret() {
        let error = ExpectedError::Artifact("the token=abcdef of https://ada:hunter2@host".to_owned());
        for text in [error.report(Console::plain()), error.one_line()] {
            assert!(!text.contains("abcdef") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_trap_says_where() {
        let error = ExpectedError::Failed(Failure::Trap {
            reason: "it divided by zero".into(),
            trace: ["f", "f", "main"].map(str::to_owned).into(),
        });
        assert_eq!(error.report(Console::plain()), "error: the action trapped: it divided by zero\n  at f, 2 times\n  at main\n");
        assert_eq!(error.kind(), "trap");
    }
}
