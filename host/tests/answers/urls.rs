//! Objects at URLs that an action names.

use keynet_object_storage::{Location, ObjectStorage, StorageLimits, UrlRules};
use keynet_test_servers::Hostile;

use super::*;

fn storage() -> ObjectStorage {
    let limits = StorageLimits { max_object_read: MIB, ..StorageLimits::default() };
    objects_at("http://127.0.0.1:1", limits)
        .with_url_rules(UrlRules { hosts: None, private_addresses: true })
}

fn at(server: &HostileServer, path: &str) -> Location {
    Location::parse(&format!("{}{path}", server.url())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_page_is_read_up_to_what_an_action_may_read() {
    let server = HostileServer::start(|_| Hostile::endless("HTTP/1.1 200 OK", "", "x"));
    let budget = enough();
    let words = "larger than the 1048576 bytes an action may read at once";
    refused(
        storage().get(&at(&server, "/x"), None, &budget).await,
        ErrorKind::TooLarge,
        words,
        &server,
        MIB,
    );
    assert_eq!(budget.memory.used(), 0);
    assert!(budget.memory.peak() <= MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_as_long_as_the_server_announced() {
    let server = HostileServer::start(|_| {
        Hostile::endless(
            "HTTP/1.1 206 Partial\nContent-Range: \
        bytes 0-0/1\nETag: \"e\"",
            "",
            "x",
        )
    });
    let budget = enough();
    let object = storage().open(&at(&server, "/x"), &budget).await.unwrap();
    refused(
        object.read(0, 1, &budget).await,
        ErrorKind::Unavailable,
        "sent more than the 1 bytes",
        &server,
        0,
    );
    assert_eq!((budget.memory.used(), budget.memory.peak()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_says_of_itself_is_of_bounded_size() {
    let server = HostileServer::start(|asked| {
        let name = asked.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let long = "e".repeat(200 << 10);
        let status = if name == "Location" { "302 Found" } else { "206 Partial" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Range: bytes 0-0/9\r\nContent-Length: \
            1\r\n{name}: {long}\r\n\r\nx"
        );
        Hostile::Answer(head.into_bytes())
    });
    for (name, words) in [
        ("ETag", "the header etag of its answer has 204800 bytes, and no more than 1024"),
        ("Content-Type", "the header content-type of its answer has 204800 bytes"),
        ("Location", "the header location of its answer has 204800 bytes"),
        ("X-Other", "the head of its answer has"),
    ] {
        let budget = enough();
        refused(
            storage().open(&at(&server, &format!("/{name}")), &budget).await,
            ErrorKind::TooLarge,
            words,
            &server,
            MIB,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_within_the_limit_is_kept() {
    let server = HostileServer::start(|_| {
        let etag = "e".repeat(1020);
        Hostile::Answer(
            format!(
                "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-0/9\r\nContent-Length: \
                1\r\nETag: \"{etag}\"\r\n\r\nx"
            )
            .into_bytes(),
        )
    });
    let budget = enough();
    let object = storage().open(&at(&server, "/x"), &budget).await.unwrap();
    assert_eq!(object.etag().map(str::len), Some(1022));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_a_byte_now_and_then_costs_no_more_than_the_time_there_is() {
    let server = HostileServer::start(|_| Hostile::Drip {
        head: "HTTP/1.1 200 OK".to_owned(),
        every: Duration::from_millis(20),
    });
    let began = Instant::now();
    let error = storage()
        .get(&at(&server, "/x"), None, &within(MIB, Duration::from_millis(400)))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(
        began.elapsed() < Duration::from_secs(20) && server.sent() > 0,
        "{:?}",
        began.elapsed()
    );
}
