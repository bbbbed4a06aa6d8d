//! Maximum sizes of input from outside: every limit that the operator does not set, in one place.
//!
//! Limits that the operator sets (memory, time, logs, handles, bytes of a call) are the `Limits` of
//! the policy. Sizes here are those that a name, a location or a request can reasonably have. They
//! are checked as soon as the text is received, before it is parsed, copied or repeated in a
//! message.

use crate::error::{Error, Result};
use crate::quote::quoted;

/// Bytes of a model reference: its name and its version or alias, of 255 bytes each, with their
/// separators.
pub const MODEL: usize = 1024;

/// Bytes of the name of one of a model's inputs or outputs.
pub const TENSOR_NAME: usize = 1024;

/// Inputs, and named outputs, of one request.
pub const TENSORS_OF_A_REQUEST: usize = 1024;

/// Requests of one `predict-many`.
pub const REQUESTS: usize = 256;

/// Request parameters of one request.
pub const REQUEST_PARAMETERS: usize = 256;

/// Bytes of the text of one request's parameters.
pub const REQUEST_PARAMETERS_TEXT: usize = 64 << 10;

/// Names among an activation's parameters. The values have no limit of their own.
pub const PARAMETERS: usize = 65_536;

/// Bytes of an object's key. S3 has the same limit.
pub const KEY: usize = 1024;

/// Bytes of a location that is a URL, with its signature.
pub const URL: usize = 4096;

/// Bytes of an etag.
pub const ETAG: usize = 1024;

/// Bytes of a content type that an action gives.
pub const CONTENT_TYPE: usize = 255;

/// Bytes of a listing's cursor: a key in hexadecimal digits.
pub const CURSOR: usize = 2 * KEY;

/// Uploads that one activation has open at once. Each takes a file descriptor or a connection.
pub const UPLOADS: usize = 8;

/// Locations of written objects that are reported with an activation's outcome.
pub const WRITTEN: usize = 1000;

/// Total bytes of those locations.
pub const WRITTEN_TEXT: usize = 256 << 10;

/// Calls of one activation in its timeline; further ones are counted.
pub const CALLS: usize = 120;

/// Versions of models in the receipt of one activation.
pub const MODELS_USED: usize = 8;

/// Bytes of a message from the host to an action.
pub const MESSAGE_TO_GUEST: usize = 4096;

/// Bytes of an error message that an action returns.
pub const MESSAGE_OF_GUEST: usize = 64 << 10;

/// Bytes of a `keynet.toml`.
pub const CAPABILITY_REQUEST: usize = 64 << 10;

/// Top-level sections of a component that are searched for a `keynet.toml`.
pub const SECTIONS: usize = 100_000;

/// Checks that `text`, described by `what` (such as "the name of an input"), has at most `most`
/// bytes.
///
/// # Errors
/// `invalid`, with the limit and the beginning of the text.
pub fn check(what: &str, text: &str, most: usize) -> Result<()> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} is longer than the {most} bytes it can have: {}",
        quoted(text)
    )))
}

/// Checks that there are at most `most` items of `what` (such as "inputs in one request").
///
/// # Errors
/// `too-large`, with both numbers.
pub fn check_count(what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::too_large(format!("{count} {what}: there can be at most {most}")))
}

/// Cuts `message` after at most `most` bytes, and frees the memory of the rest.
pub fn cut(mut message: String, most: usize) -> String {
    if message.len() > most {
        let length = message.len();
        message.truncate(message.floor_char_boundary(most));
        message.push_str(&format!("… ({length} bytes)"));
        message.shrink_to_fit();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_is_too_long_is_named_but_not_repeated() {
        check("the name of an input", &"n".repeat(TENSOR_NAME), TENSOR_NAME).unwrap();
        let error = check("the name of an input", &"n".repeat(60 << 20), TENSOR_NAME).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(
            error.message.contains("the name of an input is longer than the 1024 bytes"),
            "{error}"
        );
        assert!(error.message.len() < 400, "{} bytes", error.message.len());
        assert_eq!(check_count("inputs", 3, 2).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn a_cut_message_gives_its_memory_back() {
        assert_eq!(cut("short".to_owned(), 10), "short");
        let message = cut("é".repeat(1 << 20), 4097);
        assert_eq!(message, format!("{}… (2097152 bytes)", "é".repeat(2048)));
        assert!(message.capacity() < 8192);
    }
}
