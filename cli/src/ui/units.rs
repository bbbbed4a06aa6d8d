//! Sizes and times for a person.

use std::time::Duration;

/// Formats a size in the unit that needs the fewest digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = "KiB";
    for larger in UNITS.into_iter().skip(1) {
        if amount < 1000.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    format!("{amount:.1} {unit}")
}

/// Formats a time in the unit that needs the fewest digits.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 && duration.subsec_nanos() == 0 {
        format!("{seconds} s")
    } else if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.001 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{} µs", duration.as_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1024), bytes(206_112), bytes(1 << 30)],
            ["0 B", "1023 B", "1.0 KiB", "201.3 KiB", "1.0 GiB"]
        );
        let us = Duration::from_micros;
        assert_eq!(
            [time(us(7)), time(us(1_234)), time(us(2_500_000)), time(us(60_000_000))],
            ["7 µs", "1.23 ms", "2.50 s", "60 s"]
        );
    }
}
