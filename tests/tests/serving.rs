//! Tests of `run --serve`: its responses, its concurrency, and its end.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::made::answers;
use keynet_tests::{Sandbox, Server, answer, fetch, free_address, guest, http, root, send};
use serde_json::{Value, json};

const MAX_BODY: usize = 48 << 20;

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", format!("http://{}/", free_address()));
    sandbox
}

fn slept(server: &Server, ms: u64) {
    assert_eq!(server.post(&json!({ "do": "sleep", "ms": ms })), (200, json!({ "slept": ms })));
}

fn serve_answer(sandbox: &Sandbox, text: &str) -> Server {
    let path = sandbox.path("answer.wasm");
    std::fs::write(&path, answers(text)).unwrap();
    sandbox.serve(&path)
}

// Responses

#[test]
fn every_documented_status_is_met() {
    let mut sandbox = sandbox();
    sandbox.set("KEYNET_TIME", "2s");
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let (capable, hostile, answer) = (
        sandbox.serve(&guest("capable")),
        sandbox.serve(&guest("hostile")),
        serve_answer(&sandbox, "3"),
    );
    let mut met = BTreeSet::new();
    let mut meet = |answer: keynet_tests::Answer, status: u16, kind: &str| {
        let body = answer.json();
        assert_eq!((answer.status, &body["kind"]), (status, &json!(kind)), "{answer:?}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
        assert!(
            answer.head.to_ascii_lowercase().contains("content-type: application/json"),
            "{}",
            answer.head
        );
        met.insert(status);
    };
    let post = |server: &Server, body: &[u8]| http(server.address(), "POST", "/", &[], body);
    for (kind, status) in [
        ("invalid", 400),
        ("denied", 403),
        ("not-found", 404),
        ("precondition-failed", 412),
        ("too-large", 413),
        ("internal", 500),
        ("unavailable", 503),
        ("timeout", 504),
    ] {
        meet(
            post(
                &capable,
                json!({ "do": "fail", "kind": kind, "message": "so it is" }).to_string().as_bytes(),
            ),
            status,
            kind,
        );
    }
    for body in [&b"nonsense"[..], b"{ half", b"3", b"\"text\"", b"\xff\xfe", b"{} {}"] {
        meet(post(&capable, body), 400, "invalid");
    }
    for (deed, status, kind) in [
        ("panic", 500, "panic"),
        ("recurse", 500, "trap"),
        ("exit", 500, "exit"),
        ("exit-with-zero", 500, "exit"),
        ("allocate-one-memory", 500, "limit"),
        ("loop-for-ever", 504, "out-of-time"),
        ("sleep", 504, "out-of-time"),
    ] {
        meet(post(&hostile, json!({ "do": deed }).to_string().as_bytes()), status, kind);
    }
    meet(post(&answer, b"{}"), 500, "result");
    meet(http(capable.address(), "POST", "/other", &[], b"{}"), 404, "not-found");
    meet(http(capable.address(), "GET", "/favicon.ico", &[], b""), 404, "not-found");
    for method in ["PUT", "DELETE", "PATCH"] {
        meet(http(capable.address(), method, "/", &[], b"{}"), 405, "invalid");
    }
    let too_large = vec![b' '; MAX_BODY + 1];
    meet(post(&capable, &too_large), 413, "too-large");

    let documented = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let table = documented
        .split("| status | when |")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .expect("the table");
    let statuses = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .flat_map(|cell| cell.split(", "));
    let documented = statuses.filter_map(|status| status.parse().ok()).collect::<BTreeSet<u16>>();
    assert_eq!(met, documented);
}

#[test]
fn it_answers_with_the_result_and_says_what_it_is() {
    let server = sandbox().serve(&guest("hello"));
    assert_eq!(server.post(&json!({ "name": "Ada" })), (200, json!({ "greeting": "Hello, Ada!" })));
    let about = http(server.address(), "GET", "/", &[], b"");
    assert_eq!(about.status, 200);
    let about = about.json();
    assert_eq!(
        (&about["name"], &about["description"]),
        (&json!("hello"), &json!("Greets a person by name."))
    );
    assert_eq!(about["input_schema"]["required"], json!(["name"]));
    assert_eq!(about.as_object().unwrap().len(), 3, "{about}");
    // An empty body is `{}`, and so is one of whitespace.
    for body in [&b""[..], b" \r\n"] {
        let answer = http(server.address(), "POST", "/", &[], body);
        assert_eq!((answer.status, answer.json()["kind"].clone()), (400, json!("invalid")));
        assert!(answer.text().contains("the parameter `name` is missing"), "{answer:?}");
    }
    server.says(&format!("listening on http://{}", server.address()));
    server.says("[1] greeting Ada");
}

#[test]
fn results_are_passed_on_as_they_are() {
    let server = serve_answer(&sandbox(), "[1.50, {\"a\" : 12345678901234567890}]");
    let answer = http(server.address(), "POST", "/", &[], b"{}");
    assert_eq!((answer.status, answer.text()), (200, "[1.50, {\"a\" : 12345678901234567890}]"));
}

#[test]
fn a_body_of_48_mib_is_taken_and_one_byte_more_is_not() {
    let server = sandbox().serve(&guest("hello"));
    let mut body = br#"{"name": "Ada"}"#.to_vec();
    body.resize(MAX_BODY, b' ');
    let taken = http(server.address(), "POST", "/", &[], &body);
    assert_eq!(taken.status, 200, "{}", taken.text());
    body.push(b' ');
    let refused = http(server.address(), "POST", "/", &[], &body);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(refused.text().contains("48 MiB"), "{}", refused.text());
    assert_eq!(server.post(&json!({ "name": "Ada" })).0, 200);
}

#[test]
fn connections_are_kept_and_bodies_may_come_in_chunks() {
    let server = sandbox().serve(&guest("hello"));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for name in ["Ada", "Grace"] {
        let text = format!(r#"{{"name": "{name}"}}"#);
        let (first, second) = text.split_at(5);
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \
            chunked\r\n\r\n{:x}\r\n{first}\r\n",
            first.len()
        )
        .unwrap();
        thread::sleep(Duration::from_millis(50));
        write!(stream, "{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).unwrap();
        let expected = format!(r#"{{"greeting":"Hello, {name}!"}}"#);
        let mut got = String::new();
        while !got.ends_with(&expected) {
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "it closed the connection: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }
}

// Allowed hosts and origins

/// Returns the response to a browser that sends parameters to `server` as `host`, for a page of
/// `origin`.
fn browser(server: &Server, host: &str, origin: Option<&str>) -> keynet_tests::Answer {
    let body = r#"{"name": "Ada"}"#;
    let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\n{origin}Content-Length: \
        {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all((head + body).as_bytes()).unwrap();
    answer(stream)
}

#[test]
fn a_page_of_another_site_cannot_run_the_action() {
    let sandbox = sandbox();
    let server = sandbox.serve(&guest("hello"));
    let (_, port) = server.address().rsplit_once(':').unwrap();
    for host in ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")) {
        assert_eq!(browser(&server, &host, None).status, 200, "{host}");
        assert_eq!(browser(&server, &host, Some(&format!("http://{host}"))).status, 200, "{host}");
    }
    let own = format!("localhost:{port}");
    for (host, origin) in [
        // A name that was made to resolve to this machine.
        (format!("attacker.example:{port}"), Some(format!("http://attacker.example:{port}"))),
        (format!("attacker.example:{port}"), None),
        ("".to_owned(), None),
        (own.clone(), Some("https://attacker.example".to_owned())),
        (own.clone(), Some("http://localhost:1".to_owned())),
        (own, Some("null".to_owned())),
    ] {
        let refused = browser(&server, &host, origin.as_deref());
        assert_eq!(
            (refused.status, &refused.json()["kind"]),
            (403, &json!("denied")),
            "{host} {origin:?}"
        );
        assert!(refused.text().contains("--allow-host"), "{}", refused.text());
    }

    let address = free_address();
    let hello = guest("hello");
    let arguments = [
        "run".as_ref(),
        hello.as_os_str(),
        "--allow-host".as_ref(),
        "app.example".as_ref(),
        "--serve".as_ref(),
        address.as_ref(),
    ];
    let server = Server::start(sandbox.command(arguments), address);
    assert_eq!(browser(&server, "app.example", Some("https://app.example")).status, 200);
    assert_eq!(browser(&server, server.address(), Some("https://app.example")).status, 200);
    assert_eq!(browser(&server, "other.example", None).status, 403);
}

#[test]
fn a_name_that_resolves_to_this_machine_gets_no_object() {
    let mut sandbox = sandbox();
    let server = sandbox.serve_objects();
    let (_, stored) =
        sandbox.serve(&guest("capable")).post(&json!({ "do": "put", "content": "mine" }));
    let (address, target) = keynet_tests::split_url(stored["url"].as_str().unwrap());
    let get = |host: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(
                format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .unwrap();
        answer(stream)
    };
    assert_eq!(address, server.address());
    assert_eq!((get(address).status, get("localhost").status), (200, 200));
    let refused = get("attacker.example");
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(
        refused.text().contains("\"attacker.example\"") && refused.text().contains("--allow-host"),
        "{}",
        refused.text()
    );
}

// Concurrency

#[test]
fn sleepers_sleep_at_the_same_time() {
    let server = sandbox().serve(&guest("capable"));
    slept(&server, 1);
    let started = Instant::now();
    thread::scope(|scope| (0..32).for_each(|_| drop(scope.spawn(|| slept(&server, 1000)))));
    let took = started.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(8)).contains(&took),
        "32 s of sleep took {took:?}"
    );
}

#[test]
fn more_than_may_run_at_once_wait() {
    let mut sandbox = sandbox();
    sandbox.set("KEYNET_CONCURRENCY", 2);
    let server = sandbox.serve(&guest("capable"));
    slept(&server, 1);
    let started = Instant::now();
    thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(|| slept(&server, 500)))));
    let took = started.elapsed();
    assert!(
        (Duration::from_millis(1500)..Duration::from_secs(8)).contains(&took),
        "three rounds of 500 ms took {took:?}"
    );
}

