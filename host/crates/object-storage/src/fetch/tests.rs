//! URLs of a server with arbitrary behaviour.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use super::*;
use keynet_base::budget::MemoryBudget;
use keynet_base::error::ErrorKind;
use keynet_base::granted::Granted;
use keynet_base::patterns::Patterns;

type Answers = fn(&str, &Request) -> Response;

/// Server on a free local port, and the requests it received.
struct Server {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Answers) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let state = (Arc::clone(&asked), base.clone());
        let answer = async move |State((asked, base)): State<(Arc<Mutex<Vec<String>>>, String)>,
                                 request: Request| {
            asked.lock().unwrap().push(request.uri().path().to_owned());
            answers(&base, &request)
        };
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, asked }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.base)).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &'static [u8]) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}

fn budget() -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 20),
        deadline: Instant::now() + Duration::from_secs(20),
    }
}

fn anywhere() -> UrlRules {
    UrlRules { hosts: None, private_addresses: true }
}

async fn get(fetcher: &Fetcher, url: &Url, rules: &UrlRules) -> Result<ReadBytes> {
    fetcher.get(url, None, rules, &StorageLimits::default(), &budget()).await
}

/// Returns part of a digit sequence, as a server with ranges and etags does.
fn digits(_: &str, request: &Request) -> Response {
    const DIGITS: &[u8] = b"0123456789";
    let etag = if request.uri().path() == "/changing" {
        request.headers().get("range").map_or("", |r| r.to_str().unwrap())
    } else {
        "\"d\""
    };
    let head = [
        ("content-type", "text/x-digits"),
        ("etag", etag),
        ("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ];
    match (
        request.uri().path(),
        request.headers().get("range").map(|range| range.to_str().unwrap()),
    ) {
        ("/empty", Some(_)) => answer(416, &[("content-range", "bytes */0")], b""),
        ("/no-ranges", _) | (_, None) => answer(200, &head, DIGITS),
        (_, Some("bytes=0-0")) => {
            answer(206, &[&head[..], &[("content-range", "bytes 0-0/10")]].concat(), b"0")
        }
        (_, Some("bytes=3-5")) => {
            answer(206, &[&head[..], &[("content-range", "bytes 3-5/10")]].concat(), b"345")
        }
        _ => answer(400, &[], b""),
    }
}

#[tokio::test]
async fn an_object_is_looked_up_and_read_in_parts_by_get_alone() {
    let server = Server::start(digits).await;
    let fetcher = Fetcher::default();
    for path in ["/digits", "/no-ranges"] {
        let (open, info) = fetcher.open(&server.url(path), &anywhere(), &budget()).await.unwrap();
        assert_eq!(
            (info.size, info.content_type.as_deref(), info.etag.as_deref()),
            (10, Some("text/x-digits"), Some("\"d\""))
        );
        assert_eq!(info.modified_ms, Some(1_445_412_480_000));
        assert_eq!(open.read(3..6, &info, &budget()).await.unwrap().bytes, "345");
        assert_eq!(
            get(&fetcher, &server.url(path), &anywhere()).await.unwrap().bytes,
            "0123456789"
        );
    }
    let (_, empty) = fetcher.open(&server.url("/empty"), &anywhere(), &budget()).await.unwrap();
    assert_eq!(empty.size, 0);
}

#[tokio::test]
async fn what_was_replaced_while_it_was_read_is_not_mixed() {
    let server = Server::start(digits).await;
    let (open, info) =
        Fetcher::default().open(&server.url("/changing"), &anywhere(), &budget()).await.unwrap();
    let error = open.read(3..6, &info, &budget()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PreconditionFailed);
}

fn redirects(base: &str, request: &Request) -> Response {
    let to = |to: &str| answer(302, &[("location", to)], b"");
    match request.uri().path() {
        "/twice" => to("/once"),
        "/once" => to(&format!("{base}/end#part")),
        "/end" => answer(200, &[], b"the end"),
        "/loop" => to("/loop"),
        "/metadata" => to("http://169.254.169.254/latest/meta-data/"),
        "/mapped" => to("http://[::ffff:10.0.0.1]/"),
        "/localhost" => to(&base.replace("127.0.0.1", "localhost")),
        "/file" => to("file:///etc/passwd"),
        "/user" => to("http://user:secret@127.0.0.1/"),
        "/nowhere" => answer(302, &[], b""),
        "/missing" => answer(404, &[("content-type", "text/html")], b"<h1>secret page</h1>"),
        "/forbidden" => answer(403, &[], b""),
        "/teapot" => answer(418, &[], b""),
        _ => answer(500, &[], b""),
    }
}

#[tokio::test]
async fn redirects_are_followed_to_their_end() {
    let server = Server::start(redirects).await;
    assert_eq!(
        get(&Fetcher::default(), &server.url("/twice"), &anywhere()).await.unwrap().bytes,
        "the end"
    );
    assert_eq!(server.asked(), ["/twice", "/once", "/end"]);
    for (path, what) in [
        ("/loop", "more than 10 times"),
        ("/file", "not http or https"),
        ("/user", "a user or a password"),
        ("/nowhere", "without saying where"),
    ] {
        let error = get(&Fetcher::default(), &server.url(path), &anywhere()).await.unwrap_err();
        assert!(
            error.kind == ErrorKind::Invalid
                && error.message.contains(what)
                && !error.message.contains("secret"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_private_address_is_not_even_connected_to() {
    let server = Server::start(redirects).await;
    let named = Url::parse(&server.base.replace("127.0.0.1", "localhost")).unwrap();
    for url in [server.url("/end"), named] {
        let error = get(&Fetcher::default(), &url, &UrlRules::default()).await.unwrap_err();
        assert!(
            error.kind == ErrorKind::Denied && error.message.contains("private-addresses"),
            "{error}"
        );
    }
    assert_eq!(server.asked(), Vec::<String>::new());
}

/// Store whose URLs begin with this text.
#[derive(Debug)]
struct Own(String);

impl OwnUrls for Own {
    fn serves(&self, url: &Url) -> bool {
        url.as_str().starts_with(&self.0)
    }

    fn refused(&self, body: &str) -> Option<String> {
        Some(format!("in its words: {body}"))
    }
}

#[tokio::test]
async fn the_stores_own_urls_are_read_wherever_it_is_but_lead_nowhere_private() {
    let server = Server::start(redirects).await;
    let client = outbound::client(&AddressPolicy::Any, None).unwrap();
    let fetcher = Fetcher::beside(OwnServer { store: Arc::new(Own(server.base.clone())), client });
    let none = Granted::new(&[].into_iter().collect(), None);
    let rules = UrlRules { hosts: Some(none), private_addresses: false };
    assert_eq!(get(&fetcher, &server.url("/twice"), &rules).await.unwrap().bytes, "the end");
    for path in ["/metadata", "/mapped", "/localhost"] {
        for rules in [&rules, &UrlRules::default()] {
            let error = get(&fetcher, &server.url(path), rules).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Denied, "{path}: {error}");
        }
    }
    let error = get(&fetcher, &server.url("/forbidden"), &rules).await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("in its words"), "{error}");
}

#[tokio::test]
async fn only_hosts_that_are_granted_and_asked_for_are_read() {
    let server = Server::start(redirects).await;
    let granted: Patterns = ["127.0.0.1"].into_iter().collect();
    let rules = |requested: Option<&str>| {
        let requested = requested.map(|host| [host].into_iter().collect());
        let hosts = Granted::new(&granted, requested.as_ref());
        UrlRules { hosts: Some(hosts), private_addresses: true }
    };
    assert!(get(&Fetcher::default(), &server.url("/end"), &rules(None)).await.is_ok());
    let error =
        get(&Fetcher::default(), &server.url("/localhost"), &rules(None)).await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("\"localhost\""), "{error}");
    let error = get(&Fetcher::default(), &server.url("/end"), &rules(Some("images.example.com")))
        .await
        .unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("keynet.toml"), "{error}");
}

#[tokio::test]
async fn errors_are_told_by_kind_and_without_the_servers_page() {
    let server = Server::start(redirects).await;
    for (path, kind) in [
        ("/missing", ErrorKind::NotFound),
        ("/forbidden", ErrorKind::Denied),
        ("/teapot", ErrorKind::Invalid),
    ] {
        let error = get(
            &Fetcher::default(),
            &server.url(&format!("{path}?X-Amz-Signature=abc")),
            &anywhere(),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(
            error.message.contains(path)
                && !error.message.contains("secret")
                && !error.message.contains("abc"),
            "{error}"
        );
    }
    let nobody = Url::parse("http://127.0.0.1:1/x").unwrap();
    let error = get(&Fetcher::default(), &nobody, &anywhere()).await.unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.ends_with("connection refused"),
        "{error}"
    );
}

fn endless(_: &str, request: &Request) -> Response {
    const CHUNK: bytes::Bytes = bytes::Bytes::from_static(&[7; 64 << 10]);
    let chunks = futures::stream::repeat_with(|| Ok::<_, std::convert::Infallible>(CHUNK));
    match request.uri().path() {
        "/large" => answer(200, &[], &[7; 100 << 10]),
        "/silent" => Response::new(Body::from_stream(futures::stream::pending::<
            Result<bytes::Bytes, std::convert::Infallible>,
        >())),
        _ => Response::new(Body::from_stream(chunks)),
    }
}

#[tokio::test]
async fn a_body_is_cut_at_the_limit_whether_its_size_is_said_or_not() {
    let server = Server::start(endless).await;
    let limits = StorageLimits { max_object_read: 80 << 10, ..StorageLimits::default() };
    for path in ["/large", "/endless"] {
        let error = Fetcher::default()
            .get(&server.url(path), None, &anywhere(), &limits, &budget())
            .await
            .unwrap_err();
        assert!(
            error.kind == ErrorKind::TooLarge && error.message.contains("KEYNET_STORAGE_MAX_READ"),
            "{error}"
        );
        let small = CallBudget { memory: MemoryBudget::process(70 << 10), ..budget() };
        let error = Fetcher::default()
            .get(&server.url(path), None, &anywhere(), &StorageLimits::default(), &small)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
        assert_eq!(small.memory.used(), 0);
    }
    let read = get(&Fetcher::default(), &server.url("/large"), &anywhere()).await.unwrap();
    assert_eq!((read.bytes.len(), read.reservation.bytes()), (100 << 10, 100 << 10));
}

#[tokio::test]
async fn a_server_that_falls_silent_costs_no_more_than_the_time_there_is() {
    let server = Server::start(endless).await;
    let short = CallBudget { deadline: Instant::now() + Duration::from_millis(200), ..budget() };
    let location = Location::parse(server.url("/silent").as_str()).unwrap();
    let storage = super::super::tests::Fixture::new().storage.with_url_rules(anywhere());
    let began = Instant::now();
    assert_eq!(storage.get(&location, None, &short).await.unwrap_err().kind, ErrorKind::Timeout);
    assert!(began.elapsed() < Duration::from_secs(5));
}
