//! Attempts of one request until its deadline.

use std::time::{Duration, Instant};

use crate::retry::{Pauses, RetryPolicy};

const POLICY: RetryPolicy = RetryPolicy {
    times: 4,
    first: Duration::from_millis(100),
    longest: Duration::from_millis(800),
};

/// Attempts of one request: five, none of which begins after the deadline.
#[derive(Debug)]
pub struct Backoff {
    pauses: Pauses,
    deadline: Instant,
}

impl Backoff {
    /// Returns the attempts of a request that must be answered by `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { pauses: POLICY.pauses(), deadline }
    }

    /// Waits until the next attempt. Returns whether there is one.
    pub async fn again(&mut self) -> bool {
        let Some(pause) = self.next(Instant::now()) else { return false };
        tokio::time::sleep(pause).await;
        true
    }

    fn next(&mut self, now: Instant) -> Option<Duration> {
        self.pauses.after_failure().filter(|pause| now + *pause < self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_begun_that_would_end_too_late() {
        let now = Instant::now();
        assert_eq!(Backoff::until(now + Duration::from_millis(20)).next(now), None);
        assert!(Backoff::until(now + Duration::from_secs(20)).next(now).is_some());
    }
}
