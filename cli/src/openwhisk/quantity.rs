//! Sizes and times in OpenWhisk's units, with or without a unit.

use keynet_base::config::{parse_bytes, parse_duration};

const MB: u64 = 1 << 20;

/// Parses `512`, `512MiB` or `1GiB` as whole MB of 1024 × 1024 bytes, as OpenWhisk counts.
///
/// # Errors
/// The text is not such a size; the error is a message for a person.
pub fn parse_megabytes(text: &str) -> Result<u64, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let bytes = parse_bytes(text)?;
    if bytes % MB == 0 {
        Ok(bytes / MB)
    } else {
        Err(format!("{text} is not a whole number of MB"))
    }
}

/// Parses `60000`, `60s` or `5m` as milliseconds.
///
/// # Errors
/// The text is not such a time; the error is a message for a person.
pub fn parse_milliseconds(text: &str) -> Result<u64, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    parse_duration(text).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers_are_those_of_wsk() {
        assert_eq!(
            (parse_megabytes("512"), parse_megabytes("1GiB"), parse_megabytes("256m")),
            (Ok(512), Ok(1024), Ok(256))
        );
        assert_eq!(
            (parse_milliseconds("60000"), parse_milliseconds("5m"), parse_milliseconds("100ms")),
            (Ok(60_000), Ok(300_000), Ok(100))
        );
        assert!(
            parse_megabytes("1500k").is_err()
                && parse_megabytes("much").is_err()
                && parse_milliseconds("soon").is_err()
        );
    }
}
