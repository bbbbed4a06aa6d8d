//! Owners of compiled code: the tenants of a process that serves many.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time after which half of a compilation's time no longer counts.
const HALF: Duration = Duration::from_secs(300);

/// Time of recent compilations above which an owner has used up its share: its components are
/// compiled after those of the owners below it.
const SHARE: Duration = Duration::from_secs(30);

/// Owner of components: it has a share of the compilations and of the cache of compiled code.
#[derive(Debug)]
pub struct CodeOwner {
    number: u64,
    /// Group of its entries in the cache; empty for the process itself.
    group: String,
    weight: AtomicU32,
    recent: Mutex<Recent>,
}

/// Time of compilations, which halves in [`HALF`].
#[derive(Debug, Clone, Copy)]
struct Recent {
    seconds: f64,
    at: Instant,
}

impl Recent {
    fn seconds(self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.seconds * 0.5_f64.powf(age / HALF.as_secs_f64())
    }
}

impl CodeOwner {
    /// Creates the owner called `name`, which stands for it across processes. 0 counts as weight 1.
    pub fn new(name: &str, weight: u32) -> Self {
        let mut group = blake3::hash(name.as_bytes()).to_hex().to_string();
        group.truncate(16);
        Self::in_group(group, weight)
    }

    /// Creates the owner of everything in a process that serves one tenant.
    pub(super) fn process() -> Self {
        Self::in_group(String::new(), 1)
    }

    fn in_group(group: String, weight: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            group,
            weight: AtomicU32::new(weight),
            recent: Mutex::new(Recent { seconds: 0.0, at: Instant::now() }),
        }
    }

    /// Sets the weight of its share against the others'.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// Returns a number that no other owner of this process has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the group of its entries in the cache.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    /// Returns the seconds of its recent compilations, and of `running` ones, for its weight.
    pub(super) fn load(&self, running: Duration, now: Instant) -> f64 {
        let recent = *self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = self.weight.load(Ordering::Relaxed).max(1);
        (recent.seconds(now) + running.as_secs_f64()) / f64::from(weight)
    }

    /// Reports whether it has used up its share.
    pub(super) fn is_over_its_share(&self, now: Instant) -> bool {
        self.load(Duration::ZERO, now) > SHARE.as_secs_f64()
    }

    /// Counts a compilation that has ended.
    pub(super) fn charge(&self, time: Duration, now: Instant) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        *recent = Recent { seconds: recent.seconds(now) + time.as_secs_f64(), at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_was_used_up_comes_back() {
        let (owner, now) = (CodeOwner::new("a", 1), Instant::now());
        owner.charge(SHARE * 2, now);
        assert!(owner.is_over_its_share(now) && !owner.is_over_its_share(now + 2 * HALF));
        owner.set_weight(4);
        assert!(!owner.is_over_its_share(now));
    }

    #[test]
    fn an_owner_has_the_same_group_in_each_process() {
        assert_eq!(CodeOwner::new("a", 1).group(), CodeOwner::new("a", 2).group());
        assert_ne!(CodeOwner::new("a", 1).group(), CodeOwner::new("b", 1).group());
    }
}
