//! What goes wrong with one request, whether trying again may help, and how long to wait before
//! that.

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

/// A request that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What is told when it is not tried again.
    pub(super) error: ArtifactError,
    /// Whether the same request may succeed later.
    pub(super) again: bool,
    /// How long the registry wants to be left alone.
    pub(super) wait: Option<Duration>,
    /// Nobody listens there.
    pub(super) refused: bool,
    /// Whoever listens there does not speak TLS.
    pub(super) not_tls: bool,
}

impl Trouble {
    /// Trying again does not help.
    pub(super) fn for_good(error: ArtifactError) -> Self {
        Self { error, again: false, wait: None, refused: false, not_tls: false }
    }

    /// Trying again may help.
    pub(super) fn for_now(error: ArtifactError, wait: Option<Duration>) -> Self {
        Self { error, again: true, wait, refused: false, not_tls: false }
    }

    /// The connection failed or broke. `answered`: the registry has answered before, so that
    /// somebody who does not listen now may do so again soon.
    pub(super) fn of_connection(error: reqwest::Error, host: &str, answered: bool) -> Self {
        let error = error.without_url();
        let host = host.to_owned();
        let why = error_chain::innermost(&error).to_string();
        if let Some(refused) = error_chain::find::<AddressRefused>(&error) {
            return Self::for_good(hosts::refusal(host, refused));
        }
        if let Some(tls) = error_chain::find::<rustls::Error>(&error) {
            let not_tls = matches!(tls, rustls::Error::InvalidMessage(_));
            // An alert may come from an overloaded server; a certificate stays as it is.
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

/// An error of a file that was being sent, not of the connection.
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

/// How long the registry wants to be left alone: seconds or a date (RFC 9110, 10.2.3).
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

/// The waits between the attempts of one thing.
pub(super) struct Waits {
    pauses: Pauses,
    progress: Arc<dyn Progress>,
}

impl Waits {
    pub(super) fn new(options: &RegistryOptions) -> Self {
        Self { pauses: options.retry.pauses(), progress: options.progress.clone() }
    }

    /// Something moved: patience begins anew.
    pub(super) fn moved(&mut self) {
        self.pauses.reset();
    }

    /// Waits until it may be tried again.
    ///
    /// # Errors
    /// The trouble's, when trying again does not help or was done often enough.
    pub(super) async fn after(&mut self, trouble: Trouble) -> Result<()> {
        let longest = self.pauses.policy().longest;
        let Some(pause) = self.pauses.after_failure().filter(|_| trouble.again) else {
            return Err(trouble.error);
        };
        // To come back before a registry wants it is no use.
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

/// The registry asks for more patience than there is: the user is told how much.
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
