//! Counters of one activation's calls: their number, their time, and the current call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keynet_base::budget::Reservation;
use keynet_base::call_observer::CallObserver;
use keynet_base::limits;
use keynet_base::trace_context::TraceContext;
use keynet_object_storage::Location;

use super::calls::{Call, CallResult, Calls, ModelUse, Recording};

/// Counters that the capabilities of one activation share. The activation reads them after the
/// guest has ended, also if that was during a call.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    describing: bool,
    waiting: Option<(&'static str, Instant)>,
    /// Last completed call, with its start and end.
    last: Option<(&'static str, Instant, Instant)>,
    spent: Spent,
    calls: Calls,
    written: Vec<Location>,
    written_bytes: u64,
    /// Memory of the copy that the last call lowers into the guest.
    lent: Option<Reservation>,
}

/// Number and waiting time of the calls, by interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls of `triton-predict` that need a server.
    pub inference_calls: u64,
    /// Time waited for calls of `triton-predict`.
    pub inference: Duration,
    /// Calls of `storage`.
    pub storage_calls: u64,
    /// Time waited for calls of `storage`.
    pub storage: Duration,
    /// Bytes of tensors that were sent to models.
    pub inference_sent: u64,
    /// Bytes of tensors that models returned.
    pub inference_received: u64,
    /// Bytes of objects that were written.
    pub storage_written: u64,
    /// Bytes of objects that were read.
    pub storage_read: u64,
}

fn is_storage(call: &str) -> bool {
    call.starts_with("storage.")
}

impl Meter {
    /// Creates the meter of an action that only describes itself: every call traps.
    pub fn describing() -> Self {
        Self::of(State { describing: true, ..State::default() })
    }

