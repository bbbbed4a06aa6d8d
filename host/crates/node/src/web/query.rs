//! `name=value` pairs of a query or a form.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A `%` that two hexadecimal digits do not follow.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid percent-encoding")]
pub struct InvalidEscape;

/// Checks that two hexadecimal digits follow each `%`.
///
/// # Errors
/// One has none.
pub fn check_escapes(text: &str) -> Result<(), InvalidEscape> {
    let complete = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if text.split('%').skip(1).all(complete) { Ok(()) } else { Err(InvalidEscape) }
}

/// Returns the decoded pairs in their order; a name without `=` has an empty value.
///
/// # Errors
/// The text has an invalid percent-encoding.
pub fn pairs(text: &str) -> Result<impl Iterator<Item = (String, String)>, InvalidEscape> {
    check_escapes(text)?;
    Ok(lenient_pairs(text))
}

/// Returns the pairs as `pairs` does; a `%` that two hexadecimal digits do not follow stays as it
/// is.
pub fn lenient_pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Decodes `+` and `%XX`; bytes that are not UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    let spaced: Cow<'_, str> =
        if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_as_browsers_write_them() {
        for (text, expected) in [
            ("", vec![]),
            ("a=b&c=d", vec![("a", "b"), ("c", "d")]),
            ("a=1&a=2", vec![("a", "1"), ("a", "2")]),
            ("a+b=c+d%2B", vec![("a b", "c d+")]),
            ("flag&=x&&e=", vec![("flag", ""), ("", "x"), ("e", "")]),
            ("a=b=c", vec![("a", "b=c")]),
            ("%C3%A9=%E2%82%AC&bad=%ff", vec![("é", "€"), ("bad", "\u{fffd}")]),
        ] {
            let read: Vec<_> = pairs(text).unwrap().collect();
            let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
            assert_eq!(read, expected.into_iter().map(owned).collect::<Vec<_>>(), "{text}");
        }
        for text in ["a=%", "%2=b", "a=%zz", "a=%-1"] {
            assert!(pairs(text).is_err(), "{text}");
        }
    }
}
