//! Objects in an S3 store: Amazon's, MinIO, or any other that implements the protocol.
//!
//! `object_store` implements the protocol. This module provides its configuration, which is
//! [`S3Config`] alone (nothing of the process's environment, no profiles, and the machine's own
//! credentials only if the operator enables them), and the client that sends its requests: it
//! retries them within the deadline of the activation and converts error responses.
//!
//! A custom endpoint (`MLFLOW_S3_ENDPOINT_URL`) is addressed in path style,
//! `http://host:port/bucket/key`; Amazon's S3 by the bucket's own host. Uploads are sent in parts
//! of [`PartSizes::part`], several at once, and so are single puts larger than
//! [`PartSizes::threshold`]. All of it shares one HTTP client, which opens as many connections as
//! there are calls.

mod answer;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod listing;
mod service;
mod signer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::{Origin as UrlOrigin, Url};

use super::{Bucket, OtherBuckets, OwnServer, PartSizes};
use keynet_base::config::{Origin, S3Config, S3Credentials};
use keynet_base::error::{Error, Result};
use keynet_base::outbound::{self, AddressPolicy};
use listing::S3Pages;
use service::Service;
use signer::S3Signer;

/// Amazon's first region, and the default region of other stores.
const DEFAULT_REGION: &str = "us-east-1";

/// Buckets besides the default one that are kept open.
const MAX_OTHERS: usize = 64;

/// S3 store. Cheap to clone.
#[derive(Clone)]
pub struct S3Store(Arc<Inner>);

struct Inner {
    config: S3Config,
    connector: Arc<Connector>,
    client: reqwest::Client,
    bucket: Bucket,
    others: Mutex<BTreeMap<String, Bucket>>,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3Store").field(&self.0.bucket).finish()
    }
}

impl S3Store {
    /// Opens the store that `config` describes, without sending a request.
    ///
    /// # Errors
    /// For the operator. `invalid`: a region or CA that cannot be used. `denied`: the endpoint was
    /// supplied by a caller and is at a private address.
    pub fn open(config: &S3Config) -> Result<Self> {
        // An endpoint that a caller supplied could be any address on the host's network.
        let addresses = AddressPolicy::of(config.origin);
        let client = match &config.endpoint {
            Some(endpoint) => {
                addresses.check(endpoint)?;
                outbound::client_of(endpoint, &addresses, config.ca.as_deref())?
            }
            None => outbound::client(&addresses, config.ca.as_deref())?,
        };
        let connector = Arc::new(Connector(HttpClient::new(Service::new(client.clone(), config))));
        let bucket = open(config, &config.bucket, &connector)?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            connector,
            client,
            bucket,
            others: Mutex::default(),
        })))
    }

    /// Returns the default bucket, used for locations that are only a key.
    pub fn bucket(&self) -> Bucket {
        self.0.bucket.clone()
    }

    /// Describes the store for a log line.
    pub fn describe(&self) -> String {
        let place = self
            .0
            .config
            .endpoint
            .as_ref()
            .map_or_else(|| format!("S3 in {}", region(&self.0.config)), Url::to_string);
        format!("the bucket `{}` of {place}", self.0.config.bucket)
    }

    /// Returns the store as a server whose URLs are read anonymously, at any address. `None` for a
    /// store that a caller supplied: the operator chooses the policy's hosts and addresses, not the
    /// caller.
    pub fn own_server(&self) -> Option<OwnServer> {
        let ours = self.0.config.origin != Origin::Parameters;
        ours.then(|| OwnServer { store: Arc::new(self.clone()), client: self.0.client.clone() })
    }

    /// Reports whether `url` is a URL of this store.
    fn serves(&self, url: &Url) -> bool {
        let config = &self.0.config;
        let amazons =
            || Url::parse(&amazon_url(&config.bucket, region(config))).map(|own| own.origin());
        let own: Option<UrlOrigin> =
            config.endpoint.as_ref().map(Url::origin).or_else(|| amazons().ok());
        own.is_some_and(|own| own == url.origin())
    }
}

