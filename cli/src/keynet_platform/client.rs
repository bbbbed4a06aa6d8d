//! The Keynet platform's HTTP API, one method per request. No request is retried: none of them is
//! safe to repeat before a person knows that it failed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keynet_base::config::Secret;
use keynet_base::outbound::{BodyError, check_headers, read_beginning, read_whole};
use keynet_base::quote::shown;
use keynet_base::{error_chain, pem};
use reqwest::redirect::Policy;
use reqwest::{Body, RequestBuilder, multipart};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::{PlatformError, ServerUrl};
use crate::errors::ExpectedError;
use crate::ui::secrecy;

/// Timeout of a request, the same as in the Python package that this program replaces.
const TIME: Duration = Duration::from_secs(30);

/// Bytes of an upload that add a second to its timeout.
const SECOND_OF_UPLOAD: u64 = 256 << 10;

/// Size of the pieces in which a file is sent; the whole file is never in memory.
const PIECE: usize = 64 << 10;

/// Maximum size of an error's body in bytes.
const MAX_ERROR: usize = 64 << 10;

/// Maximum size of a response in bytes. The response to an upload contains the code as text, too:
/// [`answer_to`] adds space for it.
const MAX_ANSWER: usize = 1 << 20;

/// Maximum length of a server's message in an error, in characters.
const MAX_SAID: usize = 500;

/// Connection to a server, with the user's token.
pub(super) struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<Secret>,
}

/// Response to a sign-in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedIn {
    pub(super) access_token: String,
    pub(super) access_token_expires_at: Option<String>,
    pub(super) harbor: Option<HarborLogin>,
}

/// The Keynet platform's registry, in the response to a sign-in.
#[derive(Deserialize)]
pub(super) struct HarborLogin {
    pub(super) url: String,
    pub(super) username: String,
    pub(super) password: String,
}

/// A repository in the Keynet platform's registry, and the upload key for it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runtime {
    pub(super) id: i64,
    pub(super) upload_key: String,
    pub(super) command: Command,
}

/// The `docker push` command that the Keynet API suggests; only its image reference is used.
#[derive(Deserialize)]
pub(super) struct Command {
    pub(super) push: String,
}

/// Response of a request that creates code or a function.
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) id: i64,
}

impl Client {
    /// Creates a client of `server`; `authorities` are PEM files that are trusted besides the
    /// system's certificates.
    pub(super) fn new(server: &ServerUrl, authorities: &[PathBuf]) -> Result<Self, PlatformError> {
        Self::with(server.as_str(), None, authorities)
    }

    /// Creates a client that sends the token of a login.
    pub(super) fn signed_in(
        server: &str,
        token: &Secret,
        authorities: &[PathBuf],
    ) -> Result<Self, PlatformError> {
        Self::with(server, Some(token.clone()), authorities)
    }

