//! Pushing, pulling and verifying at a registry that deviates from the specification as public
//! registries do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::bundle::tests::bundle;
use crate::credential::CredentialSource;
use crate::{
    ArtifactError, ArtifactRef, Blob, Content, Credential, PrivateKey, RawManifest,
    RegistryOptions, Store, Target, sign, verify,
};
use keynet_base::config::Secret;
use keynet_base::digest::Digest;
use keynet_base::retry::RetryPolicy;

const MIB: usize = 1 << 20;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Deviation from the specification.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    None,
    /// GitHub's: a PATCH of more than 4 MiB is rejected with 416.
    SmallParts,
    /// A proxy in front of the registry: a request of more than 1 MiB is rejected with 413.
    SmallRequests,
    /// PATCH is not supported.
    NoParts,
    /// Amazon ECR's: PATCH answers 201, `Range` stays at the first part, all parts are stored.
    StuckRange,
    /// `Range: 0-N` means N bytes.
    CountingRange,
    /// PATCH answers 202 and accepts only two bytes.
    TwoBytes,
    /// A PUT to an existing tag is rejected with this status, whatever its digest.
    Immutable(u16),
    /// Tokens are required, and come from another name of this machine.
    Tokens,
    /// A token that the registry itself accepts.
    RegistryToken,
    /// The registry lists referrers (OCI 1.1).
    Referrers,
}

struct Registry {
    habit: Habit,
    address: std::net::SocketAddr,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    blobs: BTreeMap<String, Bytes>,
    manifests: BTreeMap<String, Bytes>,
    /// Bytes received, and the size of the first part.
    upload: (Vec<u8>, usize),
    /// Method, path and size of each request.
    seen: Vec<(Method, String, usize)>,
}

impl Registry {
    async fn start(habit: Habit) -> Arc<Self> {
        Self::at("127.0.0.1:0", habit).await.unwrap()
    }

    async fn at(address: &str, habit: Habit) -> std::io::Result<Arc<Self>> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let registry = Arc::new(Self {
            habit,
            address: listener.local_addr().unwrap(),
            kept: Mutex::default(),
        });
        let app = Router::new().fallback(answer).with_state(registry.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(registry)
    }

    fn reference(&self, tag: &str) -> ArtifactRef {
        format!("{}/team/name:{tag}", self.address).parse().unwrap()
    }

    fn store(&self) -> Store {
        Store::open(&self.reference("1"), &options()).unwrap()
    }

    /// Returns the sizes of the requests of a method.
    fn sizes(&self, method: &Method, part: &str) -> Vec<usize> {
        let kept = self.kept.lock().unwrap();
        kept.seen
            .iter()
            .filter(|(seen, path, _)| seen == method && path.contains(part))
            .map(|(_, _, size)| *size)
            .collect()
    }

    /// Pushes a blob of `size` bytes, and checks that it is stored complete.
    async fn push(&self, size: usize) -> Result<(), ArtifactError> {
        let bytes = Bytes::from(
            (0..size).map(|at| u8::try_from((at / 1000) % 251).unwrap()).collect::<Vec<_>>(),
        );
        let blob = Blob::of(&bytes);
        self.store().put_blob(&blob, &Content::Bytes(bytes.clone())).await?;
        assert!(self.kept.lock().unwrap().blobs[&blob.digest.to_string()] == bytes);
        Ok(())
    }
}

fn options() -> RegistryOptions {
    let retry = RetryPolicy {
        times: 2,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
    };
    RegistryOptions { retry, credentials: Arc::new(crate::Anonymous), ..RegistryOptions::default() }
}

