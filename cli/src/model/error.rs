//! Error of an operation on a model, with the exit code of the thing that is at fault: a file of this
//! machine, the registry, or the server.

use keynet_base::{Error, ErrorKind};

use crate::errors::{Diagnostic, Exit};

/// Part of an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// The server and its repository are asked what there is.
    #[default]
    Asking,
    /// The model is read from its source.
    Fetching,
    /// The model's files are written into the repository.
    Writing,
    /// The server loads or unloads the model.
    Loading,
}

/// Circumstances of an error, from which its exit code follows.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// `true` if Ctrl-C or SIGTERM stopped the operation.
    pub is_stopped: bool,
    /// `true` if models run in process: there is no server.
    pub is_in_process: bool,
    /// `true` if the model repository is a folder of this machine.
    pub has_folder: bool,
    /// `true` if the model is a file or folder of this machine.
    pub is_file: bool,
    /// `true` if a registry of models is configured.
    pub has_registry: bool,
    /// Part of the operation that failed.
    pub phase: Phase,
}

/// Error of the host for an operation on a model.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ModelError {
    error: Error,
    exit: Exit,
}

impl ModelError {
    /// Creates the error with the exit code of the thing at fault.
    pub fn new(error: Error, circumstances: &Circumstances) -> Self {
        // The messages about the repository's settings, and no others, name this variable.
        let exit = match exit(error.kind, circumstances) {
            Exit::Usage if error.message.contains("TRITON_MODEL_REPO") => Exit::Configuration,
            exit => exit,
        };
        Self { error, exit }
    }
}

fn exit(kind: ErrorKind, circumstances: &Circumstances) -> Exit {
    let &Circumstances { is_stopped, is_in_process, has_folder, is_file, has_registry, phase } =
        circumstances;
    let is_local = match phase {
        // A name that is taken has the same exit code whether it was found before the model was
        // fetched or, because another process took it meanwhile, after.
        _ if kind == ErrorKind::PreconditionFailed => is_in_process,
        Phase::Fetching => is_file,
        Phase::Writing => has_folder,
        Phase::Asking | Phase::Loading => is_in_process,
    };
    match kind {
        _ if is_stopped => Exit::Stopped,
        ErrorKind::Timeout => Exit::Connection,
        // At the end it is the model that is invalid, not what the command line says of it.
        ErrorKind::Invalid if phase != Phase::Loading => Exit::Usage,
        _ if is_local => Exit::Io,
        ErrorKind::Unavailable if phase == Phase::Fetching && !has_registry => Exit::Configuration,
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Denied
        | ErrorKind::PreconditionFailed
        | ErrorKind::TooLarge => Exit::Refused,
        ErrorKind::Unavailable => Exit::Connection,
        ErrorKind::Internal => Exit::Server,
    }
}

impl Diagnostic for ModelError {
    fn exit(&self) -> Exit {
        self.exit
    }

    fn kind(&self) -> &'static str {
        self.error.kind.as_str()
    }

    fn hint(&self) -> Option<String> {
        (self.error.kind == ErrorKind::Timeout)
            .then(|| "--timeout gives it more, such as --timeout 30m".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_PROCESS: Circumstances = Circumstances {
        is_stopped: false,
        is_in_process: true,
        has_folder: true,
        is_file: true,
        has_registry: false,
        phase: Phase::Asking,
    };

    #[test]
    fn without_a_server_no_server_is_at_fault() {
        for phase in [Phase::Asking, Phase::Fetching, Phase::Writing, Phase::Loading] {
            for kind in [
                ErrorKind::NotFound,
                ErrorKind::Denied,
                ErrorKind::PreconditionFailed,
                ErrorKind::TooLarge,
                ErrorKind::Unavailable,
                ErrorKind::Internal,
            ] {
                let circumstances = Circumstances { phase, ..IN_PROCESS };
                assert_eq!(exit(kind, &circumstances), Exit::Io, "{phase:?} {kind}");
            }
        }
    }

    #[test]
    fn the_thing_at_fault_decides() {
        let triton = Circumstances { is_in_process: false, has_registry: true, ..IN_PROCESS };
        for (kind, circumstances, expected) in [
            (ErrorKind::NotFound, Circumstances { phase: Phase::Fetching, ..triton }, Exit::Io),
            (ErrorKind::Denied, Circumstances { phase: Phase::Writing, ..triton }, Exit::Io),
            (
                ErrorKind::Denied,
                Circumstances { phase: Phase::Writing, has_folder: false, ..triton },
                Exit::Refused,
            ),
            (ErrorKind::PreconditionFailed, triton, Exit::Refused),
            (
                ErrorKind::PreconditionFailed,
                Circumstances { phase: Phase::Writing, ..triton },
                Exit::Refused,
            ),
            (ErrorKind::Unavailable, triton, Exit::Connection),
            (
                ErrorKind::Unavailable,
                Circumstances { phase: Phase::Fetching, is_file: false, ..triton },
                Exit::Connection,
            ),
            (
                ErrorKind::Unavailable,
                Circumstances { phase: Phase::Fetching, is_file: false, ..IN_PROCESS },
                Exit::Configuration,
            ),
            (ErrorKind::Unavailable, Circumstances { is_stopped: true, ..triton }, Exit::Stopped),
            (ErrorKind::Timeout, IN_PROCESS, Exit::Connection),
            (ErrorKind::Invalid, IN_PROCESS, Exit::Usage),
            (ErrorKind::Invalid, Circumstances { phase: Phase::Loading, ..IN_PROCESS }, Exit::Io),
        ] {
            assert_eq!(exit(kind, &circumstances), expected, "{kind} {circumstances:?}");
        }
    }
}
