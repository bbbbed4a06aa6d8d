//! Conversion from the errors of `object_store`: the text names the location, never a path of this
//! machine and never a secret.

use std::error::Error as StdError;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use keynet_base::error::{Error, ErrorKind};
use keynet_base::outbound::source_of;

/// Explains an error that a store returned while `doing` ("read", "write", ...) the object called
/// `label`.
///
/// An [`Error`] anywhere in the source chain is passed on unchanged, and an [`ErrorResponse`] is
/// prefixed with the operation: that is how a store reports more than `object_store` can express.
pub(crate) fn explain(doing: &str, label: &str, error: object_store::Error) -> Error {
    use object_store::Error as Store;

    if let Some(ours) = source_of::<Error>(&error) {
        return ours.clone();
    }
    if let Some(ErrorResponse { kind, text }) = source_of(&error) {
        let did_not = match kind {
            ErrorKind::Denied => "does not allow to",
            _ => "failed to",
        };
        return Error {
            kind: *kind,
            message: format!("the object store {did_not} {doing} `{label}`: {text}"),
        };
    }
    match &error {
        Store::NotFound { .. } => Error::not_found(format!("there is no object `{label}`")),
        Store::AlreadyExists { .. } => {
            Error::precondition_failed(format!("there already is an object `{label}`"))
        }
        Store::Precondition { .. } => Error::precondition_failed(format!(
            "`{label}` does not have the etag asked for: it was replaced or deleted"
        )),
        Store::NotModified { .. } => Error::precondition_failed(format!(
            "`{label}` still has the etag given: it did not change"
        )),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            Error::denied(format!("the object store does not allow to {doing} `{label}`"))
        }
        Store::InvalidPath { .. } => {
            Error::invalid(format!("the object store cannot hold a key such as `{label}`"))
        }
        _ => {
            tracing::warn!(%label, error = &error as &dyn StdError, "the object store failed to \
                {doing}");
            if let Some(
                HttpErrorKind::Interrupted
                | HttpErrorKind::Request
                | HttpErrorKind::Connect
                | HttpErrorKind::Decode,
            ) = source_of::<HttpError>(&error).map(HttpError::kind)
            {
                return Error::unavailable(format!(
                    "the object store failed to {doing} `{label}`: its answer broke off"
                ));
            }
            match source_of::<io::Error>(&error) {
                Some(io) => explain_io(doing, label, io.kind()),
                None => Error::internal(format!("the object store failed to {doing} `{label}`")),
            }
        }
    }
}

fn explain_io(doing: &str, label: &str, kind: io::ErrorKind) -> Error {
    let text = format!("the object store failed to {doing} `{label}`: {kind}");
    match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::denied(text),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::unavailable(text),
        io::ErrorKind::TimedOut => Error::timeout(text),
        _ => Error::internal(text),
    }
}

/// Wraps an [`Error`] for a store to return; [`explain`] unwraps it.
pub(crate) fn carry(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "Folder", source: Box::new(error) }
}

/// Error response of a server, for [`explain`] to find. The text names no object and holds no
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct ErrorResponse {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
}

impl ErrorResponse {
    pub(super) fn new(kind: ErrorKind, text: String) -> Self {
        Self { kind, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl StdError + Send + Sync + 'static) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: Box::new(source) }
    }

    #[test]
    fn paths_and_secrets_of_the_store_are_not_passed_on() {
        let told = explain("read", "a/b", generic(io::Error::other("/srv/objects/a/b AKIA123")));
        assert_eq!(told.kind, ErrorKind::Internal);
        assert!(
            told.message.contains("a/b")
                && !told.message.contains("/srv")
                && !told.message.contains("AKIA"),
            "{told}"
        );
        let told = explain(
            "read",
            "k",
            object_store::Error::NotFound { path: "/srv/k".into(), source: "x".into() },
        );
        assert_eq!(
            (told.kind, told.message.as_str()),
            (ErrorKind::NotFound, "there is no object `k`")
        );
    }

    #[test]
    fn the_reason_is_kept_where_it_helps() {
        let told = explain("write", "k", generic(io::Error::from(io::ErrorKind::StorageFull)));
        assert_eq!(told.kind, ErrorKind::Unavailable);
        assert!(told.message.ends_with("no storage space"), "{told}");
        let ours = Error::denied("a symbolic link");
        assert_eq!(explain("read", "k", carry(ours.clone())), ours);
        let said = ErrorResponse::new(ErrorKind::Denied, "AccessDenied: no".to_owned());
        let told = explain("read", "k", generic(HttpError::new(HttpErrorKind::Unknown, said)));
        assert_eq!(
            told,
            Error::denied("the object store does not allow to read `k`: AccessDenied: no")
        );
    }
}
