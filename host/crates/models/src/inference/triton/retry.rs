//! Retries of calls to an unavailable server, with growing pauses, within the time of the call.

use std::time::{Duration, Instant};

use super::failure::{Again, Failure};
use keynet_base::error::{Error, ErrorKind};
use keynet_base::retry::{Pauses, RetryPolicy};

/// The attempts are limited by the time of the call, not by their number.
const POLICY: RetryPolicy = RetryPolicy {
    times: u32::MAX,
    first: Duration::from_millis(20),
    longest: Duration::from_secs(1),
};
/// Connections that may turn out to be closed already, within one call.
const STALE: u32 = 4;

/// Attempts of one call.
#[derive(Debug)]
pub(super) struct Attempts {
    started: Instant,
    until: Instant,
    /// Set if a request that the model may have received can be sent again.
    repeatable: bool,
    made: u32,
    stale: u32,
    pauses: Pauses,
}

impl Attempts {
    /// Starts the first attempt. Retries follow for `time`, and for at most half of the time until
    /// `deadline`: the caller needs time to handle the error of an unavailable server.
    pub fn new(time: Duration, deadline: Instant, repeatable: bool) -> Self {
        let started = Instant::now();
        let half = deadline.saturating_duration_since(started) / 2;
        Self {
            started,
            until: started + time.min(half),
            repeatable,
            made: 1,
            stale: 0,
            pauses: POLICY.pauses(),
        }
    }

    /// Waits until the call may be retried.
    ///
    /// # Errors
    /// The error of `failure`, if the call must not be retried or the time for retries is over.
    pub async fn again(&mut self, failure: Failure) -> Result<(), Error> {
        if failure.again == Again::Unsent && self.stale < STALE {
            self.stale += 1;
            return Ok(());
        }
        let allowed = match failure.again {
            Again::No => false,
            Again::Unsent | Again::Unseen => true,
            Again::Unknown => self.repeatable,
        };
        let pause = self.pauses.after_failure().filter(|_| allowed);
        let Some(pause) = pause.filter(|pause| Instant::now() + *pause <= self.until) else {
            return Err(self.told(failure.error));
        };
        tracing::debug!(error = %failure.error, attempt = self.made, pause_ms = pause.as_millis(), "Triton is asked \
            again");
        tokio::time::sleep(pause).await;
        self.made += 1;
        Ok(())
    }

    fn told(&self, error: Error) -> Error {
        if self.made == 1 || error.kind != ErrorKind::Unavailable {
            return error;
        }
        let spent = self.started.elapsed();
        Error {
            message: format!(
                "{} (asked {} times in {:.1} s)",
                error.message,
                self.made,
                spent.as_secs_f64()
            ),
            ..error
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(again: Again) -> Failure {
        Failure { error: Error::unavailable("no"), again }
    }

    #[tokio::test]
    async fn it_is_asked_again_for_half_of_the_time_at_most() {
        let started = Instant::now();
        let mut attempts =
            Attempts::new(Duration::from_secs(60), started + Duration::from_millis(400), true);
        let mut times = 1;
        let error = loop {
            match attempts.again(failure(Again::Unseen)).await {
                Ok(()) => times += 1,
                Err(error) => break error,
            }
        };
        assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
        assert!(
            times > 2 && error.message.starts_with(&format!("no (asked {times} times")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_must_not_be_done_twice_is_not() {
        let later = || Instant::now() + Duration::from_secs(60);
        let second = Duration::from_secs(1);
        assert!(Attempts::new(second, later(), true).again(failure(Again::No)).await.is_err());
        assert!(Attempts::new(second, later(), true).again(failure(Again::Unknown)).await.is_ok());
        assert!(
            Attempts::new(second, later(), false).again(failure(Again::Unknown)).await.is_err()
        );
        assert!(Attempts::new(second, later(), false).again(failure(Again::Unseen)).await.is_ok());
        assert!(
            Attempts::new(Duration::ZERO, later(), true)
                .again(failure(Again::Unseen))
                .await
                .is_err()
        );
        assert!(
            Attempts::new(Duration::ZERO, later(), false)
                .again(failure(Again::Unsent))
                .await
                .is_ok()
        );
    }
}
