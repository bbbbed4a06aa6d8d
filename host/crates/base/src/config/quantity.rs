//! Numbers with units, as people write them.

use std::time::Duration;

use crate::quote::quoted;

/// Smallest number of bytes, other than 0, that needs no unit: a smaller one is more often meant as
/// megabytes.
const LEAST_WITHOUT_UNIT: u64 = 1 << 20;

/// Longest duration that is accepted.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Splits `512 MiB` into its number and its unit; `None` if it does not begin with a whole number.
fn split(text: &str) -> Option<(u64, &str)> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit)?.parse().ok()?;
    Some((number, unit.trim()))
}

/// Parses a number of bytes: `256MiB`, `1GiB`, `64k`, `512B` (binary units; `iB` and `B` may be left
/// out after a letter). A number without a unit is a number of bytes, 0 or at least 1048576.
///
/// Every size is parsed here: of the command line, of the environment and of a policy.
///
/// # Errors
/// A message that describes the accepted format.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{} is not a size; write 256MiB, 1GiB or 1048576", quoted(text));
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" if (1..LEAST_WITHOUT_UNIT).contains(&number) => {
            return Err(format!(
                "{number} has no unit, and would be {number} bytes: write {number}MiB or {number}B"
            ));
        }
        "" | "b" => 0,
        "k" | "ki" | "kb" | "kib" => 10,
        "m" | "mi" | "mb" | "mib" => 20,
        "g" | "gi" | "gb" | "gib" => 30,
        "t" | "ti" | "tb" | "tib" => 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Parses a duration: `1500ms`, `60s`, `5m`, `2h`. Only `0` needs no unit.
///
/// Every duration is parsed here: of the command line, of the environment and of a policy.
///
/// # Errors
/// A message that describes the accepted format.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{} is not a duration; write 500ms, 60s or 5m", quoted(text));
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let milliseconds = match unit {
        "" if number != 0 => {
            return Err(format!("{number} has no unit: write {number}s or {number}ms"));
        }
        "" | "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
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
            ("512B", 512),
            ("512Mi", 512 << 20),
            ("300 MB", 300 << 20),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1 bit", "1iB", "99999999999999999999", "99999999t"]
        {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_in_any_unit() {
        for (text, ms) in
            [("0", 0), ("60s", 60_000), ("250 ms", 250), ("5m", 300_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "1d", "9999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_does_not_pass_for_another_unit() {
        let told = parse_bytes("256").unwrap_err();
        assert_eq!(told, "256 has no unit, and would be 256 bytes: write 256MiB or 256B");
        assert!(parse_bytes("1048575").is_err());
        let told = parse_duration("5").unwrap_err();
        assert_eq!(told, "5 has no unit: write 5s or 5ms");
    }
}
