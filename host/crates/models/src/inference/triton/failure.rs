//! Classification of failed calls: the host's kind of error, and whether a retry can help.
//!
//! Triton returns UNAVAILABLE for different conditions: its queue is full, a model is being loaded,
//! a request waited in a queue for too long, a token is missing. They are distinguished by their
//! texts.

use std::error::Error as _;

use tonic::{Code, ConnectError, Status, TimeoutExpired};

use super::grpc_only::NotGrpc;
use keynet_base::error::{Error, ErrorKind};
use keynet_base::error_chain;
use keynet_base::outbound::AddressRefused;
use keynet_base::quote::on_one_line;

/// Maximum length of a server's text that is passed on.
const MAX_TEXT: usize = 1024;
/// Advice on the origin of the credentials sent to the server.
const CREDENTIALS: &str = "; KEYNET_TRITON_TOKEN and KEYNET_TRITON_HEADERS are what the server is \
    shown";
const CERTIFICATE: &str = "KEYNET_TRITON_CERT and KEYNET_TRITON_KEY are what it is shown";
/// Reasons for a broken connection. A server that does not trust the host need not send a reason.
const BROKE: &str = "it has ended, TRITON_URL is not its gRPC port, or it is https and wants a \
    certificate";

/// Permission to retry a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// A retry would fail again, or the call must not be repeated.
    No,
    /// The request was not sent, because the connection had ended before. It can be retried
    /// immediately on another one.
    Unsent,
    /// The model has not received the request.
    Unseen,
    /// The connection broke; it is unknown whether the model has received the request.
    Unknown,
}

/// Failed call.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: Error,
    pub again: Again,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: Again::No }
    }
}

impl Failure {
    /// Converts the status of a call about `subject` (such as `model detector`), or the transport
    /// error that prevented a response.
    pub fn of_status(subject: &str, status: &Status) -> Self {
        match status.source() {
            Some(source) if status.metadata().is_empty() => Self::of_transport(subject, source),
            _ => Self::answered(subject, status.code(), status.message()),
        }
    }

    /// Converts a transport error: there was no response.
    pub fn of_transport(subject: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        let mut unconnected = false;
        while let Some(error) = cause {
            if let Some(refused) =
                error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            {
                if refused.is::<AddressRefused>() {
                    return Error::denied(format!("{subject}: {refused}")).into();
                }
                if let Some(failure) = Self::of_tls(subject, refused) {
                    return failure;
                }
            }
            if let Some(NotGrpc(status)) = error.downcast_ref() {
                return Self::of_http(subject, *status);
            }
            if error.is::<TimeoutExpired>() {
                return Error::timeout(format!(
                    "{subject} did not answer in the time this activation has left"
                ))
                .into();
            }
            if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
                let text = format!(
                    "{subject}: the connection to Triton had ended: {}; {BROKE}: {CERTIFICATE}",
                    on_one_line(&error_chain::joined(error), MAX_TEXT)
                );
                return Self { error: Error::unavailable(text), again: Again::Unsent };
            }
            unconnected |= error.is::<ConnectError>();
            cause = error.source();
        }
        let told = on_one_line(&error_chain::joined(error), MAX_TEXT);
        if unconnected {
            let text = format!(
                "{subject}: Triton cannot be reached: {told}; is it running, and is TRITON_URL its \
                    gRPC port?"
            );
            return Self { error: Error::unavailable(text), again: Again::Unseen };
        }
        Self::broken(subject, &told)
    }

    fn broken(subject: &str, told: &str) -> Self {
        let text =
            format!("{subject}: the connection to Triton broke: {told}; {BROKE}: {CERTIFICATE}");
        Self { error: Error::unavailable(text), again: Again::Unknown }
    }

    /// Converts a TLS error: one side does not trust the other, and a retry does not help. A server
    /// that merely closes the connection may have been stopped.
    fn of_tls(subject: &str, error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        Some(match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => {
                let text = format!(
                    "{subject}: Triton is not trusted: {error}; KEYNET_TRITON_CA names whom to \
                        trust instead of the system's"
                );
                Error::unavailable(text).into()
            }
            Some(rustls::Error::AlertReceived(_)) => {
                let text = format!(
                    "{subject}: Triton refused the connection: {error}; where it wants a \
                        certificate, {CERTIFICATE}"
                );
                Error::denied(text).into()
            }
            None if error.to_string().contains("close_notify") => {
                Self::broken(subject, "it hung up")
            }
            _ => return None,
        })
    }

    /// Returns the failure of a connection that ended within a response.
    pub fn cut(subject: &str) -> Self {
        Self {
            error: Error::unavailable(format!(
                "{subject}: the connection to Triton ended in the middle of an answer"
            )),
            again: Again::Unknown,
        }
    }

    /// Converts an HTTP status other than gRPC's: an intermediary, not the server, has responded.
    pub fn of_http(subject: &str, status: http::StatusCode) -> Self {
        let kind = match status.as_u16() {
            401 | 403 => ErrorKind::Denied,
            429 | 502..=504 => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        };
        let advice = if kind == ErrorKind::Denied {
            CREDENTIALS
        } else {
            ": is TRITON_URL the gRPC port of Triton?"
        };
        let message =
            format!("{subject}: HTTP status {} instead of a gRPC answer{advice}", status.as_u16());
        Self {
            error: Error { kind, message },
            again: if kind == ErrorKind::Unavailable { Again::Unseen } else { Again::No },
        }
    }

    /// Converts an error status of the server.
    pub fn answered(subject: &str, code: Code, text: &str) -> Self {
        let (kind, again) = meaning(code, text);
        let text = match on_one_line(text, MAX_TEXT) {
            text if text.is_empty() => code.description().to_owned(),
            text => text,
        };
        let advice = if kind == ErrorKind::Denied { CREDENTIALS } else { "" };
        Self { error: Error { kind, message: format!("{subject}: {text}{advice}") }, again }
    }
}

