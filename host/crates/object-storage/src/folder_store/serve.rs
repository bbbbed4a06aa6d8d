//! `keynet-inference storage serve`: serves the objects of the folder over HTTP to every client
//! that has a presigned URL.
//!
//! GET and HEAD with a URL signed for GET, one range or the whole object, with `If-None-Match`; PUT
//! with a URL signed for PUT and its content type. Everything else is rejected, and without a valid
//! signature a response does not reveal which objects exist. Response headers make a browser
//! display an object without running it. There is no TLS, and no protection from slow clients other
//! than a limit on concurrent requests: on the internet it has to be behind a proxy.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::stream::{self, Stream};
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStore as _, PutMultipartOptions, PutPayload,
};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::failure;
use super::folder::OpenFile;
use super::range::{Wanted, wanted};
use super::{FolderStore, Grant, Method};
use keynet_base::allowed_hosts::AllowedHosts;
use keynet_base::error::{Error, ErrorKind};

const READ_CHUNK: u64 = 256 << 10;
const WRITE_CHUNK: usize = 1 << 20;
const GRACE: Duration = Duration::from_secs(10);

/// Limits of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeLimits {
    /// Largest object that is written, in bytes (`KEYNET_STORAGE_MAX_WRITE`).
    pub max_object_write: u64,
    /// Concurrent requests; further ones receive status 503. Each request holds at most 2 MiB.
    pub max_requests: usize,
    /// Longest pause of a writer while it sends a body.
    pub idle: Duration,
    /// Accepted `Host` headers; `None` accepts every host.
    pub hosts: Option<AllowedHosts>,
}

impl Default for ServeLimits {
    /// 1 GiB, 256 requests, 60 s, every host.
    fn default() -> Self {
        Self {
            max_object_write: 1 << 30,
            max_requests: 256,
            idle: Duration::from_secs(60),
            hosts: None,
        }
    }
}

struct Server {
    store: FolderStore,
    limits: ServeLimits,
    requests: Arc<Semaphore>,
}

/// Serves `store` until `shutdown` completes, then waits up to 10 s for running requests.
///
/// # Errors
/// The errors of the listener.
pub async fn serve(
    listener: TcpListener,
    store: FolderStore,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stop, stopping) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, router(store, limits)).with_graceful_shutdown(async move {
        shutdown.await;
        let _ = stop.send(());
    });
    let patience = async {
        match stopping.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = server => served,
        () = patience => Ok(()),
    }
}

