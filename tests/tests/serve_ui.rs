//! The page of `run --serve`, `/ui`, in a real browser.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, missing_docs)]

use keynet_tests::browser::{Browser, Key};
use keynet_tests::{Sandbox, Server, compiled_guest, free_address, golden, guest, http, made};
use serde_json::json;

fn serve(sandbox: &mut Sandbox, component: &std::path::Path) -> Server {
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", format!("http://{}/", free_address()));
    sandbox.serve(component)
}

fn open(browser: &mut Browser, server: &Server) {
    browser.open(&format!("http://{}/ui/", server.address()));
    browser.until("document.querySelector('#throughput')");
}

#[test]
fn an_action_is_tried_out_with_a_dropped_picture_and_without_a_key() {
    let mut sandbox = Sandbox::new();
    let server = serve(&mut sandbox, &compiled_guest("image-detection"));
    server.says(&format!("open http://{}/ui", server.address()));
    let mut browser = Browser::start();
    open(&mut browser, &server);
    assert_eq!(browser.text("#view h1"), "image-detection");
    assert!(browser.evaluate("document.querySelector('#sign-in').hidden") == true);
    assert!(browser.text("#description").contains("draws a box around each"));
    assert!(browser.text("#grants").contains("detector"), "{}", browser.text("#grants"));
    for shown in ["image_url (required)", "threshold", "At most 1"] {
        assert!(browser.text("#invoke").contains(shown), "lacks {shown}");
    }

    // What is wrong is told by the action, and the page shows it as it is.
    browser.set("#field-0", "gone.png");
    browser.press(Key::Enter);
    browser.until_says("#answer", "application error");
    assert!(browser.text("#answer [role=alert]").contains("gone.png"));

    browser.drop_file(".drop", &golden::file("picture.png"));
    browser.until("document.querySelector('#field-0').value.startsWith('ui/')");
    browser.click("#invoke button[type=submit]");
    browser.until_says("#outcome", "success");
    browser.until("document.querySelector('#answer figure img')?.naturalWidth > 0");
    assert!(browser.text("#answer pre.json").contains("\"detections\""));
    let asked = browser.evaluate("document.querySelector('#answer .asked').textContent");
    assert!(asked.as_str().unwrap().contains("\"image_url\": \"ui/"), "{asked}");
    browser.until("document.querySelectorAll('#latency rect').length >= 6");
    browser.until_says("#throughput", "2 activations");

    // An activation of another client is listed, and its record can be opened.
    let (status, _) = server.post(&json!({ "image_url": "other.png" }));
    assert_eq!(status, 404);
    browser.until_says("#throughput", "3 activations");
    browser.click("#view tbody button");
    browser.until_says("#answer", "other.png");

    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let back = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor");
        assert_eq!(back == "rgb(20, 22, 26)", scheme == "dark", "{back}");
    }
    browser.assert_no_script_ran();
    let origin = format!("http://{}/", server.address());
    for url in browser.requests() {
        let own = url.starts_with(&origin)
            || ["data:", "blob:", "about:"].iter().any(|scheme| url.starts_with(scheme));
        assert!(own, "a request to elsewhere: {url}");
    }
}

#[test]
fn logs_are_shown_and_the_keyboard_is_enough() {
    let mut sandbox = Sandbox::new();
    let server = serve(&mut sandbox, &guest("contract"));
    let mut browser = Browser::start();
    let url = format!("http://{}/ui/", server.address());
    browser.tell_first_paint("run --serve", &url);
    browser.until("document.querySelector('#throughput')");
    server.post(&json!({ "do": "throw", "message": "the box is empty" }));
    browser.until_says("#logs", "the box is empty");
    browser.tab_to("document.activeElement.type === 'submit'");
    browser.press(Key::Enter);
    browser.until_says("#answer", "success");
    browser.until_says("#logs", "hello stdout");
    assert!(browser.text("#answer .record-logs").contains("stderr: hello stderr"));
    assert!(browser.text("#status").contains("success"), "told to screen readers");
    browser.assert_no_script_ran();
}

