//! Deadline of the current call, for code that is reached through `object_store`.
//!
//! The traits of `object_store` have no parameter for a deadline, but its requests are sent by this
//! crate's HTTP client, in the task that made the call.

use std::time::{Duration, Instant};

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Time limit of work that no caller waits for, such as aborting a dropped upload.
const UNHURRIED: Duration = Duration::from_secs(30);

/// Runs `call` with `deadline` as the deadline of its requests.
pub(super) async fn by<T>(deadline: Instant, call: impl Future<Output = T>) -> T {
    DEADLINE.scope(deadline, call).await
}

/// Returns the deadline of the current call.
pub(super) fn current() -> Instant {
    DEADLINE.try_with(|deadline| *deadline).unwrap_or_else(|_| Instant::now() + UNHURRIED)
}
