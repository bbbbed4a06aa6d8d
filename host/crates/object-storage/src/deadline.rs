//! The moment a call must have ended, for code that `object_store` stands between.
//!
//! Its traits have no place for a deadline, but its requests are sent by a client of ours, in the
//! task that made the call.

use std::time::{Duration, Instant};

tokio::task_local! {
    static DEADLINE: Instant;
}

/// For what nobody waits for: an upload that is thrown away.
const UNHURRIED: Duration = Duration::from_secs(30);

/// Runs `call`, whose requests end by `deadline`.
pub(super) async fn by<T>(deadline: Instant, call: impl Future<Output = T>) -> T {
    DEADLINE.scope(deadline, call).await
}

/// The deadline of the call that is being made.
pub(super) fn current() -> Instant {
    DEADLINE.try_with(|deadline| *deadline).unwrap_or_else(|_| Instant::now() + UNHURRIED)
}
