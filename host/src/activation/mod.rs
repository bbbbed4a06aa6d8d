//! One run of an action: a fresh store, limits, a deadline, logs, and the receipt.
//!
//! A guest's failure affects this activation only. A store in which the guest trapped is never
//! entered again: it is dropped with everything in it.

mod environment;
mod failure;
mod frames;
mod function;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod logs;
mod means;
mod memory;
mod pages;
mod receipt;
mod result;
mod sandbox;
mod source;
mod spares;
mod store;
mod surroundings;
mod time;
mod timeline;

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Instrument as _;
use wasmtime::Store;

pub use environment::GuestEnvironment;
pub use failure::{Failure, TimeLimit};
pub(crate) use logs::disarm;
pub use logs::{LogSink, SENTINEL, Stream};
pub(crate) use means::Means;
pub use means::TenantShare;
pub use receipt::{PREFIX as RECEIPT_PREFIX, Receipt};
pub use result::ResultText;
pub use sandbox::{Sandbox, Slot};
pub(crate) use source::InstanceSource;
pub(crate) use store::State;
pub use surroundings::{Machine, Surroundings};
pub(crate) use time::guest_deadline;
pub use timeline::{Phase, Timeline};

use crate::capabilities::user_input::Parameters;
use crate::capabilities::{Meter, Recording};
use crate::policy::Limits;
use failure::{Scene, TimeIsUp};
use function::Function;
use keynet_base::call_observer;
use keynet_base::error::Error;
use keynet_base::offload::LargeWork;
use keynet_object_storage::Location;
use receipt::nanoseconds;
use spares::Spare;
use store::{Fresh, Purpose};
use timeline::Times;

/// One request to run an action.
pub struct ActivationRequest {
    /// Parameters that the caller sent.
    pub parameters: Parameters,
    /// The environment of the guest.
    pub environment: GuestEnvironment,
    /// Time at which the caller needs the response; `None` for the policy's limit alone. The
    /// guest's own time ends a little before the earlier of both.
    pub deadline: Option<Instant>,
    /// Sink for standard output and error.
    pub logs: Arc<dyn LogSink>,
    /// What is recorded beside the receipt.
    pub recording: Recording,
}

impl ActivationRequest {
    /// Creates a request with an empty environment, and with the policy's time limit alone.
    pub fn new(parameters: Parameters, logs: Arc<dyn LogSink>) -> Self {
        Self {
            parameters,
            environment: GuestEnvironment::default(),
            deadline: None,
            logs,
            recording: Recording::default(),
        }
    }
}

/// End of an activation.
#[derive(Debug)]
pub struct Outcome {
    /// JSON text of the result, an object or an array, or the reason why there is none.
    pub result: Result<ResultText, Failure>,
    /// Time and memory that it took.
    pub receipt: Receipt,
    /// Its timeline, if its request asked for it and it began.
    pub timeline: Option<Box<Timeline>>,
    /// Objects that it wrote, in order; at most a thousand are listed.
    pub written: Vec<Location>,
}

/// The state of one activation: created, entered once, inspected, dropped.
pub(crate) struct Run {
    fresh: Fresh,
    large: LargeWork,
    /// Function of a spare, whose instance the store has already.
    function: Option<Function>,
    is_spare: bool,
    meter: Meter,
    limits: Limits,
    started: Instant,
    /// Origin of `due`.
    origin: TimeLimit,
    /// Time at which the response is due; `deadline` is the time by which the guest must have
    /// ended for that.
    due: Instant,
    deadline: Instant,
    /// Time that it had a processor.
    computing: Duration,
}

impl Run {
    /// Prepares a run, which was requested at `started`, in `spare` or, if it is `None`, in a new
    /// store.
    pub(crate) async fn new(
        sandbox: &Sandbox,
        spare: Option<Spare>,
        means: &Means,
        limits: &Limits,
        meter: Meter,
        request: ActivationRequest,
        started: Instant,
    ) -> Result<Self, Failure> {
        let latest = started + limits.time;
        let (due, origin) = match request.deadline {
            Some(deadline) if deadline < latest => (deadline, TimeLimit::Deadline),
            _ if meter.is_describing() => (latest, TimeLimit::Fixed),
            _ => (latest, TimeLimit::Host),
        };
        let deadline = guest_deadline(started, due);
        let purpose = Purpose {
            parameters: request.parameters,
            environment: request.environment,
            deadline,
            means,
            limits,
            meter: meter.clone(),
            sink: request.logs,
        };
        let refused = |error: Error| Failure::Limit { message: error.message, said: None };
        let (fresh, function) = match spare {
            Some(Spare { function, mut fresh }) => {
                fresh.begin(purpose).map_err(refused)?;
                (fresh, Some(function))
            }
            None => {
                let place = sandbox.place().await;
                let place =
                    place.ok_or_else(|| Failure::Start("the sandbox has no place".to_owned()))?;
                (State::fresh(sandbox, place, purpose).map_err(refused)?, None)
            }
        };
        let (is_spare, limits) = (function.is_some(), limits.clone());
        let large = means.share.large.clone();
        let computing = Duration::ZERO;
        Ok(Self {
            fresh,
            large,
            function,
            is_spare,
            meter,
            limits,
            started,
            origin,
            due,
            deadline,
            computing,
        })
    }