    /// Creates the meter of an activation.
    pub fn recording(recording: Recording) -> Self {
        Self::of(State { calls: Calls::new(recording), ..State::default() })
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Shared(Mutex::new(state))))
    }

    /// Returns the observer of the activation's calls, for the clients of servers.
    pub(crate) fn observer(&self) -> Arc<dyn CallObserver> {
        Arc::clone(&self.0) as _
    }

    /// Reports whether the activation is a call of `describe`.
    pub fn is_describing(&self) -> bool {
        self.state().describing
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// Begins `call` (such as `storage.get`) and releases the copy that the previous call lowered
    /// into the guest. Rejects the call while the action describes itself.
    ///
    /// # Errors
    /// The trap, which names the call.
    pub(crate) fn allow(&self, call: &'static str) -> wasmtime::Result<()> {
        let mut state = self.state();
        state.lent = None;
        if state.describing {
            return Err(wasmtime::Error::msg(format!(
                "`describe` called {call}: it is asked when the action is loaded and may call \
                    nothing; move the call into `run`"
            )));
        }
        Ok(())
    }

    /// Waits for `answer`, the server's part of `call`. If it is dropped before it completes, the
    /// call counts as cut off.
    ///
    /// # Errors
    /// As [`Meter::allow`].
    pub(crate) async fn wait<T: CallResult>(
        &self,
        call: &'static str,
        answer: impl Future<Output = T>,
    ) -> wasmtime::Result<T> {
        self.send(call, 0, answer).await
    }

    /// Waits as [`Meter::wait`] for a call that sends `sent` bytes of tensors or of an object.
    ///
    /// # Errors
    /// As [`Meter::allow`].
    pub(crate) async fn send<T: CallResult>(
        &self,
        call: &'static str,
        sent: u64,
        answer: impl Future<Output = T>,
    ) -> wasmtime::Result<T> {
        self.allow(call)?;
        let since = Instant::now();
        self.begin(call, since, sent);
        let answer = answer.await;
        let (until, failure) = (Instant::now(), answer.failure());
        let state = &mut *self.state();
        state.waiting = None;
        state.last = Some((call, since, until));
        state.calls.end(until, failure);
        let spent = &mut state.spent;
        let (calls, time, bytes) = if is_storage(call) {
            (&mut spent.storage_calls, &mut spent.storage, &mut spent.storage_written)
        } else {
            (&mut spent.inference_calls, &mut spent.inference, &mut spent.inference_sent)
        };
        *calls += 1;
        *time += until - since;
        if failure.is_none() {
            *bytes += sent;
        }
        Ok(answer)
    }

    fn begin(&self, call: &'static str, since: Instant, sent: u64) {
        let mut state = self.state();
        state.waiting = Some((call, since));
        state.calls.begin(call, since, sent);
    }

    /// Counts bytes of tensors or of an object that the last call received.
    pub(crate) fn received(&self, bytes: u64) {
        let mut state = self.state();
        let Some((call, ..)) = state.last else { return };
        state.calls.received(bytes);
        let spent = &mut state.spent;
        if is_storage(call) {
            spent.storage_read += bytes;
        } else {
            spent.inference_received += bytes;
        }
    }

    /// Returns the models that ran.
    pub(crate) fn models(&self) -> Vec<ModelUse> {
        self.state().calls.models()
    }

    /// Returns the recorded calls, and the number of those beyond the limit; `None` if they are not
    /// recorded.
    pub(crate) fn take_calls(&self) -> Option<(Vec<Call>, u64)> {
        self.state().calls.take()
    }

    /// Holds the memory of a copy that is lowered into the guest when the call ends, until the
    /// guest's next call or [`Self::lowered`].
    pub(crate) fn lend(&self, copy: Reservation) {
        self.state().lent = Some(copy);
    }

    /// Releases the memory of the lent copy: the guest has it, or has ended.
    pub(crate) fn lowered(&self) {
        self.state().lent = None;
    }

    /// Returns the number and waiting time of the calls.
    pub fn spent(&self) -> Spent {
        self.state().spent
    }

    /// Records an object that was written. Keeps its location only within [`limits::WRITTEN`] and
    /// [`limits::WRITTEN_TEXT`].
    pub(crate) fn wrote(&self, location: &Location) {
        let mut state = self.state();
        let bytes = state.written_bytes + location.text_bytes();
        if state.written.len() < limits::WRITTEN && bytes <= limits::WRITTEN_TEXT as u64 {
            state.written_bytes = bytes;
            state.written.push(location.clone());
        }
    }

    /// Returns the objects that were written.
    pub fn written(&self) -> Vec<Location> {
        self.state().written.clone()
    }

    /// Returns the call that used up the time until `deadline`, if one did, and the time it had
    /// waited: a call that was cut off, or one that returned only after `deadline`.
    pub fn cut_off(&self, deadline: Instant) -> Option<(&'static str, Duration)> {
        let state = self.state();
        let cut_off = state.waiting.map(|(call, since)| (call, since.elapsed()));
        let late = state.last.filter(|(_, _, until)| *until >= deadline);
        cut_off.or_else(|| late.map(|(call, since, until)| (call, until - since)))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallObserver for Shared {
    fn trace(&self) -> Option<TraceContext> {
        self.state().calls.trace()
    }

    fn ran(&self, model: &str, version: &str) {
        self.state().calls.ran(model, version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::Error;

    #[test]
    fn locations_that_were_written_are_kept_within_a_limit() {
        let (long, short) = (Meter::default(), Meter::default());
        for number in 0..1200 {
            long.wrote(&Location::parse(&format!("{number:01024}")).unwrap());
            short.wrote(&Location::parse(&number.to_string()).unwrap());
        }
        assert_eq!(
            (long.written().len(), short.written().len()),
            (limits::WRITTEN_TEXT / 1024, limits::WRITTEN)
        );
    }

    #[tokio::test]
    async fn a_call_that_waits_until_the_end_spent_the_time() {
        let meter = Meter::default();
        let deadline = Instant::now() + Duration::from_millis(20);
        let done = async { Ok::<_, Error>(()) };
        meter.wait("storage.get", done).await.unwrap().unwrap();
        assert_eq!(meter.cut_off(deadline), None);
        let late = async {
            tokio::time::sleep_until(deadline.into()).await;
            Ok::<_, Error>(())
        };
        meter.send("triton-predict.predict", 7, late).await.unwrap().unwrap();
        assert_eq!(meter.spent().inference_sent, 7);
        assert!(
            meter.cut_off(deadline).is_some_and(|(call, waited)| call == "triton-predict.predict"
                && waited >= Duration::from_millis(10))
        );
        let _ = tokio::time::timeout(
            Duration::from_millis(1),
            meter.wait("storage.put", std::future::pending::<Result<(), Error>>()),
        )
        .await;
        assert_eq!(meter.cut_off(deadline).map(|(call, _)| call), Some("storage.put"));
    }
}
