//! How the platform says no: told apart, each with its own way out.

/// What a request to the platform came to. `said` is the server's own message, without secrets, on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// 401, 403.
    #[error("the platform at {server} does not let you in ({status}): {said}")]
    Authentication {
        /// Its URL.
        server: String,
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// 400, 422.
    #[error("the platform at {server} refuses what it was sent ({status}): {said}")]
    Validation {
        /// Its URL.
        server: String,
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// 5xx.
    #[error("the platform at {server} failed ({status}): {said}")]
    Server {
        /// Its URL.
        server: String,
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// Nobody answered, or not in time.
    #[error("the platform at {server} cannot be reached: {why}")]
    Connection {
        /// Where it was looked for.
        server: String,
        /// What happened.
        why: String,
    },
    /// Any other status.
    #[error("the platform at {server} answered with status {status}: {said}")]
    Other {
        /// Its URL.
        server: String,
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// It worked, and the answer is not what the API has.
    #[error("the answer of the platform at {server} cannot be understood: {why}")]
    Answer {
        /// The server's URL.
        server: String,
        /// What is wrong with it.
        why: String,
    },
}

impl PlatformError {
    /// The error of an HTTP status that is no success.
    pub(super) fn of_status(server: &str, status: u16, said: String) -> Self {
        let server = server.to_owned();
        match status {
            401 | 403 => Self::Authentication { server, status, said },
            400 | 422 => Self::Validation { server, status, said },
            500..=599 => Self::Server { server, status, said },
            _ => Self::Other { server, status, said },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart() {
        let of = |status| PlatformError::of_status("https://x", status, "said".to_owned());
        for status in [401, 403] {
            assert!(matches!(of(status), PlatformError::Authentication { .. }));
        }
        for status in [400, 422] {
            assert!(matches!(of(status), PlatformError::Validation { .. }));
        }
        for status in [500, 502, 503, 599] {
            assert!(matches!(of(status), PlatformError::Server { .. }));
        }
        for status in [302, 404, 409, 413, 429, 600] {
            assert!(matches!(of(status), PlatformError::Other { .. }));
        }
        assert_eq!(of(422).to_string(), "the platform at https://x refuses what it was sent (422): said");
    }
}
