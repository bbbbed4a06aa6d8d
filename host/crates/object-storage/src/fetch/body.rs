//! The body of a response, read within the limits and reserved before it is allocated.

use std::ops::Range;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, StatusCode};
use reqwest::Response;

use super::super::{ReadBytes, StorageLimits};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};
use keynet_base::outbound::{BodyError, read_reserved};

/// Reads the whole body. Without a `Content-Length`, the body ends where the server ends the
/// response.
pub(super) async fn whole(
    response: Response,
    label: &str,
    limits: &StorageLimits,
    budget: &CallBudget,
) -> Result<ReadBytes> {
    limits.check_read(length_of(&response).unwrap_or_default(), label)?;
    let limit = usize::try_from(limits.max_object_read).unwrap_or(usize::MAX);
    let what = format!("the object `{label}`");
    match read_reserved(reqwest::Body::from(response), limit, &budget.memory, &what).await {
        Ok((bytes, reservation)) => Ok(ReadBytes { bytes: bytes.into(), reservation }),
        Err(BodyError::TooLong(_)) => {
            Err(Error::too_large(format!("{what} is larger than {}", limits.read_advice())))
        }
        Err(BodyError::Broken(_)) => Err(broken(label)),
        Err(BodyError::Refused(refused)) => Err(refused),
    }
}

/// Reads `length` bytes after discarding the first `skipped`. A partial response (206) must end
/// after them.
pub(super) async fn part(
    mut response: Response,
    skipped: u64,
    length: u64,
    label: &str,
    budget: &CallBudget,
) -> Result<ReadBytes> {
    let reservation = budget.memory.reserve(length, &format!("a part of `{label}`"))?;
    let length = usize::try_from(length).map_err(|_| {
        Error::too_large(format!("{length} bytes of `{label}` are more than memory"))
    })?;
    let mut bytes = Vec::with_capacity(length);
    let mut before = skipped;
    let mut surplus = false;
    while bytes.len() < length {
        let Some(chunk) = next(&mut response, label).await? else {
            return Err(Error::unavailable(format!(
                "the server of `{label}` sent less than it said"
            )));
        };
        let from = usize::try_from(before).unwrap_or(usize::MAX).min(chunk.len());
        before -= from as u64;
        let wanted = chunk.get(from..).unwrap_or_default();
        surplus = wanted.len() > length - bytes.len();
        bytes.extend_from_slice(wanted.get(..length - bytes.len()).unwrap_or(wanted));
    }
    if response.status() == StatusCode::PARTIAL_CONTENT
        && (surplus || next(&mut response, label).await?.is_some())
    {
        return Err(Error::unavailable(format!(
            "the server of `{label}` sent more than the {length} bytes it announced"
        )));
    }
    Ok(ReadBytes { bytes: bytes.into(), reservation })
}

async fn next(response: &mut Response, label: &str) -> Result<Option<bytes::Bytes>> {
    let chunk = response.chunk().await;
    chunk.map_err(|_| broken(label))
}

fn broken(label: &str) -> Error {
    Error::unavailable(format!("the server of `{label}` broke off in the middle of its answer"))
}

/// Returns the `Content-Length` of the response, in bytes.
pub(super) fn length_of(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the range that was sent and the size of the whole object, from
/// `Content-Range: bytes 0-9/100`.
pub(super) fn range_of(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let (range, size) = content_range(headers)?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
}

/// Returns the size of the whole object, from `Content-Range: bytes */100`.
pub(super) fn size_without_range(headers: &HeaderMap) -> Option<u64> {
    let (range, size) = content_range(headers)?;
    if range == "*" { size.parse().ok() } else { None }
}

fn content_range(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?.split_once('/')
}
