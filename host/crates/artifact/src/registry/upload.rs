//! Upload of a blob, in chunks; continues after a broken connection or a killed process.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::body::Piece;
use super::http::{Body, Http, RegistryRequest};
use super::retry::{Trouble, Waits};
use super::unfinished::Unfinished;
use super::{Registry, location};
use crate::error::{ArtifactError, Result};
use crate::progress::BlobEvent;
use crate::store::{Blob, Content};

/// Time to wait for the response to the last request: a registry may read the whole blob before it
/// answers.
const PATIENCE: Duration = Duration::from_secs(300);

/// Number of times that an upload is begun again after the registry lost it or stored it wrongly.
const RESTARTS: u32 = 2;

/// Number of times that the size of a part may be rejected. Three are enough: two from 16 MiB down
/// to 1 MiB, and one to send no parts.
const REFUSED_PARTS: u32 = 8;

/// Number of times that a registry may accept less of a part than was sent.
const SHORT_PARTS: u32 = 8;

/// Bytes that must have arrived before the count of broken connections is reset.
const PROGRESS: u64 = 64 << 10;

/// Reason why an upload cannot continue.
enum Failed {
    /// The request failed: it may be sent again, after asking for the offset.
    Connection(Trouble),
    /// The upload failed: the registry does not know it, or did not receive the expected bytes.
    Upload(ArtifactError),
    /// The request is too large: it is sent again in smaller parts, or without parts.
    Part,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Connection(trouble)
    }
}

/// Upload that the registry has begun.
struct Session {
    location: Url,
    /// Number of bytes that the registry has.
    offset: u64,
    /// Number of times that it accepted less of a part than was sent.
    short: u32,
}

impl Registry {
    /// Uploads a blob that the registry does not have.
    pub(crate) async fn put_blob(&self, blob: &Blob, content: &Content) -> Result<()> {
        let options = &self.0.options;
        let base = self.0.base().await?;
        // A blob that fits in one chunk is sent at once: there is nothing to continue.
        let folder = options.uploads.as_deref().filter(|_| blob.size > self.0.parts.size());
        let mut memory =
            folder.and_then(|folder| Unfinished::open(folder, base, &self.0.repository, blob));
        let mut session = match memory.as_mut().and_then(Unfinished::recall) {
            Some(location) => self.recall(location, blob).await?,
            None => None,
        };
        let mut waits = Waits::new(options);
        let (mut restarts, mut refused) = (0, 0);
        let mut furthest = session.as_ref().map_or(0, |session| session.offset);
        loop {
            let failed = match self.send(blob, content, &mut session, memory.as_mut()).await {
                Ok(()) => break,
                Err(failed) => failed,
            };
            // An upload that is begun again each time makes no progress, however much of it is
            // sent.
            let offset = session.as_ref().map_or(0, |session| session.offset);
            if offset >= furthest.saturating_add(PROGRESS) {
                furthest = offset;
                waits.moved();
            }
            match failed {
                Failed::Connection(trouble) => {
                    content.expect_size(blob)?;
                    waits.after(trouble).await?;
                    let Some(Session { location, .. }) = session.take() else { continue };
                    session = self.recall(location, blob).await?;
                    // The registry may have stored the whole blob while only its response was lost.
                    if session.is_none() && self.has_blob(blob).await? {
                        break;
                    }
                }
                // Each rejection of this kind makes the parts smaller, unless the registry asks for
                // larger ones each time it begins an upload.
                Failed::Part => {
                    refused += 1;
                    if refused > REFUSED_PARTS {
                        return Err(self.0.protocol(
                            &self.action("push"),
                            "it asks for larger parts than it takes",
                        ));
                    }
                    let Some(Session { location, .. }) = session.take() else { continue };
                    session = self.recall(location, blob).await?;
                }
                Failed::Upload(error) if restarts < RESTARTS => {
                    check(blob, content).await?;
                    restarts += 1;
                    session = None;
                    waits.after(Trouble::for_now(error, None)).await?;
                }
                Failed::Upload(error) => return Err(error),
            }
        }
        if let Some(memory) = memory {
            memory.forget();
        }
        options.progress.blob(blob, BlobEvent::Done);
        Ok(())
    }