fn refuse(status: u16, message: &str) -> Response {
    let body = format!(r#"{{"errors":[{{"code":"X","message":"{message}"}}]}}"#);
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn answer(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let data = axum::body::to_bytes(body, 1 << 30).await.unwrap();
    let path = parts.uri.path().to_owned();
    let mut kept = registry.kept.lock().unwrap();
    kept.seen.push((parts.method.clone(), path.clone(), data.len()));
    let authorization =
        parts.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    if path == "/token" {
        return r#"{"token":"anonymous"}"#.into_response();
    }
    if registry.habit == Habit::Tokens && authorization.is_none() {
        let realm = format!(
            "Bearer realm=\"http://localhost:{}/token\",service=\"s\"",
            registry.address.port()
        );
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, realm)]).into_response();
    }
    if registry.habit == Habit::RegistryToken && authorization.as_deref() != Some("Bearer abc") {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=x")])
            .into_response();
    }
    if registry.habit == Habit::SmallRequests && data.len() > MIB {
        return (StatusCode::PAYLOAD_TOO_LARGE, "<html>nginx</html>").into_response();
    }
    let rest = path.strip_prefix("/v2/team/name/").unwrap_or_default();
    if let Some(upload) = rest.strip_prefix("blobs/uploads/") {
        return of_upload(
            registry.habit,
            &mut kept,
            &parts.method,
            upload,
            parts.uri.query(),
            &parts.headers,
            &data,
        );
    }
    if let Some(digest) = rest.strip_prefix("blobs/") {
        return kept
            .blobs
            .get(digest)
            .map_or(StatusCode::NOT_FOUND.into_response(), |bytes| bytes.clone().into_response());
    }
    if let Some(digest) =
        rest.strip_prefix("referrers/").filter(|_| registry.habit == Habit::Referrers)
    {
        let refers = |text: &Bytes| {
            String::from_utf8_lossy(text)
                .contains(&format!("\"subject\":{{\"digest\":\"{digest}\""))
        };
        let found = kept
            .manifests
            .iter()
            .filter(|(name, text)| name.starts_with("sha256:") && refers(text));
        let entry = |(name, text): (&String, &Bytes)| {
            format!(r#"{{"mediaType":"{MANIFEST}","digest":"{name}","size":{}}}"#, text.len())
        };
        let list = format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            found.map(entry).collect::<Vec<_>>().join(",")
        );
        return ([(header::CONTENT_TYPE, INDEX)], list).into_response();
    }
    let Some(name) = rest.strip_prefix("manifests/") else { return refuse(404, "no such path") };
    if parts.method == Method::PUT {
        match registry.habit {
            Habit::Immutable(status) if kept.manifests.contains_key(name) => {
                return refuse(status, "the tag is immutable");
            }
            _ => {}
        }
        kept.manifests.insert(Digest::of(&data).to_string(), data.clone());
        kept.manifests.insert(name.to_owned(), data);
        return StatusCode::CREATED.into_response();
    }
    let found = kept.manifests.get(name).cloned();
    found.map_or(refuse(404, "manifest unknown"), |text| {
        ([(header::CONTENT_TYPE, MANIFEST)], text).into_response()
    })
}

