//! Triton server that replaces embedded models.
//!
//! Its URL, credentials and certificates are one unit, from one origin. The settings of the
//! connection (number of connections, sizes, times, shared memory) are the operator's only.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use super::backends::{Secret, parse_url, required};
use super::quantity::{parse_bytes, parse_count, parse_duration};
use super::settings::{Settings, Variables};
use super::{ConfigError, Origin};

/// Variables that form one unit.
const UNIT: [&str; 6] = [
    "TRITON_URL",
    "KEYNET_TRITON_TOKEN",
    "KEYNET_TRITON_HEADERS",
    "KEYNET_TRITON_CA",
    "KEYNET_TRITON_CERT",
    "KEYNET_TRITON_KEY",
];

/// `TRITON_URL`: gRPC port of a Triton server, and the settings of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TritonConfig {
    /// `http://host:port`, or `https://` for TLS.
    pub url: Url,
    /// `KEYNET_TRITON_TOKEN`: sent as `authorization: Bearer …`.
    pub token: Option<Secret>,
    /// `KEYNET_TRITON_HEADERS`: headers sent with every call, names in lower case.
    pub headers: Vec<(String, Secret)>,
    /// `KEYNET_TRITON_CA`: PEM file with the certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `KEYNET_TRITON_CERT` and `KEYNET_TRITON_KEY`: PEM files with the client's certificate and
    /// its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Settings of the connection.
    pub link: TritonLink,
    /// Origin of the unit.
    pub origin: Origin,
}

/// Settings of the connection to a Triton server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TritonLink {
    /// `KEYNET_TRITON_CONNECTIONS`: largest number of HTTP/2 connections.
    pub connections: u32,
    /// `KEYNET_TRITON_MESSAGE_BYTES`: largest request and largest response, in bytes.
    pub message_bytes: u64,
    /// `KEYNET_TRITON_METADATA_TTL`: time for which a model's metadata is cached.
    pub metadata_ttl: Duration,
    /// `KEYNET_TRITON_RETRY`: time for which calls to an unavailable server are retried.
    pub retry: Duration,
    /// `KEYNET_TRITON_SHM`: allows tensors to be passed through shared memory.
    pub shared_memory: bool,
    /// `KEYNET_TRITON_SHM_THRESHOLD`: smallest tensor that is passed through shared memory, in
    /// bytes.
    pub shared_memory_threshold: u64,
    /// `KEYNET_TRITON_SHM_BYTES`: most shared memory that is allocated at once, in bytes.
    pub shared_memory_bytes: u64,
}

impl Default for TritonLink {
    fn default() -> Self {
        Self {
            connections: 4,
            message_bytes: 256 << 20,
            metadata_ttl: Duration::from_secs(60),
            retry: Duration::from_secs(10),
            shared_memory: false,
            shared_memory_threshold: 64 << 10,
            shared_memory_bytes: 256 << 20,
        }
    }
}

impl TritonConfig {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let Some(unit) = settings.unit(&UNIT) else { return Ok(None) };
        let url = required(unit, "TRITON_URL", parse_url)?;
        let file = |name: &'static str| match unit.path(name) {
            Some(_) if unit.origin != Origin::Container => {
                Err(unit
                    .error(name, "a file of the host can be named in its own environment alone"))
            }
            Some(_) if url.scheme() != "https" => Err(unit
                .error(name, "it is for https, and TRITON_URL is http: write https://host:port")),
            found => Ok(found),
        };
        let identity = match (file("KEYNET_TRITON_CERT")?, file("KEYNET_TRITON_KEY")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(unit
                    .error("KEYNET_TRITON_KEY", "it is missing, and KEYNET_TRITON_CERT is there"));
            }
            (None, Some(_)) => {
                return Err(unit
                    .error("KEYNET_TRITON_CERT", "it is missing, and KEYNET_TRITON_KEY is there"));
            }
        };
        let headers = headers(unit)?;
        let token = unit.parse("KEYNET_TRITON_TOKEN", token)?;
        if token.is_some() && headers.iter().any(|(name, _)| name == "authorization") {
            return Err(unit.error(
                "KEYNET_TRITON_HEADERS",
                "it has `authorization`, which KEYNET_TRITON_TOKEN makes: leave one of them out",
            ));
        }
        let (ca, mut link) = (file("KEYNET_TRITON_CA")?, TritonLink::read(settings.host())?);
        // A caller's server is at a public address, and must not learn of files on this machine.
        link.shared_memory &= unit.origin != Origin::Parameters;
        Ok(Some(Self { url, token, headers, ca, identity, link, origin: unit.origin }))
    }
}

