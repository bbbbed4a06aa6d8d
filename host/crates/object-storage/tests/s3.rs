//! Objects in a real S3 store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::{Origin, S3Config, S3Credentials, Secret};
use keynet_base::{Error, ErrorKind};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{
    ContentType, Location, ObjectStorage, Prefix, PutConditions, StorageLimits, Stored, UrlRules,
};
use keynet_test_servers::{Fault, FaultyProxy, RealServer};
use url::Url;

const SECRET: &str = "testsecret123";

/// Storage on a store, with `config` and one of the store's keys.
struct Fixture {
    server: RealServer,
    storage: ObjectStorage,
    budget: CallBudget,
}

fn config(endpoint: &str, key: (&str, &str)) -> S3Config {
    S3Config {
        endpoint: Some(Url::parse(endpoint).unwrap()),
        region: None,
        bucket: "test".to_owned(),
        credentials: S3Credentials::Key {
            id: key.0.to_owned(),
            secret: Secret::new(key.1),
            token: None,
        },
        ca: None,
        origin: Origin::Container,
    }
}

const ADMIN: (&str, &str) = ("testkey", SECRET);

fn storage(config: &S3Config) -> ObjectStorage {
    ObjectStorage::of_s3(&S3Store::open(config).unwrap(), StorageLimits::default())
}

fn budget(memory: u64, time: Duration) -> CallBudget {
    CallBudget { memory: MemoryBudget::process(memory), deadline: Instant::now() + time }
}

impl Fixture {
    fn new() -> Self {
        let server = RealServer::s3(&[("S3_BUCKETS", "test,other")]);
        let storage = storage(&config(server.get("S3_ENDPOINT"), ADMIN));
        Self { server, storage, budget: budget(1 << 30, Duration::from_secs(300)) }
    }

    fn with_key(&self, key: (&str, &str)) -> ObjectStorage {
        storage(&config(self.server.get("S3_ENDPOINT"), key))
    }

    async fn put(&self, location: &str, bytes: impl Into<Bytes>) -> Stored {
        self.storage
            .put(bytes.into(), Some(at(location)), None, PutConditions::default(), &self.budget)
            .await
            .unwrap()
    }

    async fn get(&self, location: &str) -> Result<Bytes, Error> {
        Ok(self.storage.get(&at(location), None, &self.budget).await?.bytes)
    }

    /// Returns the number of uploads that are neither finished nor aborted, according to the store.
    fn uploads_in_progress(&self) -> usize {
        let url = format!("{}/test?uploads=", self.server.get("S3_ENDPOINT"));
        curl(&["--aws-sigv4", "aws:amz:us-east-1:s3", "-u", &format!("testkey:{SECRET}"), &url])
            .1
            .matches("<UploadId>")
            .count()
    }
}

fn at(location: &str) -> Location {
    Location::parse(location).unwrap()
}