#[test]
fn who_hangs_up_makes_room() {
    let mut sandbox = sandbox();
    sandbox.set("KEYNET_CONCURRENCY", 1);
    let server = sandbox.serve(&guest("capable"));
    let patient = send(
        server.address(),
        "POST",
        "/",
        &[],
        json!({ "do": "sleep", "ms": 50_000 }).to_string().as_bytes(),
    );
    server.says("sleeping 50000 ms");
    drop(patient);
    let started = Instant::now();
    slept(&server, 1);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "it waited {:?} for one who is gone",
        started.elapsed()
    );
    // The same holds for a client that disconnects before it has sent everything.
    let mut half = TcpStream::connect(server.address()).unwrap();
    half.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{").unwrap();
    drop(half);
    slept(&server, 1);
}

#[test]
fn one_who_hangs_up_costs_nobody_else() {
    let server = sandbox().serve(&guest("capable"));
    let steady = send(
        server.address(),
        "POST",
        "/",
        &[],
        json!({ "do": "sleep", "ms": 2000 }).to_string().as_bytes(),
    );
    server.says("sleeping 2000 ms");
    for _ in 0..20 {
        drop(send(
            server.address(),
            "POST",
            "/",
            &[],
            json!({ "do": "sleep", "ms": 30_000 }).to_string().as_bytes(),
        ));
    }
    slept(&server, 1);
    let steady = answer(steady);
    assert_eq!((steady.status, steady.json()), (200, json!({ "slept": 2000 })));
}

