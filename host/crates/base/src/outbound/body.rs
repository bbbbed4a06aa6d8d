//! Response bodies, read as a stream with a limit.
//!
//! The server decides how much it sends; the reader limits how much is held in memory. Every body
//! that is not passed on piece by piece is read here: the buffer grows as the bytes arrive and
//! never beyond the limit, and reading stops at the first byte beyond it. If the bytes are charged
//! to an activation, they are reserved from its memory before they are allocated.

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes};

use crate::budget::{MemoryBudget, Reservation};
use crate::error::Error;

/// Initial buffer for a body of unknown length, in bytes.
const FIRST_ROOM: usize = 64 << 10;

/// Error of reading a body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    /// The body is longer than its limit in bytes.
    #[error("its answer is longer than the {0} bytes that are accepted")]
    TooLong(usize),
    /// The connection broke in the middle of the body.
    #[error("it broke off in the middle of its answer")]
    Broken(E),
    /// The activation's memory budget rejects the bytes.
    #[error(transparent)]
    Refused(Error),
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`BodyError::TooLong`], as soon as the length is known or the first byte beyond the limit
/// arrives; [`BodyError::Broken`].
pub async fn read_whole<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
) -> Result<Vec<u8>, BodyError<B::Error>> {
    read(body, limit, |_| Ok(())).await
}

/// Reads a whole body as [`read_whole`] does, and reserves its bytes from `memory` before they are
/// allocated. An error names them as `what`.
///
/// # Errors
/// Those of [`read_whole`]; [`BodyError::Refused`].
pub async fn read_reserved<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
    memory: &MemoryBudget,
    what: &str,
) -> Result<(Vec<u8>, Reservation), BodyError<B::Error>> {
    let mut reservation = memory.reserve(0, what).map_err(BodyError::Refused)?;
    let bytes = read(body, limit, |room| reservation.resize(room as u64, what)).await?;
    Ok((bytes, reservation))
}

/// Reads the beginning of a body, at most `limit` bytes, for an error message. The rest is not
/// read.
pub async fn read_beginning<B: Body<Data = Bytes>>(body: B, limit: usize) -> Vec<u8> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(data.get(..limit - bytes.len()).unwrap_or(&data));
        }
    }
    bytes
}

/// Reads a body; `grow` is called before the buffer grows.
async fn read<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
    mut grow: impl FnMut(usize) -> Result<(), Error>,
) -> Result<Vec<u8>, BodyError<B::Error>> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLong(limit));
    }
    grow(announced).map_err(BodyError::Refused)?;
    let mut bytes = Vec::with_capacity(announced);
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        let needed = bytes.len().saturating_add(data.len());
        if needed > limit {
            return Err(BodyError::TooLong(limit));
        }
        if needed > bytes.capacity() {
            let room = needed.max(bytes.capacity().saturating_mul(2)).max(FIRST_ROOM).min(limit);
            grow(room).map_err(BodyError::Refused)?;
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    bytes.shrink_to_fit();
    grow(bytes.len()).map_err(BodyError::Refused)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;
    use crate::error::ErrorKind;

    const PIECE: usize = 1000;

    /// Returns an endless body, and a counter of the bytes read from it.
    fn endless() -> (impl Body<Data = Bytes, Error = Infallible>, Arc<AtomicUsize>) {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let pieces = futures::stream::repeat_with(move || {
            counted.fetch_add(PIECE, Ordering::Relaxed);
            Ok(Frame::data(Bytes::from_static(&[7; PIECE])))
        });
        (StreamBody::new(pieces), read)
    }

    #[tokio::test]
    async fn a_body_without_end_is_read_up_to_its_limit_and_not_further() {
        let (body, read) = endless();
        assert!(matches!(read_whole(body, 10_500).await, Err(BodyError::TooLong(10_500))));
        assert_eq!(read.load(Ordering::Relaxed), 11 * PIECE);
        let (body, read) = endless();
        assert_eq!(read_beginning(body, 10_500).await, vec![7; 10_500]);
        assert_eq!(read.load(Ordering::Relaxed), 11 * PIECE);
    }

    #[tokio::test]
    async fn a_body_that_announces_too_much_is_not_read_at_all() {
        let announced = Full::new(Bytes::from_static(&[7; 101]));
        assert!(matches!(read_whole(announced, 100).await, Err(BodyError::TooLong(100))));
        assert_eq!(
            read_whole(Full::new(Bytes::from_static(&[7; 100])), 100).await.unwrap(),
            [7; 100]
        );
    }

    #[tokio::test]
    async fn bytes_are_reserved_before_they_are_held() {
        let memory = MemoryBudget::process(100_000);
        let (body, read) = endless();
        let Err(BodyError::Refused(error)) =
            read_reserved(body, 1 << 30, &memory, "a listing").await
        else {
            panic!()
        };
        assert!(
            error.kind == ErrorKind::TooLarge && error.message.starts_with("a listing of"),
            "{error}"
        );
        assert!(read.load(Ordering::Relaxed) <= memory.limit() as usize + PIECE);
        assert_eq!((memory.used(), memory.peak() <= 100_000), (0, true));
        let pieces =
            futures::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 10])))]);
        let (bytes, held) =
            read_reserved(StreamBody::new(pieces), 1000, &memory, "a listing").await.unwrap();
        assert_eq!((bytes.len(), bytes.capacity(), held.bytes()), (10, 10, 10));
    }
}
