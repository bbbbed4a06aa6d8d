//! A fresh store: the state that belongs to one activation alone.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::environment::GuestEnvironment;
use super::failure::TimeIsUp;
use super::logs::{LogSink, Logs, Stream};
use super::means::Means;
use super::memory::WasmMemory;
use super::sandbox::Sandbox;
use super::surroundings::{self, Machine};
use crate::capabilities::storage::{self, StorageCtx, StorageView};
use crate::capabilities::triton_predict::{self, TritonPredictCtx, TritonPredictView};
use crate::capabilities::user_input::{self, Parameters, UserInputCtx, UserInputView};
use crate::capabilities::{CallContext, Meter};
use crate::policy::Limits;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::error::Result;

/// Interface with the variables of the environment, as `wasmtime-wasi` names it.
const ENVIRONMENT: &str = "wasi:cli/environment@0.2.12";

/// Maximum number of random bytes per call.
const MAX_RANDOM: u64 = 1 << 20;

/// State of a store.
pub(crate) struct State {
    contexts: Contexts,
    pub(super) memory: WasmMemory,
    /// Addresses of the linear memory in which the guest's result was; empty before.
    pub(super) result_memory: Range<usize>,
    /// `true` if the guest has called an import, or something of an import was dropped for it.
    has_called: bool,
}

/// Everything that an activation brings. A spare gets it when its activation begins.
struct Contexts {
    wasi: Wasi,
    table: ResourceTable,
    user_input: UserInputCtx,
    triton_predict: TritonPredictCtx,
    storage: StorageCtx,
    deadline: Instant,
}

/// Context of WASI: random numbers, clocks, streams. Created by the first call.
struct Wasi {
    context: Option<WasiCtx>,
    /// Variables of the environment, which a call copies into the guest's memory and nowhere else.
    environment: Arc<Vec<(String, String)>>,
    /// Clocks and random numbers; `None` for the machine's own.
    machine: Option<Arc<dyn Machine>>,
    logs: Logs,
}

/// Input for a fresh store.
pub(super) struct Purpose<'a> {
    pub(super) parameters: Parameters,
    pub(super) environment: GuestEnvironment,
    pub(super) deadline: Instant,
    pub(super) means: &'a Means,
    pub(super) limits: &'a Limits,
    pub(super) meter: Meter,
    pub(super) sink: Arc<dyn LogSink>,
}

/// A store with the parts that are inspected after the guest has ended.
pub(super) struct Fresh {
    pub(super) store: Store<State>,
    pub(super) logs: Logs,
    pub(super) budget: MemoryBudget,
    /// Place in the pool of instances; released after the store is dropped.
    _place: OwnedSemaphorePermit,
}

impl Contexts {
    fn new(budget: &MemoryBudget, purpose: Purpose<'_>) -> Result<Self> {
        let (limits, means) = (purpose.limits, purpose.means);
        let calls = CallContext {
            budget: CallBudget { memory: budget.clone(), deadline: purpose.deadline },
            meter: purpose.meter,
        };
        let wasi = Wasi {
            context: None,
            environment: Arc::new(purpose.environment.granted(means.grants.api_key)),
            machine: means.machine.clone(),
            logs: Logs::new(purpose.sink, limits.logs),
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        Ok(Self {
            wasi,
            table,
            user_input: UserInputCtx::new(purpose.parameters, calls.clone())?,
            triton_predict: TritonPredictCtx::new(
                means.inference.clone(),
                means.default_model.clone(),
                Arc::clone(&means.grants),
                calls.clone(),
            ),
            storage: StorageCtx::new(means.storage.clone(), Arc::clone(&means.grants), calls),
            deadline: purpose.deadline,
        })
    }
}

impl Wasi {
    fn context(&mut self) -> &mut WasiCtx {
        self.context.get_or_insert_with(|| {
            let mut wasi = WasiCtxBuilder::new();
            if let Some(machine) = &self.machine {
                surroundings::install(machine, &mut wasi);
            }
            wasi.stdout(self.logs.stream(Stream::Stdout))
                .stderr(self.logs.stream(Stream::Stderr))
                .max_random_size(MAX_RANDOM)
                .allow_tcp(false)
                .allow_udp(false)
                .build()
        })
    }
}

impl State {
    /// Creates a store for `purpose` in a `place` of the pool of instances.
    pub(super) fn fresh(
        sandbox: &Sandbox,
        place: OwnedSemaphorePermit,
        purpose: Purpose<'_>,
    ) -> Result<Fresh> {
        let limits = purpose.limits;
        let memory = purpose.means.share.memory.as_ref().unwrap_or_else(|| sandbox.memory());
        let budget = memory.activation(limits.memory);
        let state = Self {
            memory: WasmMemory::new(&budget, sandbox.engine().linear_memory())?,
            contexts: Contexts::new(&budget, purpose)?,
            result_memory: 0..0,
            has_called: false,
        };
        let logs = state.contexts.wasi.logs.clone();
        let mut store = Store::new(sandbox.engine().wasmtime(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        // The component's own handles: one for each entry of the table, and as many borrowed for a
        // call.
        store.set_max_component_handles(limits.handles as usize * 2);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            if Instant::now() >= context.data().contexts.deadline {
                Err(TimeIsUp.into())
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        Ok(Fresh { store, logs, budget, _place: place })
    }

    /// Reports whether the guest has called an import.
    pub(super) fn has_called(&self) -> bool {
        self.has_called
    }

    /// Returns `true` if the instance depends on nothing but its component and the limits of its
    /// memory: the guest has called no import, and got all the memory that it asked for.
    pub(super) fn is_untouched(&self) -> bool {
        !self.has_called && self.memory.refused().is_none()
    }

    /// Returns the contexts for a call of the guest.
    fn called(&mut self) -> &mut Contexts {
        self.has_called = true;
        &mut self.contexts
    }
}

impl Fresh {
    /// Gives the store to an activation, in place of what it was created for.
    pub(super) fn begin(&mut self, purpose: Purpose<'_>) -> Result<()> {
        let contexts = Contexts::new(&self.budget, purpose)?;
        self.logs = contexts.wasi.logs.clone();
        self.store.data_mut().contexts = contexts;
        self.store.set_epoch_deadline(1);
        Ok(())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Contexts { wasi, table, .. } = self.called();
        WasiCtxView { ctx: wasi.context(), table }
    }
}

/// Creates the linker with everything that an action can import. Each call of an import, and each
/// drop of its resources, asks the state for a view: [`State::is_untouched`] relies on it.
///
/// # Errors
/// Two interfaces have the same name.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    linker.instance(ENVIRONMENT)?.func_wrap(
        "get-environment",
        |mut context: StoreContextMut<'_, State>, ()| {
            Ok((Arc::clone(&context.data_mut().called().wasi.environment),))
        },
    )?;
    linker.allow_shadowing(false);
    user_input::add_to_linker(&mut linker, |state: &mut State| UserInputView {
        ctx: &mut state.called().user_input,
    })?;
    triton_predict::add_to_linker(&mut linker, |state: &mut State| {
        let Contexts { triton_predict, table, .. } = state.called();
        TritonPredictView { ctx: triton_predict, table }
    })?;
    storage::add_to_linker(&mut linker, |state: &mut State| {
        let Contexts { storage, table, .. } = state.called();
        StorageView { ctx: storage, table }
    })?;
    Ok(linker)
}
