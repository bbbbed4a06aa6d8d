//! Fuzzing of registries' answers; see [`keynet_base::fuzzing`].

use reqwest::StatusCode;
use url::Url;

use super::challenge::Challenge;
use super::realm;
use super::said::ErrorText;
use keynet_base::fuzzing::{check_message, text};

const PASSWORD: &str = "q7Zk2LwPx9Vd";

/// Fuzzes the header `WWW-Authenticate`. Checks that a parsed challenge survives a round trip, and
/// that no unsafe token server is accepted.
pub fn www_authenticate(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let challenges = Challenge::parse(text);
    let written: Vec<_> = challenges.iter().map(write).collect();
    assert_eq!(Challenge::parse(&written.join(", ")), challenges, "{written:?}");
    let registry = Url::parse("https://registry.example.com/");
    for realm in challenges.iter().filter_map(|challenge| Url::parse(challenge.get("realm")?).ok())
    {
        let Ok(registry) = &registry else { return };
        if realm::check(
            &realm,
            registry,
            &realm::Rules { listed: &[], insecure: false, shows: true },
        )
        .is_ok()
        {
            let host = realm.host_str().unwrap_or_default();
            assert!(host == "example.com" || host.ends_with(".example.com"), "{realm}");
            assert!(
                realm.scheme() == "https"
                    && realm.username().is_empty()
                    && realm.password().is_none(),
                "{realm}"
            );
        }
    }
}

fn write(challenge: &Challenge) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
    let parameters: Vec<_> = challenge
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", quoted(value)))
        .collect();
    format!("{} {}", challenge.scheme, parameters.join(","))
}

/// Fuzzes the body of an error response. Checks that it is shown as one short line without secrets.
pub fn registry_answer(data: &[u8]) {
    for body in [data.to_vec(), [data, PASSWORD.as_bytes(), data].concat()] {
        let said = ErrorText::parse(StatusCode::BAD_REQUEST, &body, &[PASSWORD.to_owned()]);
        check_message(&said.text);
        assert!(!said.text.contains('\n') && said.text.chars().count() <= 256, "{said:?}");
        assert!(!said.text.contains(PASSWORD), "{said:?}");
    }
}
