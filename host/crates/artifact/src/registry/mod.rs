//! Repository of a registry, over the OCI distribution protocol.
//!
//! References, manifest types and error names are those of `oci-client`. Requests are sent by code
//! of this module because that client cannot resume an upload, does not support identity tokens,
//! sends its credentials to any token server that a registry names, and holds layers in memory.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

mod body;
mod challenge;
mod clients;
mod download;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod hosts;
mod http;
mod parts;
mod plain;
mod realm;
mod retry;
mod said;
mod token;
mod unfinished;
mod upload;

use std::sync::Arc;

use bytes::Bytes;
use http::{Body, Http, RegistryRequest, SmallAnswerError, WHOLE, read_small};
use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, Response, StatusCode};
use retry::{Trouble, Waits};
use serde::Deserialize;

use super::error::{ArtifactError, Result};
use super::options::RegistryOptions;
use super::reference::{RegistryRef, Target};
use super::store::{Blob, MANIFEST_LIMIT, RawManifest};
use keynet_base::digest::Digest;

const TAGS: usize = 10_000;
/// Page size of the tag list; some registries reject larger ones.
const TAGS_AT_ONCE: usize = 1000;
const TAGS_LIMIT: u64 = 4 << 20;
/// Largest number of pages: some registries return at most a hundred tags at once, independent of
/// the page size.
const TAG_PAGES: usize = TAGS / 100;
/// Longest tag that the specification allows.
const TAG_BYTES: usize = 128;

/// Client of a repository. Clones share connections and tokens.
#[derive(Clone)]
pub(super) struct Registry(Arc<Http>);

#[derive(Deserialize)]
struct TagList {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Registry {
    pub(super) fn new(reference: &RegistryRef, options: &RegistryOptions) -> Result<Self> {
        Http::new(&reference.host, &reference.repository, options).map(|http| Self(Arc::new(http)))
    }

    /// Sends the credentials for everything below `path` to `host`, without requesting any content.
    pub(super) async fn check_login(
        host: &str,
        path: &str,
        options: &RegistryOptions,
    ) -> Result<()> {
        let http = Http::new(host, path, options)?;
        let action = "log in";
        let url = http
            .base()
            .await?
            .join("v2/")
            .map_err(|error| http.protocol(action, &error.to_string()))?;
        let ask = RegistryRequest::new(Method::GET, url, action, "");
        let response = http.ask(&ask).await?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(http.refusal(&ask, response).await.error)
        }
    }

    /// Reads the manifest of `target`.
    pub(super) async fn manifest(&self, target: &Target, limit: u64) -> Result<RawManifest> {
        let name = name(target);
        let accept = [
            OCI_IMAGE_MEDIA_TYPE,
            IMAGE_MANIFEST_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        ]
        .join(", ");
        let url = self.0.url(&format!("manifests/{name}")).await?;
        let ask = RegistryRequest::new(Method::GET, url, self.action("pull"), self.scope("pull"))
            .header(header::ACCEPT, accept);
        let what = || format!("manifest {name}");
        let (headers, bytes) = self.read(&ask, limit, &what).await?;
        let expected = match target.pinned() {
            Some(digest) => Some(*digest),
            None => headers
                .get("docker-content-digest")
                .and_then(|digest| digest.to_str().ok()?.parse().ok()),
        };
        let got = Digest::of(&bytes);
        match expected.filter(|expected| *expected != got) {
            Some(expected) => Err(ArtifactError::WrongDigest {
                what: format!("the {} of {}", what(), self.place()),
                expected,
                got,
            }),
            None => Ok(RawManifest { media_type: media_type(&headers, &bytes), bytes }),
        }
    }