impl super::OwnUrls for S3Store {
    fn serves(&self, url: &Url) -> bool {
        self.serves(url)
    }

    fn refused(&self, body: &str) -> Option<String> {
        answer::in_words(body)
    }
}

impl OtherBuckets for S3Store {
    fn open(&self, name: &str) -> Result<Bucket> {
        let mut others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = others.get(name) {
            return Ok(open.clone());
        }
        let bucket = open(&self.0.config, name, &self.0.connector)?;
        if others.len() >= MAX_OTHERS {
            others.clear(); // cheap to reopen
        }
        others.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}

fn region(config: &S3Config) -> &str {
    config.region.as_deref().unwrap_or(DEFAULT_REGION)
}

/// Returns the URL of a bucket at Amazon. Amazon's certificate does not cover a bucket name with a
/// dot as a host name.
fn amazon_url(bucket: &str, region: &str) -> String {
    match bucket.contains('.') {
        true => format!("https://s3.{region}.amazonaws.com/{bucket}"),
        false => format!("https://{bucket}.s3.{region}.amazonaws.com"),
    }
}

fn open(config: &S3Config, bucket: &str, connector: &Arc<Connector>) -> Result<Bucket> {
    let store = client_of(config, bucket, connector).build().map_err(|error| {
        Error::invalid(format!("the S3 store in {} cannot be used: {error}", config.origin))
    })?;
    let store: Arc<AmazonS3> = Arc::new(store);
    let signer = Arc::new(S3Signer::new(Arc::clone(&store)));
    let url = match &config.endpoint {
        Some(endpoint) => format!("{}/{bucket}", endpoint.as_str().trim_end_matches('/')),
        None => amazon_url(bucket, region(config)),
    };
    let client = connector.0.clone();
    let pages =
        S3Pages { client, store: Arc::clone(&store), url, region: region(config).to_owned() };
    Ok(Bucket::new(bucket, store, signer).in_parts(PartSizes::default()).listed_by(Arc::new(pages)))
}

fn client_of(config: &S3Config, bucket: &str, connector: &Arc<Connector>) -> AmazonS3Builder {
    let region = region(config);
    let builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_http_connector(Connector::clone(connector))
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_disable_bulk_delete(true)
        // Only the rest of an interrupted response is retried here: requests are retried by
        // [`Service`].
        .with_retry(RetryConfig {
            max_retries: 3,
            retry_timeout: Duration::from_secs(24 * 3600),
            backoff: BackoffConfig::default(),
        });
    let builder = match &config.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint.as_str().trim_end_matches('/')),
        None if bucket.contains('.') => builder,
        None => builder.with_virtual_hosted_style_request(true),
    };
    match &config.credentials {
        S3Credentials::Instance => builder,
        S3Credentials::Key { id, secret, token } => {
            let builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose());
            match token {
                Some(token) => builder.with_token(token.expose()),
                None => builder,
            }
        }
    }
}