// Shutdown

#[test]
fn requests_under_way_end_before_it_does() {
    let mut server = sandbox().serve(&guest("capable"));
    let slow = send(
        server.address(),
        "POST",
        "/",
        &[],
        json!({ "do": "sleep", "ms": 2000 }).to_string().as_bytes(),
    );
    server.says("sleeping 2000 ms");
    server.signal("TERM");
    let slow = answer(slow);
    assert_eq!((slow.status, slow.json()), (200, json!({ "slept": 2000 })));
    assert_eq!(server.ends_within(Duration::from_secs(5)).code(), Some(0));
    assert!(TcpStream::connect(server.address()).is_err(), "nobody listens any more");
}

#[test]
fn requests_that_take_too_long_are_cut_off() {
    let mut server = sandbox().serve(&guest("capable"));
    let slow = send(
        server.address(),
        "POST",
        "/",
        &[],
        json!({ "do": "sleep", "ms": 50_000 }).to_string().as_bytes(),
    );
    server.says("sleeping 50000 ms");
    let started = Instant::now();
    server.signal("INT");
    assert_eq!(server.ends_within(Duration::from_secs(20)).code(), Some(0));
    assert!(
        started.elapsed() > Duration::from_secs(9),
        "10 s are given, not {:?}",
        started.elapsed()
    );
    server.says("requests that took too long to end were cut off");
    drop(slow);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = sandbox().serve(&guest("capable"));
    let _slow = send(
        server.address(),
        "POST",
        "/",
        &[],
        json!({ "do": "sleep", "ms": 50_000 }).to_string().as_bytes(),
    );
    server.says("sleeping 50000 ms");
    server.signal("TERM");
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    let status = server.ends_within(Duration::from_secs(5));
    assert!(!status.success(), "{status}");
}