    /// Enters the guest, at most until the deadline.
    pub(crate) async fn enter<T>(
        &mut self,
        guest: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let (logs, guest) = (&self.fresh.logs, guest(&mut self.fresh.store));
        let guest = computing(&mut self.computing, guest, || logs.flush());
        let answer = tokio::time::timeout_at(self.deadline.into(), guest).await;
        self.fresh.logs.end();
        self.meter.lowered();
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            // A host call that is in progress is dropped, with everything it held.
            Err(_) => TimeIsUp.into(),
        };
        let scene = Scene {
            limit: self.due.saturating_duration_since(self.started),
            origin: self.origin,
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

    /// Checks the guest's result, within half of the time that is reserved to report it.
    fn check(&self, text: String) -> impl Future<Output = Result<ResultText, Failure>> + use<> {
        let (budget, started, origin) = (self.fresh.budget.clone(), self.started, self.origin);
        let (due, deadline, large) = (self.due, self.deadline, self.large.clone());
        async move {
            let until = deadline + due.saturating_duration_since(deadline) / 2;
            let checked = ResultText::check(text, &budget, &large, until).await;
            checked.unwrap_or_else(|| {
                let waiting = Some(("the check of its result", deadline.elapsed()));
                let limit = due.saturating_duration_since(started);
                Err(Failure::Time { limit, origin, waiting })
            })
        }
    }

    fn receipt(&self, times: Times) -> Receipt {
        let spent = self.meter.spent();
        let total = times.ended - times.started;
        let in_guest = times.guest_ended - times.instantiated;
        let (log_bytes, logs_cut) = self.fresh.logs.written();
        Receipt {
            component: None,
            total_ns: nanoseconds(total + times.queued),
            queued_ns: nanoseconds(times.queued),
            instantiate_ns: nanoseconds(times.instantiated - times.started),
            spare: self.is_spare,
            guest_ns: nanoseconds(
                in_guest.saturating_sub(spent.inference).saturating_sub(spent.storage),
            ),
            answer_ns: nanoseconds(times.ended - times.guest_ended),
            computing_ns: nanoseconds(self.computing),
            inference_ns: nanoseconds(spent.inference),
            inference_calls: spent.inference_calls,
            inference_engine: None,
            models: self.meter.models(),
            inference_sent: spent.inference_sent,
            inference_received: spent.inference_received,
            storage_ns: nanoseconds(spent.storage),
            storage_calls: spent.storage_calls,
            storage_written: spent.storage_written,
            storage_read: spent.storage_read,
            memory_peak: self.fresh.budget.peak(),
            memory_wasm: self.fresh.store.data().memory.bytes(),
            log_bytes,
            logs_cut,
        }
    }
}

/// Runs an action once, in a slot of `sandbox`.
pub(crate) async fn run(
    sandbox: &Arc<Sandbox>,
    slot: &Slot<'_>,
    source: &Arc<InstanceSource>,
    means: &Means,
    request: ActivationRequest,
) -> Outcome {
    let started = Instant::now();
    let arguments = request.parameters.clone();
    let spare = source.take().await;
    let recording = request.recording.clone();
    let (limits, meter) = (source.limits(), Meter::recording(recording.clone()));
    let observer = meter.observer();
    let run = Run::new(sandbox, spare, means, limits, meter, request, started).await;
    let mut run = match run {
        Ok(run) => run,
        Err(failure) => return Outcome::before_it_began(failure, slot.queued()),
    };
    let _ticking = sandbox.engine().ticking();
    let mut instantiated = None;
    let ready = run.function.take();
    let entered = run.enter(async |store| {
        let function = match ready {
            Some(function) => function,
            None => source.instantiate(&mut *store).await?,
        };
        instantiated = Some(Instant::now());
        function.call(store, arguments.text()).await
    });
    let span = match &recording.trace {
        Some(trace) => tracing::info_span!("activation", trace = %trace.trace),
        None => tracing::Span::none(),
    };
    let answer = call_observer::observed(observer, entered).instrument(span).await;
    let guest_ended = Instant::now();
    let result = match answer {
        Ok(Ok(text)) => run.check(text).await,
        Ok(Err(error)) => Err(Failure::Action(error)),
        Err(failure) => Err(failure),
    };
    let times = Times {
        started,
        queued: slot.queued(),
        instantiated: instantiated.unwrap_or(guest_ended),
        guest_ended,
        ended: Instant::now(),
    };
    let mut receipt = run.receipt(times);
    if receipt.inference_calls > 0 {
        receipt.inference_engine =
            means.inference.as_ref().ok().and_then(|asked| asked.engine()).map(Cow::Borrowed);
    }
    let calls = run.meter.take_calls();
    let timeline = calls.map(|(calls, more)| Box::new(times.timeline(calls, more)));
    let outcome = Outcome { result, receipt, timeline, written: run.meter.written() };
    source::retire(sandbox, source, run.fresh);
    outcome
}

impl Outcome {
    /// Returns the outcome of a request that got no slot in time.
    pub(crate) fn without_a_slot(requested: Instant) -> Self {
        let queued = requested.elapsed();
        let waiting = Some(("a place among the activations that run", queued));
        let failure = Failure::Time { limit: queued, origin: TimeLimit::Deadline, waiting };
        Self::before_it_began(failure, queued)
    }

    fn before_it_began(failure: Failure, queued: Duration) -> Self {
        let receipt = Receipt {
            total_ns: nanoseconds(queued),
            queued_ns: nanoseconds(queued),
            ..Receipt::default()
        };
        Self { result: Err(failure), receipt, timeline: None, written: Vec::new() }
    }
}

/// Adds the time of each poll of `work` to `spent`, and calls `waits` if it has not ended then.
async fn computing<T>(spent: &mut Duration, work: impl Future<Output = T>, waits: impl Fn()) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        let begun = Instant::now();
        let polled = work.as_mut().poll(context);
        *spent += begun.elapsed();
        if polled.is_pending() {
            waits();
        }
        polled
    })
    .await
}
