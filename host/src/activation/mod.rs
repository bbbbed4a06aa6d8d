//! One run of an action: a fresh store, limits, a deadline, logs, and the receipt.
//!
//! Whatever the guest does, it costs this activation only. A store in which the guest trapped is
//! never entered again: it is dropped with everything in it.

mod failure;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod logs;
mod memory;
mod receipt;
mod result;
mod store;
mod time;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::SemaphorePermit;
use wasmtime::Store;

pub use failure::Failure;
pub(crate) use logs::disarm;
pub use logs::{LogSink, SENTINEL, Stream};
pub use receipt::{PREFIX as RECEIPT_PREFIX, Receipt};
pub use result::ResultText;
pub(crate) use store::{State, linker};
pub(crate) use time::guest_deadline;

use crate::action::Means;
use crate::capabilities::Meter;
use crate::capabilities::bindings::{
    Action as Instance, ActionPre, exports::keynet::inference::function::FunctionInfo,
};
use crate::capabilities::user_input::Parameters;
use crate::host::Host;
use crate::object_storage::Location;
use crate::policy::Limits;
use failure::{Scene, TimeIsUp};
use receipt::nanoseconds;
use store::{Fresh, Purpose};

/// One request to run an action.
pub struct ActivationRequest {
    /// What the caller sent.
    pub parameters: Parameters,
    /// The guest's environment, never the process's own. Configuration is left out, and
    /// `__OW_API_KEY` unless it is granted.
    pub environment: Vec<(String, String)>,
    /// When the caller needs the answer; none for the policy's limit alone. The guest's own time
    /// ends a little before the earlier of both.
    pub deadline: Option<Instant>,
    /// Where standard output and error go.
    pub logs: Arc<dyn LogSink>,
}

/// How an activation ended.
#[derive(Debug)]
pub struct Outcome {
    /// The result's JSON text, an object or an array, or why there is none.
    pub result: Result<ResultText, Failure>,
    /// What it cost.
    pub receipt: Receipt,
    /// Objects it wrote, in order; at most a thousand are told.
    pub written: Vec<Location>,
}

/// A place to run one guest: made, entered once, looked at, dropped.
struct Run {
    fresh: Fresh,
    meter: Meter,
    limits: Limits,
    started: Instant,
    /// When the answer is due, and when the guest must have ended for that.
    due: Instant,
    deadline: Instant,
}

impl Run {
    fn new(
        host: &Host,
        means: &Means,
        limits: Limits,
        meter: Meter,
        request: ActivationRequest,
        started: Instant,
    ) -> Result<Self, Failure> {
        let due = request
            .deadline
            .map_or(started + limits.time, |deadline| deadline.min(started + limits.time));
        let deadline = guest_deadline(started, due);
        let fresh = State::fresh(
            host,
            Purpose {
                parameters: request.parameters,
                environment: &request.environment,
                deadline,
                means,
                limits: &limits,
                meter: meter.clone(),
                sink: request.logs,
            },
        )
        .map_err(|refused| Failure::Limit { message: refused.message, said: None })?;
        Ok(Self { fresh, meter, limits, started, due, deadline })
    }

    /// Enters the guest, at most until the deadline.
    async fn enter<T>(
        &mut self,
        guest: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let answer =
            tokio::time::timeout_at(self.deadline.into(), guest(&mut self.fresh.store)).await;
        self.fresh.logs.flush();
        self.meter.lowered();
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            // Dropped in the middle of a host call, with everything it held.
            Err(_) => TimeIsUp.into(),
        };
        let scene = Scene {
            limit: self.due.saturating_duration_since(self.started),
            refused: self.fresh.store.data().memory.refused().map(str::to_owned),
            tail: self.fresh.logs.tail(),
            handles: self.limits.handles,
            call_bytes: self.limits.call_bytes,
        };
        let mut failure = Failure::of(&error, scene);
        if let Failure::Time { waiting, .. } = &mut failure {
            *waiting = self.meter.cut_off(self.deadline);
        }
        Err(failure)
    }

    /// Checks the guest's answer, for at most half of the time that was kept back to report it.
    fn check(&self, text: String) -> impl Future<Output = Result<ResultText, Failure>> + use<> {
        let (budget, started, due, deadline) =
            (self.fresh.budget.clone(), self.started, self.due, self.deadline);
        async move {
            let until = deadline + due.saturating_duration_since(deadline) / 2;
            let checked = ResultText::check(text, &budget, until).await;
            checked.unwrap_or_else(|| {
                let waiting = Some(("the check of its result", deadline.elapsed()));
                Err(Failure::Time { limit: due.saturating_duration_since(started), waiting })
            })
        }
    }

    fn receipt(&self, queued: Duration, instantiate: Duration) -> Receipt {
        let spent = self.meter.spent();
        let total = self.started.elapsed();
        let (log_bytes, logs_cut) = self.fresh.logs.written();
        Receipt {
            total_ns: nanoseconds(total + queued),
            queued_ns: nanoseconds(queued),
            instantiate_ns: nanoseconds(instantiate),
            guest_ns: nanoseconds(
                total
                    .saturating_sub(instantiate)
                    .saturating_sub(spent.inference)
                    .saturating_sub(spent.storage),
            ),
            inference_ns: nanoseconds(spent.inference),
            inference_calls: spent.inference_calls,
            inference_engine: None,
            storage_ns: nanoseconds(spent.storage),
            storage_calls: spent.storage_calls,
            memory_peak: self.fresh.budget.peak(),
            memory_wasm: self.fresh.store.data().memory.bytes(),
            log_bytes,
            logs_cut,
        }
    }
}

