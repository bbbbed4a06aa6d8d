//! Objects and listings of an S3 store.

use std::sync::atomic::{AtomicBool, Ordering};

use keynet_object_storage::{Location, ObjectStorage, Prefix, PutConditions, StorageLimits};
use keynet_test_servers::Hostile;

use super::*;

const META: &str = "Content-Type: image/png\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\nETag: \
    \"e\"";

fn storage(server: &HostileServer) -> ObjectStorage {
    objects_at(&server.url(), StorageLimits::default())
}

fn key() -> Location {
    Location::parse("k").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_bytes_of_an_endless_object_cost_no_more_than_five_bytes() {
    let server = HostileServer::start(|asked| match asked.starts_with("HEAD") {
        true => Hostile::Answer(
            format!("HTTP/1.1 200 OK\nContent-Length: 5\n{META}\n\n")
                .replace('\n', "\r\n")
                .into_bytes(),
        ),
        false => Hostile::endless(
            &format!(
                "HTTP/1.1 206 Partial\nContent-Range: bytes \
            0-4/5\nContent-Length: 5\n{META}"
            ),
            "",
            "x",
        ),
    });
    let budget = enough();
    let object = storage(&server).open(&key(), &budget).await.unwrap();
    refused(
        object.read(0, 5, &budget).await,
        ErrorKind::Unavailable,
        "sent more of `k` than the 5 bytes",
        &server,
        0,
    );
    assert_eq!((budget.memory.used(), budget.memory.peak()), (0, 5));
    assert_eq!(server.requests(), 2, "what a store did wrong is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_as_long_as_the_store_announced() {
    let server = HostileServer::start(|asked| match asked.split(' ').nth(1).unwrap() {
        "/b/endless" => {
            Hostile::endless(&format!("HTTP/1.1 200 OK\nContent-Length: 5\n{META}"), "", "x")
        }
        "/b/short" => {
            let head = format!(
                "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: \
                chunked\n{META}\n\n"
            )
            .replace('\n', "\r\n");
            Hostile::Answer([head.as_bytes(), b"4\r\n1234\r\n0\r\n\r\n"].concat())
        }
        _ => Hostile::answer(&format!("HTTP/1.1 200 OK\n{META}"), "12345"),
    });
    let budget = enough();
    let get = async |path: &str| {
        storage(&server).get(&Location::parse(path).unwrap(), None, &budget).await
    };
    assert_eq!(get("right").await.unwrap().bytes, "12345");
    for path in ["endless", "short"] {
        let error = get(path).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{path}: {error}");
    }
    assert!(server.sent() < ON_THE_WAY && budget.memory.used() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_listing_is_read_up_to_a_page() {
    let server = HostileServer::start(|_| {
        Hostile::endless(
            "HTTP/1.1 200 OK\nContent-Type: application/xml",
            "<ListBucketResult>",
            " ",
        )
    });
    let all = Prefix::parse("").unwrap();
    let budget = enough();
    refused(
        storage(&server).list(&all, None, &budget).await,
        ErrorKind::Unavailable,
        "8388608 bytes",
        &server,
        8 * MIB,
    );
    assert_eq!(budget.memory.used(), 0);
    assert!(budget.memory.peak() <= 8 * MIB);
    // An activation with less memory reads less of it.
    let small = within(MIB, Duration::from_secs(60));
    let error = storage(&server).list(&all, None, &small).await.unwrap_err();
    assert!(error.kind == ErrorKind::TooLarge && error.message.contains("a listing"), "{error}");
    assert_eq!(small.memory.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_goes_round_in_a_circle_ends() {
    let server = HostileServer::start(|_| {
        let key = "<Contents><Key>k</Key><Size>1</Size><LastModified>2026-11-24T23:33:49.000Z</LastModified></Contents>";
        Hostile::answer(
            "HTTP/1.1 200 OK",
            format!("<ListBucketResult>{key}<IsTruncated>true</IsTruncated></ListBucketResult>"),
        )
    });
    let (storage, all, budget) = (storage(&server), Prefix::parse("").unwrap(), enough());
    let first = storage.list(&all, None, &budget).await.unwrap();
    let second = storage.list(&all, first.next.as_deref(), &budget).await;
    refused(second, ErrorKind::Unavailable, "without an end", &server, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_answers_to_writes_and_endless_errors_are_cut() {
    static FAILS: AtomicBool = AtomicBool::new(false);
    let server = HostileServer::start(|_| {
        let status = if FAILS.load(Ordering::SeqCst) { "403 Forbidden" } else { "200 OK" };
        Hostile::endless(
            &format!("HTTP/1.1 {status}\nETag: \"e\""),
            "<Error><Code>AccessDenied</Code></Error>",
            "x",
        )
    });
    let (storage, budget) = (storage(&server), enough());
    let put = async || {
        storage.put("x".into(), Some(key()), None, PutConditions::default(), &budget).await
    };
    refused(put().await, ErrorKind::Unavailable, "longer than the 1048576 bytes", &server, MIB);
    FAILS.store(true, Ordering::SeqCst);
    let before = server.sent();
    let error = put().await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("AccessDenied"), "{error}");
    assert!(server.sent() - before <= ON_THE_WAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_of_three_hundred_kilobytes_is_not_kept() {
    let server = HostileServer::start(|_| {
        let etag = "e".repeat(300 << 10);
        Hostile::Answer(
            format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"{etag}\"\r\n\r\n")
                .into_bytes(),
        )
    });
    refused(
        storage(&server).head(&key(), &enough()).await,
        ErrorKind::TooLarge,
        "header etag of its answer has 307202 bytes",
        &server,
        0,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_sends_a_byte_now_and_then_costs_no_more_than_the_time_there_is() {
    let server = HostileServer::start(|_| Hostile::Drip {
        head: "HTTP/1.1 200 OK\nETag: \"e\"".to_owned(),
        every: Duration::from_millis(20),
    });
    let storage = storage(&server);
    let began = Instant::now();
    let short = || within(MIB, Duration::from_millis(400));
    let put = storage.put("x".into(), Some(key()), None, PutConditions::default(), &short()).await;
    assert_eq!(put.unwrap_err().kind, ErrorKind::Timeout);
    let listed = storage.list(&Prefix::parse("").unwrap(), None, &short()).await;
    assert_eq!(listed.unwrap_err().kind, ErrorKind::Timeout);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
