//! What the instances of an action are made from, and how its spares are made.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keynet_base::error::Error;
use wasmtime::component::ComponentExportIndex;

use super::function::Function;
use super::logs::{LogSink, Stream};
use super::means::{Means, TenantShare};
use super::pages::UsedPages;
use super::sandbox::Sandbox;
use super::spares::{Spare, Spares, Taken};
use super::store::{Fresh, Purpose, State};
use super::{GuestEnvironment, Parameters};
use crate::capabilities::Meter;
use crate::capabilities::bindings::ActionPre;
use crate::policy::{Grants, Limits};

/// Time to make a spare. A component whose start functions take longer gets none.
const MAKING: Duration = Duration::from_millis(100);

/// Number of activations after which an action is worth a spare: a single one may be its last.
const RECENT: u32 = 2;

/// Time without spares after an activation for which a spare came too late. While one caller calls
/// again and again, or many call, a spare only moves work to another processor, with cold caches.
const HURRIED: Duration = Duration::from_millis(100);

/// Of so many activations that use many pages, those of one are forgotten; of so many that use few,
/// one is looked at.
const FORGOTTEN: u32 = 64;
const LOOKED_AT: u32 = 8;

/// Divisor of the memory of all activations: a store that holds more than this part of it is
/// dropped before the answer, since the next activation may need the memory.
const DROPPED_LATER: u64 = 16;

/// A linked component with the limits of its activations.
pub(crate) struct InstanceSource {
    number: u64,
    /// Number of the tenant whose spares it makes.
    owner: u64,
    component: ActionPre<State>,
    /// Where the component exports its function.
    function: Option<ComponentExportIndex>,
    limits: Limits,
    grants: Arc<Grants>,
    /// Memory of all activations of the tenant; `None` for no limit but the sandbox's.
    share: TenantShare,
    spares: Arc<Spares>,
    /// Number of activations, up to [`RECENT`].
    used: AtomicU32,
    /// Number of activations whose pages could have been looked at.
    ended: AtomicU32,
    /// `true` if the last one that was looked at used many pages.
    uses_pages: AtomicBool,
    /// Bytes of the linear memories and tables of a new instance.
    bytes: AtomicU64,
    /// `true` if a spare was begun that no activation has taken yet.
    expects: AtomicBool,
    /// End of the time without spares.
    hurried: Mutex<Option<Instant>>,
    /// `true` if the start functions of the component depend on the activation: they call an
    /// import, fail, or take long.
    is_bound: AtomicBool,
}

impl InstanceSource {
    /// Creates the source of the instances of `component` in `sandbox`, for the tenant `owner`.
    pub(crate) fn new(
        sandbox: &Sandbox,
        owner: u64,
        component: ActionPre<State>,
        limits: Limits,
        means: &Means,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            owner,
            function: Function::index(component.instance_pre().component()),
            component,
            limits,
            grants: Arc::clone(&means.grants),
            share: means.share.clone(),
            spares: Arc::clone(sandbox.spares()),
            used: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            uses_pages: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            expects: AtomicBool::new(false),
            hurried: Mutex::new(None),
            is_bound: AtomicBool::new(false),
        }
    }

    /// Returns the linked component.
    pub(crate) fn component(&self) -> &ActionPre<State> {
        &self.component
    }

    /// Returns the limits of each activation.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes the spare for an activation, or waits for it if it is being made. `None`: there is
    /// none.
    pub(super) async fn take(&self) -> Option<Spare> {
        let expected = self.expects.swap(false, Ordering::Relaxed);
        let taken = self.spares.take(self.number);
        if expected && !matches!(taken, Taken::Ready(_)) {
            *self.lock_hurried() = Some(Instant::now() + HURRIED);
        }
        match taken {
            Taken::Ready(spare) => Some(*spare),
            Taken::Soon(spare) => tokio::time::timeout(MAKING, spare).await.ok()?.ok(),
            Taken::None => None,
        }
    }

    fn lock_hurried(&self) -> MutexGuard<'_, Option<Instant>> {
        self.hurried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether the time without spares has not ended.
    fn is_hurried(&self) -> bool {
        let mut hurried = self.lock_hurried();
        *hurried = hurried.filter(|until| Instant::now() < *until);
        hurried.is_some()
    }

    /// Creates an instance in a fresh store, and records whether a spare could take its place.
    pub(super) async fn instantiate(
        &self,
        store: &mut wasmtime::Store<State>,
    ) -> wasmtime::Result<Function> {
        let started = Instant::now();
        let made = self.component.instance_pre().instantiate_async(&mut *store).await;
        let made = made.and_then(|made| Function::of(store, &made, self.function.as_ref()));
        let state = store.data();
        self.bytes.store(state.memory.bytes(), Ordering::Relaxed);
        // Less memory than it needs is no property of the component.
        let fails = made.is_err() && state.memory.refused().is_none();
        if fails || state.has_called() || started.elapsed() > MAKING / 2 {
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

    /// Returns the pages that the next activation will probably use: those that the ended one of
    /// the store `used` did. An action that uses few is seldom looked at. Of one that uses many,
    /// they are once in a while forgotten, since pages that were made present look used.
    fn used_pages(&self, used: &Fresh) -> Option<UsedPages> {
        let number = self.ended.fetch_add(1, Ordering::Relaxed);
        let is_due = match self.uses_pages.load(Ordering::Relaxed) {
            true => !number.is_multiple_of(FORGOTTEN),
            false => number.is_multiple_of(LOOKED_AT),
        };
        if !is_due {
            return None;
        }
        let pages = UsedPages::of(&used.store.data().result_memory);
        self.uses_pages.store(pages.is_some(), Ordering::Relaxed);
        pages
    }

    /// Makes a spare; `None` if the component cannot have one.
    async fn spare(&self, sandbox: &Sandbox) -> Option<Spare> {
        let place = sandbox.try_place()?;
        let deadline = Instant::now() + MAKING;
        let none = Error::internal("a spare has no backends");
        let (grants, share) = (Arc::clone(&self.grants), self.share.clone());
        let means = Means::new(grants, Err(none.clone()), Some(Err(none)), None, share);
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
            Ok(Ok(function)) if fresh.store.data().is_untouched() => {
                Some(Spare { function, fresh })
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
    if source.is_hurried()
        || !sandbox.is_quiet()
        || used.budget.used() > sandbox.memory().limit() / DROPPED_LATER
    {
        return;
    }
    let (sandbox, source) = (Arc::clone(sandbox), Arc::clone(source));
    tokio::spawn(async move {
        let makes_spare = is_recent && sandbox.is_quiet();
        let pages = if makes_spare { source.used_pages(&used) } else { None };
        let_others_run();
        // The pool gives the memory that was used last to the next instance of the component.
        drop(used);
        let_others_run();
        let bytes = source.bytes.load(Ordering::Relaxed);
        if makes_spare && let Some(making) = source.spares.begin(source.number, source.owner, bytes)
        {
            source.expects.store(true, Ordering::Relaxed);
            let spare = source.spare(&sandbox).await;
            if let Some(pages) = pages.filter(|_| spare.is_some() && !making.is_awaited()) {
                let_others_run();
                pages.make_present();
            }
            making.finish(spare);
        }
    });
}

/// Gives the processor to threads that wait for it, such as the one that reads the answer. Each part
/// of the work after an answer takes up to a millisecond.
fn let_others_run() {
    std::thread::yield_now();
}

/// Sink for what a component writes while a spare is made. The spare is not used then.
struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Stream, _: &[u8]) {}
}
