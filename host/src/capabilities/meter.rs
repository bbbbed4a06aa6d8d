//! The account of one activation's calls: how many, how long, and which one is being made now.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keynet_base::budget::Reservation;
use keynet_base::limits;
use keynet_object_storage::Location;

/// Shared by the capabilities of one activation. The activation reads it after the guest has ended,
/// also when that was in the middle of a call.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    describing: bool,
    waiting: Option<(&'static str, Instant)>,
    /// The last call that was answered: since when it had waited, and until when.
    last: Option<(&'static str, Instant, Instant)>,
    spent: Spent,
    written: Vec<Location>,
    written_bytes: u64,
    /// The memory of the copy that the last call lowers into the guest.
    lent: Option<Reservation>,
}

/// Calls made and time waited, by interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls of `triton-predict` that ask a server.
    pub inference_calls: u64,
    /// Time waited for them.
    pub inference: Duration,
    /// Calls of `storage`.
    pub storage_calls: u64,
    /// Time waited for them.
    pub storage: Duration,
}

impl Meter {
    /// One for an action that only describes itself: every call is a trap.
    pub fn describing() -> Self {
        Self(Arc::new(Mutex::new(State { describing: true, ..State::default() })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins `call` (such as `storage.get`): the copy that the call before it lowered into the
    /// guest is gone. Refuses it while the action describes itself.
    ///
    /// # Errors
    /// The trap, naming the call.
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

    /// Waits for `answer`, the server's part of `call`. What is dropped before it is there counts
    /// as cut off.
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

    /// Keeps the memory of a copy that is lowered into the guest when the call ends, until its next
    /// call or [`Self::lowered`].
    pub(crate) fn lend(&self, copy: Reservation) {
        self.state().lent = Some(copy);
    }

    /// Gives back the memory of the copy that was lent: the guest has it, or has ended.
    pub(crate) fn lowered(&self) {
        self.state().lent = None;
    }

    /// What was spent.
    pub fn spent(&self) -> Spent {
        self.state().spent
    }

    /// Notes an object that was written. Its location is kept where [`limits::WRITTEN`] and
    /// [`limits::WRITTEN_TEXT`] leave room.
    pub(crate) fn wrote(&self, location: &Location) {
        let mut state = self.state();
        let bytes = state.written_bytes + location.text_bytes();
        if state.written.len() < limits::WRITTEN && bytes <= limits::WRITTEN_TEXT as u64 {
            state.written_bytes = bytes;
            state.written.push(location.clone());
        }
    }

    /// The objects that were written.
    pub fn written(&self) -> Vec<Location> {
        self.state().written.clone()
    }

    /// The call that took what was left of the time until `deadline`, if one did, and how long it
    /// had waited: one that was cut off, or one that was told by then that there was no answer.
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
