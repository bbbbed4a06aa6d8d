//! Error of a file, a folder or an address that the operating system refuses.

use std::io;

use super::{Diagnostic, Exit};

/// An operation that failed, with the thing that it was for.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {thing}")]
pub struct IoError {
    /// Operation, such as "read" or "listen on".
    pub what: &'static str,
    /// Path or address.
    pub thing: String,
    /// Error of the operating system.
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
            ("read", io::ErrorKind::NotFound) if self.thing.ends_with(".wasm") => {
                "`keynet-inference build` makes it from a project; in the project's folder, the \
                    command without a file builds and uses it"
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
