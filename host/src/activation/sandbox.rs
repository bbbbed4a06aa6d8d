//! The sandbox that all activations of a process share: the engine, the linked imports, the memory
//! and the slots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keynet_base::budget::MemoryBudget;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::Linker;

use super::store::{State, linker};
use super::time::guest_deadline;
use crate::engine::Engine;

/// The sandbox of a process. It knows no backend, no policy and no tenant: each action brings its
/// own.
pub struct Sandbox {
    engine: Arc<Engine>,
    linker: Linker<State>,
    memory: MemoryBudget,
    slots: Semaphore,
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
        let kept = engine.resident().min(memory / 8);
        Ok(Self {
            linker: linker(engine.wasmtime())?,
            slots: Semaphore::new(engine.activations() as usize),
            memory: MemoryBudget::process(memory - kept),
            engine,
        })
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the memory of a tenant, `limit` in bytes, within that of the sandbox.
    pub fn tenant_memory(&self, limit: u64) -> MemoryBudget {
        self.memory.tenant(limit)
    }

    /// Waits for a slot; `None` if no slot becomes free in time to respond by `deadline`.
    pub async fn reserve(&self, deadline: Option<Instant>) -> Option<Slot<'_>> {
        let requested = Instant::now();
        // The semaphore is never closed.
        let permit = match (self.slots.try_acquire(), deadline) {
            (Ok(permit), _) => permit,
            (Err(_), None) => self.slots.acquire().await.ok()?,
            (Err(_), Some(deadline)) => {
                let until = guest_deadline(requested, deadline);
                tokio::time::timeout_at(until.into(), self.slots.acquire()).await.ok()?.ok()?
            }
        };
        Some(Slot { _permit: permit, queued: requested.elapsed() })
    }

    /// Returns a slot; `None` if none is free now.
    pub fn try_reserve(&self) -> Option<Slot<'_>> {
        let permit = self.slots.try_acquire().ok()?;
        Some(Slot { _permit: permit, queued: Duration::ZERO })
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.linker
    }

    pub(super) fn memory(&self) -> &MemoryBudget {
        &self.memory
    }
}

impl Slot<'_> {
    /// Returns the time from the request to the slot.
    pub(crate) fn queued(&self) -> Duration {
        self.queued
    }
}
