//! Message of a registry's error response, made fit to be shown.

use std::time::Duration;

use oci_distribution::errors::{OciEnvelope, OciErrorCode};
use reqwest::{Response, StatusCode};

use keynet_base::outbound::read_beginning;
use keynet_base::quote::on_one_line;
use keynet_base::redaction::redact;

/// Bytes of an error response that are read.
const LIMIT: usize = 16 << 10;
/// Characters that are shown.
const SHOWN: usize = 240;
const PATIENCE: Duration = Duration::from_secs(10);

/// Error response.
#[derive(Debug)]
pub(super) struct ErrorText {
    pub(super) status: StatusCode,
    /// Message on one line, without control characters and without `secrets`.
    pub(super) text: String,
}

impl ErrorText {
    /// Reads the response.
    pub(super) async fn read(response: Response, secrets: &[String]) -> Self {
        let status = response.status();
        let body =
            tokio::time::timeout(PATIENCE, read_beginning(reqwest::Body::from(response), LIMIT))
                .await
                .unwrap_or_default();
        Self::parse(status, &body, secrets)
    }

    pub(super) fn parse(status: StatusCode, body: &[u8], secrets: &[String]) -> Self {
        let envelope: Option<OciEnvelope> = serde_json::from_slice(body).ok();
        let errors = envelope.map(|envelope| envelope.errors).unwrap_or_default();
        let codes: Vec<_> = errors.iter().map(|error| name(&error.code)).collect();
        let plain = || {
            let text = String::from_utf8_lossy(body);
            let text = text.trim();
            let page = text.starts_with('<') || text.starts_with('{') || text.is_empty();
            if page {
                status.canonical_reason().unwrap_or("no reason given").to_lowercase()
            } else {
                text.to_owned()
            }
        };
        let one = |(error, code): (&oci_distribution::errors::OciError, &String)| {
            if error.message.is_empty() { code.clone() } else { error.message.clone() }
        };
        let text = if errors.is_empty() {
            plain()
        } else {
            errors.iter().zip(&codes).map(one).collect::<Vec<_>>().join("; ")
        };
        Self { status, text: fit(&text, secrets) }
    }
}

fn name(code: &OciErrorCode) -> String {
    serde_json::to_value(code)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Returns foreign text in a form that may be shown.
pub(super) fn fit(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(secret.as_str(), "…");
    }
    on_one_line(&redact(&text), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(status: u16, body: &str) -> ErrorText {
        ErrorText::parse(
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
            &["hunter22".to_owned()],
        )
    }

    #[test]
    fn the_registrys_words_are_shown_on_one_line() {
        let said = parse(
            404,
            r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob\nupload"},{"code":"ODD"}]}"#,
        );
        assert_eq!(said.text, "blob upload; ODD");
        assert_eq!(parse(500, "<html>nginx</html>").text, "internal server error");
        assert_eq!(parse(500, "").text, "internal server error");
        assert_eq!(parse(502, " upstream\tdown \n").text, "upstream down");
        assert_eq!(parse(429, "{\"retry\": 1}").text, "too many requests");
    }

    #[test]
    fn what_could_hurt_is_not_shown() {
        let said = parse(400, "\u{1b}[31mred\u{7} \u{202e}txet is hunter22, not this");
        assert_eq!(said.text, "[31mred txet is …, not this");
        let said = parse(400, "https://ada:open-sesame@registry.example.com failed");
        assert!(!said.text.contains("open-sesame"), "{}", said.text);
        assert_eq!(parse(400, &"x".repeat(100_000)).text.chars().count(), SHOWN + 1);
    }
}
