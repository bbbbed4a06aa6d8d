//! The facade, on the embedded store.

use std::time::{Duration, Instant};

use bytes::Bytes;
use url::Url;

use super::folder_store::{
    DEFAULT_BUCKET, DEFAULT_PUBLIC_URL, FolderStore, FolderStoreSettings, Method,
};
use super::*;
use keynet_base::budget::MemoryBudget;

/// Embedded store in a temporary folder, and storage on it.
pub(super) struct Fixture {
    pub(super) place: tempfile::TempDir,
    pub(super) store: FolderStore,
    pub(super) storage: ObjectStorage,
    pub(super) budget: CallBudget,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(StorageLimits::default(), Some(DEFAULT_PUBLIC_URL))
    }

    pub(super) fn with(limits: StorageLimits, public_url: Option<&str>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = FolderStore::open(FolderStoreSettings {
            folder: place.path().join("objects"),
            state: keynet_base::state::StateDir::new(place.path().join("state")),
            bucket: DEFAULT_BUCKET.to_owned(),
            public_url: public_url.map(|url| Url::parse(url).unwrap()),
            internal_url: None,
            max_total: None,
        })
        .unwrap();
        let storage = ObjectStorage::new(store.bucket(), limits);
        Self { place, store, storage, budget: budget(u64::MAX) }
    }

    pub(super) async fn put(&self, location: &str, bytes: &'static str) -> Stored {
        self.try_put(location, bytes, None, PutConditions::default()).await.unwrap()
    }

    pub(super) async fn try_put(
        &self,
        location: &str,
        bytes: &'static str,
        content_type: Option<&str>,
        conditions: PutConditions,
    ) -> Result<Stored> {
        let content_type = content_type.map(|text| ContentType::parse(text).unwrap());
        self.storage
            .put(
                Bytes::from_static(bytes.as_bytes()),
                Some(at(location)),
                content_type,
                conditions,
                &self.budget,
            )
            .await
    }

    pub(super) async fn get(&self, location: &str) -> Result<String> {
        let read = self.storage.get(&at(location), None, &self.budget).await?;
        Ok(String::from_utf8(read.bytes.to_vec()).unwrap())
    }

    pub(super) async fn content_type(&self, location: &str) -> Option<String> {
        self.storage.head(&at(location), &self.budget).await.unwrap().content_type
    }

    pub(super) fn file(&self, path: &str) -> std::path::PathBuf {
        self.place.path().join("objects").join(path)
    }

    pub(super) async fn keys(&self, prefix: &str) -> Vec<String> {
        let page =
            self.storage.list(&Prefix::parse(prefix).unwrap(), None, &self.budget).await.unwrap();
        page.objects.iter().map(|object| object.location.to_string()).collect()
    }

    /// Waits until staging is empty: discarded uploads are removed on a separate thread.
    pub(super) async fn until_nothing_is_staged(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.staged().is_empty() {
            assert!(Instant::now() < deadline, "{:?}", self.staged());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the unfinished writes in the folder.
    pub(super) fn staged(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.file(".keynet/staging"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

pub(super) fn at(location: &str) -> Location {
    Location::parse(location).unwrap()
}

pub(super) fn budget(memory: u64) -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(u64::MAX).activation(memory),
        deadline: Instant::now() + Duration::from_secs(600),
    }
}

fn if_match(etag: &str) -> PutConditions {
    PutConditions { if_match: Some(etag.to_owned()), if_none_match: None }
}

fn if_absent() -> PutConditions {
    PutConditions { if_match: None, if_none_match: Some("*".to_owned()) }
}

#[tokio::test]
async fn what_is_put_is_got_by_key_bucket_and_url() {
    let it = Fixture::new();
    let stored = it
        .storage
        .put(Bytes::from_static(b"cat"), None, None, PutConditions::default(), &it.budget)
        .await
        .unwrap();
    let key = stored.location.to_string();
    assert_eq!((key.len(), key.as_bytes()[8]), (8 + 1 + 36, b'/'));
    for location in [&key, &format!("s3://default/{key}"), stored.url.as_str()] {
        assert_eq!(it.get(location).await.unwrap(), "cat");
        let head = it.storage.head(&at(location), &it.budget).await.unwrap();
        assert_eq!(
            (head.size, head.etag.as_ref(), head.location.to_string()),
            (3, stored.etag.as_ref(), location.to_string())
        );
        assert_eq!(head.content_type.as_deref(), Some("application/octet-stream"));
        assert!(head.modified_ms.unwrap() > 1_700_000_000_000);
    }
    assert_eq!(std::fs::read(it.store.path_of(&stored.location).unwrap()).unwrap(), b"cat");
    assert_eq!(it.put("s3://default/a/b", "x").await.location.to_string(), "s3://default/a/b");
    assert_eq!(it.get("a/b").await.unwrap(), "x");
}

#[tokio::test]
async fn what_is_not_there_or_not_ours_says_so() {
    let it = Fixture::new();
    it.put("a", "x").await;
    for missing in ["b", "a/b", "20260131/x", &"n".repeat(300)] {
        let error = it.get(missing).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{missing}");
        assert_eq!(error.message, format!("there is no object `{}`", at(missing).label()));
        assert_eq!(
            it.storage.open(&at(missing), &it.budget).await.unwrap_err().kind,
            ErrorKind::NotFound
        );
        it.storage.delete(&at(missing), &it.budget).await.unwrap();
    }
    let error = it.get("s3://other/a").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("`other`") && error.message.contains("`default`"), "{error}");
    assert!(
        it.storage.list(&Prefix::parse("s3://other/").unwrap(), None, &it.budget).await.is_err()
    );

    let error = it.get("https://example.com/a.png?token=abc").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(
        error.message.contains("https://example.com/a.png") && !error.message.contains("abc"),
        "{error}"
    );
}

#[tokio::test]
async fn urls_are_only_read_and_only_with_their_signature() {
    let it = Fixture::new();
    let stored = it.put("a", "x").await;
    let url = stored.url.to_string();
    assert_eq!(
        it.try_put(&url, "y", None, PutConditions::default()).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
    assert_eq!(
        it.storage.delete(&at(&url), &it.budget).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
    assert_eq!(
        it.storage.presign(&at(&url), None, &it.budget).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
    assert!(it.storage.create_upload(Some(at(&url)), None, &it.budget).await.is_err());
    for forged in [
        url.replace("/a?", "/b?"),
        url.replace("expires=1", "expires=2"),
        DEFAULT_PUBLIC_URL.to_owned() + "a",
    ] {
        let error = it.get(&forged).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{forged}");
        assert!(!error.message.contains("signature="), "{error}");
    }
    let grant = it.storage.presign_put(Some(at("a")), None, None, &it.budget).await.unwrap();
    assert_eq!(it.get(grant.url.as_str()).await.unwrap_err().kind, ErrorKind::Denied);
    assert!(
        it.store.signer().verify(Method::Put, &grant.url, std::time::SystemTime::now()).is_ok()
    );
}

#[tokio::test]
async fn a_url_lives_as_long_as_was_asked_within_the_limit() {
    let it = Fixture::new();
    let week = Duration::from_secs(7 * 24 * 3600);
    for (ttl, fine) in [
        (None, true),
        (Some(week), true),
        (Some(week + Duration::from_secs(1)), false),
        (Some(Duration::ZERO), false),
    ] {
        assert_eq!(it.storage.presign(&at("a"), ttl, &it.budget).await.is_ok(), fine, "{ttl:?}");
        assert_eq!(
            it.storage.presign_put(None, None, ttl, &it.budget).await.is_ok(),
            fine,
            "{ttl:?}"
        );
    }
}

#[tokio::test]
async fn without_an_address_nothing_is_written() {
    let it = Fixture::with(StorageLimits::default(), None);
    let error = it.try_put("a", "x", None, PutConditions::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("AWS_BUCKET_NAME"), "{error}");
    assert!(it.storage.create_upload(Some(at("a")), None, &it.budget).await.is_err());
    assert_eq!(it.get("a").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn conditions_of_put_and_get_hold() {
    let it = Fixture::new();
    let first = it.try_put("a", "1", None, if_absent()).await.unwrap().etag.unwrap();
    assert_eq!(
        it.try_put("a", "2", None, if_absent()).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    let second = it.try_put("a", "3", None, if_match(&first)).await.unwrap().etag.unwrap();
    assert_ne!(first, second);
    assert_eq!(
        it.try_put("a", "4", None, if_match(&first)).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    assert_eq!(
        it.try_put("new", "4", None, if_match(&first)).await.unwrap_err().kind,
        ErrorKind::PreconditionFailed
    );
    assert_eq!(it.get("a").await.unwrap(), "3");

    let get = async |etag: &str| it.storage.get(&at("a"), Some(etag.to_owned()), &it.budget).await;
    assert_eq!(get(&second).await.unwrap_err().kind, ErrorKind::PreconditionFailed);
    assert!(get(&first).await.is_ok());
    for etag in ["", "*", "a,b", "a\nb"] {
        assert_eq!(get(etag).await.unwrap_err().kind, ErrorKind::Invalid, "{etag:?}");
        assert_eq!(
            it.try_put("a", "5", None, if_match(etag)).await.unwrap_err().kind,
            ErrorKind::Invalid
        );
    }
    let both = PutConditions { if_match: Some(second), if_none_match: Some("*".into()) };
    let named = PutConditions { if_match: None, if_none_match: Some(first) };
    for conditions in [both, named] {
        assert_eq!(
            it.try_put("a", "5", None, conditions).await.unwrap_err().kind,
            ErrorKind::Invalid
        );
    }
    assert!(it.staged().is_empty());
}

#[tokio::test]
async fn an_open_object_is_read_in_parts_until_it_is_replaced() {
    let it = Fixture::new();
    it.put("a", "0123456789").await;
    let open = it.storage.open(&at("a"), &it.budget).await.unwrap();
    let part = async |offset, length| open.read(offset, length, &it.budget).await;
    for (offset, length, expected) in
        [(0, 4, "0123"), (8, 100, "89"), (10, 1, ""), (u64::MAX, u64::MAX, ""), (3, 0, "")]
    {
        assert_eq!(part(offset, length).await.unwrap().bytes, expected);
    }
    it.put("a", "9876543210").await;
    assert_eq!(part(0, 1).await.unwrap_err().kind, ErrorKind::PreconditionFailed);
    it.storage.delete(&at("a"), &it.budget).await.unwrap();
    assert_eq!(part(0, 1).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn reads_and_writes_keep_to_limits_and_memory() {
    let it = Fixture::with(
        StorageLimits { max_object_read: 4, max_object_write: 8, ..StorageLimits::default() },
        Some(DEFAULT_PUBLIC_URL),
    );
    it.put("a", "12345678").await;
    let error = it.get("a").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.contains("KEYNET_STORAGE_MAX_READ"), "{error}");
    let error = it.try_put("b", "123456789", None, PutConditions::default()).await.unwrap_err();
    assert!(
        error.kind == ErrorKind::TooLarge && error.message.contains("KEYNET_STORAGE_MAX_WRITE"),
        "{error}"
    );
    let open = it.storage.open(&at("a"), &it.budget).await.unwrap();
    assert_eq!(open.read(0, 5, &it.budget).await.unwrap_err().kind, ErrorKind::TooLarge);

    let small = budget(3);
    let error = open.read(0, 4, &small).await.unwrap_err();
    assert!(
        error.kind == ErrorKind::TooLarge && error.message.contains("KEYNET_MEMORY"),
        "{error}"
    );
    let read = open.read(0, 3, &small).await.unwrap();
    assert_eq!((small.memory.used(), read.reservation.bytes()), (3, 3));
    drop(read);
    assert_eq!(small.memory.used(), 0);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let it = Fixture::new();
    let over =
        CallBudget { deadline: Instant::now() - Duration::from_secs(1), ..it.budget.clone() };
    let error = it.storage.head(&at("a"), &over).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    let mut upload = it.storage.create_upload(Some(at("a")), None, &it.budget).await.unwrap();
    assert_eq!(
        upload.write(Bytes::from_static(b"x"), &over).await.unwrap_err().kind,
        ErrorKind::Timeout
    );
    assert_eq!(upload.finish(&it.budget).await.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_put_that_timed_out_is_thrown_away_or_whole() {
    let it = Fixture::new();
    let bytes = Bytes::from(vec![1; 64 << 20]);
    for microseconds in [0, 500, 5_000, 20_000] {
        let short = CallBudget {
            deadline: Instant::now() + Duration::from_micros(microseconds),
            ..it.budget.clone()
        };
        let put = it
            .storage
            .put(bytes.clone(), Some(at("a")), None, PutConditions::default(), &short)
            .await;
        if put.is_ok() {
            continue; // the disk was fast enough
        }
        assert_eq!(put.unwrap_err().kind, ErrorKind::Timeout);
        it.until_nothing_is_staged().await;
        assert!(
            it.storage
                .head(&at("a"), &it.budget)
                .await
                .map_or(true, |head| head.size == bytes.len() as u64)
        );
    }
}

#[tokio::test]
async fn an_upload_is_seen_as_a_whole_or_not_at_all() {
    let it = Fixture::new();
    it.put("a", "old").await;
    let mut upload = it
        .storage
        .create_upload(Some(at("a")), Some(ContentType::parse("text/csv").unwrap()), &it.budget)
        .await
        .unwrap();
    for part in ["one,", "", "two"] {
        upload.write(Bytes::from_static(part.as_bytes()), &it.budget).await.unwrap();
        assert_eq!(it.get("a").await.unwrap(), "old");
    }
    assert_eq!(upload.written(), 7);
    let stored = upload.finish(&it.budget).await.unwrap();
    assert_eq!(it.get(stored.url.as_str()).await.unwrap(), "one,two");
    assert_eq!(it.content_type("a").await.as_deref(), Some("text/csv"));
    assert_eq!(it.storage.head(&at("a"), &it.budget).await.unwrap().etag, stored.etag);

    assert_eq!(upload.write(Bytes::new(), &it.budget).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(upload.finish(&it.budget).await.unwrap_err().kind, ErrorKind::Invalid);
    upload.abort(&it.budget).await.unwrap();
    assert_eq!(it.get("a").await.unwrap(), "one,two");
    assert!(it.staged().is_empty());
}

#[tokio::test]
async fn an_upload_that_is_dropped_aborted_or_too_large_leaves_nothing() {
    let it = Fixture::with(
        StorageLimits { max_object_write: 4, ..StorageLimits::default() },
        Some(DEFAULT_PUBLIC_URL),
    );
    for end in 0..3 {
        let mut upload = it.storage.create_upload(Some(at("a")), None, &it.budget).await.unwrap();
        upload.write(Bytes::from_static(b"1234"), &it.budget).await.unwrap();
        assert_eq!(it.staged().len(), 1);
        match end {
            0 => drop(upload),
            1 => {
                upload.abort(&it.budget).await.unwrap();
                upload.abort(&it.budget).await.unwrap();
                assert!(it.staged().is_empty());
                assert_eq!(upload.finish(&it.budget).await.unwrap_err().kind, ErrorKind::Invalid);
            }
            _ => {
                let error = upload.write(Bytes::from_static(b"5"), &it.budget).await.unwrap_err();
                assert_eq!(error.kind, ErrorKind::TooLarge);
                assert_eq!(upload.finish(&it.budget).await.unwrap_err().kind, ErrorKind::Invalid);
            }
        }
        it.until_nothing_is_staged().await;
        assert_eq!(it.get("a").await.unwrap_err().kind, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_listing_is_in_pages_in_order_and_without_our_own_files() {
    let it = Fixture::new();
    let mut expected = Vec::new();
    for i in 0..2500 {
        let key = format!("2026/{:02}{}{i}.txt", i % 7, if i % 2 == 0 { "/" } else { "-" });
        std::fs::create_dir_all(it.file(&key).parent().unwrap()).unwrap();
        std::fs::write(it.file(&key), "x").unwrap();
        expected.push(key);
    }
    for key in ["2025", "2026-a", "2027/x"] {
        it.put(key, "x").await; // with content types stored beside them
    }
    expected.sort_unstable();

    let prefix = Prefix::parse("2026/").unwrap();
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = it.storage.list(&prefix, cursor.as_deref(), &it.budget).await.unwrap();
        assert!(page.objects.iter().all(|object| object.size == 1
            && object.etag.is_some()
            && object.content_type.is_none()));
        assert!(page.reservation.bytes() > 0);
        found.extend(page.objects.iter().map(|object| object.location.to_string()));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((pages, found.len()), (3, 2500));
    assert_eq!(found, expected);
    assert_eq!(it.keys("2025").await, ["2025"]);
    assert_eq!(it.keys("2026-").await, ["2026-a"]);
    assert_eq!(it.keys("s3://default/2027").await, ["s3://default/2027/x"]);
    assert_eq!(
        it.keys("2026/00/7").await,
        expected.iter().filter(|k| k.starts_with("2026/00/7")).cloned().collect::<Vec<_>>()
    );
    assert_eq!(it.keys("2028").await, Vec::<String>::new());
    assert_eq!(it.keys("2026/nothing/").await, Vec::<String>::new());
    for wrong in ["", "zz", &hex::encode("2025"), &hex::encode("2026/../x")] {
        assert_eq!(
            it.storage.list(&prefix, Some(wrong), &it.budget).await.unwrap_err().kind,
            ErrorKind::Invalid,
            "{wrong}"
        );
    }
    assert_eq!(
        it.storage.list(&prefix, None, &budget(1000)).await.unwrap_err().kind,
        ErrorKind::TooLarge
    );
}

#[tokio::test]
async fn a_listing_is_in_the_order_of_the_keys_bytes() {
    let it = Fixture::new();
    let mut keys = vec![
        "a",
        "a-b",
        "b/c",
        "b.c",
        "b0",
        "b/c-/x",
        "Z",
        "é",
        "zz",
        "b/c./y",
        "\u{10000}",
        "\u{ffee}",
    ];
    keys.retain(|key| std::fs::create_dir_all(it.file(key).parent().unwrap()).is_ok());
    for key in &keys {
        it.put(key, "x").await;
    }
    keys.sort_unstable_by_key(|key| key.as_bytes());
    assert_eq!(it.keys("").await, keys);
    for start in ["a", "b", "b/", "b/c", "b/c-", "é", "\u{10000}", "\u{ffee}"] {
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(start)).copied().collect();
        assert_eq!(it.keys(start).await, expected, "{start}");
    }
}
