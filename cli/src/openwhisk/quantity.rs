//! Sizes and times of the command line in OpenWhisk's units.

use keynet_base::config::{parse_bytes, parse_duration};

const MB: u64 = 1 << 20;

/// Parses `512MiB` or `1GiB` as whole MB of 1024 × 1024 bytes, as OpenWhisk counts.
///
/// # Errors
/// The text is not such a size; the error is a message for a person.
pub fn parse_megabytes(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if bytes % MB == 0 {
        Ok(bytes / MB)
    } else {
        Err(format!("{text} is not a whole number of MiB, in which OpenWhisk counts"))
    }
}

/// Parses `60s`, `500ms` or `5m` as milliseconds.
///
/// # Errors
/// The text is not such a time; the error is a message for a person.
pub fn parse_milliseconds(text: &str) -> Result<u64, String> {
    parse_duration(text).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_whole_units_of_openwhisk() {
        assert_eq!((parse_megabytes("1GiB"), parse_megabytes("256m")), (Ok(1024), Ok(256)));
        assert_eq!((parse_milliseconds("5m"), parse_milliseconds("100ms")), (Ok(300_000), Ok(100)));
        assert!(parse_megabytes("1500k").is_err() && parse_megabytes("much").is_err());
        assert!(parse_milliseconds("soon").is_err());
    }

    #[test]
    fn a_number_that_wsk_would_take_for_mb_or_ms_is_refused() {
        let told = parse_megabytes("512").unwrap_err();
        assert!(told.contains("512MiB"), "{told}");
        let told = parse_milliseconds("60000").unwrap_err();
        assert!(told.contains("60000ms"), "{told}");
    }
}
