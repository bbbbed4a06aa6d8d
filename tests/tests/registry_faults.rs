//! Broken connections, failing or lying servers, and killed processes: each push and pull succeeds
//! or reports the reason, and leaves no partial files.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::oci::{check_layout, files_in, padded, sha256};
use keynet_tests::process::Process;
use keynet_tests::proxy::{ALL, Fault, Proxy, Seen};
use keynet_tests::registry::{Desk, SECRETS, keynet};
use keynet_tests::{Ended, Sandbox, free_address, guest, says};

/// Registry behind a proxy, and a component to push.
struct Case {
    desk: Desk,
    proxy: Proxy,
    component: Vec<u8>,
}

impl Case {
    fn new(mode: &str, size: usize) -> Self {
        let desk = Desk::signed_in(mode);
        let proxy = Proxy::before(desk.host());
        if desk.protected() {
            assert_eq!(desk.login(proxy.address(), "alice", "s3cret").code, Some(0));
            proxy.forget();
        }
        let component = padded(&std::fs::read(guest("hello")).unwrap(), size, 7);
        std::fs::write(desk.sandbox.path("big.wasm"), &component).unwrap();
        Self { desk, proxy, component }
    }

    /// Creates a case with the component pushed as `tests/big:1`, and returns its digest.
    fn published(mode: &str, size: usize) -> (Self, String) {
        let case = Self::new(mode, size);
        let pushed =
            case.desk.push(&case.desk.sandbox.path("big.wasm"), &case.desk.reference("big:1"));
        let digest = pushed["digest"].as_str().unwrap().to_owned();
        (case, digest)
    }

    /// Returns `ADDRESS/tests/NAME`, through the proxy.
    fn at(&self, name: &str) -> String {
        format!("{}/tests/{name}", self.proxy.address())
    }

    fn push(&self) -> Ended {
        self.desk.keynet(["push", "big.wasm", &self.at("big:1")])
    }

    fn pull(&self, name: &str) -> Ended {
        self.out();
        self.desk.keynet(["pull", &self.at(name), "-o", "out/pulled.wasm"])
    }