    /// Returns the list of manifests that refer to `digest`, an image index; `None` if the registry
    /// has no such list: it was introduced with OCI 1.1.
    pub(super) async fn referrers(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        let url = self.0.url(&format!("referrers/{digest}")).await?;
        let ask = RegistryRequest::new(Method::GET, url, self.action("pull"), self.scope("pull"))
            .header(header::ACCEPT, OCI_IMAGE_INDEX_MEDIA_TYPE);
        match self.read(&ask, limit, || "referrers".to_owned()).await {
            Ok((headers, bytes)) if media_type(&headers, &bytes) == OCI_IMAGE_INDEX_MEDIA_TYPE => {
                Ok(Some(bytes.to_vec()))
            }
            // A registry that does not know the path answers as for any other unknown path.
            Ok(_) | Err(ArtifactError::NotFound { .. } | ArtifactError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a manifest under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        target: &Target,
        manifest: &RawManifest,
    ) -> Result<Digest> {
        let digest = manifest.digest();
        let url = self.0.url(&format!("manifests/{}", name(target))).await?;
        let ask =
            RegistryRequest::new(Method::PUT, url, self.action("push"), self.scope("pull,push"))
                .header(header::CONTENT_TYPE, manifest.media_type.as_str())
                .body(Body::Bytes(manifest.bytes.clone()));
        let response = self.0.ask(&ask).await?;
        if !response.status().is_success() {
            return self.put_before(target, digest, &ask, response).await;
        }
        let kept = response
            .headers()
            .get("docker-content-digest")
            .and_then(|kept| kept.to_str().ok()?.parse::<Digest>().ok());
        match kept.filter(|kept| *kept != digest) {
            Some(got) => Err(ArtifactError::WrongDigest {
                what: format!("the manifest that {} kept", self.0.host),
                expected: digest,
                got,
            }),
            None => Ok(digest),
        }
    }

    /// Returns the digest if the tag of a rejected manifest points to it already. Where tags are
    /// immutable (Amazon ECR answers 400, Harbor 412, others 409), pushing the same manifest again
    /// is not an error.
    async fn put_before(
        &self,
        target: &Target,
        digest: Digest,
        ask: &RegistryRequest,
        response: Response,
    ) -> Result<Digest> {
        let may_be_there = matches!(
            response.status(),
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED
        );
        let refused = self.0.refusal(ask, response).await.error;
        let (Target::Tag(tag), true) = (target, may_be_there) else { return Err(refused) };
        let ArtifactError::Refused { host, action, status, said } = refused else {
            return Err(refused);
        };
        match self.manifest(target, MANIFEST_LIMIT).await.map(|there| there.digest()) {
            Ok(there) if there == digest => Ok(digest),
            Ok(there) => {
                let said = format!(
                    "{said}; the tag {tag} has the digest {there} there, and what is pushed has \
                        {digest}: push another tag, if this one cannot be moved"
                );
                Err(ArtifactError::Refused { host, action, status, said })
            }
            Err(_) => Err(ArtifactError::Refused { host, action, status, said }),
        }
    }

    /// Reports whether the blob exists.
    pub(super) async fn has_blob(&self, blob: &Blob) -> Result<bool> {
        let url = self.0.url(&format!("blobs/{}", blob.digest)).await?;
        let ask = RegistryRequest::new(Method::HEAD, url, self.action("pull"), self.scope("pull"));
        let response = self.0.ask(&ask).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            // A redirect to the blob's location means that it exists.
            status if status.is_success() || status.is_redirection() => Ok(true),
            _ => Err(self.0.refusal(&ask, response).await.error),
        }
    }

    /// Mounts the blob from another repository, if the registry supports that.
    pub(super) async fn mount_blob(&self, blob: &Blob, from: &str) -> Result<bool> {
        let mut url = self.0.url("blobs/uploads/").await?;
        url.query_pairs_mut()
            .append_pair("mount", &blob.digest.to_string())
            .append_pair("from", from);
        let scope = format!("{} repository:{from}:pull", self.scope("pull,push"));
        let ask = RegistryRequest::new(Method::POST, url, self.action("push"), scope);
        let response = match self.0.ask(&ask).await {
            // No pull access to the source repository: fall back to a normal upload.
            Err(ArtifactError::Unauthorized { .. } | ArtifactError::Denied { .. }) => {
                return Ok(false);
            }
            response => response?,
        };
        match response.status() {
            StatusCode::CREATED => Ok(true),
            StatusCode::ACCEPTED => {
                upload::abandon(&self.0, &ask, &response).await;
                Ok(false)
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            _ => Err(self.0.refusal(&ask, response).await.error),
        }
    }

    /// Returns the tags, sorted, up to the limit.
    pub(super) async fn tags(&self) -> Result<Vec<String>> {
        let mut tags = Vec::new();
        let mut next = Some(self.0.url(&format!("tags/list?n={TAGS_AT_ONCE}")).await?);
        for _ in 0..TAG_PAGES {
            let Some(url) = next.take().filter(|_| tags.len() < TAGS) else { break };
            let ask = RegistryRequest::new(
                Method::GET,
                url.clone(),
                self.action("pull"),
                self.scope("pull"),
            );
            let (headers, bytes) = self.read(&ask, TAGS_LIMIT, || "tag".to_owned()).await?;
            let list: TagList = serde_json::from_slice(&bytes)
                .map_err(|error| self.0.protocol(&ask.action, &error.to_string()))?;
            let found = list.tags.unwrap_or_default();
            next = following(&headers)
                .and_then(|path| url.join(&path).ok())
                .filter(|next| !found.is_empty() && next.origin() == url.origin());
            // No registry accepts longer tags, so nothing could be pulled by them.
            tags.extend(found.into_iter().filter(|tag| tag.len() <= TAG_BYTES).take(TAGS));
        }
        tags.sort();
        tags.dedup();
        tags.truncate(TAGS);
        Ok(tags)
    }

    /// Returns the whole body of a response; the request is repeated if the connection breaks.
    async fn read(
        &self,
        ask: &RegistryRequest,
        limit: u64,
        what: impl Fn() -> String,
    ) -> Result<(HeaderMap, Bytes)> {
        let mut waits = Waits::new(&self.0.options);
        loop {
            match self.read_once(ask, limit, &what).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => waits.after(trouble).await?,
            }
        }
    }

    async fn read_once(
        &self,
        ask: &RegistryRequest,
        limit: u64,
        what: impl Fn() -> String,
    ) -> Result<(HeaderMap, Bytes), Trouble> {
        let response = self.0.ask_once(ask).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Trouble::for_good(self.missing(what()))),
            _ => return Err(self.0.refusal(ask, response).await),
        }
        let headers = response.headers().clone();
        let announced = response.content_length();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let bytes =
            read_small(response, &self.0.host, most, WHOLE).await.map_err(|error| match error {
                SmallAnswerError::TooLong => {
                    // If the registry does not announce the length, it is at least one byte more
                    // than the limit.
                    let size = announced.unwrap_or(limit + 1);
                    Trouble::for_good(ArtifactError::TooLarge {
                        what: format!("the {} of {}", what(), self.place()),
                        size,
                        limit,
                    })
                }
                SmallAnswerError::Other(trouble) => trouble,
            })?;
        Ok((headers, bytes.into()))
    }

    fn missing(&self, what: String) -> ArtifactError {
        ArtifactError::NotFound { what, place: self.place() }
    }

    fn place(&self) -> String {
        format!("{}/{}", self.0.host, self.0.repository)
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} {}", self.0.repository)
    }

    fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.0.repository)
    }
}

