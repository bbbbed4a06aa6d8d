//! Uploads that break, and servers that fail.

use super::*;

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
