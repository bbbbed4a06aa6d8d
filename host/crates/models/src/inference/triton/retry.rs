//! Asking again a server that is unavailable, with growing pauses, within the time of the call.

use std::time::{Duration, Instant};

use super::failure::{Again, Failure};
use keynet_base::error::{Error, ErrorKind};
use keynet_base::retry::{Pauses, RetryPolicy};

/// The time of the call ends the attempts, not their number.
const POLICY: RetryPolicy = RetryPolicy {
    times: u32::MAX,
    first: Duration::from_millis(20),
    longest: Duration::from_secs(1),
};
/// How many connections may turn out to have ended before, in one call.
const STALE: u32 = 4;

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Attempts {
    started: Instant,
    until: Instant,
    /// Whether what the model may have seen can be asked again.
    repeatable: bool,
    made: u32,
    stale: u32,
    pauses: Pauses,
}

impl Attempts {
    /// The first attempt begins now. Others follow for `time`, and for no more than half of what is
    /// left until `deadline`: the caller needs time to hear that the server is down.
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

    /// Waits until the call may be made again.
    ///
    /// # Errors
    /// That of `failure`, when it may not or when it was made often enough.
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
