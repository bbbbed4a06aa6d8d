//! The folder itself: atomicity, rejections, and files that other programs leave in it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::super::tests::{Fixture, at};
use super::super::{ContentType, ObjectStorage, PutConditions, StorageLimits};
use super::*;
use keynet_base::error::ErrorKind;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_conditional_puts_at_once_one_wins() {
    let it = Fixture::new();
    let race = async |conditions: PutConditions| {
        let puts = (0..16).map(|i| {
            let (storage, budget, conditions) =
                (it.storage.clone(), it.budget.clone(), conditions.clone());
            tokio::spawn(async move {
                storage
                    .put(Bytes::from(format!("{i}")), Some(at("d/a")), None, conditions, &budget)
                    .await
            })
        });
        let done: Vec<_> =
            futures::future::join_all(puts).await.into_iter().map(Result::unwrap).collect();
        let failed = done.iter().filter_map(|put| put.as_ref().err());
        assert!(
            failed.clone().all(|error| error.kind == ErrorKind::PreconditionFailed),
            "{done:?}"
        );
        assert_eq!(failed.count(), 15);
        done.into_iter().find_map(Result::ok).unwrap().etag.unwrap()
    };
    let mut etag =
        race(PutConditions { if_none_match: Some("*".into()), ..PutConditions::default() }).await;
    for _ in 0..5 {
        etag = race(PutConditions { if_match: Some(etag), ..PutConditions::default() }).await;
    }
    assert!(it.staged().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_on_one_folder_take_turns() {
    let it = Fixture::new();
    let stores: Vec<_> = (0..4).map(|_| Folder::open(it.store.folder().path()).unwrap()).collect();
    let puts = stores.iter().cycle().take(16).cloned().map(|store| {
        tokio::spawn(async move {
            store
                .put_opts(&"a".into(), "x".into(), object_store::PutMode::Create.into())
                .await
                .is_ok()
        })
    });
    let won = futures::future::join_all(puts)
        .await
        .into_iter()
        .filter(|put| *put.as_ref().unwrap())
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn what_dead_writers_left_is_removed_and_what_living_ones_write_is_not() {
    let it = Fixture::new();
    let mut upload = it.storage.create_upload(Some(at("a")), None, &it.budget).await.unwrap();
    upload.write(Bytes::from_static(b"half"), &it.budget).await.unwrap();
    let living = it.staged();
    for name in ["dead.lock", "dead.0", "dead.1", "lockless.7"] {
        std::fs::write(it.file(".keynet/staging").join(name), "half").unwrap();
    }
    let other = Folder::open(it.store.folder().path()).unwrap();
    assert_eq!(it.staged(), living);
    assert!(!it.file(".keynet/staging/dead.lock").exists());
    drop(other);
    upload.write(Bytes::from_static(b" whole"), &it.budget).await.unwrap();
    upload.finish(&it.budget).await.unwrap();
    assert_eq!(it.get("a").await.unwrap(), "half whole");
    assert_eq!(it.keys("").await, ["a"]);
}

const VICTIM: &str = "KEYNET_TEST_FOLDER_OF_A_VICTIM";
const VICTIM_BYTES: usize = 3 << 20;

/// Writes until the next test kills it.
#[tokio::test]
#[ignore = "a part of the next test"]
async fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let store = Folder::open(Path::new(&folder)).unwrap();
    for i in 0_usize.. {
        let bytes = Bytes::from(vec![b'a' + (i % 26) as u8; VICTIM_BYTES]);
        store.put(&format!("{}", i % 3).into(), bytes.into()).await.unwrap();
    }
}

#[tokio::test]
async fn a_writer_killed_at_any_moment_leaves_whole_objects() {
    let it = Fixture::new();
    let test = format!("{}::victim", module_path!().split_once("::").unwrap().1);
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--ignored"])
            .env(VICTIM, it.store.folder().path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..12_000 {
            if it.file("0").exists() && !it.staged().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_micros(1700 * round)).await;
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        let keys = it.keys("").await;
        assert!(!keys.is_empty());
        for key in keys {
            let text = it.get(&key).await.unwrap();
            assert_eq!(text.len(), VICTIM_BYTES, "{key}");
            assert!(text.bytes().all(|b| b == text.as_bytes()[0]), "{key}");
        }
        Folder::open(it.store.folder().path()).unwrap();
        assert!(it.staged().is_empty());
    }
}

#[tokio::test]
async fn symbolic_links_are_refused() {
    let it = Fixture::new();
    let outside = it.place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    it.put("real/a", "x").await;
    symlink(outside.join("secret"), it.file("link")).unwrap();
    symlink(&outside, it.file("folder")).unwrap();
    symlink(it.file("real"), it.file("inner")).unwrap();
    symlink("nowhere", it.file("real/broken")).unwrap();
    for key in ["link", "folder/secret", "inner/a", "real/broken", "folder/new/deep"] {
        let read = it.get(key).await.unwrap_err();
        assert_eq!(read.kind, ErrorKind::Denied, "{key}");
        assert!(
            read.message.contains("symbolic link") && !read.message.contains("outside"),
            "{read}"
        );
        assert_eq!(
            it.try_put(key, "y", None, PutConditions::default()).await.unwrap_err().kind,
            ErrorKind::Denied,
            "{key}"
        );
        let mut upload = it.storage.create_upload(Some(at(key)), None, &it.budget).await.unwrap();
        assert_eq!(upload.finish(&it.budget).await.unwrap_err().kind, ErrorKind::Denied, "{key}");
        assert_eq!(
            it.storage.delete(&at(key), &it.budget).await.unwrap_err().kind,
            ErrorKind::Denied,
            "{key}"
        );
    }
    assert_eq!(it.keys("").await, ["real/a"]);
    assert_eq!(it.keys("folder/").await, Vec::<String>::new());
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);

    let elsewhere = it.place.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&outside, elsewhere.join(".keynet")).unwrap();
    let error = Folder::open(&elsewhere).unwrap_err();
    assert!(error.message.contains("symbolic link"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_swapped_for_a_link_is_never_followed() {
    let it = Fixture::new();
    let outside = it.place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("a"), "secret").unwrap();
    it.put("d/a", "ours").await;
    let (real, aside) = (it.file("d"), it.file("aside"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::fs::rename(&real, &aside).unwrap();
                symlink(&outside, &real).unwrap();
                std::fs::remove_file(&real).unwrap();
                std::fs::rename(&aside, &real).unwrap();
            }
        });
        let runtime = tokio::runtime::Handle::current();
        let seen = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let mut seen = std::collections::BTreeMap::new();
                let (enough, late) = (
                    Instant::now() + Duration::from_secs(1),
                    Instant::now() + Duration::from_secs(60),
                );
                while Instant::now() < enough || (seen.len() < 2 && Instant::now() < late) {
                    let text = it.get("d/a").await.unwrap_or_else(|error| error.kind.to_string());
                    *seen.entry(text).or_insert(0) += 1;
                }
                seen
            })
        });
        stop.store(true, Ordering::Relaxed);
        assert!(
            seen.keys().all(|text| ["ours", "denied", "not-found"].contains(&text.as_str())),
            "{seen:?}"
        );
        assert!(seen.len() > 1, "nothing was swapped: {seen:?}");
    });
    assert_eq!(std::fs::read(outside.join("a")).unwrap(), b"secret");
}

