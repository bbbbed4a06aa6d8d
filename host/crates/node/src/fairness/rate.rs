//! Activations per minute of a namespace.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Limit of activations per minute, counted as OpenWhisk's `RateThrottler` counts: in fixed
/// windows that begin with each minute of the wall clock, with requests above the limit counted as
/// well. Across the boundary of two windows a namespace can start twice its limit within a minute.
#[derive(Debug)]
pub struct Rate {
    limit: AtomicU32,
    /// Minute since 1970 in the upper 32 bits, requests in that minute in the lower ones.
    window: AtomicU64,
}

impl Rate {
    /// Creates a limit of `limit` activations per minute.
    pub fn per_minute(limit: u32) -> Self {
        Self { limit: AtomicU32::new(limit), window: AtomicU64::new(0) }
    }

    /// Changes the limit; what was counted in this minute stays counted.
    pub fn set(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Returns the limit per minute.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Counts a request; returns whether it is within the limit.
    pub fn try_take(&self) -> bool {
        self.try_take_in(this_minute())
    }

    /// Returns the number of requests in this minute, those above the limit included: the `count`
    /// of OpenWhisk's message.
    pub fn count(&self) -> u32 {
        match split(self.window.load(Ordering::Relaxed)) {
            (minute, count) if minute == this_minute() => count,
            _ => 0,
        }
    }

    fn try_take_in(&self, now: u32) -> bool {
        let mut window = self.window.load(Ordering::Relaxed);
        loop {
            let count = match split(window) {
                (minute, count) if minute == now => count.saturating_add(1),
                _ => 1,
            };
            let next = u64::from(now) << 32 | u64::from(count);
            let order = Ordering::Relaxed;
            match self.window.compare_exchange_weak(window, next, order, order) {
                Ok(_) => return count <= self.limit(),
                Err(current) => window = current,
            }
        }
    }
}

fn split(window: u64) -> (u32, u32) {
    ((window >> 32) as u32, window as u32)
}

/// Minutes since 1970.
fn this_minute() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_secs() / 60).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_as_many_activations_as_the_limit_and_the_next_one_begins_anew() {
        let rate = Rate::per_minute(3);
        let taken = |minute| (0..5).filter(|_| rate.try_take_in(minute)).count();
        assert_eq!(taken(7), 3);
        assert_eq!(split(rate.window.load(Ordering::Relaxed)), (7, 5), "refusals are counted");
        assert_eq!(taken(7), 0);
        assert_eq!(taken(8), 3);
        assert_eq!(taken(7), 3, "a clock that is set back begins a window");
    }

    #[test]
    fn a_limit_that_changes_applies_to_the_minute_that_runs() {
        let rate = Rate::per_minute(2);
        assert!(rate.try_take_in(1) && rate.try_take_in(1));
        rate.set(4);
        assert!(rate.try_take_in(1) && rate.try_take_in(1));
        assert!(!rate.try_take_in(1));
        rate.set(0);
        assert!(!rate.try_take_in(2));
    }

    #[test]
    fn threads_that_race_take_no_more_than_the_limit() {
        let rate = Rate::per_minute(1000);
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..500).filter(|_| rate.try_take_in(1)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn the_count_is_that_of_the_current_minute() {
        let rate = Rate::per_minute(1);
        rate.try_take_in(1);
        assert_eq!(rate.count(), 0, "1970 is over");
    }
}