// Startup

#[test]
fn what_cannot_be_served_is_told_before_it_listens() {
    let sandbox = sandbox();
    let server = sandbox.serve(&guest("hello"));
    let hello = guest("hello");
    let serve = |address: &str| {
        sandbox.run(["run".as_ref(), hello.as_os_str(), "--serve".as_ref(), address.as_ref()])
    };
    let ended = serve(server.address());
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(
        ended.stderr.contains(&format!("cannot listen on {}", server.address()))
            && ended.stderr.contains("choose another address"),
        "{ended:?}"
    );
    assert_eq!(serve("nonsense").code, Some(2));
    assert_eq!(serve("192.0.2.1:80").code, Some(6), "not an address of this machine");
    std::fs::write(sandbox.path("text.wasm"), "x").unwrap();
    assert_eq!(sandbox.run(["run", "text.wasm", "--serve", "127.0.0.1:0"]).code, Some(3));
    let ended = sandbox.run([
        "run".as_ref(),
        hello.as_os_str(),
        "--serve".as_ref(),
        "0".as_ref(),
        "--param".as_ref(),
        "a=1".as_ref(),
    ]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn results_can_be_opened_without_another_server() {
    let sandbox = sandbox();
    let server = sandbox.serve(&guest("capable"));
    server.says("the URLs of objects are answered on http://");
    let (status, stored) = server.post(&json!({ "do": "put", "content": "for all to see" }));
    assert_eq!(status, 200, "{stored}");
    assert_eq!(fetch(stored["url"].as_str().unwrap()).text(), "for all to see");
    // A second server leaves serving objects to the first.
    let second = sandbox.serve(&guest("capable"));
    second.says("the URLs of objects are not answered here");
    let (_, stored) = second.post(&json!({ "do": "put", "content": "and this" }));
    assert_eq!(fetch(stored["url"].as_str().unwrap()).text(), "and this");
}

#[test]
fn receipts_are_told_with_time() {
    let sandbox = sandbox();
    let address = free_address();
    let hello = guest("hello");
    let arguments = [
        "run".as_ref(),
        hello.as_os_str(),
        "--time".as_ref(),
        "--serve".as_ref(),
        address.as_ref(),
    ];
    let server = Server::start(sandbox.command(arguments), address);
    server.post(&json!({ "name": "Ada" }));
    let line = server.says("[1] keynet-receipt: ");
    let receipt: Value =
        serde_json::from_str(line.split_once("keynet-receipt: ").unwrap().1).unwrap();
    assert!(receipt["total_ns"].as_u64().unwrap() > 0, "{receipt}");
}

// After faults

#[test]
fn faults_leave_nothing_behind() {
    let mut sandbox = sandbox();
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let server = sandbox.serve(&guest("hostile"));
    let count =
        |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", server.id())).unwrap().count();
    let round = || {
        for deed in [
            "panic",
            "recurse",
            "exit",
            "abort",
            "allocate-tensors",
            "open-handles",
            "open-objects",
            "return-text",
            "absurd-shape",
        ] {
            let (status, answer) = server.post(&json!({ "do": deed }));
            assert!(status >= 400, "{deed}: {status} {answer}");
        }
        let (status, answer) = server.post(&json!({ "do": "behave" }));
        assert_eq!(status, 200, "{answer}");
    };
    round();
    round();
    let (files, threads, memory) = (count("fd"), count("task"), server.peak_mib());
    (0..8).for_each(|_| round());
    thread::sleep(Duration::from_millis(200)); // time for connections to close
    assert!(count("fd") <= files + 3, "{} files are open, {files} were", count("fd"));
    // tokio keeps threads that read files for a while; a leak would be one per call.
    assert!(count("task") <= threads + 32, "{} threads, {threads} were", count("task"));
    assert!(server.peak_mib() <= memory + 64, "{} MiB, {memory} were", server.peak_mib());
}