#[tokio::test]
async fn what_is_no_file_is_no_object() {
    let it = Fixture::new();
    assert!(Command::new("mkfifo").arg(it.file("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(it.file("socket")).unwrap();
    std::fs::create_dir(it.file("folder")).unwrap();
    std::fs::write(it.file("new\nline"), "x").unwrap();
    for key in ["pipe", "socket", "folder"] {
        assert_eq!(it.get(key).await.unwrap_err().kind, ErrorKind::NotFound, "{key}");
    }
    assert_eq!(it.keys("").await, Vec::<String>::new());
}

#[tokio::test]
async fn objects_and_folders_do_not_share_names() {
    let it = Fixture::new();
    it.put("a", "x").await;
    it.put("b/c", "x").await;
    for key in ["a/b", "b", &"n".repeat(300)] {
        let error = it.try_put(key, "y", None, PutConditions::default()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{key}");
        assert!(error.message.contains(key.get(..1).unwrap()), "{error}");
    }
    it.storage.delete(&at("b/c"), &it.budget).await.unwrap();
    assert!(!it.file("b").exists());
    it.put("b", "empty folders give way").await;
    it.storage.delete(&at("a"), &it.budget).await.unwrap();
    it.put("a/b", "y").await;
    assert_eq!(it.keys("").await, ["a/b", "b"]);
}

#[tokio::test]
async fn a_content_type_belongs_to_one_content() {
    let it = Fixture::new();
    let put = async |bytes, content_type| {
        it.try_put("a.txt", bytes, content_type, PutConditions::default()).await.unwrap()
    };
    put("one", Some("image/png")).await;
    assert_eq!(it.content_type("a.txt").await.as_deref(), Some("image/png"));
    put("two", Some("text/csv")).await;
    assert_eq!(it.content_type("a.txt").await.as_deref(), Some("text/csv"));
    put("two", None).await;
    assert_eq!(it.content_type("a.txt").await.as_deref(), Some("application/octet-stream"));

    std::fs::write(it.file("a.txt"), "by hand").unwrap();
    assert_eq!(it.content_type("a.txt").await.as_deref(), Some("text/plain"));
    std::fs::write(it.file("unknown"), "by hand").unwrap();
    assert_eq!(it.content_type("unknown").await, None);

    put("three", Some("image/png")).await;
    it.storage.delete(&at("a.txt"), &it.budget).await.unwrap();
    std::fs::write(it.file("a.txt"), "by hand").unwrap();
    assert_eq!(it.content_type("a.txt").await.as_deref(), Some("text/plain"));
}

#[tokio::test]
async fn content_types_of_what_is_gone_do_not_pile_up() {
    let it = Fixture::new();
    let etag = it.put("a", "0").await.etag;
    for bytes in ["1", "2", "3"] {
        it.put("a", bytes).await;
        let late = PutConditions { if_match: etag.clone(), ..PutConditions::default() };
        it.try_put("a", "late", None, late).await.unwrap_err();
    }
    let sidecars = || walk(&it.file(".keynet/types")).len();
    assert_eq!(sidecars(), 1);
    it.storage.delete(&at("a"), &it.budget).await.unwrap();
    assert_eq!(sidecars(), 0);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_copy_of_the_folder_keeps_the_content_types() {
    let it = Fixture::new();
    it.try_put("a", "x", Some("image/png"), PutConditions::default()).await.unwrap();
    let copy = it.place.path().join("copy");
    assert!(Command::new("cp").arg("-a").args([&it.file(""), &copy]).status().unwrap().success());
    let store = Folder::open(&copy).unwrap();
    assert_eq!(
        store.open_file(&"a".into()).await.unwrap().content_type,
        Some(ContentType::parse("image/png").unwrap())
    );
}

/// Readers see one content with its own type, whatever is put meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_never_sees_another_contents_type() {
    let it = Fixture::new();
    it.try_put("a.json", "png", Some("image/png"), PutConditions::default()).await.unwrap();
    let (storage, budget) = (it.storage.clone(), it.budget.clone());
    let writer = tokio::spawn(async move {
        for i in 0..400 {
            let (bytes, content_type) = [("png", "image/png"), ("csv!", "text/csv")][i % 2];
            let content_type = Some(ContentType::parse(content_type).unwrap());
            storage
                .put(
                    bytes.into(),
                    Some(at("a.json")),
                    content_type,
                    PutConditions::default(),
                    &budget,
                )
                .await
                .unwrap();
        }
    });
    let mut etags = std::collections::BTreeMap::new();
    while !writer.is_finished() {
        let head = it.storage.head(&at("a.json"), &it.budget).await.unwrap();
        assert_eq!(
            head.content_type.as_deref(),
            Some(if head.size == 3 { "image/png" } else { "text/csv" })
        );
        assert_eq!(*etags.entry(head.etag).or_insert(head.size), head.size);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn every_write_has_an_etag_of_its_own() {
    let it = Fixture::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..500 {
        assert!(seen.insert(it.put("a", "same").await.etag.unwrap()));
    }
}

#[tokio::test]
async fn the_rest_of_object_store_works_too() {
    let it = Fixture::new();
    it.try_put("d/a", "x", Some("image/png"), PutConditions::default()).await.unwrap();
    let store = it.store.folder();
    store.copy(&"d/a".into(), &"d/e/b".into()).await.unwrap();
    assert!(store.copy_if_not_exists(&"d/a".into(), &"d/e/b".into()).await.is_err());
    assert_eq!(it.content_type("d/e/b").await.as_deref(), Some("image/png"));
    store.rename(&"d/a".into(), &"c".into()).await.unwrap();
    let listed = store.list_with_delimiter(None).await.unwrap();
    assert_eq!(listed.common_prefixes, ["d".into()]);
    assert_eq!(listed.objects.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(), ["c"]);
    let below: Vec<_> = store.list(Some(&"d".into())).try_collect().await.unwrap();
    assert_eq!(below.len(), 1);
    assert_eq!(store.get_ranges(&"c".into(), &[0..1, 0..1]).await.unwrap().len(), 2);
    assert_eq!(format!("{store}"), "Folder");
    for ours in [".keynet/lock", ".keynet/types/x"] {
        assert!(
            store.get(&ours.into()).await.is_err()
                && store.put(&ours.into(), "x".into()).await.is_err(),
            "{ours}"
        );
        assert!(
            store.delete(&ours.into()).await.is_err()
                && store.copy(&ours.into(), &"x".into()).await.is_err(),
            "{ours}"
        );
    }
}

#[tokio::test]
async fn an_object_deep_below_is_listed_and_deleted() {
    let it = Fixture::new();
    let deep = ["d"; 300].join("/");
    it.put(&deep, "x").await;
    assert_eq!(it.keys("d/d").await, [deep.as_str()]);
    it.storage.delete(&at(&deep), &it.budget).await.unwrap();
    assert!(!it.file("d").exists());
}

#[test]
fn a_folder_that_cannot_be_opened_says_which() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file"), "").unwrap();
    let error = Folder::open(&place.path().join("file")).unwrap_err();
    assert!(error.message.contains("file"), "{error}");
}

#[tokio::test]
async fn another_store_with_the_same_state_reads_its_urls() {
    let it = Fixture::new();
    let stored = it.put("a", "x").await;
    let other = FolderStore::open(FolderStoreSettings {
        folder: it.file(""),
        state: StateDir::new(it.place.path().join("state")),
        bucket: "other".to_owned(),
        public_url: Some(Url::parse(DEFAULT_PUBLIC_URL).unwrap()),
        internal_url: None,
        max_total: None,
    })
    .unwrap();
    let storage = ObjectStorage::new(other.bucket(), StorageLimits::default());
    assert_eq!(storage.get(&Location::Url(stored.url), None, &it.budget).await.unwrap().bytes, "x");
    assert_eq!(other.path_of(&at("s3://default/a")), None);
    assert!(other.path_of(&at("s3://other/a")).unwrap().ends_with("objects/a"));
}

#[tokio::test]
async fn a_folder_with_a_quota_has_no_more_than_that_and_takes_more_once_something_was_deleted() {
    let place = tempfile::tempdir().unwrap();
    let store = Folder::open_within(place.path(), Some(100 << 10)).unwrap();
    let put = async |key: &str, kib: usize| {
        let error = store.put(&key.into(), vec![7; kib << 10].into()).await.err()?;
        let error = super::super::failure::explain("write", key, error);
        assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
        assert!(error.message.contains("KEYNET_STORAGE_MAX_TOTAL"), "{error}");
        Some(error)
    };
    // Each has 4 KiB more.
    assert!(put("a", 40).await.is_none() && put("b", 40).await.is_none());
    assert!(put("c", 9).await.is_some());
    assert!(put("a", 9).await.is_some(), "for a moment both versions are there");
    assert!(put("c", 8).await.is_none());
    assert!(store.copy(&"c".into(), &"d".into()).await.is_err());
    store.delete(&"b".into()).await.unwrap();
    assert!(store.copy(&"c".into(), &"d".into()).await.is_ok());
    assert!(put("a", 28).await.is_none(), "the last is replaced");
    let mut upload = store.put_multipart(&"e".into()).await.unwrap();
    for _ in 0..3 {
        upload.put_part(vec![7; 10 << 10].into()).await.unwrap();
    }
    assert!(upload.put_part(vec![7; 20 << 10].into()).await.is_err());
    assert!(put("f", 10).await.is_some());
    drop(upload);
    while put("f", 10).await.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await; // the upload is aborted elsewhere
    }
    // What is there when it is opened counts.
    let again = Folder::open_within(place.path(), Some(100 << 10)).unwrap();
    assert!(again.put(&"g".into(), vec![7; 40 << 10].into()).await.is_err());
    assert!(again.put(&"g".into(), vec![7; 10 << 10].into()).await.is_ok());
}
