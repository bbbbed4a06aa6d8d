//! Metrics and traces of a process. All of it is set by the operator, in the environment of the
//! process: OpenTelemetry's own names where there are some.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! the page on the OTLP exporter beside it. Traces are off unless an endpoint is set.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::backends::{Secret, parse_url};
use super::settings::{Settings, Variables};
use super::{ConfigError, Origin};
use crate::quote::quoted;

/// Name of the service if none is set.
const SERVICE: &str = "keynet-inference";

/// Metrics and traces of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// `KEYNET_METRICS`: address of `GET /metrics`; none without it.
    pub metrics: Option<SocketAddr>,
    /// Traces; `None` if they are off.
    pub traces: Option<TraceConfig>,
}

/// Export of traces to a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceConfig {
    /// `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub protocol: OtlpProtocol,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`; for HTTP with the path of traces.
    pub endpoint: Url,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: headers of every request to the collector.
    pub headers: Vec<(HeaderName, Secret)>,
    /// `OTEL_EXPORTER_OTLP_CERTIFICATE`: PEM file with the certificates to trust instead of the
    /// system's.
    pub ca: Option<PathBuf>,
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`: time limit of one request to the collector.
    pub timeout: Duration,
    /// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, by name.
    pub resource: BTreeMap<String, String>,
    /// `OTEL_TRACES_SAMPLER`.
    pub sampler: Sampler,
    /// `OTEL_BSP_MAX_QUEUE_SIZE`: most spans that wait to be exported.
    pub queue: usize,
    /// `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: most spans of one request.
    pub batch: usize,
    /// `OTEL_BSP_SCHEDULE_DELAY`: time that a span waits for others; `None` for the process's own
    /// default.
    pub delay: Option<Duration>,
}

/// Protocol of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`.
    Http,
}

/// Choice of the traces that are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// `true` to follow the caller's choice if there is a caller.
    pub parent_based: bool,
    /// Recorded part of the traces, in 2^63 parts of all.
    pub bound: u64,
}

impl Sampler {
    /// Every trace.
    const ALL: u64 = 1 << 63;

    /// Decides about a trace; `parent` is the caller's choice, and `id` the id of the trace.
    pub fn samples(&self, parent: Option<bool>, id: &[u8; 16]) -> bool {
        if let Some(sampled) = parent.filter(|_| self.parent_based) {
            return sampled;
        }
        let [.., a, b, c, d, e, f, g, h] = *id;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.bound
    }
}

impl TelemetryConfig {
    /// Reads the settings from the process's `environment`.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn read(environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        Self::of(Settings::new(vec![(Origin::Container, environment.clone())]).host())
    }

    /// Reads the settings from this process's own environment.
    ///
    /// # Errors
    /// As [`TelemetryConfig::read`].
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(&super::environment())
    }

    pub(super) fn of(host: &Variables) -> Result<Self, ConfigError> {
        let metrics = host.parse("KEYNET_METRICS", address)?;
        Ok(Self { metrics, traces: TraceConfig::read(host)? })
    }

    /// Hides the headers of the collector from now on in everything that this process logs.
    pub fn hide_secrets(&self) {
        for (_, value) in self.traces.iter().flat_map(|traces| &traces.headers) {
            super::secrets::hide(value.expose(), "OTEL_HEADER");
        }
    }
}

