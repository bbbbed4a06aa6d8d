//! Downloads that break, and other hosts.

use super::*;

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
