//! A fresh store: the state that belongs to one activation alone.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::environment::GuestEnvironment;
use super::failure::TimeIsUp;
use super::logs::{LogSink, Logs, Stream};
use super::means::Means;
use super::memory::WasmMemory;
use super::sandbox::Sandbox;
use crate::capabilities::storage::{self, StorageCtx, StorageView};
use crate::capabilities::triton_predict::{self, TritonPredictCtx, TritonPredictView};
use crate::capabilities::user_input::{self, Parameters, UserInputCtx, UserInputView};
use crate::capabilities::{CallContext, Meter};
use crate::policy::Limits;
use keynet_base::budget::{CallBudget, MemoryBudget};

/// Maximum number of random bytes per call.
const MAX_RANDOM: u64 = 1 << 20;

/// State of a store.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    user_input: UserInputCtx,
    triton_predict: TritonPredictCtx,
    storage: StorageCtx,
    pub(super) memory: WasmMemory,
    deadline: Instant,
}

/// Input for a fresh store.
pub(super) struct Purpose<'a> {
    pub(super) parameters: Parameters,
    pub(super) environment: &'a GuestEnvironment,
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
}

impl State {
    pub(super) fn fresh(
        sandbox: &Sandbox,
        purpose: Purpose<'_>,
    ) -> keynet_base::error::Result<Fresh> {
        let (limits, means) = (purpose.limits, purpose.means);
        let memory = means.memory.as_ref().unwrap_or_else(|| sandbox.memory());
        let budget = memory.activation(limits.memory);
        let logs = Logs::new(purpose.sink, limits.logs);
        let calls = CallContext {
            budget: CallBudget { memory: budget.clone(), deadline: purpose.deadline },
            meter: purpose.meter,
        };
        let api_key = means.grants.api_key;
        let mut wasi = WasiCtxBuilder::new();
        for (name, value) in purpose.environment.granted(api_key) {
            wasi.env(name, value);
        }
        let wasi = wasi
            .stdout(logs.stream(Stream::Stdout))
            .stderr(logs.stream(Stream::Stderr))
            .max_random_size(MAX_RANDOM)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let state = Self {
            wasi,
            table,
            user_input: UserInputCtx::new(purpose.parameters, calls.clone())?,
            triton_predict: TritonPredictCtx::new(
                means.inference.clone(),
                means.default_model.clone(),
                means.grants.clone(),
                calls.clone(),
            ),
            storage: StorageCtx::new(means.storage.clone(), means.grants.clone(), calls),
            memory: WasmMemory::new(&budget, sandbox.engine().linear_memory())?,
            deadline: purpose.deadline,
        };
        let mut store = Store::new(sandbox.engine().wasmtime(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        // The component's own handles: one for each entry of the table, and as many borrowed for a
        // call.
        store.set_max_component_handles(limits.handles as usize * 2);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            if Instant::now() >= context.data().deadline {
                Err(TimeIsUp.into())
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        Ok(Fresh { store, logs, budget })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Creates the linker with everything that an action can import.
///
/// # Errors
/// Two interfaces have the same name.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    user_input::add_to_linker(&mut linker, |state: &mut State| UserInputView {
        ctx: &mut state.user_input,
    })?;
    triton_predict::add_to_linker(&mut linker, |state: &mut State| TritonPredictView {
        ctx: &mut state.triton_predict,
        table: &mut state.table,
    })?;
    storage::add_to_linker(&mut linker, |state: &mut State| StorageView {
        ctx: &mut state.storage,
        table: &mut state.table,
    })?;
    Ok(linker)
}
