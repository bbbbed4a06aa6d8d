//! Body of an upload request: a piece of a blob, sent as it is read.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use crate::error::{ArtifactError, Result};
use crate::store::Content;

/// Bytes that are read and passed to the connection at once.
const READ: usize = 512 << 10;

/// Range of a content.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) content: Content,
    pub(super) from: u64,
    pub(super) length: u64,
    /// Called with the number of bytes of the content, from its beginning, that were passed to the
    /// connection.
    pub(super) told: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Piece {
    /// Returns the piece as a request's body; `moved` counts its bytes as they are passed to the
    /// connection.
    pub(super) async fn stream(&self, moved: Arc<AtomicU64>) -> Result<reqwest::Body> {
        let (from, told) = (self.from, self.told.clone());
        let count = move |bytes: &Bytes| {
            told(from + moved.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64)
        };
        Ok(match &self.content {
            Content::Bytes(bytes) => {
                let start = usize::try_from(self.from).unwrap_or(usize::MAX).min(bytes.len());
                let end = start
                    .saturating_add(usize::try_from(self.length).unwrap_or(usize::MAX))
                    .min(bytes.len());
                counted(futures::stream::iter(pieces(bytes.slice(start..end)).map(Ok)), count)
            }
            Content::File(file) => {
                let mut reader = file.reader();
                reader
                    .seek(SeekFrom::Start(self.from))
                    .map_err(ArtifactError::io("read", file.path()))?;
                counted(read_pieces(reader.take(self.length)), count)
            }
        })
    }
}

/// Returns the content of `reader` in pieces that are read on the blocking pool.
fn read_pieces<R>(reader: R) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    R: Read + Send + 'static,
{
    futures::stream::try_unfold(reader, |mut reader| async {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(READ);
            (&mut reader).take(READ as u64).read_to_end(&mut piece)?;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), reader)))
        });
        read.await.map_err(io::Error::other)?
    })
}

fn counted(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    count: impl Fn(&Bytes) + Send + Sync + 'static,
) -> reqwest::Body {
    reqwest::Body::wrap_stream(pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            count(piece);
        }
    }))
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(READ))))
}
