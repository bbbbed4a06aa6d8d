//! Headers that belong to one connection: neither an argument of an action nor part of its result.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Reports whether a header is about a connection (RFC 9110, 7.6.1) or the framing of a body.
pub fn is_of_connection(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str())
}
