//! Download of a blob; continues after a broken connection.

use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::Registry;
use super::http::RegistryRequest;
use super::retry::{Trouble, Waits};
use crate::error::{ArtifactError, Result};
use crate::progress::BlobEvent;
use crate::store::{Blob, ReadBlob};
use keynet_base::digest::Hasher;

/// Window in which [`PACE_BYTES`] must arrive.
const PACE_WINDOW: Duration = Duration::from_secs(60);
const PACE_BYTES: usize = 64 << 10;

/// Progress of a download.
struct Download<'a> {
    blob: &'a Blob,
    into: &'a mut (dyn AsyncWrite + Send + Unpin),
    hasher: Hasher,
    have: u64,
}

/// Minimum transfer rate: a server that sends a byte a minute would otherwise hold a pull for ever.
struct Pace {
    since: Instant,
    moved: usize,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), moved: 0 }
    }

    /// Counts bytes that arrived.
    fn moved(&mut self, bytes: usize, host: &str) -> Result<(), Trouble> {
        self.moved += bytes;
        let window = self.since.elapsed();
        if window < PACE_WINDOW {
            return Ok(());
        }
        if self.moved < PACE_BYTES {
            let why = format!(
                "it sent {} bytes of a blob in {} s, and {PACE_BYTES} are expected",
                self.moved,
                window.as_secs()
            );
            return Err(Trouble::for_good(ArtifactError::Unreachable {
                host: host.to_owned(),
                why,
            }));
        }
        *self = Self::new();
        Ok(())
    }
}

impl Registry {
    /// Writes the blob to `into` and checks it.
    pub(crate) async fn get_blob(
        &self,
        blob: &Blob,
        into: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<()> {
        let mut waits = Waits::new(&self.0.options);
        let mut download = Download { blob, into, hasher: Hasher::default(), have: 0 };
        let mut furthest = 0;
        loop {
            let before = download.have;
            match self.get_rest(&mut download).await {
                Ok(()) => break,
                // All bytes arrived; an error after that does not matter.
                Err(_) if download.have == blob.size && before < blob.size => break,
                Err(trouble) => {
                    // A server that breaks each connection after a few bytes makes no progress.
                    if download.have >= furthest + PACE_BYTES as u64 {
                        furthest = download.have;
                        waits.moved();
                    }
                    waits.after(trouble).await?;
                }
            }
        }
        let Download { hasher, have, into, .. } = download;
        into.flush().await.map_err(|source| self.unwritable(source))?;
        ReadBlob { digest: hasher.finish(), size: have }.expect(blob, || self.what(blob))?;
        self.0.options.progress.blob(blob, BlobEvent::Done);
        Ok(())
    }

    /// Requests what is still missing, in one response.
    async fn get_rest(&self, download: &mut Download<'_>) -> Result<(), Trouble> {
        let blob = *download.blob;
        let progress = &self.0.options.progress;
        let url = self.0.url(&format!("blobs/{}", blob.digest)).await.map_err(Trouble::for_good)?;
        let mut ask =
            RegistryRequest::new(Method::GET, url, self.action("pull"), self.scope("pull"));
        if download.have > 0 {
            ask = ask.header(header::RANGE, format!("bytes={}-", download.have));
        }
        let mut response = self.0.ask_once(&ask).await?;
        let mut skip = match response.status() {
            StatusCode::OK => download.have,
            StatusCode::PARTIAL_CONTENT
                if first_byte(response.headers()) == Some(download.have) =>
            {
                0
            }
            StatusCode::NOT_FOUND => {
                return Err(Trouble::for_good(self.missing(format!("blob {}", blob.digest))));
            }
            StatusCode::PARTIAL_CONTENT => {
                return Err(Trouble::for_good(
                    self.0.protocol(&ask.action, "it answered another part of the blob"),
                ));
            }
            _ => return Err(self.0.refusal(&ask, response).await),
        };
        if download.have > 0 {
            progress.blob(&blob, BlobEvent::Resumed(download.have));
        }
        let mut pace = Pace::new();
        while let Some(mut piece) = self.0.next_piece(&mut response).await? {
            pace.moved(piece.len(), &self.0.host)?;
            let seen = skip.min(piece.len() as u64);
            skip -= seen;
            let _ = piece.split_to(usize::try_from(seen).unwrap_or(piece.len()));
            let got = download.have + piece.len() as u64;
            if got > blob.size {
                return Err(Trouble::for_good(ArtifactError::WrongSize {
                    what: self.what(&blob),
                    expected: blob.size,
                    got,
                }));
            }
            download.hasher.update(&piece);
            download
                .into
                .write_all(&piece)
                .await
                .map_err(|source| Trouble::for_good(self.unwritable(source)))?;
            download.have = got;
            progress.blob(&blob, BlobEvent::At(got));
        }
        // The server announced a length and sent exactly that: it has no more bytes.
        Ok(())
    }

    fn what(&self, blob: &Blob) -> String {
        format!("the blob {} of {}", blob.digest, self.place())
    }

    fn unwritable(&self, answered: std::io::Error) -> ArtifactError {
        ArtifactError::Io { doing: "write what came from", path: self.place().into(), answered }
    }
}

/// Returns the first byte position of a part: 100 for `bytes 100-199/200`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_comes_byte_by_byte_is_given_up() {
        let mut pace = Pace::new();
        pace.moved(1, "h").unwrap();
        let earlier =
            |pace: Pace| Pace { since: pace.since.checked_sub(PACE_WINDOW).unwrap(), ..pace };
        pace = earlier(pace);
        pace.moved(PACE_BYTES, "h").unwrap();
        assert_eq!(pace.moved, 0, "the next window begins");
        let error = earlier(pace).moved(1, "h").unwrap_err();
        assert!(
            !error.again && error.error.to_string().contains("it sent 1 bytes of a blob in 60 s"),
            "{}",
            error.error
        );
    }
}