fn of_upload(
    habit: Habit,
    kept: &mut Kept,
    method: &Method,
    upload: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    data: &Bytes,
) -> Response {
    let location = (header::LOCATION, "/v2/team/name/blobs/uploads/1?_state=a".to_owned());
    if method == Method::POST {
        kept.upload = (Vec::new(), 0);
        return (StatusCode::ACCEPTED, [location]).into_response();
    }
    if upload != "1" {
        return refuse(404, "upload unknown");
    }
    if method == Method::PATCH {
        if habit == Habit::NoParts {
            return refuse(405, "unsupported");
        }
        if habit == Habit::SmallParts && data.len() > 4 * MIB {
            return refuse(416, "the request body is too large");
        }
        let from: usize = headers[header::CONTENT_RANGE]
            .to_str()
            .unwrap()
            .split('-')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        if from != kept.upload.0.len() {
            return refuse(416, "range invalid");
        }
        let taken = if habit == Habit::TwoBytes { 2 } else { data.len() };
        kept.upload.0.extend_from_slice(&data[..taken]);
        kept.upload.1 = if kept.upload.1 == 0 { taken } else { kept.upload.1 };
    }
    if method == Method::PUT {
        let mut whole = std::mem::take(&mut kept.upload.0);
        whole.extend_from_slice(data);
        let digest = Digest::of(&whole).to_string();
        if !query.unwrap_or_default().replace("%3A", ":").contains(&digest) {
            return refuse(400, "digest invalid");
        }
        kept.blobs.insert(digest, whole.into());
        return StatusCode::CREATED.into_response();
    }
    let have = if habit == Habit::StuckRange { kept.upload.1 } else { kept.upload.0.len() };
    let last = if habit == Habit::CountingRange { have } else { have.saturating_sub(1) };
    let status =
        if habit == Habit::StuckRange { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    (status, [location, (header::RANGE, format!("0-{last}"))]).into_response()
}

#[tokio::test]
async fn a_registry_that_refuses_large_parts_gets_smaller_ones() {
    let registry = Registry::start(Habit::SmallParts).await;
    registry.push(33 * MIB).await.unwrap();
    let sizes = registry.sizes(&Method::PATCH, "");
    assert_eq!(
        sizes.iter().filter(|size| **size > 4 * MIB).count(),
        1,
        "it was learned once: {sizes:?}"
    );
    let registry = Registry::start(Habit::SmallRequests).await;
    registry.push(5 * MIB).await.unwrap();
    assert!(registry.sizes(&Method::PATCH, "").len() >= 4);
}

#[tokio::test]
async fn a_registry_that_takes_no_parts_gets_one_request() {
    let registry = Registry::start(Habit::NoParts).await;
    registry.push(17 * MIB).await.unwrap();
    assert_eq!(registry.sizes(&Method::PATCH, "").len(), 1);
    assert_eq!(registry.sizes(&Method::PUT, "uploads"), [17 * MIB]);
}

#[tokio::test]
async fn a_range_that_stays_at_the_first_part_does_not_hold_the_upload() {
    let registry = Registry::start(Habit::StuckRange).await;
    registry.push(40 * MIB).await.unwrap();
    assert_eq!(registry.sizes(&Method::PATCH, ""), [16 * MIB, 16 * MIB]);
    assert_eq!(registry.sizes(&Method::PUT, "uploads"), [8 * MIB]);
}

#[tokio::test]
async fn a_range_that_means_a_size_is_understood() {
    let registry = Registry::start(Habit::CountingRange).await;
    registry.push(40 * MIB).await.unwrap();
    assert_eq!(registry.sizes(&Method::PATCH, ""), [16 * MIB, 16 * MIB]);
}

#[tokio::test]
async fn a_registry_that_takes_two_bytes_of_each_part_is_given_up() {
    let registry = Registry::start(Habit::TwoBytes).await;
    let error = registry.push(17 * MIB).await.unwrap_err().to_string();
    assert!(error.contains("took less than was sent"), "{error}");
    assert!(registry.sizes(&Method::PATCH, "").len() < 20);
}

#[tokio::test]
async fn a_tag_that_already_has_the_digest_is_pushed() {
    let manifest =
        |text: &'static str| RawManifest { media_type: MANIFEST.to_owned(), bytes: text.into() };
    let tag = Target::Tag("1".to_owned());
    for status in [400, 409, 412] {
        let registry = Registry::start(Habit::Immutable(status)).await;
        let store = registry.store();
        for _ in 0..2 {
            store.put_manifest(&tag, &manifest("{}")).await.unwrap();
        }
        let error = store.put_manifest(&tag, &manifest("[]")).await.unwrap_err().to_string();
        let there = Digest::of(b"{}").to_string();
        assert!(
            error.contains("the tag is immutable")
                && error.contains(&there)
                && error.contains("another tag"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_registry_at_an_address_of_ipv6_is_pushed_to() {
    // The machine may have no IPv6.
    let Ok(registry) = Registry::at("[::1]:0", Habit::None).await else { return };
    registry.push(1000).await.unwrap();
    let manifest = RawManifest { media_type: MANIFEST.to_owned(), bytes: "{}".into() };
    registry.store().put_manifest(&Target::Tag("1".to_owned()), &manifest).await.unwrap();
}

/// Source whose credential helper is missing.
struct Broken;

impl CredentialSource for Broken {
    fn find(&self, host: &str, _: &str) -> Result<Option<Credential>, ArtifactError> {
        Err(ArtifactError::Credentials {
            host: host.to_owned(),
            why: "docker-credential-desktop cannot be run".to_owned(),
        })
    }
}

#[tokio::test]
async fn what_anonymous_callers_may_do_needs_no_credential_helper() {
    let broken = RegistryOptions { credentials: Arc::new(Broken), ..options() };
    let registry = Registry::start(Habit::Tokens).await;
    let store = Store::open(&registry.reference("1"), &broken).unwrap();
    store
        .put_manifest(
            &Target::Tag("1".to_owned()),
            &RawManifest { media_type: MANIFEST.to_owned(), bytes: "{}".into() },
        )
        .await
        .unwrap();
    store.manifest(&Target::Tag("1".to_owned())).await.unwrap();
    let registry = Registry::start(Habit::RegistryToken).await;
    let error = Store::open(&registry.reference("1"), &broken)
        .unwrap()
        .manifest(&Target::Tag("1".to_owned()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ArtifactError::Credentials { .. })
            && error.to_string().contains("docker-credential-desktop"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_of_the_registry_itself_is_shown_to_it() {
    let registry = Registry::start(Habit::RegistryToken).await;
    let given = crate::Given {
        prefix: registry.address.to_string(),
        credential: Credential::Bearer(Secret::new("abc")),
    };
    let options = RegistryOptions { credentials: Arc::new(given), ..options() };
    let store = Store::open(&registry.reference("1"), &options).unwrap();
    store
        .put_manifest(
            &Target::Tag("1".to_owned()),
            &RawManifest { media_type: MANIFEST.to_owned(), bytes: "{}".into() },
        )
        .await
        .unwrap();
}

const SIGNS: &str = "https://sigstore.dev/cosign/sign/v1";

/// Stores a manifest that refers to `digest` and has a layer with `content`; returns its digest and
/// size.
async fn refer(store: &Store, digest: &Digest, kind: &str, content: Vec<u8>) -> (Digest, usize) {
    let blob = Blob::of(&content);
    store.put_blob(&blob, &Content::Bytes(content.into())).await.unwrap();
    let empty = Blob::of(b"{}");
    store.put_blob(&empty, &Content::Bytes("{}".into())).await.unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"{kind}","subject":{{"digest":"{digest}","mediaType":"{MANIFEST}","size":2}},
        "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}},
        "layers":[{{"mediaType":"{kind}","digest":"{}","size":{}}}],"annotations":null}}"#,
        empty.digest, blob.digest, blob.size
    );
    let manifest = RawManifest { media_type: MANIFEST.to_owned(), bytes: text.into() };
    let size = manifest.bytes.len();
    (store.put_manifest(&Target::digest(manifest.digest()), &manifest).await.unwrap(), size)
}

#[tokio::test]
async fn a_signature_of_cosign_3_is_verified_wherever_it_is_kept() {
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let folder = tempfile::tempdir().unwrap();
    let with_list = Registry::start(Habit::Referrers).await;
    let with_tag = Registry::start(Habit::None).await;
    let layout: ArtifactRef =
        format!("oci-layout:{}:1", folder.path().join("l").display()).parse().unwrap();
    for (reference, tagged) in
        [(with_list.reference("1"), false), (with_tag.reference("1"), true), (layout, false)]
    {
        let store = Store::open(&reference, &options()).unwrap();
        let manifest = RawManifest { media_type: MANIFEST.to_owned(), bytes: "{}".into() };
        let digest = store.put_manifest(reference.target(), &manifest).await.unwrap();
        let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
        let error = verify(&reference, &key.public(), &options()).await.unwrap_err();
        assert!(matches!(error, ArtifactError::NotSigned { .. }), "{error}");

        let (own, size) = refer(&store, &digest, BUNDLE, bundle(&key, &digest, SIGNS)).await;
        if tagged {
            let entry = format!(
                r#"{{"mediaType":"{MANIFEST}","digest":"{own}","size":{size},"artifactType":"{BUNDLE}"}}"#
            );
            let list =
                format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entry}]}}"#);
            let list = RawManifest { media_type: INDEX.to_owned(), bytes: list.into() };
            store
                .put_manifest(&Target::Tag(format!("sha256-{}", digest.hex())), &list)
                .await
                .unwrap();
        }
        assert_eq!(verify(&reference, &key.public(), &options()).await.unwrap(), digest);
        let error = verify(&reference, &other.public(), &options()).await.unwrap_err();
        assert!(matches!(error, ArtifactError::OtherKey { signatures: 1, .. }), "{error}");
        sign(&reference, &other, &options()).await.unwrap();
        assert_eq!(verify(&reference, &other.public(), &options()).await.unwrap(), digest);
    }
}

#[tokio::test]
async fn what_a_key_does_not_verify_is_named_as_what_it_is() {
    for (kind, content, says) in [
        ("application/vnd.cncf.notary.signature", "{}", "notation verify"),
        (
            "application/vnd.dev.sigstore.bundle.v0.3+json",
            r#"{"verificationMaterial":{"certificate":{"rawBytes":"A"}}}"#,
            "certificate",
        ),
        ("application/spdx+json", "{}", "is not signed"),
    ] {
        let registry = Registry::start(Habit::Referrers).await;
        let store = registry.store();
        let manifest = RawManifest { media_type: MANIFEST.to_owned(), bytes: "{}".into() };
        let digest = store.put_manifest(&Target::Tag("1".to_owned()), &manifest).await.unwrap();
        refer(&store, &digest, kind, content.as_bytes().to_vec()).await;
        let error = verify(&registry.reference("1"), &PrivateKey::generate().public(), &options())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
    }
}