    fn out(&self) -> PathBuf {
        let folder = self.desk.sandbox.path("out");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Asserts that the push succeeded, and that the registry's content is complete.
    fn is_published(&self, ended: &Ended) {
        says(ended, 0, &[]);
        let file = self.desk.sandbox.path("check.wasm");
        let check = self.desk.keynet([
            "pull".as_ref(),
            self.desk.reference("big:1").as_ref(),
            "-o".as_ref(),
            file.as_os_str(),
        ]);
        assert_eq!(check.code, Some(0), "{check:?}");
        assert!(std::fs::read(file).unwrap() == self.component);
    }

    /// Asserts that the push failed, and that the registry has no such tag.
    fn is_not_published(&self, ended: &Ended, code: i32, texts: &[&str]) {
        says(ended, code, texts);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        let tags = self.desk.keynet(["pull", &self.desk.reference("big:1"), "-o", "check.wasm"]);
        assert_eq!(tags.code, Some(11), "{tags:?}");
    }

    /// Asserts that the pull succeeded, and that its file is complete and the only one.
    fn is_pulled(&self, ended: &Ended) {
        says(ended, 0, &[]);
        assert_eq!(files_in(&self.out()), BTreeSet::from([self.out().join("pulled.wasm")]));
        assert!(std::fs::read(self.out().join("pulled.wasm")).unwrap() == self.component);
    }

    /// Asserts that the pull failed, and left no file.
    fn is_not_pulled(&self, ended: &Ended, code: i32, texts: &[&str]) {
        says(ended, code, texts);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        assert_eq!(files_in(&self.out()), BTreeSet::new());
    }

    /// Returns the hexadecimal digest of the component, which is part of the target of every
    /// request for it except POST and PATCH.
    fn layer(&self) -> String {
        sha256(&self.component).replace("sha256:", "")
    }

    fn half(&self) -> u64 {
        self.component.len() as u64 / 2
    }
}

/// Starts another host that a client could be redirected to, which records its requests.
fn stranger() -> Proxy {
    Proxy::at("127.0.0.2", &free_address())
}

// Uploads

/// Size of a part in bytes; larger blobs are sent in several parts.
const PART: u64 = 16 << 20;

#[test]
fn an_upload_that_breaks_in_the_middle_is_made_again() {
    let case = Case::new("none", 3 << 20);
    case.proxy.on("PUT", &case.layer(), 0..1, Fault::CutUpload(case.half()));
    case.is_published(&case.push());
    assert!(
        case.proxy.seen().iter().any(|seen| seen.is("PUT", "") && seen.received == case.half()),
        "{:#?}",
        case.proxy.seen()
    );
    // This registry loses the upload in the middle of a part and reports that: the upload is begun
    // again.
    let case = Case::new("none", 34 << 20);
    case.proxy.on("PATCH", "/blobs/uploads/", 1..2, Fault::CutUpload(PART / 2));
    case.is_published(&case.push());
    assert!(case.proxy.count("POST", "/blobs/uploads/") > 2, "{:#?}", case.proxy.seen());
}

#[test]
fn a_long_upload_that_breaks_between_two_parts_goes_on() {
    let case = Case::new("basic", 34 << 20);
    let size = case.component.len() as u64;
    case.proxy.on("PATCH", "/blobs/uploads/", 1..2, Fault::CutUpload(0));
    case.proxy.on("PUT", &case.layer(), 0..1, Fault::CutUpload(0));
    case.is_published(&case.push());
    assert!(case.proxy.count("PATCH", "/blobs/uploads/") > 2, "{:#?}", case.proxy.seen());
    assert!(
        case.proxy.uploaded() < size + 100_000,
        "{} bytes were sent of {size}",
        case.proxy.uploaded()
    );
}

#[test]
fn an_upload_that_breaks_each_time_is_given_up_and_can_be_made_later() {
    let case = Case::new("none", 1 << 20);
    case.proxy.on("PUT", &case.layer(), ALL, Fault::CutUpload(case.half()));
    case.is_not_published(&case.push(), 10, &[case.proxy.address()]);
    case.proxy.forget();
    case.is_published(&case.push());
}

#[test]
fn an_answer_that_gets_lost_is_asked_for_again() {
    for (method, part) in [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
    ] {
        let case = Case::new("none", 1 << 20);
        case.proxy.on(method, part, 0..1, Fault::LoseAnswer);
        case.is_published(&case.push());
        assert!(case.proxy.count(method, part) > 1, "{method} {part}: {:#?}", case.proxy.seen());
    }
    let case = Case::new("none", 34 << 20);
    case.proxy.on("PATCH", "/blobs/uploads/", 0..1, Fault::LoseAnswer);
    case.is_published(&case.push());
}

// Servers that fail

#[test]
fn a_server_that_fails_twice_is_asked_a_third_time() {
    for (method, part) in [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
    ] {
        let case = Case::new("none", 1 << 20);
        case.proxy.on(method, part, 0..2, Fault::status(500));
        case.is_published(&case.push());
        assert!(case.proxy.count(method, part) > 2, "{method} {part}: {:#?}", case.proxy.seen());
    }
    let (case, digest) = Case::published("none", 1 << 20);
    case.proxy.on("GET", "/manifests/", 0..2, Fault::status(500));
    case.proxy.on("GET", "/blobs/", 0..2, Fault::status(503));
    case.is_pulled(&case.pull(&format!("big@{digest}")));
}

#[test]
fn a_server_that_fails_each_time_is_named() {
    let (case, _) = Case::published("none", 1000);
    thread::scope(|scope| {
        scope.spawn(|| {
            case.proxy.on("GET", "/manifests/1", ALL, Fault::status(500));
            case.is_not_pulled(&case.pull("big:1"), 9, &[case.proxy.address(), "500"]);
        });
        scope.spawn(|| {
            case.proxy.on("PUT", "/tests/new/manifests/", ALL, Fault::status(502));
            let ended = case.desk.keynet(["push", "big.wasm", &case.at("new:1")]);
            says(&ended, 9, &[case.proxy.address(), "502"]);
        });
    });
    assert!(case.proxy.count("GET", "/manifests/1") > 2, "{:#?}", case.proxy.seen());
}

#[test]
fn who_asks_for_time_gets_it() {
    let case = Case::new("basic", 1 << 20);
    let busy = || Fault::status(429).with("Retry-After", 2);
    case.proxy.on("POST", "/blobs/uploads/", 0..1, busy());
    let started = Instant::now();
    case.is_published(&case.push());
    assert!(started.elapsed() >= Duration::from_secs(2), "it waited only {:?}", started.elapsed());
    case.proxy.on("GET", "/blobs/", 0..1, busy());
    let started = Instant::now();
    case.is_pulled(&case.pull("big:1"));
    assert!(started.elapsed() >= Duration::from_secs(2), "it waited only {:?}", started.elapsed());
}

#[test]
fn who_asks_for_a_day_is_told_to_the_user() {
    let (case, _) = Case::published("none", 1000);
    case.proxy.on("GET", "/manifests/", ALL, Fault::status(429).with("Retry-After", 86_400));
    let started = Instant::now();
    let ended = case.pull("big:1");
    assert!(
        ![None, Some(0), Some(1)].contains(&ended.code) && ended.stderr.contains("429"),
        "{ended:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(30), "it waited {:?}", started.elapsed());
}

#[test]
fn what_cannot_be_understood_is_no_answer() {
    let (case, _) = Case::published("none", 1000);
    let html = Fault::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "text/html".into())],
        body: b"<h1>Welcome</h1>".to_vec(),
    };
    case.proxy.on("GET", "/manifests/", ALL, html);
    let ended = case.pull("big:1");
    assert!([Some(9), Some(11)].contains(&ended.code), "{ended:?}");
    case.is_not_pulled(&ended, ended.code.unwrap(), &["big"]);
}