/// Returns the kind of a gRPC status. The texts are those of Triton's core and gRPC front end.
fn meaning(code: Code, text: &str) -> (ErrorKind, Again) {
    match code {
        Code::Unavailable if text.contains("protocol is restricted") => {
            (ErrorKind::Denied, Again::No)
        }
        Code::Unavailable if text.contains("timeout expired") => (ErrorKind::Timeout, Again::No),
        Code::Unavailable => (ErrorKind::Unavailable, Again::Unseen),
        // tonic's own status, for a response that is larger than the limit.
        Code::OutOfRange if text.contains("message length too large") => {
            (ErrorKind::TooLarge, Again::No)
        }
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::FailedPrecondition
        | Code::Unimplemented => (ErrorKind::Invalid, Again::No),
        Code::NotFound => (ErrorKind::NotFound, Again::No),
        Code::PermissionDenied | Code::Unauthenticated => (ErrorKind::Denied, Again::No),
        Code::ResourceExhausted => (ErrorKind::TooLarge, Again::No),
        Code::DeadlineExceeded => (ErrorKind::Timeout, Again::No),
        // The server cancelled the call: it is shutting down, or the model is being stopped.
        Code::Cancelled => (ErrorKind::Unavailable, Again::No),
        _ => (ErrorKind::Internal, Again::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_kind() {
        for (code, text, kind, again) in [
            (
                Code::NotFound,
                "Request for unknown model: 'nobody' is not found",
                ErrorKind::NotFound,
                Again::No,
            ),
            (Code::InvalidArgument, "unexpected shape", ErrorKind::Invalid, Again::No),
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 2 bytes",
                ErrorKind::TooLarge,
                Again::No,
            ),
            (
                Code::Unavailable,
                "Exceeds maximum queue size",
                ErrorKind::Unavailable,
                Again::Unseen,
            ),
            (Code::Unavailable, "Request timeout expired", ErrorKind::Timeout, Again::No),
            (
                Code::Unavailable,
                "This protocol is restricted, expecting header 'x'",
                ErrorKind::Denied,
                Again::No,
            ),
            (Code::DeadlineExceeded, "", ErrorKind::Timeout, Again::No),
            (
                Code::ResourceExhausted,
                "Received message larger than max",
                ErrorKind::TooLarge,
                Again::No,
            ),
            (Code::Unimplemented, "decoupled", ErrorKind::Invalid, Again::No),
            (Code::Unauthenticated, "who", ErrorKind::Denied, Again::No),
            (Code::Cancelled, "", ErrorKind::Unavailable, Again::No),
            (Code::Internal, "in ensemble", ErrorKind::Internal, Again::No),
            (Code::Unknown, "", ErrorKind::Internal, Again::No),
        ] {
            let failure = Failure::answered("model m", code, text);
            assert_eq!((failure.error.kind, failure.again), (kind, again), "{failure:?}");
            assert!(
                failure.error.message.starts_with("model m: ")
                    && failure.error.message.contains(text),
                "{failure:?}"
            );
            assert!(failure.error.message.len() > "model m: ".len(), "{failure:?}");
        }
    }

    #[test]
    fn ends_that_do_not_trust_each_other_are_told_what_to_set() {
        let told = |error: rustls::Error| {
            let io = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            let failure = Failure::of_transport("model m", &io);
            (failure.error.kind, failure.again, failure.error.message)
        };
        let (kind, again, text) =
            told(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer));
        assert!(
            kind == ErrorKind::Unavailable
                && again == Again::No
                && text.contains("KEYNET_TRITON_CA"),
            "{text}"
        );
        let (kind, again, text) =
            told(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired));
        assert!(
            kind == ErrorKind::Denied && again == Again::No && text.contains("KEYNET_TRITON_CERT"),
            "{text}"
        );
        let refused = Failure::of_http("model m", http::StatusCode::UNAUTHORIZED).error;
        assert!(
            refused.kind == ErrorKind::Denied && refused.message.contains("KEYNET_TRITON_TOKEN"),
            "{refused}"
        );
    }

    #[test]
    fn a_servers_text_is_one_line_of_bounded_length() {
        let told =
            Failure::answered("model m", Code::Internal, &format!("a\nb{}", "é".repeat(5000)))
                .error
                .message;
        assert!(
            told.starts_with("model m: a bé") && told.ends_with('…') && told.chars().count() < 1100
        );
    }
}
