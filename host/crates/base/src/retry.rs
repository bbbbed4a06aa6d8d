//! Pauses between the attempts of one operation.

use std::time::Duration;

/// Exponential backoff with up to 50 % jitter: each pause is twice as long as the previous one,
/// with a random length within its upper half, so that clients that failed together do not retry
/// together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Largest number of retries after consecutive failures; 0 to never retry.
    pub times: u32,
    /// First pause.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
}

/// Pauses of one operation under a policy.
#[derive(Debug, Clone)]
pub struct Pauses {
    policy: RetryPolicy,
    failures: u32,
}

impl RetryPolicy {
    /// Returns the pauses of a new operation.
    pub fn pauses(self) -> Pauses {
        Pauses { policy: self, failures: 0 }
    }
}

impl Pauses {
    /// Returns the policy.
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Resets the count of failures, after an attempt that made progress.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and returns the pause after it; `None` if there are no more attempts.
    pub fn after_failure(&mut self) -> Option<Duration> {
        if self.failures >= self.policy.times {
            return None;
        }
        let doubled = self.policy.first.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        Some(doubled.min(self.policy.longest).mul_f64(1.0 - fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(500));
        let mut pauses = RetryPolicy { times: 5, first, longest }.pauses();
        let all: Vec<_> = std::iter::from_fn(|| pauses.after_failure()).collect();
        assert_eq!(all.len(), 5);
        for (nth, pause) in all.iter().enumerate() {
            let whole = (first * (1 << nth)).min(longest);
            assert!(*pause >= whole / 2 && *pause <= whole, "{all:?}");
        }
        pauses.reset();
        assert!(pauses.after_failure().is_some_and(|pause| pause <= first));
        assert_eq!(RetryPolicy { times: 0, first, longest }.pauses().after_failure(), None);
    }
}