    fn with(
        server: &str,
        token: Option<Secret>,
        authorities: &[PathBuf],
    ) -> Result<Self, PlatformError> {
        keynet_base::tls::install();
        let unusable = |why: String| PlatformError::Connection { server: server.to_owned(), why };
        let read = authorities.iter().map(|path| pem::certificates(path));
        let certificates = read.collect::<Result<Vec<_>, _>>().map_err(|error| {
            unusable(format!("the certificate authorities: {}", error_chain::joined(&error)))
        })?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("keynet-inference/", env!("CARGO_PKG_VERSION")))
            // No redirects: the token and the upload are for this server and no other.
            .redirect(Policy::none())
            .connect_timeout(TIME)
            .tls_certs_merge(certificates.concat())
            .build()
            .map_err(|error| unusable(chain(&error)))?;
        Ok(Self { http, server: server.to_owned(), token })
    }

    /// Sends `POST /v1/auth/sign-in/one-time`.
    pub(super) async fn sign_in(
        &self,
        email: &str,
        password: &Secret,
    ) -> Result<SignedIn, PlatformError> {
        self.post(
            "/v1/auth/sign-in/one-time",
            &json!({ "email": email, "password": password.expose() }),
        )
        .await
    }

    /// Sends `POST /v1/actions/runtimes`.
    pub(super) async fn runtime(&self, name: &str) -> Result<Runtime, PlatformError> {
        let runtime: Runtime =
            self.post("/v1/actions/runtimes", &json!({ "runtimeName": name })).await?;
        secrecy::remember(&runtime.upload_key, "UPLOAD_KEY");
        Ok(runtime)
    }

    /// Sends `POST /v1/actions/code`: the file, in the field `code`.
    pub(super) async fn code(&self, path: &Path, size: u64) -> Result<Made, ExpectedError> {
        let time = TIME + Duration::from_secs(size / SECOND_OF_UPLOAD);
        let name = path
            .file_name()
            .map_or_else(|| "action.wasm".to_owned(), |name| name.to_string_lossy().into_owned());
        let file = tokio::fs::File::open(path).await.map_err(ExpectedError::io("read", path))?;
        let body = Body::wrap_stream(ReaderStream::with_capacity(file.take(size), PIECE));
        let part = multipart::Part::stream_with_length(body, size)
            .file_name(name)
            .mime_str("application/wasm");
        let part = part.map_err(|error| self.unreachable(&error))?;
        let form = multipart::Form::new().part("code", part);
        let request = self.http.post(self.url("/v1/actions/code")).multipart(form).timeout(time);
        Ok(self.send(request, answer_to(size)).await?)
    }

    /// Sends `POST /v1/actions/cli`: creates the function from the uploaded code.
    pub(super) async fn function(
        &self,
        code: i64,
        name: &str,
        description: &str,
        upload_key: &str,
    ) -> Result<Made, PlatformError> {
        let function = json!({
            "lambdaId": code,
            "displayName": name,
            "description": description,
            "kind": "BlackBox",
            "parameters": {},
            "uploadKey": upload_key,
        });
        self.post("/v1/actions/cli", &function).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, PlatformError> {
        self.send(self.http.post(self.url(path)).json(body).timeout(TIME), MAX_ANSWER).await
    }

    /// Sends a request whose response has at most `limit` bytes.
    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        limit: usize,
    ) -> Result<T, PlatformError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let wrong = |why: String| PlatformError::Answer { server: self.server.clone(), why };
        check_headers(response.headers()).map_err(|large| wrong(large.to_string()))?;
        let body = Body::from(response);
        if !status.is_success() {
            let body = read_beginning(body, MAX_ERROR).await;
            return Err(PlatformError::of_status(&self.server, status.as_u16(), said(&body)));
        }
        let body = read_whole(body, limit).await.map_err(|error| match error {
            BodyError::Broken(error) => self.unreachable(&error),
            error => wrong(error.to_string()),
        })?;
        // serde's own message may quote the response, and a token in it.
        serde_json::from_slice(&body)
            .map_err(|error| wrong(shown(&secrecy::hide(&error.to_string())).to_string()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> PlatformError {
        let why =
            if error.is_timeout() { "it did not answer in time".to_owned() } else { chain(error) };
        PlatformError::Connection { server: self.server.clone(), why }
    }
}

/// Returns the maximum size in bytes of the response to an upload of `size` bytes, which may
/// contain them as JSON text or in base64.
fn answer_to(size: u64) -> usize {
    usize::try_from(size.saturating_mul(2)).unwrap_or(usize::MAX).saturating_add(MAX_ANSWER)
}

/// Returns the causes of an error, without its first sentence, which repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    secrecy::hide(&error_chain::joined_causes(error)).into_owned()
}

/// Returns the message in an error's body, on one line and without secrets: `message`, or `error`
/// or `detail`, or the text itself.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_str::<Value>(&text) {
        Ok(value) => ["message", "error", "detail"]
            .iter()
            .find_map(|name| value.get(name)?.as_str().map(str::to_owned)),
        Err(_) if text.trim_start().starts_with('<') => Some("(a page for browsers)".to_owned()),
        Err(_) => None,
    };
    let message = secrecy::hide(message.as_deref().unwrap_or(&text)).into_owned();
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_SAID) {
        _ if line.is_empty() => "(without a message)".to_owned(),
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use keynet_test_servers::{Hostile, HostileServer};

    use super::*;

    #[tokio::test]
    async fn an_answer_without_an_end_is_read_up_to_its_limit() {
        let server = HostileServer::start(|asked| match asked.contains("sign-in") {
            true => Hostile::endless("HTTP/1.1 200 OK", r#"{"accessToken": ""#, "t"),
            false => Hostile::endless("HTTP/1.1 500 No", "upstream is down ", "for ever "),
        });
        let client = Client::with(&server.url(), None, &[]).unwrap();
        let error = client
            .sign_in("ada@example.com", &Secret::new("hunter2hunter2"))
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains("longer than the 1048576 bytes"), "{error}");
        let error = client.runtime("hello").await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("upstream is down for ever") && error.len() < 1000, "{error}");
        assert!(server.sent() <= 64 << 20, "{} bytes were sent", server.sent());
    }

    #[test]
    fn the_servers_message_is_found_and_shows_no_secret() {
        assert_eq!(said(br#"{"message": "No such\nuser."}"#), "No such user.");
        assert_eq!(said(br#"{"error": "Not Found", "status": 404}"#), "Not Found");
        assert_eq!(said(b"<html><body>502"), "(a page for browsers)");
        assert_eq!(said(b""), "(without a message)");
        assert_eq!(said(b"upstream is down"), "upstream is down");
        secrecy::remember("up-key-of-this-test", "UPLOAD_KEY");
        let echoed = said(br#"{"message": "no such key: up-key-of-this-test (password=abcdef)"}"#);
        assert!(!echoed.contains("up-key-of") && !echoed.contains("abcdef"), "{echoed}");
        assert!(said("x".repeat(10_000).as_bytes()).len() < 600);
    }
}
