//! The server, over real sockets, with requests written by hand.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::super::tests::{Fixture, at};
use super::super::{ContentType, ObjectKey, PutConditions};
use super::{Method, ServeLimits, serve};

struct Served {
    it: Fixture,
    address: std::net::SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Served {
    async fn new(limits: ServeLimits) -> Self {
        let it = Fixture::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server =
            tokio::spawn(serve(
                listener,
                it.store.clone(),
                limits,
                async move { drop(stopped.await) },
            ));
        Self { it, address, stop: Some(stop), server }
    }

    /// Sends a request with exactly `body`, regardless of its headers.
    async fn send(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: \
            close\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(body).await; // rejected before it was all sent
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer))
            .await
            .unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Answer { status, headers: headers.collect(), body: answer[end + 4..].to_vec() }
    }

    async fn get(&self, url: &Url, headers: &str) -> Answer {
        self.send("GET", &target(url), headers, b"").await
    }

    fn grant(&self, key: &str, content_type: &str) -> String {
        let content_type = ContentType::parse(content_type).unwrap();
        let key = ObjectKey::parse(key).unwrap();
        target(
            &self
                .it
                .store
                .signer()
                .sign(
                    Method::Put,
                    &key,
                    Some(&content_type),
                    Duration::from_secs(60),
                    SystemTime::now(),
                )
                .unwrap(),
        )
    }
}

fn target(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap())
}

#[tokio::test]
async fn a_signed_url_gets_its_object_and_nothing_runs() {
    let served = Served::new(ServeLimits::default()).await;
    let stored = served
        .it
        .try_put("a b/é.html", "<script>", Some("text/html"), PutConditions::default())
        .await
        .unwrap();
    let got = served.get(&stored.url, "").await;
    assert_eq!((got.status, got.text().as_str()), (200, "<script>"));
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-length", "8"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("referrer-policy", "no-referrer"),
        ("etag", &format!("\"{}\"", stored.etag.unwrap())),
    ] {
        assert_eq!(got.headers[name], value, "{name}");
    }
    assert!(got.headers["last-modified"].ends_with(" GMT"));

    let head = served.send("HEAD", &target(&stored.url), "Range: bytes=0-1\r\n", b"").await;
    assert_eq!(
        (head.status, head.body.len(), head.headers["content-length"].as_str()),
        (200, 0, "8")
    );
    let again = served
        .get(&stored.url, &format!("If-None-Match: \"x\", W/{}\r\n", got.headers["etag"]))
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test]
async fn ranges_are_served() {
    let served = Served::new(ServeLimits::default()).await;
    let url = served.it.put("a", "0123456789").await.url;
    let got = served.get(&url, "Range: bytes=2-4\r\n").await;
    assert_eq!((got.status, got.text().as_str()), (206, "234"));
    assert_eq!(
        (got.headers["content-range"].as_str(), got.headers["content-length"].as_str()),
        ("bytes 2-4/10", "3")
    );
    assert_eq!(served.get(&url, "Range: bytes=-3\r\n").await.text(), "789");
    let past = served.get(&url, "Range: bytes=10-\r\n").await;
    assert_eq!((past.status, past.headers["content-range"].as_str()), (416, "bytes */10"));
    assert_eq!(served.get(&url, "Range: bytes=0-1,4-5\r\n").await.status, 200);
    assert_eq!(
        served.get(&url, "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n").await.text(),
        "0123456789"
    );
    let etag = got.headers["etag"].clone();
    assert_eq!(
        served.get(&url, &format!("Range: bytes=0-1\r\nIf-Range: {etag}\r\n")).await.text(),
        "01"
    );
}

