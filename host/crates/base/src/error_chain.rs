//! Errors and their causes.

use std::error::Error;
use std::{io, iter};

/// Returns `error` and its causes, outermost first. The error inside an [`io::Error`] counts as its
/// cause; `io::Error::source` would skip it.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| {
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &'a (dyn Error + 'static)).or_else(|| error.source())
    })
}

/// Returns the first error of type `E` among `error` and its causes.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// Returns the innermost cause, or `error` itself.
pub fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

/// Returns the texts of `error` and its causes, joined; a text that repeats the end of the previous
/// one is left out.
pub fn joined(error: &(dyn Error + 'static)) -> String {
    join(causes(error))
}

/// Returns the texts of the causes of `error`, joined, without its own text, which may name a URL;
/// its own text if it has no cause.
pub fn joined_causes(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => joined(cause),
        None => error.to_string(),
    }
}

fn join<'a>(errors: impl Iterator<Item = &'a (dyn Error + 'static)>) -> String {
    errors.map(ToString::to_string).fold(String::new(), |joined, text| match joined.as_str() {
        "" => text,
        before if before.ends_with(&text) => joined,
        _ => format!("{joined}: {text}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the request failed")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("refused")]
    struct Inner;

    #[test]
    fn what_an_io_error_holds_is_a_cause() {
        let error = Outer(io::Error::new(io::ErrorKind::PermissionDenied, Inner));
        assert!(find::<Inner>(&error).is_some() && find::<io::Error>(&error).is_some());
        assert!(find::<std::fmt::Error>(&error).is_none());
        assert_eq!(innermost(&error).to_string(), "refused");
        assert_eq!(joined(&error), "the request failed: refused");
        assert_eq!(
            (joined_causes(&error), joined_causes(&Inner)),
            ("refused".into(), "refused".into())
        );
    }
}