/// Returns the router of [`serve`]: every path is the key of an object.
pub fn router(store: FolderStore, limits: ServeLimits) -> Router {
    let requests = Arc::new(Semaphore::new(limits.max_requests));
    Router::new().fallback(answer).with_state(Arc::new(Server { store, limits, requests }))
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let allowed = server.limits.hosts.as_ref().map_or(Ok(()), |hosts| hosts.check(&head));
    let answered = match (allowed, &head.method) {
        (Err(refused), _) => Err(Refusal::new(StatusCode::FORBIDDEN, &refused)),
        (Ok(()), &HttpMethod::GET | &HttpMethod::HEAD) => server.read(&head).await,
        (Ok(()), &HttpMethod::PUT) => server.write(&head, body).await,
        (Ok(()), _) => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and PUT")
            .with(header::ALLOW, "GET, HEAD, PUT")),
    };
    let mut response = answered.unwrap_or_else(Refusal::into_response);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::REFERRER_POLICY, "no-referrer"), // the URL is the credential
        (header::CACHE_CONTROL, "private, no-cache"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Server {
    async fn read(&self, request: &Parts) -> Result<Response, Refusal> {
        let Grant { key, .. } = self.granted(Method::Get, request)?;
        let permit = self.permit()?;
        let opened = self.store.folder().open_file(key.path()).await;
        let OpenFile { file, meta, content_type } =
            opened.map_err(|error| Refusal::of(failure::explain("read", key.as_str(), error)))?;

        let etag = format!("\"{}\"", meta.e_tag.unwrap_or_default());
        let modified = meta.last_modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let kind = content_type.map_or_else(
            || "application/octet-stream".to_owned(),
            |known| known.as_str().to_owned(),
        );
        let known = [
            (header::ETAG, etag.as_str()),
            (header::LAST_MODIFIED, &modified),
            (header::ACCEPT_RANGES, "bytes"),
        ];

        let headers = &request.headers;
        if names(headers, header::IF_NONE_MATCH, &etag) {
            return Ok((StatusCode::NOT_MODIFIED, known).into_response());
        }
        // `If-Range`: a range of new content is useless to a client that has a part of the old
        // content.
        let ranged = headers
            .get(header::IF_RANGE)
            .is_none_or(|condition| condition.as_bytes() == etag.as_bytes());
        let range =
            text(headers, header::RANGE).filter(|_| ranged && request.method == HttpMethod::GET);
        let (status, part) = match wanted(range, meta.size) {
            Wanted::All => (StatusCode::OK, 0..meta.size),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Nothing => {
                return Err(Refusal::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "the object ends before that range",
                )
                .with(header::CONTENT_RANGE, &format!("bytes */{}", meta.size)));
            }
        };
        let mut response = (
            status,
            known,
            [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_LENGTH, (part.end - part.start).to_string()),
            ],
        )
            .into_response();
        if status == StatusCode::PARTIAL_CONTENT {
            let range =
                format!("bytes {}-{}/{}", part.start, part.end.saturating_sub(1), meta.size);
            response
                .headers_mut()
                .extend(HeaderValue::try_from(range).map(|range| (header::CONTENT_RANGE, range)));
        }
        if request.method == HttpMethod::GET {
            *response.body_mut() = Body::from_stream(contents(file, part, permit));
        }
        Ok(response)
    }

    async fn write(&self, request: &Parts, body: Body) -> Result<Response, Refusal> {
        let Grant { key, content_type } = self.granted(Method::Put, request)?;
        let _permit = self.permit()?;
        let headers = &request.headers;
        let content_type =
            content_type.map(|signed| signed.as_str().to_owned()).unwrap_or_default();
        if text(headers, header::CONTENT_TYPE) != Some(&content_type) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                &format!("this URL is for `Content-Type: {content_type}`"),
            ));
        }
        if [header::IF_MATCH, header::IF_NONE_MATCH, header::CONTENT_RANGE]
            .iter()
            .any(|name| headers.contains_key(name))
        {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "an object is written whole and without conditions",
            ));
        }
        if text(headers, header::CONTENT_LENGTH)
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: u64| length > self.limits.max_object_write)
        {
            return Err(self.too_large());
        }

        let options = PutMultipartOptions {
            attributes: Attributes::from_iter([(Attribute::ContentType, content_type)]),
            ..PutMultipartOptions::default()
        };
        let failed = |error| Refusal::of(failure::explain("write", key.as_str(), error));
        let mut upload =
            self.store.folder().put_multipart_opts(key.path(), options).await.map_err(failed)?;
        self.receive(body, &mut *upload).await?.map_err(failed)?;
        let written = upload.complete().await.map_err(failed)?;
        Ok((StatusCode::OK, [(header::ETAG, format!("\"{}\"", written.e_tag.unwrap_or_default()))])
            .into_response())
    }

    /// Writes a request's body, 1 MiB at a time. Dropping the upload aborts it.
    async fn receive(
        &self,
        body: Body,
        upload: &mut dyn MultipartUpload,
    ) -> Result<object_store::Result<()>, Refusal> {
        let mut frames = body.into_data_stream();
        let (mut total, mut part, mut length) = (0_u64, Vec::<Bytes>::new(), 0);
        loop {
            let frame = tokio::time::timeout(self.limits.idle, frames.next()).await;
            let frame = frame.map_err(|_| {
                Refusal::new(StatusCode::REQUEST_TIMEOUT, "nothing was sent for too long")
            })?;
            let frame = frame.transpose().map_err(|_| {
                Refusal::new(StatusCode::BAD_REQUEST, "the request ended before its body did")
            })?;
            let ended = frame.is_none();
            if let Some(frame) = frame {
                total += frame.len() as u64;
                length += frame.len();
                part.push(frame);
            }
            if total > self.limits.max_object_write {
                return Err(self.too_large());
            }
            if length >= WRITE_CHUNK || (ended && length > 0) {
                length = 0;
                if let Err(error) =
                    upload.put_part(PutPayload::from_iter(std::mem::take(&mut part))).await
                {
                    return Ok(Err(error));
                }
            }
            if ended {
                return Ok(Ok(()));
            }
        }
    }

    fn granted(&self, method: Method, request: &Parts) -> Result<Grant, Refusal> {
        let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
        self.store
            .signer()
            .verify_request(method, path, query, SystemTime::now())
            .map_err(Refusal::of)
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time")
                .with(header::RETRY_AFTER, "1")
        })
    }

    fn too_large(&self) -> Refusal {
        let limit = self.limits.max_object_write;
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("an object has at most {limit} bytes here (KEYNET_STORAGE_MAX_WRITE)"),
        )
    }
}

/// Streams a part of a file, read as the client receives it.
fn contents(
    file: File,
    part: Range<u64>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((Arc::new(file), part, permit), |(file, mut part, permit)| async move {
        let length = READ_CHUNK.min(part.end - part.start);
        if length == 0 {
            return Ok(None);
        }
        let (source, offset) = (Arc::clone(&file), part.start);
        let read = move || {
            let mut chunk = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            source.read_exact_at(&mut chunk, offset)?;
            Ok::<_, io::Error>(Bytes::from(chunk))
        };
        let chunk = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
        part.start += length;
        Ok(Some((chunk, (file, part, permit))))
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reports whether a list of etags contains this one, strong or weak, or `*`.
fn names(headers: &HeaderMap, name: HeaderName, etag: &str) -> bool {
    let mut listed = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim);
    listed.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// Rejection of a request: a status, a line of text, and an optional header.
struct Refusal {
    status: StatusCode,
    text: String,
    header: Option<(HeaderName, String)>,
}

impl Refusal {
    fn new(status: StatusCode, text: &str) -> Self {
        Self { status, text: format!("{text}\n"), header: None }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.header = Some((name, value.to_owned()));
        self
    }

    fn of(error: Error) -> Self {
        let status = match error.kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Timeout | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, &error.message)
    }

    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        if let Some((name, value)) =
            self.header.and_then(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