// Downloads

#[test]
fn a_download_that_breaks_once_goes_on_or_begins_again() {
    let (case, _) = Case::published("token", 3 << 20);
    case.proxy.on("GET", &case.layer(), 0..1, Fault::CutDownload(case.half()));
    case.is_pulled(&case.pull("big:1"));
    assert!(
        case.proxy.seen().iter().any(|seen| seen.sent == case.half()),
        "{:#?}",
        case.proxy.seen()
    );
}

#[test]
fn a_download_that_breaks_each_time_leaves_nothing() {
    let (case, _) = Case::published("none", 3 << 20);
    let layer = case.layer();
    case.proxy.on("GET", &layer, 0..1, Fault::CutDownload(case.half()));
    case.proxy.on("GET", &layer, ALL, Fault::CutDownload(0));
    case.is_not_pulled(&case.pull("big:1"), 10, &[case.proxy.address()]);
    case.proxy.forget();
    case.is_pulled(&case.pull("big:1"));
}

#[test]
fn a_slow_download_comes_to_its_end() {
    let (case, _) = Case::published("none", 1 << 20);
    case.proxy.on("GET", &case.layer(), ALL, Fault::Slow(16 << 10, Duration::from_millis(20)));
    let started = Instant::now();
    case.is_pulled(&case.pull("big:1"));
    assert!(started.elapsed() > Duration::from_secs(1), "it was not slow: {:?}", started.elapsed());
}

