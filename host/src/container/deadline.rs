//! Deadline of a response, which requests carry as text: milliseconds since 1970.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Deadlines that passed longer ago than this are the effect of a wrong clock: no action has that
/// much time.
const PLAUSIBLE: Duration = Duration::from_secs(3600);

/// Time at which OpenWhisk closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The request names no time.
    Never,
    /// The deadline is at this time.
    At(Instant),
    /// The deadline passed this long ago.
    Past(Duration),
}

impl Due {
    /// Parses a deadline for a request that arrived at `now` (`clock` in system time). Later
    /// changes of the system clock have no effect on the result.
    pub(super) fn read(text: Option<&str>, now: Instant, clock: SystemTime) -> Self {
        let Some(milliseconds) = text.and_then(|text| text.trim().parse::<u64>().ok()) else {
            return Self::Never;
        };
        let Some(deadline) = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)) else {
            return Self::Never;
        };
        match deadline.duration_since(clock) {
            Ok(left) => now.checked_add(left).map_or(Self::Never, Self::At),
            Err(late) if late.duration() < PLAUSIBLE => Self::Past(late.duration()),
            Err(_) => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_text_of_milliseconds() {
        let (now, clock) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let read = |text: &str| Due::read(Some(text), now, clock);
        assert_eq!(read("1700000060000"), Due::At(now + Duration::from_secs(60)));
        assert_eq!(read("1699999999000"), Due::Past(Duration::from_secs(1)));
        // Values that tests send, and clocks that were never set.
        for text in ["123", "", "soon", "-1", "18446744073709551615"] {
            assert!(matches!(read(text), Due::Never | Due::At(_)), "{text}");
        }
        assert_eq!(read("123"), Due::Never);
        assert_eq!(Due::read(None, now, clock), Due::Never);
    }
}