/// Requests a URL with a program that knows nothing of S3; returns the status and the body.
fn curl(arguments: &[&str]) -> (u16, String) {
    let ended = Command::new("curl")
        .args(["-s", "--noproxy", "*", "-w", "\n%{http_code}"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn objects_are_kept_and_read_by_key_range_and_url() {
    let it = Fixture::new();
    let text = ContentType::parse("text/plain; charset=utf-8").unwrap();
    for key in
        ["20260131/cat.png", "a b/ü?x#y&z=1+2", "100%/%2e%2e/%2F", "~'\"<>{}|^`[]", "日本/語"]
    {
        let stored = it
            .storage
            .put(
                "0123456789".into(),
                Some(at(key)),
                Some(text.clone()),
                PutConditions::default(),
                &it.budget,
            )
            .await
            .unwrap();
        assert_eq!(it.get(key).await.unwrap(), "0123456789", "{key}");
        let info = it.storage.head(&at(key), &it.budget).await.unwrap();
        assert_eq!((info.size, info.content_type.as_deref()), (10, Some(text.as_str())), "{key}");
        assert!(info.etag.is_some() && info.etag == stored.etag, "{key}: {info:?} {stored:?}");
        assert!(info.modified_ms.unwrap() > 1_700_000_000_000);
        // Readable by anyone with the URL, and by an action.
        assert_eq!(curl(&[stored.url.as_str()]), (200, "0123456789".to_owned()), "{key}");
        assert!(
            stored.url.as_str().contains("X-Amz-Expires=6000&")
                && !stored.url.as_str().contains(SECRET),
            "{}",
            stored.url
        );
        assert_eq!(it.get(stored.url.as_str()).await.unwrap(), "0123456789", "{key}");
        let by_url = it.storage.head(&at(stored.url.as_str()), &it.budget).await.unwrap();
        assert_eq!(
            (by_url.size, by_url.content_type, by_url.etag),
            (10, info.content_type, info.etag),
            "{key}"
        );
    }
    for location in ["20260131/cat.png", it.put("plain", "0123456789").await.url.as_str()] {
        let open = it.storage.open(&at(location), &it.budget).await.unwrap();
        for (offset, length, expected) in
            [(0, 4, "0123"), (8, 100, "89"), (10, 1, ""), (u64::MAX, u64::MAX, ""), (3, 0, "")]
        {
            assert_eq!(
                open.read(offset, length, &it.budget).await.unwrap().bytes,
                expected,
                "{location} {offset}"
            );
        }
    }
    let open = it.storage.open(&at("plain"), &it.budget).await.unwrap();
    it.put("plain", "9876543210").await;
    assert_eq!(open.read(0, 1, &it.budget).await.unwrap_err().kind, ErrorKind::PreconditionFailed);
    it.storage.delete(&at("plain"), &it.budget).await.unwrap();
    it.storage.delete(&at("plain"), &it.budget).await.unwrap();
    assert_eq!(open.read(0, 1, &it.budget).await.unwrap_err().kind, ErrorKind::NotFound);
    let error = it.get("plain").await.unwrap_err();
    assert_eq!(error, Error::not_found("there is no object `plain`"));
    assert_eq!(
        it.storage.head(&at("plain"), &it.budget).await.unwrap_err().kind,
        ErrorKind::NotFound
    );

    let empty = it.put("empty", "").await;
    assert_eq!(
        (it.get("empty").await.unwrap().len(), it.get(empty.url.as_str()).await.unwrap().len()),
        (0, 0)
    );
    assert_eq!(it.storage.open(&at(empty.url.as_str()), &it.budget).await.unwrap().size(), 0);
    let new =
        it.storage.put("x".into(), None, None, PutConditions::default(), &it.budget).await.unwrap();
    assert_eq!(new.location.to_string().len(), 45);
}

#[tokio::test]
async fn urls_allow_what_they_were_made_for_and_no_more() {
    let it = Fixture::new();
    let stored = it.put("shown", "for all to see").await;
    let png = ContentType::parse("image/png").unwrap();
    let grant = it
        .storage
        .presign_put(Some(at("wanted")), Some(png), Some(Duration::from_secs(60)), &it.budget)
        .await
        .unwrap();
    let put = |kind: &str, url: &str| {
        curl(&["-X", "PUT", "--data-binary", "bytes", "-H", &format!("Content-Type: {kind}"), url])
            .0
    };
    assert_eq!(put("text/html", grant.url.as_str()), 403);
    assert_eq!(it.get("wanted").await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(put("image/png", grant.url.as_str()), 200);
    assert_eq!(it.get("wanted").await.unwrap(), "bytes");
    assert_eq!(
        it.storage.head(&at("wanted"), &it.budget).await.unwrap().content_type.as_deref(),
        Some("image/png")
    );

    for (what, url) in [
        ("made to write", grant.url.to_string()),
        ("of another key", stored.url.as_str().replace("/shown?", "/wanted?")),
        ("with a longer time", stored.url.as_str().replace("Expires=6000", "Expires=60000")),
        ("without a signature", stored.url.as_str().split('?').next().unwrap().to_owned()),
    ] {
        let error = it.get(&url).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{what}: {error}");
        assert!(!error.message.contains("X-Amz-Signature"), "{error}");
    }
    assert_eq!(put("image/png", stored.url.as_str()), 403);
    let nothing = it.storage.presign(&at("nothing"), None, &it.budget).await.unwrap();
    assert_eq!(it.get(nothing.as_str()).await.unwrap_err().kind, ErrorKind::NotFound);
    // URLs of other servers at private addresses are still denied, even on the next port.
    let other = Url::parse(it.server.get("S3_ENDPOINT")).unwrap();
    let neighbour = format!("http://127.0.0.1:{}/", other.port().unwrap() + 1);
    assert_eq!(it.get(&neighbour).await.unwrap_err().kind, ErrorKind::Denied);
    let developer = it.storage.with_url_rules(UrlRules { hosts: None, private_addresses: true });
    assert!(developer.get(&at(&neighbour), None, &it.budget).await.is_ok());
}

#[tokio::test]
async fn writes_and_reads_on_conditions() {
    let it = Fixture::new();
    let absent =
        || PutConditions { if_none_match: Some("*".to_owned()), ..PutConditions::default() };
    let matching =
        |etag: &str| PutConditions { if_match: Some(etag.to_owned()), ..PutConditions::default() };
    let put = async |key: &str, bytes: &'static str, conditions| {
        it.storage.put(bytes.into(), Some(at(key)), None, conditions, &it.budget).await
    };
    let first = put("lock", "mine", absent()).await.unwrap().etag.unwrap();
    assert_eq!(
        put("lock", "also mine", absent()).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    assert_eq!(
        it.storage.get(&at("lock"), Some(first.clone()), &it.budget).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    let second = put("lock", "yours", matching(&first)).await.unwrap().etag.unwrap();
    assert_ne!(first, second);
    assert_eq!(
        put("lock", "late", matching(&first)).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    assert_eq!(
        put("nothing", "x", matching(&first)).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    assert_eq!(it.storage.get(&at("lock"), Some(first), &it.budget).await.unwrap().bytes, "yours");

    // Exactly one of many contenders for the same lock gets it.
    let all = (0..16).map(|_| put("contended", "x", absent()));
    let won = futures::future::join_all(all).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
}

/// Returns bytes without repetition.
fn noise(length: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| word()).collect();
    bytes.truncate(length);
    bytes.into()
}

#[tokio::test]
async fn what_is_uploaded_goes_in_parts_and_is_seen_as_a_whole() {
    let it = Fixture::new();
    let bytes = noise((20 << 20) + 7);
    let memory = budget(32 << 20, Duration::from_secs(300));
    let csv = ContentType::parse("text/csv").unwrap();
    let mut upload = it.storage.create_upload(Some(at("big")), Some(csv), &memory).await.unwrap();
    for part in [0..1, 1..(9 << 20), (9 << 20)..(9 << 20), (9 << 20)..bytes.len()] {
        upload.write(bytes.slice(part), &memory).await.unwrap();
        assert_eq!(it.get("big").await.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!((upload.written(), it.uploads_in_progress()), (bytes.len() as u64, 1));
    let stored = upload.finish(&memory).await.unwrap();
    assert!(memory.memory.peak() <= 24 << 20, "{}", memory.memory.peak());
    assert_eq!(memory.memory.used(), 0);
    assert!(stored.etag.as_deref().is_some_and(|etag| etag.ends_with("-3\"")), "{stored:?}");
    assert!(it.get("big").await.unwrap() == bytes);
    assert_eq!(
        it.storage.head(&at("big"), &it.budget).await.unwrap().content_type.as_deref(),
        Some("text/csv")
    );
    let open = it.storage.open(&at(stored.url.as_str()), &it.budget).await.unwrap();
    assert!(
        open.read((8 << 20) - 3, 6, &it.budget).await.unwrap().bytes
            == bytes.slice((8 << 20) - 3..(8 << 20) + 3)
    );

    // An upload smaller than a part is written at once; a large put is sent in parts.
    let mut small = it.storage.create_upload(Some(at("small")), None, &memory).await.unwrap();
    small.write("somewhere".into(), &memory).await.unwrap();
    assert_eq!(it.uploads_in_progress(), 0);
    small.finish(&memory).await.unwrap();
    assert_eq!(it.get("small").await.unwrap(), "somewhere");
    let bytes = noise((33 << 20) + 1);
    let stored = it.put("large", bytes.clone()).await;
    assert!(
        stored.etag.is_some_and(|etag| etag.ends_with("-5\""))
            && it.get("large").await.unwrap() == bytes
    );
}

#[tokio::test]
async fn an_upload_that_does_not_end_leaves_nothing() {
    let it = Fixture::new();
    for end in 0..3 {
        let mut upload =
            it.storage.create_upload(Some(at("gone")), None, &it.budget).await.unwrap();
        upload.write(noise(17 << 20), &it.budget).await.unwrap();
        assert_eq!(it.uploads_in_progress(), 1, "{end}");
        match end {
            0 => drop(upload),
            1 => upload.abort(&it.budget).await.unwrap(),
            _ => {
                let over = CallBudget { deadline: Instant::now(), ..it.budget.clone() };
                assert_eq!(
                    upload.write(noise(1), &over).await.unwrap_err().kind,
                    ErrorKind::Timeout
                );
                assert_eq!(upload.finish(&it.budget).await.unwrap_err().kind, ErrorKind::Invalid);
            }
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while it.uploads_in_progress() > 0 {
            assert!(Instant::now() < deadline, "an upload was left behind");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(it.get("gone").await.unwrap_err().kind, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_listing_is_in_pages_in_order() {
    let it = Fixture::new();
    let mut expected: Vec<String> = (0..2100)
        .map(|i| format!("2026/{:02}{}{i}.txt", i % 7, if i % 2 == 0 { "/" } else { "-" }))
        .collect();
    let others = ["2025", "2026-a", "2027/x", "é/ü", "a b+c&d"].map(str::to_owned);
    let all: Vec<_> = expected.iter().chain(&others).collect();
    for some in all.chunks(50) {
        futures::future::join_all(some.iter().map(|key| it.put(key, "x"))).await;
    }
    expected.sort_unstable();
    let keys = async |prefix: &str| {
        let prefix = Prefix::parse(prefix).unwrap();
        let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let page = it.storage.list(&prefix, cursor.as_deref(), &it.budget).await.unwrap();
            assert!(page.objects.iter().all(|object| object.size == 1
                && object.etag.is_some()
                && object.modified_ms.is_some()));
            found.extend(page.objects.iter().map(|object| object.location.to_string()));
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                return (found, pages);
            }
        }
    };
    let (mut found, pages) = keys("2026/").await;
    assert_eq!((found.len(), pages), (2100, 3));
    assert!(
        found.windows(2).all(|two| two[0].replace('/', "\0") < two[1].replace('/', "\0")),
        "this store has folders before the rest"
    );
    found.sort_unstable();
    assert!(found == expected);
    assert_eq!(
        keys("2026/00-1").await.0,
        expected.iter().filter(|key| key.starts_with("2026/00-1")).cloned().collect::<Vec<_>>()
    );
    assert_eq!(keys("2026-").await.0, ["2026-a"]);
    assert_eq!(keys("2025").await.0, ["2025"]);
    assert_eq!(keys("a b+").await.0, ["a b+c&d"]);
    assert_eq!(keys("é/").await.0, ["é/ü"]);
    assert_eq!(keys("s3://test/2027").await.0, ["s3://test/2027/x"]);
    assert_eq!(
        keys("2026/00/7").await.0,
        expected.iter().filter(|key| key.starts_with("2026/00/7")).cloned().collect::<Vec<_>>()
    );
    assert_eq!(keys("nothing/").await.0, Vec::<String>::new());
    assert_eq!(keys("").await.0.len(), 2105);

    // A folder object made by a console is not a valid key, and does not hide the others.
    let folder = format!("{}/test/made/", it.server.get("S3_ENDPOINT"));
    let sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "-u", "testkey:testsecret123"];
    assert_eq!(curl(&[&sign[..], &["-X", "PUT", "-d", "", &folder]].concat()).0, 200);
    it.put("made/object", "x").await;
    assert_eq!(keys("made/").await.0, ["made/object"]);
}

#[tokio::test]
async fn what_the_store_refuses_is_said_in_its_words_and_without_secrets() {
    let it = Fixture::new();
    it.put("shown", "x").await;
    let reader = it.with_key(("readkey", "readsecret123"));
    assert_eq!(reader.get(&at("shown"), None, &it.budget).await.unwrap().bytes, "x");
    let put = |storage: &ObjectStorage, location: &str| {
        let (storage, location, budget) = (storage.clone(), at(location), it.budget.clone());
        async move {
            storage.put("x".into(), Some(location), None, PutConditions::default(), &budget).await
        }
    };
    let error = put(&reader, "new").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        error.message.starts_with("the object store does not allow to write `new`: AccessDenied"),
        "{error}"
    );
    assert_eq!(reader.delete(&at("shown"), &it.budget).await.unwrap_err().kind, ErrorKind::Denied);
    let mut upload = reader.create_upload(Some(at("new")), None, &it.budget).await.unwrap();
    assert_eq!(upload.write(noise(9 << 20), &it.budget).await.unwrap_err().kind, ErrorKind::Denied);

    for (key, word) in [
        (("testkey", "hunter2"), "SignatureDoesNotMatch"),
        (("AKIDNOBODY", "hunter2"), "InvalidAccessKeyId"),
    ] {
        let stranger = it.with_key(key);
        let error = stranger.get(&at("shown"), None, &it.budget).await.unwrap_err();
        assert!(error.kind == ErrorKind::Denied && error.message.contains(word), "{error}");
        assert!(
            !error.message.contains("hunter2") && !error.message.contains("AKIDNOBODY"),
            "{error}"
        );
        assert_eq!(
            stranger.head(&at("shown"), &it.budget).await.unwrap_err().kind,
            ErrorKind::Denied
        );
    }

    assert_eq!(
        put(&it.storage, "s3://other/key").await.unwrap().location.to_string(),
        "s3://other/key"
    );
    assert_eq!(it.get("s3://other/key").await.unwrap(), "x");
    assert_eq!(it.get("key").await.unwrap_err().kind, ErrorKind::NotFound);
    let missing = Prefix::parse("s3://missing/").unwrap();
    for error in [
        it.get("s3://missing/key").await.unwrap_err(),
        it.storage.list(&missing, None, &it.budget).await.unwrap_err(),
    ] {
        assert!(
            error.kind == ErrorKind::NotFound && error.message.contains("NoSuchBucket"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_asked_again_within_the_time_there_is() {
    const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>Please reduce your request \
        rate.</Message></Error>";
    let it = Fixture::new();
    let bytes = noise(3 << 20);
    it.put("a", bytes.clone()).await;
    let proxy = FaultyProxy::before(it.server.get("S3_ENDPOINT"));
    // A separate client each time, so that no earlier connection is reused.
    let through = || storage(&config(&proxy.url(), ADMIN));
    let get = async |budget: &CallBudget| {
        through().get(&at("a"), None, budget).await.map(|read| read.bytes)
    };

    proxy.plan([
        Fault::Answer(500, ""),
        Fault::Answer(503, SLOW_DOWN),
        Fault::Close,
        Fault::Cut(0),
    ]);
    assert!(get(&it.budget).await.unwrap() == bytes);
    assert_eq!(proxy.connections(), 5);

    // The response breaks off in the middle: only the rest is requested again.
    proxy.plan([Fault::Cut(1 << 20), Fault::Cut(1 << 20)]);
    assert!(get(&it.budget).await.unwrap() == bytes);

    proxy.always(Fault::Answer(503, SLOW_DOWN));
    let began = Instant::now();
    let error = get(&it.budget).await.unwrap_err();
    assert_eq!(
        error,
        Error::unavailable(
            "the object store failed to read `a`: SlowDown: Please reduce your request rate"
        )
    );
    assert!(began.elapsed() < Duration::from_secs(20));
    let before = proxy.connections();
    let error = get(&budget(1 << 30, Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "there is time to say why: {error}");
    assert!(proxy.connections() - before <= 4);

    proxy.always(Fault::Silence);
    let began = Instant::now();
    assert_eq!(
        get(&budget(1 << 30, Duration::from_millis(500))).await.unwrap_err().kind,
        ErrorKind::Timeout
    );
    assert!(began.elapsed() < Duration::from_secs(5));

    // A conditional write that failed may or may not have been done, so it is not retried.
    proxy.plan([Fault::Answer(500, "")]);
    let absent = PutConditions { if_none_match: Some("*".to_owned()), ..PutConditions::default() };
    let put = through().put("x".into(), Some(at("lock")), None, absent, &it.budget).await;
    assert_eq!(put.unwrap_err().kind, ErrorKind::Unavailable);

    proxy.plan([]);
    assert!(get(&it.budget).await.unwrap() == bytes);
    it.server.stop();
    let error = it.get("a").await.unwrap_err();
    let said = "the object store failed to read `a`: it cannot be reached: connection refused; is \
        it running, and is MLFLOW_S3_ENDPOINT_URL its address?";
    assert_eq!(error, Error::unavailable(said));
}

#[tokio::test]
async fn a_store_is_certified_by_whom_the_operator_says() {
    let server = RealServer::s3(&[("S3_TLS", "1")]);
    let budget = budget(1 << 30, Duration::from_secs(60));
    let trusting = S3Config {
        ca: Some(PathBuf::from(server.get("S3_CA"))),
        ..config(server.get("S3_ENDPOINT_TLS"), ADMIN)
    };
    let it = storage(&trusting);
    let stored =
        it.put("x".into(), Some(at("a")), None, PutConditions::default(), &budget).await.unwrap();
    assert_eq!(it.get(&at("a"), None, &budget).await.unwrap().bytes, "x");
    assert!(stored.url.as_str().starts_with("https://"));
    assert_eq!(it.get(&at(stored.url.as_str()), None, &budget).await.unwrap().bytes, "x");
    let error =
        storage(&S3Config { ca: None, ..trusting }).get(&at("a"), None, &budget).await.unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.contains("certificate"),
        "{error}"
    );
}
