//! What surrounds an activation: its backends, its clocks and its random numbers. They are the
//! tenant's and the machine's, unless something stands between, such as a recording.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use keynet_models::inference::InferenceBackend;
use keynet_object_storage::Objects;
use rand_core::TryRng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::capabilities::Backend;

/// Surroundings that stand between an activation and those of its action.
pub trait Surroundings: Send + Sync {
    /// Returns the models; `own` are those of the action.
    fn models(&self, own: Backend<dyn InferenceBackend>) -> Backend<dyn InferenceBackend>;

    /// Returns the objects; `own` are those of the action, within its grants.
    fn objects(&self, own: Backend<dyn Objects>) -> Backend<dyn Objects>;

    /// Returns the model of requests that name none; `own` is that of the configuration.
    fn default_model(&self, own: Option<Arc<str>>) -> Option<Arc<str>>;

    /// Returns the clocks and the random numbers.
    fn machine(&self) -> Arc<dyn Machine>;
}

/// Clocks and random numbers of a guest, in place of the machine's own.
pub trait Machine: Send + Sync {
    /// Returns the time since 1970-01-01 UTC.
    fn wall_clock(&self) -> Duration;

    /// Returns the nanoseconds since a moment before the activation.
    fn monotonic_clock(&self) -> u64;

    /// Returns the seed of all random numbers.
    fn seed(&self) -> [u8; 32];
}

/// Sets the clocks and the random numbers of `wasi`.
pub(super) fn install(machine: &Arc<dyn Machine>, wasi: &mut WasiCtxBuilder) {
    let seed = machine.seed();
    let mut number = [0; 16];
    Generator::new(&seed, "insecure seed").0.fill(&mut number);
    wasi.wall_clock(WallClock(Arc::clone(machine)))
        .monotonic_clock(MonotonicClock(Arc::clone(machine)))
        .secure_random(Generator::new(&seed, "secure"))
        .insecure_random(Generator::new(&seed, "insecure"))
        .insecure_random_seed(u128::from_le_bytes(number));
}

struct WallClock(Arc<dyn Machine>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.wall_clock()
    }
}

struct MonotonicClock(Arc<dyn Machine>);

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.monotonic_clock()
    }
}

/// Random numbers of a seed: the output of BLAKE3, which is the same in every version.
struct Generator(blake3::OutputReader);

impl Generator {
    /// Returns the numbers for `purpose`, which tell nothing of those for another one.
    fn new(seed: &[u8; 32], purpose: &str) -> Self {
        Self(blake3::Hasher::new_keyed(seed).update(purpose.as_bytes()).finalize_xof())
    }
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(target);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u8, purpose: &str) -> [u64; 2] {
        let mut generator = Generator::new(&[seed; 32], purpose);
        [(); 2].map(|()| generator.try_next_u64().unwrap())
    }

    #[test]
    fn random_numbers_are_those_of_their_seed_and_their_purpose() {
        assert_eq!(numbers(1, "secure"), numbers(1, "secure"));
        let all = [numbers(1, "secure"), numbers(2, "secure"), numbers(1, "insecure")].concat();
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), 6, "{all:?}");
    }
}
