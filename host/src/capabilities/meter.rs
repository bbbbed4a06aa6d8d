//! Counters of one activation's calls: their number, their time, and the current call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keynet_base::budget::Reservation;
use keynet_base::limits;
use keynet_object_storage::Location;

/// Counters that the capabilities of one activation share. The activation reads them after the
/// guest has ended, also if that was during a call.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    describing: bool,
    waiting: Option<(&'static str, Instant)>,
    /// Last completed call, with its start and end.
    last: Option<(&'static str, Instant, Instant)>,
    spent: Spent,
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
}

impl Meter {
    /// Creates the meter of an action that only describes itself: every call traps.
    pub fn describing() -> Self {
        Self(Arc::new(Mutex::new(State { describing: true, ..State::default() })))
    }

    /// Reports whether the activation is a call of `describe`.
    pub fn is_describing(&self) -> bool {
        self.state().describing
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(crate) async fn wait<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = T>,
    ) -> wasmtime::Result<T> {
        self.allow(call)?;
        let since = Instant::now();
        self.state().waiting = Some((call, since));
        let answer = answer.await;
        let mut state = self.state();
        state.waiting = None;
        state.last = Some((call, since, Instant::now()));
        let spent = &mut state.spent;
        let (calls, time) = if call.starts_with("storage.") {
            (&mut spent.storage_calls, &mut spent.storage)
        } else {
            (&mut spent.inference_calls, &mut spent.inference)
        };
        *calls += 1;
        *time += since.elapsed();
        drop(state);
        Ok(answer)
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

#[cfg(test)]
mod tests {
    use super::*;

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
        meter.wait("storage.get", async {}).await.unwrap();
        assert_eq!(meter.cut_off(deadline), None);
        meter
            .wait("triton-predict.predict", tokio::time::sleep_until(deadline.into()))
            .await
            .unwrap();
        assert!(
            meter.cut_off(deadline).is_some_and(|(call, waited)| call == "triton-predict.predict"
                && waited >= Duration::from_millis(10))
        );
        let _ = tokio::time::timeout(
            Duration::from_millis(1),
            meter.wait("storage.put", std::future::pending::<()>()),
        )
        .await;
        assert_eq!(meter.cut_off(deadline).map(|(call, _)| call), Some("storage.put"));
    }
}
