//! Reads the body of an object that a store sends: exactly as many bytes as it announced, reserved
//! before they are allocated.

use futures::TryStreamExt as _;
use object_store::{GetOptions, GetResult, GetResultPayload};

use super::{ReadBytes, failure};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};

/// Marker of a request whose successful response the caller reads itself, with its own limit. The
/// client of a store reads every other response whole, up to a small limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadByCaller;

/// Returns options for a request whose response goes to [`collect`].
pub(super) fn read_by_caller() -> GetOptions {
    let mut options = GetOptions::default();
    options.extensions.insert(ReadByCaller);
    options
}

/// Reads the bytes of `found`. They are copied once, out of the connection's buffers, because those
/// are larger than their content.
///
/// # Errors
/// `too-large`: the budget has no memory for them. `unavailable`: the store sent more or fewer
/// bytes than it announced; reading stops at the first surplus byte.
pub(super) async fn collect(
    found: GetResult,
    label: &str,
    budget: &CallBudget,
) -> Result<ReadBytes> {
    let announced = found.range.end.saturating_sub(found.range.start);
    let reservation = budget.memory.reserve(announced, &format!("the object `{label}`"))?;
    if matches!(found.payload, GetResultPayload::File(..)) {
        // The thread that reads the file continues after the caller stops waiting, so the
        // reservation is held until that thread ends.
        let reading = tokio::spawn(async move {
            found.bytes().await.map(|bytes| ReadBytes { bytes, reservation })
        });
        return reading
            .await
            .unwrap_or_else(|error| Err(error.into()))
            .map_err(|error| failure::explain("read", label, error));
    }
    let wrong = |sent: &str| {
        Error::unavailable(format!(
            "the object store sent {sent} of `{label}` than the {announced} bytes it announced"
        ))
    };
    let length = usize::try_from(announced)
        .map_err(|_| Error::too_large(format!("`{label}` is larger than memory")))?;
    let mut bytes = Vec::with_capacity(length);
    let mut pieces = found.into_stream();
    while let Some(piece) =
        pieces.try_next().await.map_err(|error| failure::explain("read", label, error))?
    {
        if piece.len() > length - bytes.len() {
            return Err(wrong("more"));
        }
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() < length {
        return Err(wrong("fewer"));
    }
    Ok(ReadBytes { bytes: bytes.into(), reservation })
}
