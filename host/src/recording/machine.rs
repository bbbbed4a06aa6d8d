//! Clocks and random numbers: read while an activation is recorded, and read again in a replay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rand_core::Rng as _;
use serde::{Deserialize, Serialize};

use crate::activation::Machine;

/// Readings of one clock that are kept. The later ones of a replay are those of its own time.
const READINGS: usize = 65_536;

/// Readings of the guest's clocks, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Clocks {
    /// Since 1970-01-01 UTC.
    pub(super) wall: Vec<u64>,
    /// Since the activation began.
    pub(super) monotonic: Vec<u64>,
}

/// The clocks and random numbers of the machine, read for a recording.
pub(super) struct RecordedMachine {
    began: Instant,
    seed: [u8; 32],
    /// Machine of a replay that is recorded again.
    behind: Option<Arc<dyn Machine>>,
    clocks: Mutex<Clocks>,
}

impl RecordedMachine {
    pub(super) fn new() -> Self {
        let mut seed = [0; 32];
        wasmtime_wasi::thread_rng().fill_bytes(&mut seed);
        Self { began: Instant::now(), seed, behind: None, clocks: Mutex::default() }
    }

    /// Returns a machine that records the clocks of `behind`, with its random numbers.
    pub(super) fn of(behind: Arc<dyn Machine>) -> Self {
        let seed = behind.seed();
        Self { seed, behind: Some(behind), ..Self::new() }
    }

    /// Returns the readings so far.
    pub(super) fn clocks(&self) -> Clocks {
        locked(&self.clocks).clone()
    }
}

impl Machine for RecordedMachine {
    fn wall_clock(&self) -> Duration {
        let now = match &self.behind {
            Some(behind) => behind.wall_clock(),
            None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        };
        keep(&mut locked(&self.clocks).wall, nanoseconds(now));
        now
    }

    fn monotonic_clock(&self) -> u64 {
        let now = match &self.behind {
            Some(behind) => behind.monotonic_clock(),
            None => nanoseconds(self.began.elapsed()),
        };
        keep(&mut locked(&self.clocks).monotonic, now);
        now
    }

    fn seed(&self) -> [u8; 32] {
        self.seed
    }
}

/// The clocks and random numbers of a recording.
#[derive(Debug)]
pub(super) struct ReplayedMachine {
    seed: [u8; 32],
    wall: Mutex<Readings>,
    monotonic: Mutex<Readings>,
}

/// Readings of one clock that are read again.
#[derive(Debug)]
struct Readings {
    recorded: Vec<u64>,
    next: usize,
    /// Reading that was returned last, and when.
    last: (u64, Instant),
}

impl ReplayedMachine {
    pub(super) fn new(seed: [u8; 32], clocks: &Clocks) -> Self {
        let readings = |recorded: &Vec<u64>| {
            let last = (recorded.first().copied().unwrap_or_default(), Instant::now());
            Mutex::new(Readings { recorded: recorded.clone(), next: 0, last })
        };
        Self { seed, wall: readings(&clocks.wall), monotonic: readings(&clocks.monotonic) }
    }
}

impl Readings {
    fn read(&mut self) -> u64 {
        let recorded = self.recorded.get(self.next).copied();
        self.next = self.next.saturating_add(1);
        // Beyond the recording, time goes on from its last reading.
        let (last, at) = self.last;
        let reading = recorded.unwrap_or_else(|| last.saturating_add(nanoseconds(at.elapsed())));
        self.last = (reading, Instant::now());
        reading
    }
}

impl Machine for ReplayedMachine {
    fn wall_clock(&self) -> Duration {
        Duration::from_nanos(locked(&self.wall).read())
    }

    fn monotonic_clock(&self) -> u64 {
        locked(&self.monotonic).read()
    }

    fn seed(&self) -> [u8; 32] {
        self.seed
    }
}

fn keep(readings: &mut Vec<u64>, reading: u64) {
    if readings.len() < READINGS {
        readings.push(reading);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_reads_what_was_read_and_then_goes_on() {
        let recorded = RecordedMachine::new();
        let read = |machine: &dyn Machine| {
            [
                nanoseconds(machine.wall_clock()),
                machine.monotonic_clock(),
                machine.monotonic_clock(),
            ]
        };
        let first = read(&recorded);
        let replayed = ReplayedMachine::new(recorded.seed(), &recorded.clocks());
        assert_eq!((read(&replayed), replayed.seed()), (first, recorded.seed()));
        let later = read(&replayed);
        assert!(later.iter().zip(first).all(|(later, first)| *later >= first), "{later:?}");
        assert_ne!(RecordedMachine::new().seed(), recorded.seed());
    }
}
