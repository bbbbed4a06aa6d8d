//! The `Range` header of RFC 9110, section 14.2: one range of bytes.

use std::ops::Range;

/// Part of an object that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole object: no range, several ranges, or an invalid range, which RFC 9110 requires to
    /// ignore.
    All,
    /// These bytes.
    Part(Range<u64>),
    /// A range that begins after the end of the object.
    Nothing,
}

/// Parses a `Range` header for an object of `size` bytes.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = header
        .and_then(|header| header.strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::All;
    };
    let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse::<u64>().ok(),
        false => None,
    };
    let range = match (first, last) {
        ("", suffix) => number(suffix).map(|suffix| size.saturating_sub(suffix)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => number(first)
            .zip(number(last))
            .filter(|(first, last)| first <= last)
            .map(|(first, last)| first..last.saturating_add(1).min(size)),
    };
    match range {
        None => Wanted::All,
        Some(range) if range.start >= range.end => Wanted::Nothing,
        Some(range) => Wanted::Part(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_as_the_rfc_has_them() {
        let cases = [
            (None, Wanted::All),
            (Some("bytes=0-0"), Wanted::Part(0..1)),
            (Some("bytes=2-5"), Wanted::Part(2..6)),
            (Some("bytes=2-"), Wanted::Part(2..10)),
            (Some("bytes=-3"), Wanted::Part(7..10)),
            (Some("bytes=-30"), Wanted::Part(0..10)),
            (Some("bytes=9-18446744073709551615"), Wanted::Part(9..10)),
            (Some("bytes=10-"), Wanted::Nothing),
            (Some("bytes=10-20"), Wanted::Nothing),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=5-2"), Wanted::All),
            (Some("bytes=0-1,3-4"), Wanted::All),
            (Some("bytes=+1-2"), Wanted::All),
            (Some("bytes=-"), Wanted::All),
            (Some("bytes="), Wanted::All),
            (Some("items=0-1"), Wanted::All),
            (Some("bytes=99999999999999999999-"), Wanted::All),
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(header, 10), expected, "{header:?}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }
}
