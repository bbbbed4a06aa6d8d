//! When to ask again.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const ATTEMPTS: u32 = 5;

/// The waits between attempts at one request: twice as long each time, of random length within
/// half, and none that would end after the deadline.
#[derive(Debug)]
pub struct Backoff {
    made: u32,
    deadline: Instant,
}

impl Backoff {
    /// For a request that must have its answer by `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { made: 1, deadline }
    }

    /// Waits for the next attempt; false where there is no more: five were made, or the time is
    /// over before it.
    pub async fn again(&mut self) -> bool {
        let Some(wait) = self.next(Instant::now()) else { return false };
        tokio::time::sleep(wait).await;
        true
    }

    fn next(&mut self, now: Instant) -> Option<Duration> {
        let wait = FIRST * 2_u32.pow(self.made - 1);
        let wait = wait / 2 + wait.mul_f64(f64::from(random_byte()) / 512.0);
        if self.made >= ATTEMPTS || now + wait >= self.deadline {
            return None;
        }
        self.made += 1;
        Some(wait)
    }
}

/// Only to keep many callers from asking at the same moment.
fn random_byte() -> u8 {
    uuid::Uuid::new_v4().into_bytes().first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let now = Instant::now();
        let mut backoff = Backoff::until(now + Duration::from_secs(60));
        let waits: Vec<_> = std::iter::from_fn(|| backoff.next(now)).collect();
        assert_eq!(waits.len(), 4);
        for (nth, wait) in waits.iter().enumerate() {
            let whole = FIRST * 2_u32.pow(u32::try_from(nth).unwrap());
            assert!(*wait >= whole / 2 && *wait <= whole, "{waits:?}");
        }
    }

    #[test]
    fn nothing_is_begun_that_would_end_too_late() {
        let now = Instant::now();
        assert_eq!(Backoff::until(now + Duration::from_millis(20)).next(now), None);
    }
}
