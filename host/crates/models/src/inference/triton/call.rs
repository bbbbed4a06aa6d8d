//! A gRPC call that carries tensors: sent without a copy, its responses read message by message.
//!
//! Metadata, statistics and other small calls use tonic's generated client. For tensors the framing
//! is implemented here, on tonic's channel, because of two things that the client does not do: a
//! request's tensors are not copied into a buffer (see [`super::body`]), and a response's length is
//! known, and its memory reserved, before it is read.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::{Code, Status};

use super::body::RequestBody;
use super::connections::Lease;
use super::failure::Failure;
use keynet_base::budget::{CallBudget, Reservation};
use keynet_base::error::{Error, Result};

/// Subject and limits of a call.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Subject of the call, for messages: `model detector`.
    pub subject: String,
    /// Headers with the token and the configured headers.
    pub headers: HeaderMap,
    /// Maximum size of one response, in bytes.
    pub limit: u64,
    pub budget: CallBudget,
}

/// Stream of the responses to a call. Dropping it cancels the call.
#[derive(Debug)]
pub(super) struct Answers {
    terms: Terms,
    body: Body,
    /// Rest of the last piece that was received.
    rest: Bytes,
    status: Option<Status>,
    lease: Lease,
}

/// One message, with the memory reserved for it.
#[derive(Debug)]
pub(super) struct Reply {
    pub message: Bytes,
    pub reserved: Arc<Reservation>,
}

/// Sends a request with [`Lease::send`].
///
/// # Errors
/// The request was not answered.
pub(super) async fn send(
    mut lease: Lease,
    path: &'static str,
    body: RequestBody,
    terms: Terms,
) -> Result<Answers, Failure> {
    let request = request(path, body, &terms)?;
    let broken = |error: &tonic::transport::Error| Failure::of_transport(&terms.subject, error);
    let sent = lease.send(request).await;
    let response = sent
        .ok_or_else(|| Error::internal("a request was not sent"))?
        .map_err(|error| broken(&error))?;
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(Failure::of_http(&terms.subject, head.status));
    }
    let status = Status::from_header_map(&head.headers);
    Ok(Answers { terms, body, rest: Bytes::new(), status, lease })
}

fn request(path: &'static str, body: RequestBody, terms: &Terms) -> Result<Request<Body>> {
    let mut request = Request::new(Body::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    let headers = request.headers_mut();
    headers.extend(terms.headers.clone());
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-timeout", timeout(terms.budget.deadline)?);
    Ok(request)
}

/// Returns the remaining time in milliseconds, in gRPC's notation of at most eight digits.
fn timeout(deadline: Instant) -> Result<HeaderValue> {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis().clamp(1, 99_999_999);
    HeaderValue::from_str(&format!("{left}m"))
        .map_err(|_| Error::internal("a time cannot be written"))
}

impl Answers {
    /// Waits for the next response; `None` after the last. Its memory is reserved before it is
    /// read.
    ///
    /// # Errors
    /// The server's status; `too-large`: the response is larger than the limit or than the budget
    /// allows.
    pub async fn next(&mut self) -> Result<Option<Reply>, Failure> {
        let mut prefix = [0; 5];
        let mut known = 0;
        while known < prefix.len() {
            if self.rest.is_empty() && !self.more().await? {
                return self.end(known == 0);
            }
            for byte in prefix.iter_mut().skip(known) {
                if self.rest.is_empty() {
                    break;
                }
                *byte = self.rest.get_u8();
                known += 1;
            }
        }
        let [compressed, length @ ..] = prefix;
        let subject = &self.terms.subject;
        if compressed != 0 {
            return Err(Error::internal(format!(
                "{subject}: the answer is compressed, which was not asked for"
            ))
            .into());
        }
        let length = u32::from_be_bytes(length);
        if u64::from(length) > self.terms.limit {
            return Err(Error::too_large(format!(
                "{subject}: an answer of {length} bytes is more than the {} a message may have: \
                    raise KEYNET_TRITON_MESSAGE_BYTES",
                self.terms.limit
            ))
            .into());
        }
        let reserved = self.terms.budget.memory.reserve(length.into(), "an answer of Triton")?;
        self.lease.answered(length as usize);
        let mut message = BytesMut::with_capacity(length as usize);
        while message.len() < length as usize {
            if self.rest.is_empty() && !self.more().await? {
                return self.end(false);
            }
            let piece = self.rest.split_to(self.rest.len().min(length as usize - message.len()));
            message.extend_from_slice(&piece);
        }
        Ok(Some(Reply { message: message.freeze(), reserved: Arc::new(reserved) }))
    }

    /// Returns the only response of a unary call.
    ///
    /// # Errors
    /// The same as for [`Answers::next`].
    pub async fn only(mut self) -> Result<Reply, Failure> {
        let answer = self.next().await?;
        let second = self.next().await?;
        match (answer, second) {
            (Some(answer), None) => Ok(answer),
            (None, _) => Err(Error::internal(format!(
                "{}: the server answered with nothing",
                self.terms.subject
            ))
            .into()),
            (Some(_), Some(_)) => {
                Err(Error::internal(format!("{}: the server answered twice", self.terms.subject))
                    .into())
            }
        }
    }

    /// Waits for the next piece; returns false at the end.
    async fn more(&mut self) -> Result<bool, Failure> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(false) };
            let frame = frame.map_err(|status| match std::error::Error::source(&status) {
                Some(source) => Failure::of_transport(&self.terms.subject, source),
                None => Failure::of_transport(&self.terms.subject, &status),
            })?;
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.rest = data;
                    return Ok(true);
                }
                Err(frame) => {
                    if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                        self.status = Some(status);
                    }
                }
            }
        }
    }

    /// Handles the end of the body. `whole`: no response was incomplete.
    fn end(&self, whole: bool) -> Result<Option<Reply>, Failure> {
        match &self.status {
            Some(status) if status.code() != Code::Ok => {
                Err(Failure::answered(&self.terms.subject, status.code(), status.message()))
            }
            Some(_) if whole => Ok(None),
            _ => Err(Failure::cut(&self.terms.subject)),
        }
    }
}
