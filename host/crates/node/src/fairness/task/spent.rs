//! Processor time that a poll has spent.
//!
//! The operating system may interrupt a poll for milliseconds in which others run. A lane is not charged
//! for them: one that calls seldom would be taken for one that computes for long.

use std::cell::Cell;
use std::time::{Duration, Instant};

use keynet_base::scheduling::processor_time;

/// Age after which the thread's processor time is read again, which takes half a microsecond. What a poll
/// spent is exact to this.
const PRECISION: Duration = Duration::from_millis(1);

thread_local! {
    static LAST_READ: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// Beginning of a poll on this thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    time: Instant,
    /// Processor time of the thread then, or less by up to [`PRECISION`].
    processor: Option<Duration>,
}

impl Began {
    /// Returns a poll that begins.
    pub(super) fn now() -> Self {
        let time = Instant::now();
        let is_recent = |read: &(Instant, Duration)| time.duration_since(read.0) < PRECISION;
        let last = LAST_READ.get().filter(is_recent).or_else(|| read(time));
        Self { time, processor: last.map(|(_, processor)| processor) }
    }

    /// Returns when it began.
    pub(super) fn time(&self) -> Instant {
        self.time
    }

    /// Returns the processor time from then to `now`, on the thread on which it began.
    pub(super) fn spent(&self, now: Instant) -> Duration {
        let took = now.saturating_duration_since(self.time);
        if took < PRECISION {
            return took;
        }
        match (self.processor, read(now)) {
            (Some(before), Some((_, after))) => took.min(after.saturating_sub(before)),
            _ => took,
        }
    }
}

fn read(now: Instant) -> Option<(Instant, Duration)> {
    let read = processor_time().map(|processor| (now, processor));
    LAST_READ.set(read);
    read
}

#[cfg(test)]
mod tests {
    use super::super::tests::compute;
    use super::*;

    #[test]
    fn a_poll_that_is_interrupted_spends_what_it_computes() {
        for computed in [Duration::ZERO, Duration::from_millis(5)] {
            compute(Duration::from_micros(300)); // of a poll before
            let began = Began::now();
            compute(computed);
            std::thread::sleep(Duration::from_millis(20));
            let (took, spent) = (began.time().elapsed(), began.spent(Instant::now()));
            assert!(took >= computed + Duration::from_millis(20), "{took:?}");
            let most = computed + PRECISION + Duration::from_millis(2);
            assert!(spent >= computed && spent < most, "{spent:?} of {computed:?}");
        }
        let began = Began::now();
        let short = Duration::from_micros(10);
        assert_eq!(began.spent(began.time() + short), short);
    }
}
