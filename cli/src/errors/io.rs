//! A file, a folder or an address that the system does not let one use.

use std::io;

use super::{Diagnostic, Exit};

/// What was tried with which thing.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {thing}")]
pub struct IoError {
    /// What was tried: "read", "listen on".
    pub what: &'static str,
    /// The path or address.
    pub thing: String,
    /// Why not.
    pub source: io::Error,
}

impl Diagnostic for IoError {
    fn exit(&self) -> Exit {
        Exit::Io
    }

    fn hint(&self) -> Option<String> {
        let hint = match (self.what, self.source.kind()) {
            ("read", io::ErrorKind::IsADirectory) => {
                "name the component's file; `keynet-inference build` makes it from a project's \
                    folder"
            }
            ("make", io::ErrorKind::AlreadyExists) => {
                "what is there is not replaced: choose another name"
            }
            ("listen on", io::ErrorKind::AddrInUse) => {
                "another process listens there: stop it, or choose another address"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
