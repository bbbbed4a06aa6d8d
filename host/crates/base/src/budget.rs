//! Budget of one activation: its memory and its deadline.
//!
//! Memory is reserved before it is allocated. A [`MemoryBudget`] counts what one activation holds
//! in the host (linear memories, tables, tensors, open objects, encoded requests and answers) and
//! draws on the budget of the process, so that many activations within their own limits cannot
//! exhaust the host together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Divisor of the limit that gives the last part of it. In the last part, one of several tenants
/// holds no more than it leaves free: those that fill their memory leave room for another one.
const LAST_PART: u64 = 4;

const ALL_TOGETHER: &str = "the memory of all activations together (raise KEYNET_PROCESS_MEMORY)";

/// Counter of bytes in use, with a limit; the counter of an activation also counts against that of
/// the process.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
    parent: Option<MemoryBudget>,
    /// Name of the limit and how to raise it, for the error.
    advice: &'static str,
    reclaim: Option<Reclaim>,
    /// `true` if it leaves room in `parent` for other tenants.
    leaves_room: bool,
}

/// Function that releases bytes that are held without need; `false` if there are none left.
struct Reclaim(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Reclaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reclaim")
    }
}

impl MemoryBudget {
    /// Returns the budget of a whole process, `limit` in bytes.
    pub fn process(limit: u64) -> Self {
        Self::new(limit, None, ALL_TOGETHER, None, false)
    }

    /// As [`MemoryBudget::process`]. A reservation that does not fit calls `reclaim`, which
    /// releases some bytes of this budget, and tries again until `reclaim` returns `false`.
    /// `reclaim` must not reserve anything.
    pub fn reclaiming(limit: u64, reclaim: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self::new(limit, None, ALL_TOGETHER, Some(Reclaim(Box::new(reclaim))), false)
    }

    /// Returns the budget of one tenant of the process, `limit` in bytes, within this one; `reclaim`
    /// is as for [`MemoryBudget::reclaiming`]. Once three quarters of this budget are in use, a
    /// tenant that leaves room for others holds at most as much as is free then.
    pub fn tenant(
        &self,
        limit: u64,
        leaves_room: bool,
        reclaim: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let advice = "the memory of all activations of this namespace (its operator can raise it)";
        let reclaim = Some(Reclaim(Box::new(reclaim)));
        Self::new(limit, Some(self.clone()), advice, reclaim, leaves_room)
    }

    /// Returns the budget of one activation, `limit` in bytes, within this one.
    pub fn activation(&self, limit: u64) -> Self {
        let advice = "the memory of one activation (raise KEYNET_MEMORY)";
        Self::new(limit, Some(self.clone()), advice, None, false)
    }

    fn new(
        limit: u64,
        parent: Option<Self>,
        advice: &'static str,
        reclaim: Option<Reclaim>,
        leaves_room: bool,
    ) -> Self {
        Self(Arc::new(Counter {
            limit,
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            parent,
            advice,
            reclaim,
            leaves_room,
        }))
    }

    /// Reserves `bytes` for `what` (such as "a tensor"), before they are allocated. They are
    /// released when the reservation is dropped.
    ///
    /// # Errors
    /// `too-large`, with the limit that was exceeded and how to raise it.
    pub fn reserve(&self, bytes: u64, what: &str) -> Result<Reservation> {
        self.take(bytes, what, None)?;
        Ok(Reservation { budget: self.clone(), bytes })
    }

    /// Takes `bytes`. `held` is what a tenant that leaves room for others holds with them.
    fn take(&self, bytes: u64, what: &str, held: Option<u64>) -> Result<()> {
        let counter = &*self.0;
        let leaves_room = |total: u64| {
            let free = counter.limit.saturating_sub(total);
            free >= counter.limit / LAST_PART || held.is_none_or(|held| held <= free)
        };
        let fits = |total: &u64| *total <= counter.limit && (bytes == 0 || leaves_room(*total));
        let taken = loop {
            let taken = counter.used.try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(fits)
            });
            // What does not fit into an unused budget never does.
            let may_fit = taken.is_err() && fits(&held.unwrap_or(bytes).max(bytes));
            match &counter.reclaim {
                Some(Reclaim(reclaim)) if may_fit && reclaim() => {}
                _ => break taken,
            }
        };
        let Ok(before) = taken else {
            let used = counter.used.load(Ordering::Relaxed);
            let limit = counter.limit;
            return Err(Error::too_large(match held {
                Some(held) if used.saturating_add(bytes) <= limit => format!(
                    "{what} of {bytes} bytes does not fit into the memory of all namespaces \
                        together: {used} of {limit} bytes are in use, and this namespace, which \
                        would hold {held} of them, leaves room for the others (their operator can \
                        raise the memory of the process)"
                ),
                _ => format!(
                    "{what} of {bytes} bytes does not fit into {}: the limit is {limit} bytes and \
                        {used} are in use",
                    counter.advice,
                ),
            }));
        };
        if let Some(parent) = &counter.parent
            && let Err(refused) =
                parent.take(bytes, what, counter.leaves_room.then_some(before + bytes))
        {
            counter.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(refused);
        }
        counter.peak.fetch_max(before + bytes, Ordering::Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(parent) = &self.0.parent {
            parent.give_back(bytes);
        }
    }

    /// Returns the limit in bytes.
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Reports whether it leaves room for other tenants.
    pub fn leaves_room(&self) -> bool {
        self.0.leaves_room
    }

    /// Returns the bytes in use now.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns the largest number of bytes in use at once so far.
    pub fn peak(&self) -> u64 {
        self.0.peak.load(Ordering::Relaxed)
    }
}

