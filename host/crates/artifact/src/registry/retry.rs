//! Failures of a single request, whether a retry may help, and the pause before it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;

use keynet_base::error_chain;
use keynet_base::outbound::AddressRefused;
use keynet_base::retry::Pauses;

use super::hosts;
use crate::error::{ArtifactError, Result};
use crate::options::RegistryOptions;
use crate::progress::Progress;

/// Failed request.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Error to return if the request is not retried.
    pub(super) error: ArtifactError,
    /// True if the same request may succeed later.
    pub(super) again: bool,
    /// Pause that the registry asks for.
    pub(super) wait: Option<Duration>,
    /// True if the connection was refused: no server listens there.
    pub(super) refused: bool,
    /// True if the server does not speak TLS.
    pub(super) not_tls: bool,
}

impl Trouble {
    /// Returns a failure that a retry does not help.
    pub(super) fn for_good(error: ArtifactError) -> Self {
        Self { error, again: false, wait: None, refused: false, not_tls: false }
    }

    /// Returns a failure that a retry may help.
    pub(super) fn for_now(error: ArtifactError, wait: Option<Duration>) -> Self {
        Self { error, again: true, wait, refused: false, not_tls: false }
    }

    /// Returns the failure of a connection that could not be made or that broke. With `answered`,
    /// the registry has answered before, and a refused connection is retried: the server may be
    /// restarting.
    pub(super) fn of_connection(error: reqwest::Error, host: &str, answered: bool) -> Self {
        let error = error.without_url();
        let host = host.to_owned();
        let why = error_chain::innermost(&error).to_string();
        if let Some(refused) = error_chain::find::<AddressRefused>(&error) {
            return Self::for_good(hosts::refusal(host, refused));
        }
        if let Some(tls) = error_chain::find::<rustls::Error>(&error) {
            let not_tls = matches!(tls, rustls::Error::InvalidMessage(_));
            // A TLS alert may come from an overloaded server; an invalid certificate stays invalid.
            let again =
                answered && !not_tls && !matches!(tls, rustls::Error::InvalidCertificate(_));
            return Self {
                not_tls,
                again,
                ..Self::for_good(ArtifactError::Tls { host, why: in_words(tls) })
            };
        }
        let refused = error_chain::find::<io::Error>(&error)
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if error.is_builder()
            || error.is_body() && error_chain::find::<io::Error>(&error).is_some_and(is_local)
        {
            return Self::for_good(ArtifactError::Unreachable { host, why });
        }
        let again = answered || !error.is_connect();
        Self { refused, again, ..Self::for_good(ArtifactError::Unreachable { host, why }) }
    }
}

/// Reports whether the error is of a file that was being sent, not of the connection.
fn is_local(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory
    )
}

fn in_words(error: &rustls::Error) -> String {
    use rustls::CertificateError as Wrong;
    match error {
        rustls::Error::InvalidMessage(_) => "it does not speak TLS; allow plain HTTP with \
            `--insecure` if that is meant"
            .to_owned(),
        rustls::Error::InvalidCertificate(Wrong::UnknownIssuer) => {
            "its certificate is signed by an authority that is not known here; give the \
                authority's PEM file with `--ca`"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. }) => "its \
            certificate has expired"
            .to_owned(),
        other => other.to_string(),
    }
}

/// Returns the pause that the registry asks for: seconds or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
            (date.to_utc() - chrono::Utc::now()).to_std().ok()
        }
    }
}

/// Pauses between the attempts of one operation.
pub(super) struct Waits {
    pauses: Pauses,
    progress: Arc<dyn Progress>,
}

impl Waits {
    pub(super) fn new(options: &RegistryOptions) -> Self {
        Self { pauses: options.retry.pauses(), progress: options.progress.clone() }
    }

    /// Resets the count of failures after progress.
    pub(super) fn moved(&mut self) {
        self.pauses.reset();
    }

    /// Waits until the next attempt.
    ///
    /// # Errors
    /// The error of `trouble`, if a retry does not help or all attempts are used.
    pub(super) async fn after(&mut self, trouble: Trouble) -> Result<()> {
        let longest = self.pauses.policy().longest;
        let Some(pause) = self.pauses.after_failure().filter(|_| trouble.again) else {
            return Err(trouble.error);
        };
        // Retrying earlier than the registry asks for does not help.
        if let Some(asked) = trouble.wait.filter(|asked| *asked > longest) {
            return Err(too_long(trouble.error, asked));
        }
        let wait = trouble.wait.map_or(pause, |asked| asked.max(pause));
        tracing::debug!(error = %trouble.error, ?wait, "trying again");
        self.progress.retrying(&trouble.error.to_string(), wait);
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Adds the pause that the registry asks for to the error, when it is longer than the policy
/// allows.
fn too_long(error: ArtifactError, asked: Duration) -> ArtifactError {
    let asks = |said: String| format!("{said}, it asks to wait {} s", asked.as_secs());
    match error {
        ArtifactError::TooManyRequests { host, said } => {
            ArtifactError::TooManyRequests { host, said: asks(said) }
        }
        ArtifactError::Server { host, status, said } => {
            ArtifactError::Server { host, status, said: asks(said) }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use keynet_base::retry::RetryPolicy;

    use super::*;

    fn waits(times: u32) -> Waits {
        let retry = RetryPolicy {
            times,
            first: Duration::from_millis(8),
            longest: Duration::from_millis(20),
        };
        Waits::new(&RegistryOptions { retry, ..RegistryOptions::default() })
    }

    fn trouble() -> Trouble {
        Trouble::for_now(
            ArtifactError::Unreachable { host: "h".to_owned(), why: "w".to_owned() },
            None,
        )
    }

    #[tokio::test]
    async fn patience_ends_and_begins_anew_when_something_moved() {
        let mut waits = waits(2);
        for _ in 0..2 {
            waits.after(trouble()).await.unwrap();
        }
        assert!(waits.after(trouble()).await.is_err());
        waits.moved();
        waits.after(trouble()).await.unwrap();
        assert!(waits.after(Trouble::for_good(trouble().error)).await.is_err());
    }

    #[tokio::test]
    async fn who_asks_for_more_time_than_there_is_is_not_asked_again() {
        let started = std::time::Instant::now();
        let error =
            ArtifactError::TooManyRequests { host: "h".to_owned(), said: "busy".to_owned() };
        let error = waits(9)
            .after(Trouble::for_now(error, Some(Duration::from_secs(3600))))
            .await
            .unwrap_err();
        assert!(
            started.elapsed() < Duration::from_secs(1) && error.to_string().contains("3600 s"),
            "{error}"
        );
    }
}
