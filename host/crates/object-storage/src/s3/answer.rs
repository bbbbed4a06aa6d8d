//! Error responses of an S3 store, as text for the caller.
//!
//! An error is XML with a code and a message ([error
//! responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)); its other
//! elements, such as the key and the text that was signed, are not passed on.

use http::StatusCode;

use super::super::failure::ErrorResponse;
use keynet_base::error::ErrorKind;
use keynet_base::quote::shown;

/// Classifies an error response.
///
/// `region` is the configured region, `elsewhere` the one that the store reports for the bucket.
pub(super) fn judge(
    status: StatusCode,
    body: &str,
    region: &str,
    elsewhere: Option<&str>,
) -> ErrorResponse {
    let code = element(body, "Code").unwrap_or_default();
    let text = in_words(body).unwrap_or_else(|| plain(status));
    if let (Some(elsewhere), true) =
        (elsewhere, status.is_redirection() || status == StatusCode::BAD_REQUEST)
        && elsewhere != region
    {
        return ErrorResponse::new(
            ErrorKind::Unavailable,
            format!("{text}; it is in {}, not in {region}: set AWS_REGION", shown(elsewhere)),
        );
    }
    let kind = match (code, status.as_u16()) {
        ("NoSuchBucket" | "NoSuchUpload" | "NoSuchKey", _) | (_, 404) => ErrorKind::NotFound,
        ("AuthorizationHeaderMalformed" | "QuotaExceeded" | "SlowDown", _) => {
            ErrorKind::Unavailable
        }
        ("EntityTooLarge" | "MaxMessageLengthExceeded" | "InvalidMaxSize", _) | (_, 413) => {
            ErrorKind::TooLarge
        }
        ("RequestTimeout" | "RequestTimeTooSkewed", _) => ErrorKind::Unavailable,
        (_, 401 | 403) => ErrorKind::Denied,
        (_, 412 | 304) => ErrorKind::PreconditionFailed,
        (_, 400 | 414 | 416 | 431) => ErrorKind::Invalid,
        (_, 408 | 429 | 500 | 502..=504 | 507) => ErrorKind::Unavailable,
        _ if status.is_redirection() => {
            return ErrorResponse::new(
                ErrorKind::Unavailable,
                format!("{text}: it leads elsewhere, which MLFLOW_S3_ENDPOINT_URL must name"),
            );
        }
        _ => ErrorKind::Internal,
    };
    ErrorResponse::new(kind, text)
}

/// Returns the code and the message of an error; `None` if `body` is not an S3 error.
pub(super) fn in_words(body: &str) -> Option<String> {
    let code = unescaped(element(body, "Code")?);
    Some(match element(body, "Message").filter(|message| !message.is_empty()) {
        Some(message) => {
            shown(&format!("{code}: {}", unescaped(message).trim_end_matches('.'))).to_string()
        }
        None => shown(&code).to_string(),
    })
}

fn plain(status: StatusCode) -> String {
    format!("it answered {status}")
}

/// Returns the text of the first element of this name, still escaped.
pub(super) fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// Replaces the XML escapes in `text`.
pub(super) fn unescaped(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> String {
        format!(
            "<?xml \
                version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><Key>k</Key>\
             <StringToSign>AWS4-HMAC-SHA256 secret</StringToSign></Error>"
        )
    }

    #[test]
    fn the_stores_words_are_kept_and_nothing_else_of_its_answer() {
        let judged = |status, body: &str| {
            judge(StatusCode::from_u16(status).unwrap(), body, "us-east-1", None)
        };
        for (status, code, kind) in [
            (404, "NoSuchBucket", ErrorKind::NotFound),
            (403, "AccessDenied", ErrorKind::Denied),
            (403, "SignatureDoesNotMatch", ErrorKind::Denied),
            (403, "RequestTimeTooSkewed", ErrorKind::Unavailable),
            (503, "SlowDown", ErrorKind::Unavailable),
            (500, "InternalError", ErrorKind::Unavailable),
            (400, "EntityTooLarge", ErrorKind::TooLarge),
            (400, "InvalidBucketName", ErrorKind::Invalid),
            (501, "NotImplemented", ErrorKind::Internal),
        ] {
            let answer = judged(status, &error(code, "It &lt;is&gt; so &amp; so."));
            assert_eq!((answer.kind, answer.text), (kind, format!("{code}: It <is> so & so")));
        }
        assert_eq!(judged(403, "").text, "it answered 403 Forbidden");
        assert_eq!(judged(502, "<html>Bad Gateway</html>").text, "it answered 502 Bad Gateway");
        assert!(judged(400, &error("X", &"long ".repeat(1000))).text.len() < 300);
    }

    #[test]
    fn a_bucket_of_another_region_is_said_to_be_there() {
        let answer = judge(
            StatusCode::MOVED_PERMANENTLY,
            &error("PermanentRedirect", "Elsewhere."),
            "us-east-1",
            Some("eu-west-1"),
        );
        assert_eq!(answer.kind, ErrorKind::Unavailable);
        assert_eq!(
            answer.text,
            "PermanentRedirect: Elsewhere; it is in eu-west-1, not in us-east-1: set AWS_REGION"
        );
    }
}
