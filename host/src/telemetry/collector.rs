//! Client of a collector: OTLP over gRPC, or over HTTP with protobuf.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/>, with its list of the failures after which a
//! request may be sent again.

use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use keynet_base::config::{OtlpProtocol, TraceConfig};
use keynet_base::error::{Error, Result};
use keynet_base::error_chain;
use keynet_base::outbound::{self, AddressPolicy, read_beginning, unanswered};
use keynet_base::quote::on_one_line;
use keynet_base::redaction::redact;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

/// Bytes of a response that are read.
const MAX_RESPONSE: usize = 16 << 10;

/// Characters of a collector's message that are logged.
const SHOWN: usize = 200;

const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A collector.
pub(super) struct Collector {
    url: String,
    transport: Transport,
}

enum Transport {
    Grpc { client: TraceServiceClient<Channel>, headers: MetadataMap },
    Http { client: reqwest::Client, headers: HeaderMap },
}

/// Reason why a collector did not take a batch.
#[derive(Debug)]
pub(super) struct Refused {
    /// Description without secrets.
    pub(super) why: String,
    /// `true` if the batch may be sent again.
    pub(super) again: bool,
}

impl Refused {
    fn new(why: &str, again: bool) -> Self {
        Self { why: redact(&on_one_line(why, SHOWN)).into_owned(), again }
    }

    /// Returns the reason of a failure after which the batch may be sent again.
    pub(super) fn again(why: &str) -> Self {
        Self::new(why, true)
    }
}

impl Collector {
    /// Creates the client, which connects at the first request. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub(super) fn open(config: &TraceConfig) -> Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let wrong = |_| Error::internal("a header of the collector cannot be sent");
            let mut value = HeaderValue::from_str(value.expose()).map_err(wrong)?;
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
        let transport = match config.protocol {
            OtlpProtocol::Grpc => Transport::Grpc {
                client: TraceServiceClient::new(channel(config)?),
                headers: MetadataMap::from_headers(headers),
            },
            OtlpProtocol::Http => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                let any = AddressPolicy::Any;
                let client = outbound::client_of(&config.endpoint, &any, config.ca.as_deref())?;
                Transport::Http { client, headers }
            }
        };
        Ok(Self { url: config.endpoint.to_string(), transport })
    }

    /// Returns its URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends spans, and returns the number of those that the collector rejected.
    ///
    /// # Errors
    /// The collector did not take them, or does not answer.
    pub(super) async fn export(
        &self,
        spans: &ExportTraceServiceRequest,
    ) -> std::result::Result<u64, Refused> {
        match &self.transport {
            Transport::Grpc { client, headers } => {
                let mut request = Request::new(spans.clone());
                *request.metadata_mut() = headers.clone();
                let answer = client.clone().export(request).await;
                answer
                    .map(|answer| rejected(answer.into_inner()))
                    .map_err(|status| refused(&status))
            }
            Transport::Http { client, headers } => {
                let request = client.post(&self.url).headers(headers.clone());
                let answer = request.body(spans.encode_to_vec()).send().await;
                let answer = answer.map_err(|error| Refused::again(&unanswered(&error).message))?;
                let status = answer.status();
                let body = read_beginning(reqwest::Body::from(answer), MAX_RESPONSE).await;
                if status.is_success() {
                    let answer = ExportTraceServiceResponse::decode(body.as_slice());
                    return Ok(answer.map_or(0, rejected));
                }
                let why = format!("HTTP status {}", status.as_u16());
                Err(Refused::new(&why, may_be_repeated(status)))
            }
        }
    }
}

fn rejected(answer: ExportTraceServiceResponse) -> u64 {
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
    u64::try_from(rejected).unwrap_or(0)
}

fn refused(status: &Status) -> Refused {
    let again = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    );
    Refused::new(&format!("{:?}: {}", status.code(), status.message()), again)
}

fn may_be_repeated(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502..=504)
}

fn channel(config: &TraceConfig) -> Result<Channel> {
    let unusable = |why: &tonic::transport::Error| {
        Error::invalid(format!("the endpoint cannot be used: {}", error_chain::joined(why)))
    };
    let endpoint = Endpoint::from_shared(config.endpoint.to_string())
        .map_err(|error| unusable(&error))?
        .connect_timeout(CONNECT_TIME);
    if config.endpoint.scheme() != "https" {
        return Ok(endpoint.connect_lazy());
    }
    let tls = match &config.ca {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let endpoint = endpoint.tls_config(tls).map_err(|error| unusable(&error))?;
    Ok(endpoint.connect_lazy())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        Error::invalid(format!(
            "OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read {}: {error}",
            file.display()
        ))
    })
}
