//! The bytes of an answer, within the limits, reserved before they are allocated.

use std::ops::Range;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use reqwest::Response;

use super::super::{ReadBytes, StorageLimits};
use crate::budget::CallBudget;
use crate::error::{Error, Result};

/// Where a server does not say how much comes, this is reserved first, and then twice as much each time.
const FIRST_RESERVED: u64 = 64 << 10;

/// All of it. A server that does not say how much it sends is believed when it is done.
pub(super) async fn whole(mut response: Response, label: &str, limits: &StorageLimits, budget: &CallBudget) -> Result<ReadBytes> {
    let length = length_of(&response);
    limits.check_read(length.unwrap_or_default(), label)?;
    let what = format!("the object `{label}`");
    let mut reservation = budget.memory.reserve(length.unwrap_or_default(), &what)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length.unwrap_or_default()).unwrap_or_default());
    while let Some(chunk) = next(&mut response, label).await? {
        let needed = (bytes.len() + chunk.len()) as u64;
        limits.check_read(needed, label)?;
        if needed > reservation.bytes() {
            let room = needed.max(reservation.bytes() * 2).max(FIRST_RESERVED).min(limits.max_object_read);
            reservation.resize(room, &what)?;
            bytes.reserve_exact(usize::try_from(room).unwrap_or_default() - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(ReadBytes { bytes: bytes.into(), reservation })
}

/// `length` bytes of it, after `skipped` that are thrown away.
pub(super) async fn part(mut response: Response, skipped: u64, length: u64, label: &str, budget: &CallBudget) -> Result<ReadBytes> {
    let reservation = budget.memory.reserve(length, &format!("a part of `{label}`"))?;
    let length = usize::try_from(length).map_err(|_| Error::too_large(format!("{length} bytes of `{label}` are more than memory")))?;
    let mut bytes = Vec::with_capacity(length);
    let mut before = skipped;
    while bytes.len() < length {
        let Some(chunk) = next(&mut response, label).await? else {
            return Err(Error::unavailable(format!("the server of `{label}` sent less than it said")));
        };
        let from = usize::try_from(before).unwrap_or(usize::MAX).min(chunk.len());
        before -= from as u64;
        let wanted = chunk.get(from..).unwrap_or_default();
        bytes.extend_from_slice(wanted.get(..length - bytes.len()).unwrap_or(wanted));
    }
    Ok(ReadBytes { bytes: bytes.into(), reservation })
}

async fn next(response: &mut Response, label: &str) -> Result<Option<bytes::Bytes>> {
    let chunk = response.chunk().await;
    chunk.map_err(|_| Error::unavailable(format!("the server of `{label}` broke off in the middle of its answer")))
}

/// How many bytes the whole answer has.
pub(super) fn length_of(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The part that was sent and the size of the whole, as `Content-Range: bytes 0-9/100` has them.
pub(super) fn range_of(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let (range, size) = content_range(headers)?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
}

/// The size of the whole, as `Content-Range: bytes */100` has it.
pub(super) fn size_without_range(headers: &HeaderMap) -> Option<u64> {
    let (range, size) = content_range(headers)?;
    if range == "*" { size.parse().ok() } else { None }
}

fn content_range(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?.split_once('/')
}