/// Runs an action once.
pub(crate) async fn run(
    host: &Host,
    action: &ActionPre<State>,
    means: &Means,
    request: ActivationRequest,
) -> Outcome {
    let asked = Instant::now();
    let arguments = request.parameters.clone();
    let Some(_slot) = place(host, asked, request.deadline).await else {
        return Outcome::without_a_place(asked);
    };
    let started = Instant::now();
    let queued = started - asked;
    let mut run = match Run::new(
        host,
        means,
        host.policy().limits.clone(),
        Meter::default(),
        request,
        started,
    ) {
        Ok(run) => run,
        Err(failure) => {
            return Outcome {
                result: Err(failure),
                receipt: Receipt { queued_ns: nanoseconds(queued), ..Receipt::default() },
                written: Vec::new(),
            };
        }
    };
    let _ticking = host.engine().ticking();
    let mut instantiated = None;
    let answer = run
        .enter(async |store| {
            let instance = action.instantiate_async(&mut *store).await?;
            instantiated = Some(started.elapsed());
            call(&instance, store, arguments.text()).await
        })
        .await;
    let result = match answer {
        Ok(Ok(text)) => run.check(text).await,
        Ok(Err(error)) => Err(Failure::Action(error)),
        Err(failure) => Err(failure),
    };
    let mut receipt = run.receipt(queued, instantiated.unwrap_or_else(|| started.elapsed()));
    if receipt.inference_calls > 0 {
        receipt.inference_engine = means.inference.as_ref().ok().and_then(|asked| asked.engine());
    }
    Outcome { result, receipt, written: run.meter.written() }
}

/// A place among the activations that run, unless the time to answer comes first.
async fn place(
    host: &Host,
    asked: Instant,
    deadline: Option<Instant>,
) -> Option<SemaphorePermit<'_>> {
    // The semaphore is never closed.
    match (host.slots().try_acquire(), deadline) {
        (Ok(place), _) => Some(place),
        (Err(_), None) => host.slots().acquire().await.ok(),
        (Err(_), Some(deadline)) => {
            let waiting = tokio::time::timeout_at(
                guest_deadline(asked, deadline).into(),
                host.slots().acquire(),
            );
            waiting.await.ok().and_then(Result::ok)
        }
    }
}

impl Outcome {
    fn without_a_place(asked: Instant) -> Self {
        let queued = asked.elapsed();
        let waiting = Some(("a place among the activations that run", queued));
        let receipt = Receipt {
            total_ns: nanoseconds(queued),
            queued_ns: nanoseconds(queued),
            ..Receipt::default()
        };
        Self { result: Err(Failure::Time { limit: queued, waiting }), receipt, written: Vec::new() }
    }
}

async fn call(
    instance: &Instance,
    store: &mut Store<State>,
    arguments: &str,
) -> wasmtime::Result<Result<String, crate::Error>> {
    let answer = instance.keynet_inference_function().call_run(store, arguments).await?;
    Ok(answer.map_err(Into::into))
}

/// The time and the bytes an action has to describe itself; more bytes where its component holds a
/// language's runtime.
pub(crate) const DESCRIBE_TIME: Duration = Duration::from_secs(3);
pub(crate) const DESCRIBE_MEMORY: u64 = 64 << 20;
pub(crate) const DESCRIBE_MEMORY_OF_RUNTIME: u64 = 128 << 20;

/// What describing itself may cost an action: it is asked when it is loaded, inspected or pushed,
/// and may be hostile. Runtimes of some languages need more memory than others.
fn describe_limits(component_bytes: usize) -> Limits {
    const LANGUAGE_RUNTIME: usize = 8 << 20;
    Limits {
        memory: if component_bytes > LANGUAGE_RUNTIME {
            DESCRIBE_MEMORY_OF_RUNTIME
        } else {
            DESCRIBE_MEMORY
        },
        time: DESCRIBE_TIME,
        logs: 64 << 10,
        handles: 64,
        call_bytes: 1 << 20,
    }
}

/// Asks an action what it is, with calls of every import trapping.
pub(crate) async fn describe(
    host: &Host,
    action: &ActionPre<State>,
    means: &Means,
    component_bytes: usize,
    logs: Option<Arc<dyn LogSink>>,
) -> Result<FunctionInfo, Failure> {
    struct Captured;
    impl LogSink for Captured {
        fn line(&self, _: Stream, line: &[u8]) {
            tracing::debug!(line = %String::from_utf8_lossy(line), "while an action described itself");
        }
    }
    let _slot = host.slots().acquire().await;
    let limits = describe_limits(component_bytes);
    let started = Instant::now();
    let logs = logs.unwrap_or_else(|| Arc::new(Captured));
    let request = ActivationRequest {
        parameters: Parameters::none(),
        environment: Vec::new(),
        deadline: None,
        logs,
    };
    let mut run = Run::new(host, means, limits, Meter::describing(), request, started)?;
    let _ticking = host.engine().ticking();
    run.enter(async |store| {
        let instance = action.instantiate_async(&mut *store).await?;
        instance.keynet_inference_function().call_describe(store).await
    })
    .await
}
