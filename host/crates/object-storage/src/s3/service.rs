//! The client that sends `object_store`'s requests: it applies the deadline of the call, retries
//! repeatable requests, and classifies responses.

use std::time::Instant;

use async_trait::async_trait;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{Method, StatusCode};
use object_store::client::{
    HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

use super::super::collect::ReadByCaller;
use super::super::deadline;
use super::super::failure::ErrorResponse;
use super::answer::judge;
use keynet_base::call_observer;
use keynet_base::config::{S3Config, S3Credentials};
use keynet_base::error::ErrorKind;
use keynet_base::outbound::{Backoff, check_headers, read_beginning, read_whole, unanswered};

/// Bytes of an error response that are read.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Bytes of a response that is neither an object nor a listing: the start or completion of an
/// upload, or credentials of the machine.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Sender of requests, with one HTTP client.
#[derive(Debug)]
pub(super) struct Service {
    client: reqwest::Client,
    region: String,
    /// Advice to the operator for an unreachable server.
    advice: &'static str,
    secrets: Secrets,
}

impl Service {
    pub(super) fn new(client: reqwest::Client, config: &S3Config) -> Self {
        let advice = match config.endpoint {
            Some(_) => "is it running, and is MLFLOW_S3_ENDPOINT_URL its address?",
            None => "it is Amazon's, since MLFLOW_S3_ENDPOINT_URL is not set",
        };
        Self {
            client,
            region: super::region(config).to_owned(),
            advice,
            secrets: Secrets::of(config),
        }
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // After the signature, which does not cover these headers.
        call_observer::add_trace_headers(request.headers_mut());
        let deadline = deadline::current();
        let mut backoff = Backoff::until(deadline);
        let repeatable = is_repeatable(&request);
        let read_by_caller = request.extensions().get::<ReadByCaller>().is_some();
        loop {
            match self.once(request.clone(), deadline).await {
                Ok(response) if may_change(response.status(), repeatable) => {
                    if backoff.again().await {
                        continue;
                    }
                    return self.judged(response, read_by_caller, deadline).await;
                }
                Ok(response) => return self.judged(response, read_by_caller, deadline).await,
                Err(error) => {
                    let again = match error.kind() {
                        HttpErrorKind::Connect => {
                            keynet_base::outbound::source_of::<ErrorResponse>(&error).is_none()
                        }
                        HttpErrorKind::Request | HttpErrorKind::Interrupted => repeatable,
                        _ => false,
                    };
                    let denied = unanswered(&error).kind == ErrorKind::Denied;
                    if !again || denied || !backoff.again().await {
                        return Err(self.given_up(error));
                    }
                }
            }
        }
    }
}

impl Service {
    async fn once(
        &self,
        request: HttpRequest,
        deadline: Instant,
    ) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout_at(deadline.into(), self.client.call(request)).await;
        let response = answer.unwrap_or_else(|_| Err(refused(late())))?;
        check_headers(response.headers())
            .map_err(|large| refused(ErrorResponse::new(ErrorKind::TooLarge, large.to_string())))?;
        Ok(response)
    }

    /// Passes on the responses that `object_store` understands and converts other errors. Only a
    /// successful response that the caller reads itself is passed on unread.
    async fn judged(
        &self,
        response: HttpResponse,
        read_by_caller: bool,
        deadline: Instant,
    ) -> Result<HttpResponse, HttpError> {
        let status = response.status();
        let success = status.is_success();
        if success && read_by_caller {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let read = tokio::time::timeout_at(deadline.into(), read(body, success)).await;
        let body = read.unwrap_or_else(|_| Err(late())).map_err(refused)?;
        if success
            || matches!(
                status,
                StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT
            )
        {
            return Ok(HttpResponse::from_parts(parts, body.into()));
        }
        let elsewhere =
            parts.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = judge(status, &text, &self.region, elsewhere);
        // A missing bucket must not be reported as a missing object.
        if status == StatusCode::NOT_FOUND
            && !text.contains("NoSuchBucket")
            && !text.contains("NoSuchUpload")
        {
            return Ok(HttpResponse::from_parts(parts, text.into()));
        }
        Err(refused(ErrorResponse { text: self.secrets.out_of(&answer.text), ..answer }))
    }

    fn given_up(&self, error: HttpError) -> HttpError {
        if keynet_base::outbound::source_of::<ErrorResponse>(&error).is_some() {
            return error;
        }
        let why = unanswered(&error);
        let text = if why.kind == ErrorKind::Denied {
            why.message
        } else {
            format!("it cannot be reached: {}; {}", why.message, self.advice)
        };
        refused(ErrorResponse::new(why.kind, self.secrets.out_of(&text)))
    }
}

/// Wraps an error so that `object_store` neither inspects it nor retries the request.
fn refused(answer: ErrorResponse) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, answer)
}

/// Reports whether a request of this kind is idempotent. A conditional write is not: its repetition
/// would be evaluated against the result of the first.
fn is_repeatable(request: &HttpRequest) -> bool {
    let conditional =
        [IF_MATCH, IF_NONE_MATCH].iter().any(|name| request.headers().contains_key(name));
    match *request.method() {
        Method::GET | Method::HEAD | Method::DELETE => true,
        Method::PUT => !conditional,
        // Starting or completing an upload.
        _ => request
            .uri()
            .query()
            .is_some_and(|query| query.contains("uploads") || query.contains("uploadId")),
    }
}

/// Reports whether the request may be sent again because a later response may differ.
fn may_change(status: StatusCode, repeatable: bool) -> bool {
    match status.as_u16() {
        429 | 503 => true, // not started
        408 | 500 | 502 | 504 => repeatable,
        _ => false,
    }
}

/// Reads a successful response whole, and the beginning of any other.
async fn read(body: HttpResponseBody, success: bool) -> Result<Vec<u8>, ErrorResponse> {
    if !success {
        return Ok(read_beginning(body, MAX_ERROR_BYTES).await);
    }
    read_whole(body, MAX_ANSWER_BYTES)
        .await
        .map_err(|error| ErrorResponse::new(ErrorKind::Unavailable, error.to_string()))
}

fn late() -> ErrorResponse {
    ErrorResponse::new(ErrorKind::Timeout, "it did not answer in time".to_owned())
}

/// Secrets that are removed from texts, whatever their origin.
struct Secrets(Vec<String>);

impl Secrets {
    fn of(config: &S3Config) -> Self {
        let S3Credentials::Key { id, secret, token } = &config.credentials else {
            return Self(Vec::new());
        };
        let token = token.as_ref().map(|token| token.expose().to_owned());
        let all = [Some(id.clone()), Some(secret.expose().to_owned()), token];
        Self(all.into_iter().flatten().collect())
    }

    fn out_of(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}
