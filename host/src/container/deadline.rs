//! The moment an answer is due, as requests say it: a text of milliseconds since 1970.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Deadlines further back than this are no deadlines but wrong clocks: no action has as much time.
const PLAUSIBLE: Duration = Duration::from_secs(3600);

/// When the platform hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It does not say.
    Never,
    /// Then.
    At(Instant),
    /// It has hung up, so long ago.
    Past(Duration),
}

impl Due {
    /// Reads a deadline at the moment (`now`, `clock`) at which its request arrived. From then on
    /// only the clock that nobody sets counts.
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
        // What tests send, and clocks that were never set.
        for text in ["123", "", "soon", "-1", "18446744073709551615"] {
            assert!(matches!(read(text), Due::Never | Due::At(_)), "{text}");
        }
        assert_eq!(read("123"), Due::Never);
        assert_eq!(Due::read(None, now, clock), Due::Never);
    }
}
