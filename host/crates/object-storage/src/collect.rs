//! Reads the body of an object that a store sends: exactly as many bytes as it announced, reserved
//! before they are allocated.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::{GetOptions, GetResult, GetResultPayload};

use super::{ReadBytes, failure};
use keynet_base::blocking::BlockingQueue;
use keynet_base::budget::{CallBudget, Reservation};
use keynet_base::error::{Error, Result};
use keynet_base::offload;

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
    if let Some(queue) = found.extensions.get::<Arc<BlockingQueue>>().cloned()
        && matches!(found.payload, GetResultPayload::File(..))
    {
        let read = from_file(found, &queue, announced, reservation).await;
        let failed = |error| object_store::Error::Generic { store: "Folder", source: error };
        return read.map_err(|error| failure::explain("read", label, failed(error.into())));
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

/// Reads the bytes of a file. What reads it continues after the caller stops waiting, so the reservation
/// is held until it ends.
async fn from_file(
    found: GetResult,
    queue: &Arc<BlockingQueue>,
    length: u64,
    reservation: Reservation,
) -> io::Result<ReadBytes> {
    let GetResult { payload: GetResultPayload::File(file, _), range, .. } = found else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let read = move || {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, range.start)?;
        Ok(ReadBytes { bytes: bytes.into(), reservation })
    };
    if length <= offload::INLINE as u64 {
        queue.run_quick(read).await
    } else {
        queue.run(read).await
    }
}