/// Bytes reserved from a [`MemoryBudget`]; dropping it releases them.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    bytes: u64,
}

impl Reservation {
    /// Returns the number of bytes reserved.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reserves `bytes` more of the same budget, as a separate reservation.
    ///
    /// # Errors
    /// Those of [`MemoryBudget::reserve`].
    pub fn more(&self, bytes: u64, what: &str) -> Result<Self> {
        self.budget.reserve(bytes, what)
    }

    /// Changes the reservation to `bytes`.
    ///
    /// # Errors
    /// Those of [`MemoryBudget::reserve`]; the reservation is then unchanged.
    pub fn resize(&mut self, bytes: u64, what: &str) -> Result<()> {
        if bytes > self.bytes {
            self.budget.take(bytes - self.bytes, what, None)?;
        } else {
            self.budget.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// Memory and time that a backend may use for one call; passed down with every request.
#[derive(Debug, Clone)]
pub struct CallBudget {
    /// Budget from which the bytes of answers are reserved, before they are allocated.
    pub memory: MemoryBudget,
    /// Moment at which the call fails with `timeout`.
    pub deadline: Instant,
}

impl CallBudget {
    /// Returns the time until the deadline, zero if it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits for `call`, at most until the deadline. After the deadline the call is not started.
    ///
    /// # Errors
    /// Those of `call`, or `timeout` with `what` as the name of the operation.
    pub async fn within<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || {
            Error::timeout(format!("{what} did not answer in the time this activation has left"))
        };
        if self.remaining().is_zero() {
            return Err(late());
        }
        tokio::time::timeout_at(self.deadline.into(), call).await.unwrap_or_else(|_| Err(late()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_is_reserved_is_given_back_to_both() {
        let process = MemoryBudget::process(100);
        let activation = process.activation(60);
        let held = activation.reserve(60, "a tensor").unwrap();
        assert_eq!((process.used(), activation.used()), (60, 60));
        let refused = activation.reserve(1, "a tensor").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::TooLarge);
        assert!(refused.message.contains("KEYNET_MEMORY"), "{refused}");
        drop(held);
        assert_eq!((process.used(), activation.used(), activation.peak()), (0, 0, 60));
    }

    #[test]
    fn a_refusal_by_the_process_leaves_nothing_taken() {
        let process = MemoryBudget::process(50);
        let activation = process.activation(u64::MAX);
        let refused = activation.reserve(51, "a tensor").unwrap_err();
        assert!(refused.message.contains("KEYNET_PROCESS_MEMORY"), "{refused}");
        assert_eq!((process.used(), activation.used()), (0, 0));
    }

    #[test]
    fn what_is_held_without_need_makes_room_for_a_reservation() {
        let held = Arc::new(std::sync::Mutex::new(Vec::new()));
        let reclaimed = Arc::clone(&held);
        let process = MemoryBudget::reclaiming(100, move || {
            let last: Option<Reservation> = reclaimed.lock().unwrap().pop();
            last.is_some()
        });
        for _ in 0..3 {
            held.lock().unwrap().push(process.reserve(20, "a spare").unwrap());
        }
        let activation = process.activation(u64::MAX);
        let taken = activation.reserve(70, "a tensor").unwrap();
        assert_eq!((process.used(), held.lock().unwrap().len()), (90, 1));
        assert!(activation.reserve(101, "a tensor").is_err());
        assert_eq!(held.lock().unwrap().len(), 1, "what never fits takes nothing from others");
        drop(taken);
        assert_eq!(process.used(), 20);
    }

    #[test]
    fn however_many_tenants_fill_their_memory_there_is_room_for_another_one() {
        let process = MemoryBudget::process(1 << 30);
        let tenant = || process.tenant(1 << 30, true, || false);
        let fill = |tenant: &MemoryBudget| {
            let mut held = Vec::new();
            while let Ok(more) = tenant.reserve(1 << 20, "a memory") {
                held.push(more);
            }
            held
        };
        let first = tenant();
        let mut held = vec![fill(&first)];
        assert_eq!(first.used(), 768 << 20, "three quarters");
        for number in 2..6 {
            let free = process.limit() - process.used();
            let next = tenant();
            held.push(fill(&next));
            assert_eq!(next.used(), free / 2, "tenant {number}");
        }
        let refused = first.reserve(1 << 20, "a memory").unwrap_err();
        assert!(refused.message.contains("leaves room for the others"), "{refused}");
        first.reserve(0, "a small thing").unwrap();
        drop(held);
        assert_eq!((process.used(), first.used()), (0, 0));
        let alone = process.tenant(1 << 30, false, || false);
        alone.reserve(1 << 30, "a memory").unwrap();
    }

    #[test]
    fn a_reservation_that_cannot_grow_keeps_what_it_had() {
        let activation = MemoryBudget::process(100).activation(10);
        let mut held = activation.reserve(4, "a list").unwrap();
        assert!(held.resize(11, "a list").is_err());
        assert_eq!((held.bytes(), activation.used()), (4, 4));
        held.resize(2, "a list").unwrap();
        assert_eq!(activation.used(), 2);
    }
}