impl TraceConfig {
    fn read(host: &Variables) -> Result<Option<Self>, ConfigError> {
        let disabled =
            host.text("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let exporter = host.parse("OTEL_TRACES_EXPORTER", exporter)?.unwrap_or(true);
        let (own, shared) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
        if disabled || !exporter || (host.text(own).is_none() && host.text(shared).is_none()) {
            return Ok(None);
        }
        let protocol = either(host, "PROTOCOL", protocol)?.unwrap_or(OtlpProtocol::Http);
        let endpoint = match (host.parse(own, parse_url)?, host.parse(shared, parse_url)?) {
            (Some(whole), _) => whole,
            (None, Some(base)) if protocol == OtlpProtocol::Http => with_path(base),
            (None, Some(base)) => base,
            (None, None) => return Ok(None),
        };
        let count = |name| host.parse(name, count);
        Ok(Some(Self {
            headers: either(host, "HEADERS", headers)?.unwrap_or_default(),
            ca: either(host, "CERTIFICATE", |text| Ok(PathBuf::from(text)))?,
            timeout: either(host, "TIMEOUT", milliseconds)?.unwrap_or(Duration::from_secs(10)),
            resource: resource(host)?,
            sampler: sampler(host)?,
            queue: count("OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(8192),
            batch: count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?.unwrap_or(512),
            delay: host.parse("OTEL_BSP_SCHEDULE_DELAY", milliseconds)?,
            protocol,
            endpoint,
        }))
    }
}

/// Parses the variable of traces alone, or else that of all signals.
fn either<T>(
    host: &Variables,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let (own, shared) = match what {
        "PROTOCOL" => ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        "HEADERS" => ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        "TIMEOUT" => ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        _ => ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    };
    match host.parse(own, &parse)? {
        Some(value) => Ok(Some(value)),
        None => host.parse(shared, &parse),
    }
}

fn with_path(mut base: Url) -> Url {
    let path = format!("{}/v1/traces", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{} is not an address with a port; write 127.0.0.1:9464 or [::]:9464", quoted(text))
    })
}

fn exporter(text: &str) -> Result<bool, String> {
    match text {
        "otlp" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!("{} is neither otlp nor none", quoted(text))),
    }
}

fn protocol(text: &str) -> Result<OtlpProtocol, String> {
    match text {
        "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::Http),
        _ => Err(format!(
            "{} is not supported; write grpc (usually port 4317) or http/protobuf (usually port \
                4318)",
            quoted(text)
        )),
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_millis)
        .map_err(|_| format!("{} is not a number of milliseconds, such as 10000", quoted(text)))
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1 << 20).contains(number));
    number.ok_or_else(|| format!("{} is not a whole number from 1 to 1048576", quoted(text)))
}

/// Splits `name=value,name=value`, with values percent-encoded. Errors name the position, never
/// the text.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split(',').enumerate().filter(|(_, part)| !part.trim().is_empty());
    let pair = |(index, part): (usize, &str)| {
        let wrong = || format!("part {} is not name=value", index + 1);
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let decoded = |text: &str| {
            percent_decode_str(text.trim()).decode_utf8().map(|text| text.into_owned())
        };
        match (decoded(name), decoded(value)) {
            (Ok(name), Ok(value)) if !name.is_empty() => Ok((name, value)),
            _ => Err(wrong()),
        }
    };
    parts.map(pair).collect()
}

fn headers(text: &str) -> Result<Vec<(HeaderName, Secret)>, String> {
    let header = |(index, (name, value)): (usize, (String, String))| {
        let wrong = || format!("part {} is not a header", index + 1);
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        HeaderValue::from_str(&value).map_err(|_| wrong())?;
        Ok((name, Secret::new(value)))
    };
    pairs(text)?.into_iter().enumerate().map(header).collect()
}

fn resource(host: &Variables) -> Result<BTreeMap<String, String>, ConfigError> {
    let named = host.parse("OTEL_RESOURCE_ATTRIBUTES", pairs)?.unwrap_or_default();
    let mut all: BTreeMap<String, String> = named.into_iter().collect();
    let service = || ("service.name".to_owned(), SERVICE.to_owned());
    match host.owned("OTEL_SERVICE_NAME") {
        Some(name) => all.extend([("service.name".to_owned(), name)]),
        None if !all.contains_key("service.name") => all.extend([service()]),
        None => {}
    }
    Ok(all)
}

fn sampler(host: &Variables) -> Result<Sampler, ConfigError> {
    let name = host.text("OTEL_TRACES_SAMPLER").unwrap_or("parentbased_always_on");
    let (parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name),
    };
    let bound = match root {
        "always_on" => Sampler::ALL,
        "always_off" => 0,
        "traceidratio" => host.parse("OTEL_TRACES_SAMPLER_ARG", ratio)?.unwrap_or(Sampler::ALL),
        _ => {
            let why = format!(
                "{} is not supported; write always_on, always_off or traceidratio, each also with \
                    parentbased_ before it",
                quoted(name)
            );
            return Err(host.error("OTEL_TRACES_SAMPLER", why));
        }
    };
    Ok(Sampler { parent_based, bound })
}

