//! The sandbox that all activations of a process share: the engine, the linked imports, the memory
//! and the slots.

use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keynet_base::budget::MemoryBudget;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use wasmtime::component::Linker;

use super::spares::Spares;
use super::store::{State, linker};
use super::time::guest_deadline;
use crate::engine::Engine;

/// Time after which processors that had no rest are taken to have one.
const BUSY: Duration = Duration::from_millis(1);

/// The sandbox of a process. It knows no backend, no policy and no tenant: each action brings its
/// own.
pub struct Sandbox {
    engine: Arc<Engine>,
    linker: Linker<State>,
    memory: MemoryBudget,
    /// Activations that run.
    slots: Semaphore,
    /// Requests that wait for a slot.
    waiting: AtomicU32,
    /// Places in the pool of instances: one for each slot, and some for spares and for stores that
    /// are being dropped.
    places: Arc<Semaphore>,
    spares: Arc<Spares>,
    processors: usize,
    /// Last time at which no processor had a rest.
    busy: Mutex<Option<Instant>>,
}

/// A slot among the concurrent activations, released when it is dropped.
#[derive(Debug)]
pub struct Slot<'a> {
    _permit: SemaphorePermit<'a>,
    /// Time from the request to the slot.
    queued: Duration,
}

impl Sandbox {
    /// Creates a sandbox of `memory` bytes for all activations together, with as many slots as the
    /// engine's pool.
    ///
    /// # Errors
    /// The imports cannot be linked.
    pub fn new(engine: Arc<Engine>, memory: u64) -> wasmtime::Result<Self> {
        // The pool keeps memory of its own, which was counted when the engine was created, perhaps
        // for a higher limit.
        let memory = memory - engine.resident().min(memory / 8);
        let spares = Arc::new(Spares::new(engine.spares(), memory));
        let reclaimed = Arc::clone(&spares);
        let slots = engine.activations() as usize;
        Ok(Self {
            linker: linker(engine.wasmtime())?,
            slots: Semaphore::new(slots),
            waiting: AtomicU32::new(0),
            places: Arc::new(Semaphore::new(slots + engine.spares() as usize)),
            memory: MemoryBudget::reclaiming(memory, move || reclaimed.drop_one()),
            spares,
            processors: std::thread::available_parallelism().map_or(1, NonZero::get),
            busy: Mutex::default(),
            engine,
        })
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the memory of a tenant, `limit` in bytes, within that of the sandbox. One of several
    /// tenants leaves room for the others.
    pub fn tenant_memory(&self, limit: u64, leaves_room: bool) -> MemoryBudget {
        let spares = Arc::clone(&self.spares);
        self.memory.tenant(limit, leaves_room, move || spares.drop_one())
    }

    /// Waits for a slot; `None` if no slot becomes free in time to respond by `deadline`.
    pub async fn reserve(&self, deadline: Option<Instant>) -> Option<Slot<'_>> {
        let requested = Instant::now();
        // The semaphore is never closed.
        let permit = match self.slots.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::begin(&self.waiting);
                match deadline {
                    None => self.slots.acquire().await.ok()?,
                    Some(deadline) => {
                        let until = guest_deadline(requested, deadline);
                        let acquired = self.slots.acquire();
                        tokio::time::timeout_at(until.into(), acquired).await.ok()?.ok()?
                    }
                }
            }
        };
        Some(Slot { _permit: permit, queued: requested.elapsed() })
    }

    /// Returns a slot; `None` if none is free now.
    pub fn try_reserve(&self) -> Option<Slot<'_>> {
        let permit = self.slots.try_acquire().ok()?;
        Some(Slot { _permit: permit, queued: Duration::ZERO })
    }

    /// Waits for a place in the pool for an activation that has a slot. Drops a spare if there is
    /// no place; if there is no spare either, stores of activations that ended are being dropped.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Some(place) = self.try_place() {
                return Some(place);
            }
            if !self.spares.drop_one() {
                // The semaphore is never closed.
                return Arc::clone(&self.places).acquire_owned().await.ok();
            }
        }
    }

    /// Returns a place in the pool; `None` if none is free now.
    pub(super) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Reports whether a processor has nothing to do for activations, and had nothing to do for a
    /// while: between the short activations of many callers it has only a moment.
    pub(super) fn is_quiet(&self) -> bool {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if self.running() >= self.processors.max(2) {
            *busy = Some(Instant::now());
            return false;
        }
        busy.is_none_or(|at| at.elapsed() >= BUSY)
    }

    /// Returns the number of activations that run.
    pub fn running(&self) -> usize {
        let slots = self.engine.activations() as usize;
        slots.saturating_sub(self.slots.available_permits())
    }

    /// Returns the number of requests that wait for a slot.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed) as usize
    }

    pub(super) fn spares(&self) -> &Arc<Spares> {
        &self.spares
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.linker
    }

    /// Returns the memory of all activations.
    pub fn memory(&self) -> &MemoryBudget {
        &self.memory
    }
}

/// A request that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot<'_> {
    /// Returns the time from the request to the slot.
    pub(crate) fn queued(&self) -> Duration {
        self.queued
    }
}