impl TritonLink {
    fn read(host: &Variables) -> Result<Self, ConfigError> {
        let default = Self::default();
        Ok(Self {
            connections: host
                .parse("KEYNET_TRITON_CONNECTIONS", connections)?
                .unwrap_or(default.connections),
            message_bytes: host
                .parse("KEYNET_TRITON_MESSAGE_BYTES", message_bytes)?
                .unwrap_or(default.message_bytes),
            metadata_ttl: host
                .parse("KEYNET_TRITON_METADATA_TTL", parse_duration)?
                .unwrap_or(default.metadata_ttl),
            retry: host.parse("KEYNET_TRITON_RETRY", parse_duration)?.unwrap_or(default.retry),
            shared_memory: host
                .parse("KEYNET_TRITON_SHM", off_or_auto)?
                .unwrap_or(default.shared_memory),
            shared_memory_threshold: host
                .parse("KEYNET_TRITON_SHM_THRESHOLD", parse_bytes)?
                .unwrap_or(default.shared_memory_threshold),
            shared_memory_bytes: host
                .parse("KEYNET_TRITON_SHM_BYTES", parse_bytes)?
                .unwrap_or(default.shared_memory_bytes),
        })
    }
}

fn connections(text: &str) -> Result<u32, String> {
    match parse_count(text)? {
        count @ 1..=256 => Ok(count),
        count => Err(format!("{count} connections are more than the 256 there can be")),
    }
}

/// Parses the size of a message: gRPC counts with 32 bits, Triton with 31.
fn message_bytes(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        bytes if bytes <= i32::MAX as u64 => Ok(bytes),
        _ => Err("it is more than the 2 GiB less one byte (2147483647) that a message can have"
            .to_owned()),
    }
}

fn off_or_auto(text: &str) -> Result<bool, String> {
    match text {
        "off" => Ok(false),
        "auto" => Ok(true),
        _ => Err(format!("{text:?} is neither `off` nor `auto`")),
    }
}

/// Parses a token. Errors do not contain the value.
fn token(text: &str) -> Result<Secret, String> {
    match HeaderValue::from_str(&format!("Bearer {text}")) {
        Ok(_) => Ok(Secret::new(text)),
        Err(_) => Err("it has characters that a header cannot have".to_owned()),
    }
}

