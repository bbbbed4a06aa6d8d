//! When an activation did what: the source of its spans, and of the file of `run --trace`.
//!
//! It is recorded only if its request asks for it.

use std::time::{Duration, Instant};

use crate::capabilities::Call;

/// Times of one activation.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Arrival of the request.
    pub requested: Instant,
    /// End of the wait for a slot.
    pub started: Instant,
    /// Time at which the instance was ready.
    pub instantiated: Instant,
    /// Time at which the guest had ended.
    pub guest_ended: Instant,
    /// Time at which the result was checked.
    pub ended: Instant,
    /// Calls that waited for a server, in order; within a limit.
    pub calls: Vec<Call>,
    /// Number of calls beyond the limit.
    pub more_calls: u64,
}

/// Part of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// `queue`, `instantiate`, `guest` or `answer`.
    pub name: &'static str,
    /// Start.
    pub start: Instant,
    /// End.
    pub end: Instant,
}

impl Timeline {
    /// Returns the phases, in order; one follows the other without a gap.
    pub fn phases(&self) -> [Phase; 4] {
        let phase = |name, start, end| Phase { name, start, end };
        [
            phase("queue", self.requested, self.started),
            phase("instantiate", self.started, self.instantiated),
            phase("guest", self.instantiated, self.guest_ended),
            phase("answer", self.guest_ended, self.ended),
        ]
    }
}

/// Times of a run, as they are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// End of the wait for a slot.
    pub(super) started: Instant,
    pub(super) queued: Duration,
    pub(super) instantiated: Instant,
    pub(super) guest_ended: Instant,
    pub(super) ended: Instant,
}

impl Times {
    pub(super) fn timeline(self, calls: Vec<Call>, more_calls: u64) -> Timeline {
        Timeline {
            requested: self.started.checked_sub(self.queued).unwrap_or(self.started),
            started: self.started,
            instantiated: self.instantiated,
            guest_ended: self.guest_ended,
            ended: self.ended,
            calls,
            more_calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_no_gap_and_cover_the_activation() {
        let started = Instant::now() + Duration::from_millis(10);
        let at = |ms| started + Duration::from_millis(ms);
        let queued = Duration::from_millis(3);
        let (instantiated, guest_ended, ended) = (at(1), at(5), at(6));
        let times = Times { started, queued, instantiated, guest_ended, ended };
        let timeline = times.timeline(Vec::new(), 0);
        let phases = timeline.phases();
        assert!(phases.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(phases[0].start + queued, started);
        assert_eq!((phases[0].start, phases[3].end), (timeline.requested, timeline.ended));
        let names = phases.map(|phase| phase.name);
        assert_eq!(names, ["queue", "instantiate", "guest", "answer"]);
    }
}