/// Returns the reference of a manifest in the registry's URLs: tag or digest.
fn name(target: &Target) -> String {
    match target {
        Target::Tag(tag) => tag.clone(),
        Target::Digest { digest, .. } => digest.to_string(),
    }
}

/// Returns the media type in the manifest, or else that of the `Content-Type` header: registries
/// differ in what they send.
fn media_type(headers: &HeaderMap, bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let written = serde_json::from_slice::<Typed>(bytes).ok().and_then(|typed| typed.media_type);
    let sent = || {
        Some(headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_owned())
    };
    written.or_else(sent).unwrap_or_default()
}

/// Returns the URL of the next page (RFC 8288).
fn following(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let (path, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.replace('"', "").contains("rel=next").then(|| path.to_owned())
}

/// Returns the URL in `Location`. A registry behind a TLS-terminating proxy may not know that it is
/// reached by https and write http.
fn location(http: &Http, base: &url::Url, response: &Response) -> Result<url::Url> {
    let text = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let text = text.ok_or_else(|| http.protocol("take an upload", "it does not say where to"))?;
    let mut url =
        base.join(text).map_err(|error| http.protocol("take an upload", &error.to_string()))?;
    let same_host = url.host() == base.host()
        && (url.port() == base.port() || url.port() == Some(80) || url.port().is_none());
    if url.scheme() == "http" && base.scheme() == "https" && same_host {
        let _ = (url.set_scheme("https"), url.set_port(base.port()));
    }
    http.may_go(base, &url)?;
    Ok(url)
}

#[cfg(test)]
mod tests;
