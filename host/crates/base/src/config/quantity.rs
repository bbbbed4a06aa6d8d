//! Numbers with units, as people write them.

use std::time::Duration;

use crate::quote::quoted;

/// Parses a number of bytes: `268435456`, `256MiB`, `1GiB`, `64k` (binary units; `B` and `iB` may
/// be left out).
///
/// # Errors
/// A message that describes the accepted format.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{} is not a number of bytes; write 256MiB, 1GiB or 1048576", quoted(text));
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = text.strip_prefix(digits).unwrap_or_default().trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Parses a duration: `1500ms`, `60s`, `5m`, `2h`; a bare number is seconds.
///
/// # Errors
/// A message that describes the accepted format.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{} is not a duration; write 500ms, 60s or 5m", quoted(text));
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let milliseconds = match text.strip_prefix(digits).unwrap_or_default().trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .filter(|time| *time <= LONGEST)
        .ok_or_else(wrong)
}

/// Parses a positive whole number.
pub(super) fn parse_count(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{} is not a positive whole number", quoted(text)))
}

/// Parses a boolean: `true`, `yes`, `1` and their opposites.
pub(super) fn parse_flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("{} is neither true nor false", quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_any_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("256MiB", 256 << 20),
            ("1 GB", 1 << 30),
            ("64k", 64 << 10),
            ("2t", 2 << 40),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1 bit", "99999999999999999999", "99999999t"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_in_any_unit() {
        for (text, ms) in
            [("60", 60_000), ("60s", 60_000), ("250 ms", 250), ("5m", 300_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "1d", "9999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
