//! Quotas of what a namespace keeps.

use hyper::StatusCode;

use super::reply::Rejection;
use crate::config::Quotas;

/// Checks the quotas of entities and of stored bytes for a new or changed entity of `added` bytes;
/// `others` are the number and the bytes of the other ones.
pub(super) fn check_stored(
    quotas: &Quotas,
    (count, bytes): (usize, u64),
    added: u64,
) -> Result<(), Rejection> {
    if count >= quotas.entities {
        let message = format!(
            "the namespace has {count} actions and packages, as many as its quota allows: remove \
                some first"
        );
        return Err(Rejection::new(StatusCode::FORBIDDEN, message));
    }
    let total = bytes.saturating_add(added);
    if total > quotas.stored {
        let message = format!(
            "the namespace's actions and packages would have {total} bytes, more than the {} of \
                its quota: remove some first",
            quotas.stored
        );
        return Err(Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(())
}