/// Parses `name: value` lines. Errors contain the number of the line, never its text.
fn headers(unit: &Variables) -> Result<Vec<(String, Secret)>, ConfigError> {
    let lines = unit
        .text("KEYNET_TRITON_HEADERS")
        .unwrap_or_default()
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let header = |(index, line): (usize, &str)| {
        let wrong =
            |why: &str| unit.error("KEYNET_TRITON_HEADERS", format!("line {} {why}", index + 1));
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("is not `name: value`"))?;
        let name: HeaderName =
            name.trim().parse().map_err(|_| wrong("begins with what is no header's name"))?;
        let value = value.trim();
        HeaderValue::from_str(value)
            .map_err(|_| wrong("has characters that a header cannot have"))?;
        match name.as_str() {
            "content-type" | "te" | "host" | "content-length" | "connection"
            | "transfer-encoding" | "user-agent" => Err(wrong("is a header that gRPC itself sets")),
            name if name.starts_with("grpc-") => Err(wrong("is a header that gRPC itself sets")),
            name => Ok((name.to_owned(), Secret::new(value))),
        }
    };
    lines.map(header).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(origin: Origin, pairs: &[(&str, &str)]) -> Result<Option<TritonConfig>, ConfigError> {
        let values: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TritonConfig::read(&Settings::new(vec![(origin, values)]))
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        read(Origin::Container, pairs).unwrap_err().to_string()
    }

    #[test]
    fn a_url_alone_is_enough() {
        let config =
            read(Origin::Container, &[("TRITON_URL", "http://triton:8001")]).unwrap().unwrap();
        assert_eq!(config.link, TritonLink::default());
        assert_eq!((config.token, config.headers.len(), config.identity), (None, 0, None));
        assert_eq!(read(Origin::Container, &[("KEYNET_TRITON_SHM", "auto")]).unwrap(), None);
    }

    #[test]
    fn everything_can_be_set() {
        let config = read(
            Origin::Container,
            &[
                ("TRITON_URL", "https://triton:8001"),
                ("KEYNET_TRITON_HEADERS", "X-Tenant: blue\n\n triton-grpc-protocol-token : a:b \n"),
                ("KEYNET_TRITON_CA", "ca.crt"),
                ("KEYNET_TRITON_CERT", "me.crt"),
                ("KEYNET_TRITON_KEY", "me.key"),
                ("KEYNET_TRITON_CONNECTIONS", "8"),
                ("KEYNET_TRITON_MESSAGE_BYTES", "1GiB"),
                ("KEYNET_TRITON_METADATA_TTL", "5s"),
                ("KEYNET_TRITON_RETRY", "0"),
                ("KEYNET_TRITON_SHM", "auto"),
                ("KEYNET_TRITON_SHM_THRESHOLD", "1MiB"),
            ],
        );
        let config = config.unwrap().unwrap();
        let headers: Vec<_> =
            config.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("x-tenant", "blue"), ("triton-grpc-protocol-token", "a:b")]);
        assert_eq!(config.identity, Some(("me.crt".into(), "me.key".into())));
        assert_eq!(
            (config.link.connections, config.link.message_bytes, config.link.retry),
            (8, 1 << 30, Duration::ZERO)
        );
        assert!(config.link.shared_memory && config.link.shared_memory_threshold == 1 << 20);
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_secret_shown() {
        const URL: (&str, &str) = ("TRITON_URL", "http://triton:8001");
        for (pairs, text) in [
            (
                &[("KEYNET_TRITON_TOKEN", "hunter2")][..],
                "TRITON_URL in the environment: it is missing",
            ),
            (
                &[URL, ("KEYNET_TRITON_TOKEN", "hunter2\u{7}")],
                "KEYNET_TRITON_TOKEN in the environment: it has characters",
            ),
            (&[URL, ("KEYNET_TRITON_HEADERS", "a: b\nhunter2")], "line 2 is not `name: value`"),
            (
                &[URL, ("KEYNET_TRITON_HEADERS", "grpc-timeout: hunter2")],
                "line 1 is a header that gRPC itself sets",
            ),
            (
                &[
                    URL,
                    ("KEYNET_TRITON_TOKEN", "hunter2"),
                    ("KEYNET_TRITON_HEADERS", "Authorization: x"),
                ],
                "leave one of them out",
            ),
            (&[URL, ("KEYNET_TRITON_CA", "ca.crt")], "write https://host:port"),
            (
                &[("TRITON_URL", "https://triton"), ("KEYNET_TRITON_CERT", "me.crt")],
                "KEYNET_TRITON_KEY in the environment: it is missing",
            ),
            (&[URL, ("KEYNET_TRITON_SHM", "on")], "neither `off` nor `auto`"),
            (&[URL, ("KEYNET_TRITON_MESSAGE_BYTES", "3GiB")], "2147483647"),
            (&[URL, ("KEYNET_TRITON_CONNECTIONS", "1000")], "256"),
        ] {
            let told = refusal(pairs);
            assert!(told.contains(text) && !told.contains("hunter2"), "{told}");
        }
        let config = read(Origin::Container, &[URL, ("KEYNET_TRITON_TOKEN", "hunter2")]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn an_actions_owner_cannot_name_files_of_the_host_or_how_it_is_talked_to() {
        let url = ("TRITON_URL", "https://theirs.example:8001");
        let error = read(Origin::Init, &[url, ("KEYNET_TRITON_CA", "/etc/passwd")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("in its own environment alone") && !error.contains("passwd"),
            "{error}"
        );
        let config = read(
            Origin::Init,
            &[url, ("KEYNET_TRITON_SHM", "auto"), ("KEYNET_TRITON_TOKEN", "theirs")],
        )
        .unwrap()
        .unwrap();
        assert!(!config.link.shared_memory && config.token.is_some());
    }

    #[test]
    fn memory_is_not_shared_with_a_callers_server() {
        let of = |origin: Origin| {
            let values =
                |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let container = (Origin::Container, values("KEYNET_TRITON_SHM", "auto"));
            let settings = Settings::new(vec![
                container,
                (origin, values("TRITON_URL", "http://triton.example:8001")),
            ]);
            TritonConfig::read(&settings).unwrap().unwrap().link.shared_memory
        };
        assert!(of(Origin::Init) && !of(Origin::Parameters));
    }
}