/// Parses a part of all traces as parts of 2^63.
fn ratio(text: &str) -> Result<u64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    let ratio = ratio.ok_or_else(|| format!("{} is not a number from 0 to 1", quoted(text)))?;
    Ok((ratio * Sampler::ALL as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(pairs: &[(&str, &str)]) -> Result<TelemetryConfig, ConfigError> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TelemetryConfig::read(&pairs.collect())
    }

    fn traces(pairs: &[(&str, &str)]) -> TraceConfig {
        read(pairs).unwrap().traces.unwrap()
    }

    #[test]
    fn nothing_is_exported_unless_an_endpoint_is_set() {
        for pairs in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_SAMPLER", "always_on")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(pairs).unwrap(), TelemetryConfig::default(), "{pairs:?}");
        }
        assert_eq!(
            read(&[("KEYNET_METRICS", "127.0.0.1:9464")]).unwrap().metrics,
            Some(([127, 0, 0, 1], 9464).into())
        );
    }

    #[test]
    fn an_endpoint_alone_is_enough() {
        let config = traces(&[ENDPOINT]);
        assert_eq!(config.endpoint.as_str(), "http://collector:4318/v1/traces");
        assert_eq!((config.protocol, config.queue, config.batch), (OtlpProtocol::Http, 8192, 512));
        assert_eq!(config.resource["service.name"], SERVICE);
        assert!(config.sampler.parent_based && config.sampler.samples(None, &[255; 16]));
        let base = traces(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.example.com/otlp/")]);
        assert_eq!(base.endpoint.as_str(), "https://c.example.com/otlp/v1/traces");
    }

    #[test]
    fn everything_can_be_set_and_what_is_for_traces_alone_comes_first() {
        let config = traces(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:9/in"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20aHVudGVyMg==, x-tenant=blue"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=b%2Cc"),
            ("OTEL_SERVICE_NAME", "detector"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ]);
        assert_eq!(config.endpoint.as_str(), "http://traces:9/in");
        let headers: Vec<_> =
            config.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("authorization", "Basic aHVudGVyMg=="), ("x-tenant", "blue")]);
        assert_eq!(config.timeout, Duration::from_millis(2500));
        assert_eq!(config.delay, Some(Duration::from_millis(100)));
        let resource: Vec<_> = config.resource.into_iter().collect();
        let expected = [("service.name", "detector"), ("team", "b,c")];
        assert_eq!(resource, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name_and_no_header_is_shown() {
        for (pair, text) in [
            (
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                "OTEL_EXPORTER_OTLP_PROTOCOL in the environment: \"http/json\" is not supported; \
                    write grpc",
            ),
            (("OTEL_EXPORTER_OTLP_HEADERS", "a=b,hunter2"), "part 2 is not name=value"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2"), "part 1 is not a header"),
            (("OTEL_TRACES_SAMPLER", "jaeger_remote"), "parentbased_"),
            (("OTEL_BSP_MAX_QUEUE_SIZE", "0"), "from 1 to 1048576"),
            (("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"), "milliseconds"),
            (("OTEL_TRACES_EXPORTER", "zipkin"), "neither otlp nor none"),
            (("KEYNET_METRICS", "9464"), "127.0.0.1:9464"),
        ] {
            let told = read(&[ENDPOINT, pair]).unwrap_err().to_string();
            assert!(told.contains(text) && !told.contains("hunter2"), "{told}");
        }
        let ratio = ("OTEL_TRACES_SAMPLER", "traceidratio");
        assert!(read(&[ENDPOINT, ratio, ("OTEL_TRACES_SAMPLER_ARG", "1.5")]).is_err());
    }

    #[test]
    fn a_sampler_follows_the_caller_only_if_it_is_parent_based() {
        let sampler = |name: &str| {
            let pairs =
                [ENDPOINT, ("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
            traces(&pairs).sampler
        };
        let (low, high) = ([0; 16], [255; 16]);
        let part = sampler("traceidratio");
        assert!(part.samples(Some(false), &low) && !part.samples(Some(true), &high));
        let follows = sampler("parentbased_traceidratio");
        assert!(follows.samples(Some(true), &high) && !follows.samples(Some(false), &low));
        assert!(follows.samples(None, &low) && !follows.samples(None, &high));
        assert!(!sampler("always_off").samples(Some(true), &low));
        assert!(sampler("parentbased_always_off").samples(Some(true), &low));
        // A quarter of all ids.
        let mut id = low;
        id[8] = 0x3f;
        assert!(part.samples(None, &id));
        id[8] = 0x40;
        assert!(!part.samples(None, &id));
    }
}