#[test]
fn a_hostile_action_runs_no_script_in_the_page() {
    const ATTACK: &str =
        "<img src=x onerror=\"window.__pwned=1\"><script>window.__pwned=2</script>";
    let mut sandbox = Sandbox::new();
    let path = sandbox.path("hostile.wasm");
    let result = json!({ ATTACK: ATTACK, "url": "http://127.0.0.1:9/leak.png" });
    std::fs::write(&path, made::action("hostile", ATTACK, &result.to_string())).unwrap();
    let server = serve(&mut sandbox, &path);
    let mut browser = Browser::start();
    open(&mut browser, &server);
    assert!(browser.text("#description").contains("<img src=x"), "shown as text");
    browser.click("#invoke button[type=submit]");
    browser.until_says("#outcome", "success");
    browser.until("!document.querySelector('#answer [aria-busy]')");
    assert!(browser.text("#answer").contains("<script>window.__pwned=2</script>"));
    browser.assert_no_script_ran();
}

#[test]
fn the_page_is_for_this_machine_alone() {
    let mut sandbox = Sandbox::new();
    let server = serve(&mut sandbox, &guest("hello"));
    let address = server.address();
    let paths = [
        "/ui/",
        "/ui/app.js",
        "/api/v1/namespaces",
        "/api/v1/namespaces/_/descriptions",
        "/api/v1/namespaces/_/descriptions/hello",
        "/api/v1/namespaces/_/activations",
    ];
    for path in paths {
        let own = http(address, "GET", path, &[], b"");
        assert_eq!(own.status, 200, "{path}: {}", own.head);
        let head = own.head.to_ascii_lowercase();
        for header in
            ["cross-origin-resource-policy: same-origin", "x-content-type-options: nosniff"]
        {
            assert!(head.contains(header), "{path} lacks {header}: {head}");
        }
        // A name that was made to lead to this machine, and a page of another site.
        let port = address.rsplit(':').next().unwrap();
        let rebound = format!(
            "GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\nConnection: close\r\n\r\n"
        );
        assert!(raw(address, &rebound).starts_with("HTTP/1.1 403"), "{path}");
        let foreign = http(address, "GET", path, &[("Origin", "http://evil.example")], b"");
        assert_eq!(foreign.status, 403, "{path}");
    }
    let policy = http(address, "GET", "/ui/", &[], b"").head.to_ascii_lowercase();
    assert!(
        policy.contains("content-security-policy: default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    let invoke = "/api/v1/namespaces/_/actions/hello?blocking=true";
    let foreign = http(address, "POST", invoke, &[("Origin", "null")], b"{\"name\": \"Ada\"}");
    assert_eq!(foreign.status, 403);
    let own = http(address, "POST", invoke, &[], b"{\"name\": \"Ada\"}");
    assert_eq!(own.json()["response"]["result"], json!({ "greeting": "Hello, Ada!" }));
    for (method, path, status) in [
        ("GET", "/ui", 308),
        ("GET", "/ui/none.js", 404),
        ("GET", "/ui/../Cargo.toml", 404),
        ("GET", "/api/v1/namespaces/_/activations/0", 404),
        ("GET", "/api/v1/namespaces/other/activations", 404),
        ("POST", "/api/v1/namespaces/_/actions/other", 404),
        ("GET", "/api/v1/namespaces/_/pictures", 400),
        ("POST", "/api/v1/namespaces/_/pictures", 400),
    ] {
        let answer = http(address, method, path, &[], b"");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }

    // A server that other machines reach has no page.
    let port = free_address().rsplit(':').next().unwrap().to_owned();
    let component = guest("hello");
    let everywhere = format!("0.0.0.0:{port}");
    let command = sandbox.command(["run", component.to_str().unwrap(), "--serve", &everywhere]);
    let open = Server::start(command, format!("127.0.0.1:{port}"));
    assert_eq!(http(open.address(), "GET", "/", &[], b"").status, 200);
    for path in paths {
        assert_eq!(http(open.address(), "GET", path, &[], b"").status, 404, "{path}");
    }
}

fn raw(address: &str, request: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