#[test]
fn a_byte_that_changed_on_the_way_is_noticed() {
    let (case, digest) = Case::published("none", 1 << 20);
    let layer = case.layer();
    case.proxy.on("GET", &layer, ALL, Fault::Flip(case.half()));
    for name in ["big:1".to_owned(), format!("big@{digest}")] {
        case.is_not_pulled(&case.pull(&name), 11, &["digest", &layer]);
        let ended = case.desk.keynet(["run", &case.at(&name), "--param", "name=Ada"]);
        says(&ended, 11, &["digest"]);
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
    case.proxy.forget();
    // A manifest requested by its digest, and a config.
    case.proxy.on("GET", &digest, ALL, Fault::Flip(20));
    case.is_not_pulled(&case.pull(&format!("big@{digest}")), 11, &["digest", &digest]);
    case.proxy.forget();
    let config = case.desk.manifest(&case.desk.reference("big:1")).1["config"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    case.proxy.on("GET", &config, ALL, Fault::Flip(20));
    case.is_not_pulled(&case.pull("big:1"), 11, &[]);
}

#[test]
fn what_is_cut_short_without_a_word_is_noticed() {
    let (case, digest) = Case::published("none", 1 << 20);
    let layer = case.layer();
    case.proxy.on("GET", "/manifests/1", ALL, Fault::Truncate(200));
    let ended = case.pull("big:1");
    assert!([Some(9), Some(11)].contains(&ended.code), "{ended:?}");
    case.is_not_pulled(&ended, ended.code.unwrap(), &["big"]);
    case.proxy.forget();
    case.proxy.on("GET", &digest, ALL, Fault::Truncate(200));
    case.is_not_pulled(&case.pull(&format!("big@{digest}")), 11, &[]);
    case.proxy.forget();
    case.proxy.on("GET", &layer, ALL, Fault::Truncate(case.half()));
    case.is_not_pulled(&case.pull("big:1"), 11, &["bytes"]);
}

// Other hosts

#[test]
fn a_redirect_is_followed_without_the_credentials() {
    let (case, _) = Case::published("basic", 1 << 20);
    // The blobs are on another host, as with registries that keep them in an object store; that
    // host does not ask for a password.
    let elsewhere = Desk::at("none");
    elsewhere.push(&case.desk.sandbox.path("big.wasm"), &elsewhere.reference("big:1"));
    let other = Proxy::at("127.0.0.2", elsewhere.host());
    case.proxy.on("GET", "/blobs/", ALL, Fault::Redirect(format!("http://{}", other.address())));
    case.is_pulled(&case.pull("big:1"));
    let layer = case.layer();
    assert!(
        case.proxy.seen().iter().any(|seen| seen.is("GET", &layer) && seen.authorization.is_some()),
        "{:#?}",
        case.proxy.seen()
    );
    assert_eq!(other.count("GET", &layer), 1, "{:#?}", other.seen());
    for seen in other.seen() {
        assert!(
            seen.authorization.is_none()
                && SECRETS.iter().all(|secret| !seen.headers.contains(secret)),
            "{seen:#?}"
        );
    }
}

#[test]
fn an_upload_that_is_sent_elsewhere_takes_no_credentials_along() {
    let case = Case::new("basic", 1000);
    let elsewhere = stranger();
    elsewhere.on("PATCH", "", ALL, Fault::status(404));
    elsewhere.on("PUT", "", ALL, Fault::status(404));
    elsewhere.on("POST", "", ALL, Fault::status(404));
    elsewhere.on("GET", "", ALL, Fault::status(404));
    elsewhere.on("HEAD", "", ALL, Fault::status(404));
    let upload = Fault::Answer {
        status: 202,
        headers: vec![
            (
                "Location".into(),
                format!("http://{}/v2/tests/big/blobs/uploads/1", elsewhere.address()),
            ),
            ("Range".into(), "0-0".into()),
        ],
        body: Vec::new(),
    };
    case.proxy.on("POST", "/blobs/uploads/", ALL, upload);
    let ended = case.push();
    assert_ne!(ended.code, Some(0), "{ended:?}");
    for seen in elsewhere.seen() {
        assert!(
            seen.authorization.is_none()
                && SECRETS.iter().all(|secret| !seen.headers.contains(secret)),
            "{seen:#?}"
        );
    }
}

#[test]
fn redirects_that_go_round_and_round_end() {
    let (case, _) = Case::published("none", 1000);
    let layer = case.layer();
    case.proxy.on("GET", &layer, ALL, Fault::Redirect(format!("http://{}", case.proxy.address())));
    let ended = case.pull("big:1");
    assert!(![None, Some(0), Some(1)].contains(&ended.code), "{ended:?}");
    case.is_not_pulled(&ended, ended.code.unwrap(), &[]);
    assert!(case.proxy.count("GET", &layer) < 50, "{}", case.proxy.count("GET", &layer));
}

#[test]
fn no_password_is_sent_to_a_token_service_of_somebody_else() {
    let (case, _) = Case::published("basic", 1000);
    for realm in [
        "http://auth.example.com/token",
        "https://example.org/token",
        "https://alice@auth.example.com/",
        "nonsense",
    ] {
        let challenge = format!(
            r#"Bearer realm="{realm}",service="test-registry",scope="repository:tests/big:pull""#
        );
        case.proxy.forget();
        for method in ["GET", "HEAD", "POST"] {
            case.proxy.on(
                method,
                "/v2/",
                ALL,
                Fault::status(401).with("WWW-Authenticate", &challenge),
            );
        }
        let started = Instant::now();
        let ended = case.pull("big:1");
        assert!(![None, Some(0), Some(1), Some(10)].contains(&ended.code), "{ended:?}");
        case.is_not_pulled(&ended, ended.code.unwrap(), &[case.proxy.address()]);
        says(&case.push(), ended.code.unwrap(), &[case.proxy.address(), "token"]);
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "somebody was asked: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn a_registry_that_asks_for_a_token_instead_is_not_given_the_password() {
    let case = Case::new("basic", 1000);
    // The registry names a token server on its own machine: it receives a request, and the password
    // only if it is the registry's own service.
    let service = Proxy::before(&free_address());
    service.on(
        "GET",
        "/token",
        ALL,
        Fault::Answer {
            status: 200,
            headers: Vec::new(),
            body: br#"{"token":"of-somebody"}"#.to_vec(),
        },
    );
    let challenge =
        format!(r#"Bearer realm="http://{}/token",service="test-registry""#, service.address());
    for method in ["GET", "HEAD", "POST"] {
        case.proxy.on(method, "/v2/", ALL, Fault::status(401).with("WWW-Authenticate", &challenge));
    }
    let ended = case.push();
    says(&ended, 7, &[case.proxy.address()]);
    assert!(!ended.stderr.contains("of-somebody"), "{ended:?}");
    assert!(
        case.proxy.seen().iter().all(|seen| !seen.headers.contains(SECRETS[1])),
        "{:#?}",
        case.proxy.seen()
    );
}

// Killed

/// Starts a command that the test observes by its requests, and kills.
fn begin(mut command: Command) -> Process {
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

#[test]
fn a_push_that_is_killed_between_two_parts_goes_on_where_it_was() {
    let case = Case::new("basic", 34 << 20);
    let size = case.component.len() as u64;
    case.proxy.on("PATCH", "/blobs/uploads/", 1..2, Fault::HoldUpload(0));
    let push = begin(case.desk.sandbox.command(["push", "big.wasm", &case.at("big:1")]));
    let held = |seen: &[Seen]| seen.iter().filter(|seen| seen.is("PATCH", "")).count() == 2;
    case.proxy.wait_until(held);
    push.kill();
    let before = case.proxy.uploaded();
    assert!(before >= PART && before < size, "{before} of {size}");
    case.proxy.forget();
    case.is_published(&case.push());
    let after = case.proxy.uploaded();
    assert!(
        before + after < size + 100_000,
        "{before} bytes, then {after}, of {size}: {:#?}",
        case.proxy.seen()
    );
}

#[test]
fn a_push_that_is_killed_in_the_middle_of_a_part_can_be_made_again() {
    let case = Case::new("none", 34 << 20);
    case.proxy.on("PATCH", "/blobs/uploads/", 1..2, Fault::HoldUpload(PART / 2));
    let push = begin(case.desk.sandbox.command(["push", "big.wasm", &case.at("big:1")]));
    case.proxy.wait_for(|seen| seen.is("PATCH", "") && seen.received == PART / 2);
    push.kill();
    let missing = case.desk.keynet(["pull", &case.desk.reference("big:1"), "-o", "check.wasm"]);
    assert_eq!(missing.code, Some(11), "{missing:?}");
    case.proxy.forget();
    case.is_published(&case.push());
}

#[test]
fn a_push_that_is_killed_before_its_manifest_uploads_nothing_twice() {
    let case = Case::new("none", 1 << 20);
    case.proxy.on("PUT", "/manifests/", 0..1, Fault::HoldUpload(0));
    let push = begin(case.desk.sandbox.command(["push", "big.wasm", &case.at("big:1")]));
    case.proxy.wait_for(|seen| seen.is("PUT", "/manifests/"));
    push.kill();
    case.proxy.forget();
    case.is_published(&case.push());
    assert_eq!(case.proxy.uploaded(), 0, "{:#?}", case.proxy.seen());
}

#[test]
fn a_pull_that_is_killed_leaves_no_file() {
    let (case, _) = Case::published("none", 3 << 20);
    let layer = case.layer();
    case.proxy.on("GET", &layer, 0..1, Fault::HoldDownload(case.half()));
    let folder = case.out();
    let pull =
        begin(case.desk.sandbox.command(["pull", &case.at("big:1"), "-o", "out/pulled.wasm"]));
    case.proxy.wait_for(|seen| seen.is("GET", &layer) && seen.sent == case.half());
    pull.kill();
    assert_eq!(files_in(&folder), BTreeSet::new());
    case.proxy.forget();
    case.is_pulled(&case.pull("big:1"));
    // An existing file is either the old one or the new one.
    std::fs::write(folder.join("pulled.wasm"), "old").unwrap();
    case.proxy.on("GET", &layer, 0..1, Fault::HoldDownload(case.half()));
    let pull =
        begin(case.desk.sandbox.command(["pull", &case.at("big:1"), "-o", "out/pulled.wasm"]));
    case.proxy.wait_for(|seen| seen.is("GET", &layer) && seen.sent == case.half());
    pull.kill();
    assert_eq!(std::fs::read(folder.join("pulled.wasm")).unwrap(), b"old");
    case.is_pulled(&case.pull("big:1"));
}

#[test]
fn a_push_into_a_layout_can_be_killed_at_any_time() {
    let sandbox = Sandbox::new();
    let hello = std::fs::read(guest("hello")).unwrap();
    std::fs::write(sandbox.path("first.wasm"), &hello).unwrap();
    assert_eq!(keynet(&sandbox, ["push", "first.wasm", "oci-layout:here:first"]).code, Some(0));
    let push = |at: usize| {
        let file = format!("big-{at}.wasm");
        std::fs::write(sandbox.path(&file), padded(&hello, 8 << 20, at as u64 + 1)).unwrap();
        sandbox.command(["push".to_owned(), file, format!("oci-layout:here:big-{at}")])
    };
    let started = Instant::now();
    assert!(push(0).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let (whole, rounds) = (started.elapsed(), 8);
    let mut killed = 0;
    for at in 1..=rounds {
        let started = Instant::now();
        let mut running = begin(push(at));
        // The command writes during the second half of its time.
        let moment = whole.mul_f64(0.4 + 0.6 * at as f64 / rounds as f64);
        while started.elapsed() < moment && running.ended().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        killed += usize::from(!running.kill().success());
        let (tags, _) = check_layout(&sandbox.path("here"));
        assert!(tags.contains("first") && tags.contains("big-0"), "{tags:?}");
        let skopeo =
            keynet_tests::end(sandbox.program("skopeo", ["inspect", "--raw", "oci:here:first"]));
        assert_eq!(skopeo.code, Some(0), "{skopeo:?}");
    }
    assert!(killed > 0, "all were faster");
    let ended = keynet(&sandbox, ["push", "big-1.wasm", "oci-layout:here:last"]);
    says(&ended, 0, &[]);
    let (tags, mut strangers) = check_layout(&sandbox.path("here"));
    // A blob that was just being renamed is complete; the killed process could not remove it.
    strangers.retain(|file| {
        !file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".keynet-"))
    });
    assert!(tags.contains("last") && strangers.is_empty(), "{tags:?} {strangers:?}");
    assert_eq!(
        keynet(&sandbox, ["pull", "oci-layout:here:last", "-o", "pulled.wasm"]).code,
        Some(0)
    );
    assert!(std::fs::read(sandbox.path("pulled.wasm")).unwrap() == padded(&hello, 8 << 20, 2));
}

#[test]
fn pushes_into_one_layout_at_the_same_time_lose_nothing() {
    let sandbox = Sandbox::new();
    let hello = std::fs::read(guest("hello")).unwrap();
    let names = ["a", "b", "c", "d", "e", "f"];
    thread::scope(|scope| {
        let running = names.map(|name| {
            let file = format!("{name}.wasm");
            std::fs::write(
                sandbox.path(&file),
                padded(&hello, 1000, u64::from(name.as_bytes()[0])),
            )
            .unwrap();
            let sandbox = &sandbox;
            scope.spawn(move || {
                sandbox.run(["push".to_owned(), file, format!("oci-layout:here:{name}")])
            })
        });
        for pushing in running {
            says(&pushing.join().unwrap(), 0, &[]);
        }
    });
    let (tags, strangers) = check_layout(&sandbox.path("here"));
    assert_eq!((tags, strangers), (names.map(str::to_owned).into(), BTreeSet::new()));
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let (case, _) = Case::published("none", 3 << 20);
    let folder = case.out();
    // A limit on the file size simulates a full disk: the write fails at the same point.
    let keynet = keynet_tests::binary();
    let script = format!(
        "ulimit -f 1024; trap '' XFSZ; exec {} pull {} -o out/pulled.wasm",
        keynet.display(),
        case.at("big:1")
    );
    let ended = keynet_tests::end(case.desk.sandbox.program("bash", ["-c", &script]));
    says(&ended, 6, &["write"]);
    assert_eq!(files_in(&folder), BTreeSet::new());
}