/// Connector that gives the shared client to every bucket.
#[derive(Debug, Clone)]
struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use object_store::signer::{Method, Signer as _};

    use super::super::{Location, ObjectStorage, StorageLimits, UrlRules};
    use super::*;
    use keynet_base::budget::{CallBudget, MemoryBudget};
    use keynet_base::config::Secret;
    use keynet_base::error::ErrorKind;
    use keynet_base::granted::Granted;

    fn config(endpoint: Option<&str>, bucket: &str) -> S3Config {
        S3Config {
            endpoint: endpoint.map(|url| Url::parse(url).unwrap()),
            region: None,
            bucket: bucket.to_owned(),
            credentials: S3Credentials::Key {
                id: "AKIDEXAMPLE".to_owned(),
                secret: Secret::new("hunter2"),
                token: None,
            },
            ca: None,
            origin: Origin::Container,
        }
    }

    async fn url_of(config: &S3Config) -> Url {
        let store = S3Store::open(config).unwrap();
        let bucket = client_of(config, &config.bucket, &store.0.connector).build().unwrap();
        let key = super::super::ObjectKey::parse("a b/é").unwrap();
        bucket.signed_url(Method::GET, key.path(), Duration::from_secs(60)).await.unwrap()
    }

    #[tokio::test]
    async fn a_store_of_ones_own_is_asked_by_path_and_amazons_by_host() {
        for (endpoint, bucket, begins) in [
            (Some("http://127.0.0.1:9000"), "b", "http://127.0.0.1:9000/b/a%20b/%C3%A9?"),
            (Some("https://s3.example.com/"), "b.c", "https://s3.example.com/b.c/a%20b/"),
            (Some("https://example.com/s3/"), "b", "https://example.com/s3/b/a%20b/"),
            (None, "photos", "https://photos.s3.us-east-1.amazonaws.com/a%20b/"),
            (None, "photos.example", "https://s3.us-east-1.amazonaws.com/photos.example/a%20b/"),
        ] {
            let config = config(endpoint, bucket);
            let url = url_of(&config).await;
            assert!(url.as_str().starts_with(begins), "{url}");
            assert!(
                url.as_str().contains("X-Amz-Expires=60") && !url.as_str().contains("hunter2"),
                "{url}"
            );
            assert!(S3Store::open(&config).unwrap().serves(&url), "{url}");
        }
        let store = S3Store::open(&config(Some("http://127.0.0.1:9000"), "b")).unwrap();
        for other in
            ["http://127.0.0.1:9001/b/a", "https://127.0.0.1:9000/b/a", "http://localhost:9000/b/a"]
        {
            assert!(!store.serves(&Url::parse(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn a_callers_endpoint_is_at_a_public_address() {
        let private =
            S3Config { origin: Origin::Parameters, ..config(Some("http://169.254.169.254"), "b") };
        assert_eq!(S3Store::open(&private).unwrap_err().kind, ErrorKind::Denied);
        let init = S3Config { origin: Origin::Init, ..private };
        assert!(S3Store::open(&init).is_ok());
    }

    #[tokio::test]
    async fn a_callers_store_does_not_lift_the_hosts_of_the_policy() {
        let theirs = S3Config {
            origin: Origin::Parameters,
            ..config(Some("https://s3.attacker.example"), "b")
        };
        let granted = ["images.example.com"].into_iter().collect();
        let rules =
            UrlRules { hosts: Some(Granted::new(&granted, None)), private_addresses: false };
        let storage =
            ObjectStorage::of_s3(&S3Store::open(&theirs).unwrap(), StorageLimits::default())
                .with_url_rules(rules);
        let budget = CallBudget {
            memory: MemoryBudget::process(1 << 20),
            deadline: Instant::now() + Duration::from_secs(20),
        };
        let signed =
            storage.presign(&Location::parse("key").unwrap(), None, &budget).await.unwrap();
        for url in [signed.as_str(), "https://s3.attacker.example/anything"] {
            let location = Location::parse(url).unwrap();
            let error = storage.get(&location, None, &budget).await.unwrap_err();
            assert!(
                error.kind == ErrorKind::Denied && error.message.contains("reading from the host"),
                "{error}"
            );
            assert_eq!(storage.open(&location, &budget).await.unwrap_err().kind, ErrorKind::Denied);
        }
    }

    #[test]
    fn other_buckets_are_kept_open_up_to_a_number() {
        let store = S3Store::open(&config(Some("http://127.0.0.1:9000"), "b")).unwrap();
        for number in 0..200 {
            assert_eq!(
                OtherBuckets::open(&store, &format!("b{number}")).unwrap().name(),
                format!("b{number}")
            );
        }
        assert!(store.0.others.lock().unwrap().len() <= MAX_OTHERS);
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}
