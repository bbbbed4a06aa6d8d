//! Work that blocks for long, on a thread of its own.
//!
//! Not on tokio's blocking threads: work cannot be interrupted there either, and a runtime that is
//! shut down waits for it, so that a program could not end before a stuck model does.

use std::thread::Builder;

use tokio::sync::oneshot;

use keynet_base::error::{Error, Result};
use keynet_base::scheduling;

/// Does `work`. It goes on when nobody waits for it any more.
pub(super) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    start_on_own_thread((), work)?.await
}

/// Begins `work`, which goes on when nobody waits for what this returns; `kept` is dropped when it and
/// its result are gone.
pub(super) fn start_on_own_thread<T: Send + 'static>(
    kept: impl Send + 'static,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<impl Future<Output = Result<T>> + Send> {
    let (answer, answered) = oneshot::channel();
    let thread = Builder::new().name("embedded-model".to_owned()).spawn(move || {
        // Others who are woken run first: this thread computes, as do those that an engine starts here.
        scheduling::lengthen_slices();
        let _nobody_waits = answer.send(work());
        drop(kept);
    });
    thread.map_err(|error| {
        Error::unavailable(format!("no thread can be started for a model: {error}"))
    })?;
    let ended_early = || Err(Error::internal("the thread of a model ended early"));
    Ok(async move { answered.await.unwrap_or_else(|_| ended_early()) })
}
