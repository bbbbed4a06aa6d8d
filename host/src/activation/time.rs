//! The guest's share of an activation's time.

use std::time::{Duration, Instant};

/// Returns the time by which the guest must have ended for a response that is due at `deadline`.
/// The rest is enough to report the error, flush the logs and send the response before OpenWhisk
/// closes the connection.
pub(crate) fn guest_deadline(now: Instant, deadline: Instant) -> Instant {
    let remaining = deadline.saturating_duration_since(now);
    let reserve = Duration::from_millis(50).max((remaining / 50).min(Duration::from_millis(500)));
    now + remaining.saturating_sub(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_grows_with_the_time_within_bounds() {
        let now = Instant::now();
        let left = |seconds: f64| {
            (guest_deadline(now, now + Duration::from_secs_f64(seconds)) - now).as_millis()
        };
        assert_eq!(
            (left(0.0), left(0.04), left(1.0), left(10.0), left(60.0)),
            (0, 0, 950, 9_800, 59_500)
        );
    }
}
