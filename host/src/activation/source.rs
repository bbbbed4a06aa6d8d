//! What the instances of an action are made from, and how its spares are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keynet_base::error::Error;

use super::logs::{LogSink, Stream};
use super::means::Means;
use super::sandbox::Sandbox;
use super::spares::{Spare, Spares};
use super::store::{Fresh, Purpose, State};
use super::{GuestEnvironment, Parameters};
use crate::capabilities::Meter;
use crate::capabilities::bindings::{Action as Instance, ActionPre};
use crate::policy::{Grants, Limits};

/// Time to make a spare. A component whose start functions take longer gets none.
pub(super) const MAKING: Duration = Duration::from_millis(100);

/// Number of activations after which an action is worth a spare: a single one may be its last.
const RECENT: u32 = 2;

/// Divisor of the memory of all activations: a store that holds more than this part of it is
/// dropped before the answer, since the next activation may need the memory.
const DROPPED_LATER: u64 = 16;

/// A linked component with the limits of its activations.
pub(crate) struct InstanceSource {
    number: u64,
    component: ActionPre<State>,
    limits: Limits,
    grants: Arc<Grants>,
    spares: Arc<Spares>,
    /// Number of activations, up to [`RECENT`].
    used: AtomicU32,
    /// Bytes of the linear memories and tables of a new instance.
    bytes: AtomicU64,
    /// `true` if the start functions of the component depend on the activation: they call an
    /// import, need more memory than there was, or take long.
    is_bound: AtomicBool,
}

impl InstanceSource {
    /// Creates the source of the instances of `component` in `sandbox`.
    pub(crate) fn new(
        sandbox: &Sandbox,
        component: ActionPre<State>,
        limits: Limits,
        grants: Arc<Grants>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            component,
            limits,
            grants,
            spares: Arc::clone(sandbox.spares()),
            used: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
            is_bound: AtomicBool::new(false),
        }
    }

    /// Returns the limits of each activation.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Creates an instance in a fresh store, and records whether a spare could take its place.
    pub(super) async fn instantiate(
        &self,
        store: &mut wasmtime::Store<State>,
    ) -> wasmtime::Result<Instance> {
        let started = Instant::now();
        let made = self.component.instantiate_async(&mut *store).await;
        let state = store.data();
        self.bytes.store(state.memory.bytes(), Ordering::Relaxed);
        if made.is_err() || !state.is_untouched() || started.elapsed() > MAKING / 2 {
            self.is_bound.store(true, Ordering::Relaxed);
        }
        made
    }

    /// Counts an activation; `true` if the action is worth a spare.
    fn count(&self) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        if used < RECENT {
            self.used.store(used + 1, Ordering::Relaxed);
        }
        used + 1 >= RECENT && !self.is_bound.load(Ordering::Relaxed)
    }

    /// Makes a spare; `None` if the component cannot have one.
    async fn spare(&self, sandbox: &Sandbox) -> Option<Spare> {
        let place = sandbox.try_place()?;
        let deadline = Instant::now() + MAKING;
        let none = Error::internal("a spare has no backends");
        let means = Means::new(Arc::clone(&self.grants), Err(none.clone()), Some(Err(none)), None);
        let purpose = Purpose {
            parameters: Parameters::none(),
            environment: GuestEnvironment::default(),
            deadline,
            means: &means,
            limits: &self.limits,
            meter: Meter::describing(),
            sink: Arc::new(Nowhere),
        };
        let mut fresh = State::fresh(sandbox, place, purpose).ok()?;
        let _ticking = sandbox.engine().ticking();
        let made = self.instantiate(&mut fresh.store);
        match tokio::time::timeout_at(deadline.into(), made).await {
            Ok(Ok(instance)) if fresh.store.data().is_untouched() => {
                Some(Spare { instance, fresh })
            }
            _ => None,
        }
    }
}

impl Drop for InstanceSource {
    fn drop(&mut self) {
        self.spares.forget(self.number);
    }
}

/// Drops the store of an activation that has ended. While the machine has a processor to spare,
/// that happens after the answer, and the action gets a spare for its next activation.
pub(super) fn retire(sandbox: &Arc<Sandbox>, source: &Arc<InstanceSource>, used: Fresh) {
    let is_recent = source.count();
    if !sandbox.is_quiet() || used.budget.used() > sandbox.memory().limit() / DROPPED_LATER {
        return;
    }
    let (sandbox, source) = (Arc::clone(sandbox), Arc::clone(source));
    tokio::spawn(async move {
        drop(used);
        let bytes = source.bytes.load(Ordering::Relaxed);
        if is_recent && let Some(making) = source.spares.begin(source.number, bytes) {
            making.finish(source.spare(&sandbox).await);
        }
    });
}

/// Sink for what a component writes while a spare is made. The spare is not used then.
struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Stream, _: &[u8]) {}
}