#[tokio::test]
async fn without_a_valid_signature_nothing_is_told() {
    let served = Served::new(ServeLimits::default()).await;
    let url = served.it.put("there", "secret").await.url;
    let get = target(&url);
    let put = served.grant("there", "image/png");
    let expired = served
        .it
        .store
        .signer()
        .sign(
            Method::Get,
            &ObjectKey::parse("there").unwrap(),
            None,
            Duration::from_secs(1),
            SystemTime::now() - Duration::from_secs(5),
        )
        .unwrap();
    let missing = served
        .get(&served.it.storage.presign(&at("missing"), None, &served.it.budget).await.unwrap(), "")
        .await;
    assert_eq!(missing.status, 404);

    let mut texts = Vec::new();
    for path in [
        "/there",
        "/missing",
        "/",
        "/.keynet/lock",
        "/../state/storage.key",
        "/there?expires=1&method=GET&signature=00",
    ] {
        let got = served.send("GET", path, "", b"").await;
        assert_eq!(got.status, 403, "{path}");
        assert_eq!(got.headers["x-content-type-options"], "nosniff");
        texts.push(got.text());
        assert_eq!(
            served.send("PUT", path, "Content-Length: 1\r\n", b"x").await.status,
            403,
            "{path}"
        );
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    for (method, target, status) in [
        ("GET", get.replace("/there", "/other"), 403),
        ("GET", put.clone(), 403),
        ("GET", target(&expired), 403),
        ("PUT", get.clone(), 403),
        ("POST", get.clone(), 405),
        ("DELETE", get.clone(), 405),
        ("OPTIONS", get.clone(), 405),
        ("GET", get, 200),
    ] {
        assert_eq!(
            served.send(method, &target, "Content-Length: 0\r\n", b"").await.status,
            status,
            "{method} {target}"
        );
    }
    assert_eq!(served.it.get("there").await.unwrap(), "secret");
}

#[tokio::test]
async fn a_put_is_whole_or_nothing() {
    let served =
        Served::new(ServeLimits { max_object_write: 4 << 20, ..ServeLimits::default() }).await;
    let target = served.grant("in/a.bin", "image/png");
    let big = vec![7; 3 << 20];
    let put = served
        .send(
            "PUT",
            &target,
            &format!(
                "Content-Type: image/png\r\nContent-Length: \
        {}\r\n",
                big.len()
            ),
            &big,
        )
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    let read = served.it.storage.get(&at("in/a.bin"), None, &served.it.budget).await.unwrap();
    assert!(read.bytes == big);
    let head = served.it.storage.head(&at("in/a.bin"), &served.it.budget).await.unwrap();
    assert_eq!(
        (head.content_type.as_deref(), put.headers["etag"].trim_matches('"')),
        (Some("image/png"), head.etag.as_deref().unwrap())
    );
    let got = served
        .get(
            &served.it.storage.presign(&at("in/a.bin"), None, &served.it.budget).await.unwrap(),
            "",
        )
        .await;
    assert!(got.body == big);

    let chunked = "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(
        served.send("PUT", &target, chunked, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await.status,
        200
    );
    assert_eq!(served.it.get("in/a.bin").await.unwrap(), "abcde");

    let endless: Vec<u8> = [b"100000\r\n".as_slice(), &[1; 1 << 20], b"\r\n"].concat().repeat(5);
    for (headers, body, status) in [
        ("Content-Type: image/png\r\nContent-Length: 5000000\r\n", b"x".as_slice(), 413),
        (chunked, &endless, 413),
        ("Content-Type: text/html\r\nContent-Length: 1\r\n", b"x", 403),
        ("Content-Length: 1\r\n", b"x", 403),
        ("Content-Type: image/png\r\nIf-None-Match: *\r\nContent-Length: 1\r\n", b"x", 400),
        (chunked, b"zz\r\n", 400),
    ] {
        let put = served.send("PUT", &target, headers, body).await;
        assert_eq!(put.status, status, "{headers} {}", put.text());
        assert_eq!(served.it.get("in/a.bin").await.unwrap(), "abcde");
    }
    served.it.until_nothing_is_staged().await;
}

#[tokio::test]
async fn a_writer_that_stops_is_not_waited_for() {
    let served =
        Served::new(ServeLimits { idle: Duration::from_millis(100), ..ServeLimits::default() })
            .await;
    let put = served
        .send(
            "PUT",
            &served.grant("a", "image/png"),
            "Content-Type: \
        image/png\r\nContent-Length: 10\r\n",
            b"half",
        )
        .await;
    assert_eq!(put.status, 408);
    assert!(served.it.get("a").await.is_err());
}

#[tokio::test]
async fn more_requests_than_allowed_are_turned_away() {
    let served = Served::new(ServeLimits { max_requests: 1, ..ServeLimits::default() }).await;
    let url = served.it.put("a", "x").await.url;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 10\r\n\r\n",
        served.grant("b", "image/png")
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut got = served.get(&url, "").await;
    while got.status == 200 {
        got = served.get(&url, "").await; // until the other request has arrived
    }
    assert_eq!((got.status, got.headers["retry-after"].as_str()), (503, "1"));
    slow.write_all(b"0123456789").await.unwrap();
    slow.read_u8().await.unwrap();
    while got.status == 503 {
        got = served.get(&url, "").await; // until the other request has ended
    }
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn the_server_stops_when_told() {
    let mut served = Served::new(ServeLimits::default()).await;
    served.it.put("a", "x").await;
    drop(served.stop.take());
    tokio::time::timeout(Duration::from_secs(60), served.server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_large_object_is_streamed() {
    let served = Served::new(ServeLimits::default()).await;
    let bytes: Bytes = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
    let stored = served
        .it
        .storage
        .put(bytes.clone(), None, None, PutConditions::default(), &served.it.budget)
        .await
        .unwrap();
    let got = served.get(&stored.url, "").await;
    assert!(got.body == bytes);
}