    /// Sends the missing bytes and completes the upload.
    async fn send(
        &self,
        blob: &Blob,
        content: &Content,
        session: &mut Option<Session>,
        mut memory: Option<&mut Unfinished>,
    ) -> Result<(), Failed> {
        let session = match session {
            Some(session) => session,
            None => session.insert(self.begin().await?),
        };
        let progress = self.0.options.progress.clone();
        let told: Arc<dyn Fn(u64) + Send + Sync> = {
            let blob = *blob;
            Arc::new(move |at| progress.blob(&blob, BlobEvent::At(at)))
        };
        let piece = |from: u64, length: u64| {
            Body::Piece(Piece { content: content.clone(), from, length, told: told.clone() })
        };
        while blob.size - session.offset > self.0.parts.size() {
            let (from, length) = (session.offset, self.0.parts.size());
            let to = from + length;
            let ask = RegistryRequest::new(
                Method::PATCH,
                session.location.clone(),
                self.action("push"),
                self.scope("pull,push"),
            )
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_RANGE, format!("{from}-{}", to - 1))
            .body(piece(from, length));
            let response = self.0.ask_once(&ask).await?;
            if !matches!(
                response.status(),
                StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::CREATED
            ) {
                return Err(self.failed(&ask, length, response).await);
            }
            let base = self.0.base().await.map_err(Trouble::for_good)?;
            session.location = location(&self.0, base, &response).map_err(Trouble::for_good)?;
            let taken = self.0.parts.taken(&response, from, to);
            session.offset = taken.offset;
            session.short += u32::from(taken.short);
            if session.short > SHORT_PARTS {
                let said = format!("it took less than was sent {SHORT_PARTS} times");
                return Err(Trouble::for_good(self.0.protocol(&ask.action, &said)).into());
            }
            if let Some(memory) = memory.as_mut() {
                memory.remember(&session.location);
            }
        }
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let length = blob.size - session.offset;
        let ask =
            RegistryRequest::new(Method::PUT, url, self.action("push"), self.scope("pull,push"))
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(piece(session.offset, length));
        let response =
            self.0.ask_once(&RegistryRequest { patience: PATIENCE, ..ask.clone() }).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
            _ => Err(self.failed(&ask, length, response).await),
        }
    }

    /// Returns the failure for a rejected request with `sent` bytes.
    async fn failed(&self, ask: &RegistryRequest, sent: u64, response: Response) -> Failed {
        if self.0.parts.learn(response.status(), ask.method == Method::PATCH, sent) {
            return Failed::Part;
        }
        let too_large = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let error = self.0.refusal(ask, response).await.error;
        if too_large { Failed::Connection(Trouble::for_good(error)) } else { Failed::Upload(error) }
    }

    async fn begin(&self) -> Result<Session, Trouble> {
        let url = self.0.url("blobs/uploads/").await.map_err(Trouble::for_good)?;
        let ask =
            RegistryRequest::new(Method::POST, url, self.action("push"), self.scope("pull,push"));
        let response = self.0.ask_once(&ask).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.0.refusal(&ask, response).await);
        }
        self.0.parts.begin(&response);
        let base = self.0.base().await.map_err(Trouble::for_good)?;
        Ok(Session {
            location: location(&self.0, base, &response).map_err(Trouble::for_good)?,
            offset: 0,
            short: 0,
        })
    }

    /// Asks the registry for the offset of an upload; `None` if the registry does not know the
    /// upload any more, or does not report the offset.
    async fn recall(&self, at: Url, blob: &Blob) -> Result<Option<Session>> {
        let ask = RegistryRequest::new(
            Method::GET,
            at.clone(),
            self.action("push"),
            self.scope("pull,push"),
        );
        let response = self.0.ask(&ask).await?;
        if !matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::ACCEPTED
        ) {
            return Ok(None);
        }
        let Some(offset) = self.0.parts.received(&response).filter(|offset| *offset <= blob.size)
        else {
            return Ok(None);
        };
        let base = self.0.base().await?;
        let location = if response.headers().contains_key(header::LOCATION) {
            location(&self.0, base, &response)?
        } else {
            at
        };
        if offset > 0 {
            self.0.options.progress.blob(blob, BlobEvent::Resumed(offset));
        }
        Ok(Some(Session { location, offset, short: 0 }))
    }
}

/// Cancels an upload that will not be continued, if the registry supports that.
pub(super) async fn abandon(http: &Http, ask: &RegistryRequest, response: &Response) {
    let Ok(base) = http.base().await else { return };
    if let Ok(url) = location(http, base, response) {
        let _ = http
            .ask_once(&RegistryRequest::new(
                Method::DELETE,
                url,
                ask.action.clone(),
                ask.scope.clone(),
            ))
            .await;
    }
}

/// Checks that the content still is the blob: a file may have changed since its digest was
/// computed.
async fn check(blob: &Blob, content: &Content) -> Result<()> {
    let (blob, content) = (*blob, content.clone());
    let checked = tokio::task::spawn_blocking(move || content.expect(&blob)).await;
    checked.unwrap_or(Ok(()))
}
