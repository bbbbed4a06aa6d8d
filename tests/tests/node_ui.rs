//! The page of a node, `/ui`, in a real browser.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, missing_docs)]

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keynet_tests::browser::{Browser, Key};
use keynet_tests::node::{Client, Node, Tenant, key_of};
use keynet_tests::{Sandbox, compiled_guest, golden, guest, http, made, root};
use serde_json::{Value, json};

/// Starts a node with the namespaces `team-a`, which has the models of the golden example, and
/// `team-b`.
fn node(sandbox: &Sandbox) -> Node {
    let folder = sandbox.path("node-config");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = folder.join("team-a.env");
    std::fs::write(&settings, format!("KEYNET_MODELS={}\n", golden::file("models").display()))
        .unwrap();
    std::fs::set_permissions(&settings, PermissionsExt::from_mode(0o600)).unwrap();
    let team = Tenant::new("team-a").with("settings-file = \"team-a.env\"");
    Node::start(sandbox, "", &[team, Tenant::new("team-b")])
}

/// Opens the page and signs in as a user does.
fn sign_in(browser: &mut Browser, node: &Node, name: &str) {
    browser.open(&format!("http://{}/ui/", node.address()));
    browser.click("#key");
    browser.write(&key_of(name));
    browser.press(Key::Enter);
    browser.until_says("#namespace", name);
    browser.until("document.querySelector('#view h1')");
}

/// Opens the page of an action.
fn open_action(browser: &mut Browser, name: &str) {
    browser.evaluate(&format!("location.hash = '#/actions/{name}'"));
    browser.until_says("#view h1", name);
    browser.until("document.querySelector('#throughput')");
}

/// Asserts that all requests went to the node, and that the key is in no URL and in no storage.
fn assert_nothing_leaked(browser: &mut Browser, node: &Node, name: &str) {
    let key = key_of(name);
    let (id, secret) = key.split_once(':').unwrap();
    let encoded = BASE64_STANDARD.encode(&key);
    let origin = format!("http://{}/", node.address());
    let requests = browser.requests();
    assert!(requests.len() > 8, "{requests:?}");
    for url in requests {
        let own = url.starts_with(&origin)
            || ["data:", "blob:", "about:"].iter().any(|scheme| url.starts_with(scheme));
        assert!(own, "a request to elsewhere: {url}");
        for part in [id, secret, encoded.trim_end_matches('=')] {
            assert!(!url.contains(part), "the key is in {url}");
        }
    }
    let stored = browser.evaluate(
        "(async () => ({ local: localStorage.length, session: sessionStorage.length, \
            cookie: document.cookie, databases: (await indexedDB.databases()).length, \
            caches: (await globalThis.caches?.keys() ?? []).length, \
            workers: (await navigator.serviceWorker?.getRegistrations() ?? []).length, \
            url: location.href + history.length + document.title + window.name, \
            html: document.documentElement.outerHTML, \
            inputs: [...document.querySelectorAll('input')].map(input => input.value).join() }))()",
    );
    for empty in ["local", "session", "databases", "caches", "workers"] {
        assert_eq!(stored[empty], 0, "{empty}");
    }
    assert_eq!(stored["cookie"], "");
    for kept in ["url", "html", "inputs"] {
        let text = stored[kept].as_str().unwrap();
        assert!(!text.contains(secret) && !text.contains(&encoded), "the key is in the {kept}");
    }
}

/// Checks that the page follows both colour schemes. If `KEYNET_UPDATE_SCREENSHOTS` is set, writes
/// the pictures of the documentation.
fn screenshots(browser: &mut Browser) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let back = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor");
        let first: u32 = back
            .as_str()
            .and_then(|rgb| rgb.strip_prefix("rgb(")?.split(',').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no colour: {back}"));
        assert_eq!(first > 128, scheme == "light", "{scheme}: {back}");
        let picture = browser.screenshot();
        if std::env::var_os("KEYNET_UPDATE_SCREENSHOTS").is_some() {
            std::fs::write(root().join(format!("docs/node-ui-{scheme}.png")), picture).unwrap();
        }
    }
}

#[test]
fn an_action_is_invoked_with_a_dropped_picture_and_its_boxes_are_seen() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    team.deployed("image-detection", &compiled_guest("image-detection"));
    let mut browser = Browser::start();
    sign_in(&mut browser, &node, "team-a");
    let list = browser.text("#actions");
    for shown in ["image-detection", "wasm:component", "60 s", "0.0.1"] {
        assert!(list.contains(shown), "lacks {shown}: {list}");
    }

    browser.click("#actions a");
    browser.until("document.querySelector('#throughput')");
    assert!(browser.text("#description").contains("draws a box around each"));
    assert!(browser.text("#grants").contains("detector"), "{}", browser.text("#grants"));
    let form = browser.text("#invoke");
    for shown in ["image_url (required)", "threshold", "left out", "At most 1"] {
        assert!(form.contains(shown), "lacks {shown}: {form}");
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
    let seen = browser.evaluate(
        "(() => { const it = document.querySelector('#answer figure img'); \
            return [it.naturalWidth, it.naturalHeight]; })()",
    );
    let picture = std::fs::read(golden::file("picture.png")).unwrap();
    let (width, height) = golden::size_of_png(&picture);
    assert_eq!(seen, json!([width, height]));
    assert!(browser.text("#answer pre.json").contains("\"detections\""));
    let phases =
        browser.evaluate("document.querySelector('#answer svg').getAttribute('aria-label')");
    for phase in ["queue", "loading", "running"] {
        assert!(phases.as_str().unwrap().contains(phase), "{phases}");
    }
    browser.until("document.querySelectorAll('#latency rect').length >= 6");
    browser.until_says("#throughput", "2 activations");
    browser.evaluate("scrollTo(0, 0)");
    browser.size(1120, 940);
    screenshots(&mut browser);
    browser.assert_no_script_ran();
    assert_nothing_leaked(&mut browser, &node, "team-a");

    browser.click("#sign-out");
    browser.until("!document.querySelector('#sign-in').hidden");
    assert_eq!(browser.text("#view"), "");
    let last = browser.requests().len();
    browser.evaluate("location.hash = '#/'");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let after = browser.requests().split_off(last);
    assert!(after.iter().all(|url| !url.contains("/api/")), "after signing out: {after:?}");
}

#[test]
fn logs_appear_while_the_page_is_open_and_tensors_are_heat_maps() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-b");
    team.deployed("evil", &guest("evil"));
    let rows: Vec<Vec<f64>> = (0..8).map(|y| (0..8).map(|x| f64::from(x * y)).collect()).collect();
    let tensor = json!({
        "scores": { "datatype": "FP32", "shape": [1, 8, 8], "data": rows.concat() },
        "plain": rows, "boxes": [[1, 2, 3, 4]],
    });
    deploy_made(&team, "tensors", &made::action("tensors", "", &tensor.to_string()));
    let mut browser = Browser::start();
    sign_in(&mut browser, &node, "team-b");
    open_action(&mut browser, "evil");
    // Another client's activation.
    team.invoke("evil", &json!({ "do": "say", "text": "good morning from elsewhere" }));
    browser.until_says("#logs", "good morning from elsewhere");

    // A record is opened from the list.
    browser.click("#view tbody button");
    browser.until_says("#answer .record-logs", "good morning");

    open_action(&mut browser, "tensors");
    browser.click("#invoke button[type=submit]");
    browser.until("document.querySelectorAll('#answer .tensor').length === 2");
    let shown = browser.text("#answer");
    for text in ["scores: FP32 [1, 8, 8], 0 to 49", "plain: [8, 8]"] {
        assert!(shown.contains(text), "lacks {text}: {shown}");
    }
    browser.assert_no_script_ran();
}

fn deploy_made(client: &Client, name: &str, component: &[u8]) {
    let code = BASE64_STANDARD.encode(component);
    let body = json!({ "exec": { "kind": "wasm:component", "code": code } });
    let answer = client.call("PUT", &format!("/_/actions/{name}?overwrite=true"), &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_hostile_action_runs_no_script_in_the_page() {
    const ATTACK: &str =
        "<img src=x onerror=\"window.__pwned=1\"><script>window.__pwned=2</script>";
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" onload=\"window.__pwned=3\">\
        <script>window.top.__pwned=4</script><image href=\"http://127.0.0.1:9/x\" width=\"9\" height=\"9\"/></svg>";
    let result = json!({
        ATTACK: ATTACK,
        "svg": svg,
        "encoded": format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(svg)),
        "page": "data:text/html,<script>window.__pwned=5</script>",
        "script": "javascript:window.__pwned=6",
        "url": "http://127.0.0.1:9/leak.png",
        "__proto__": { "polluted": 1 },
        "tensor": { "shape": [2, 2], "data": [1, 2, 3, 4], "datatype": ATTACK },
        "huge": { "shape": [1e300, 0], "data": [] },
        "deep": "x".repeat(100_000),
    });
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-b");
    // The name of an action is checked by the node, in every form.
    for name in ["%3Cimg%20src=x%3E", "a%22b", "a%3Cb"] {
        let body = json!({ "exec": { "kind": "wasm:component", "code": "AAAA" } });
        assert_eq!(team.call("PUT", &format!("/_/actions/{name}"), &body).status, 400, "{name}");
    }
    let component = made::action("hostile", ATTACK, &result.to_string());
    let body = json!({
        "exec": { "kind": "wasm:component", "code": BASE64_STANDARD.encode(component) },
        "annotations": [{ "key": ATTACK, "value": ATTACK }, { "key": "exec", "value": ATTACK }],
        "parameters": [{ "key": ATTACK, "value": ATTACK }],
    });
    assert_eq!(team.call("PUT", "/_/actions/hostile", &body).status, 200);
    team.deployed("evil", &guest("evil"));

    let mut browser = Browser::start();
    sign_in(&mut browser, &node, "team-b");
    open_action(&mut browser, "hostile");
    assert!(browser.text("#description").contains("<img src=x"), "shown as text");
    browser.click("#invoke button[type=submit]");
    browser.until_says("#outcome", "success");
    browser.until("document.querySelectorAll('#answer figure img').length >= 2");
    browser.until("!document.querySelector('#answer [aria-busy]')");
    assert!(browser.text("#answer").contains("<script>window.__pwned=2</script>"));
    assert_eq!(browser.evaluate("({}).polluted === undefined"), true);
    assert_eq!(
        browser.evaluate("document.querySelectorAll('#view svg script, #view script').length"),
        0
    );

    open_action(&mut browser, "evil");
    team.invoke("evil", &json!({ "do": "say", "text": ATTACK }));
    team.invoke("evil", &json!({ "do": "error", "text": ATTACK }));
    browser.until_says("#logs", "<script>window.__pwned=2</script>");
    for nth in [1, 2] {
        browser.click(&format!("#view tbody tr:nth-child({nth}) button"));
        browser.until_says("#answer", "<script>window.__pwned=2</script>");
    }
    browser.assert_no_script_ran();
    assert_nothing_leaked(&mut browser, &node, "team-b");

    // Even if there were a way in, the policy executes nothing that is not the page's own file.
    browser.evaluate(
        "(() => { const it = document.createElement('script'); \
            try { it.textContent = 'window.__pwned = 7'; document.body.append(it); } catch {} })()",
    );
    browser.evaluate(
        "(() => { try { document.body.innerHTML = '<img src=x onerror=\"window.__pwned=8\">'; } \
            catch {} })()",
    );
    assert_eq!(browser.evaluate("typeof window.__pwned"), "undefined");
}

#[test]
fn a_web_action_cannot_reach_into_the_page_of_its_own_node() {
    let page = "<!doctype html><button id=go>go</button><script>\
        document.querySelector('#go').onclick = () => {\
            const told = { origin: self.origin };\
            const attempt = async (name, what) => {\
                try { await what(); told[name] = 'done'; } catch { told[name] = 'denied'; }\
            };\
            const ui = open('/ui/');\
            told.opened = ui !== null;\
            setTimeout(async () => {\
                await attempt('storage', () => localStorage.length);\
                await attempt('page', () => ui.document.title);\
                await attempt('worker', () => navigator.serviceWorker.register(\
                    '/api/v1/web/team-b/default/worker.http', { scope: '/' }));\
                document.title = JSON.stringify(told);\
            }, 2000);\
        };</script>";
    let worker = json!({
        "headers": { "Content-Type": "text/javascript", "Service-Worker-Allowed": "/" },
        "body": "addEventListener('fetch', event => event.respondWith(new Response('mine')))",
    });
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-b");
    let web = json!([{ "key": "web-export", "value": true }]);
    for (name, result) in [("attack", json!({ "html": page })), ("worker", worker)] {
        let code = BASE64_STANDARD.encode(made::action(name, "", &result.to_string()));
        let body =
            json!({ "exec": { "kind": "wasm:component", "code": code }, "annotations": web });
        let answer = team.call("PUT", &format!("/_/actions/{name}"), &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/api/v1/web/team-b/default/attack.html", node.address()));
    browser.click("#go");
    browser.until("document.title.startsWith('{')");
    let told = browser.evaluate("document.title");
    let told: Value = serde_json::from_str(told.as_str().unwrap()).unwrap();
    let denied = json!({
        "origin": "null", "opened": true, "storage": "denied", "page": "denied", "worker": "denied",
    });
    assert_eq!(told, denied);
}

#[test]
fn the_page_is_used_with_the_keyboard_alone() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    node.client("team-a").deployed("hello", &guest("hello"));
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/ui", node.address()));
    browser.until("document.activeElement?.id === 'key'");
    browser.tell_first_paint("a node", &format!("http://{}/ui/", node.address()));
    browser.until("document.activeElement?.id === 'key'");

    // A wrong key is explained, is not kept, and the next one can be typed at once.
    for wrong in ["nonsense".to_owned(), key_of("nobody")] {
        browser.write(&wrong);
        browser.press(Key::Enter);
        browser.until_says("#problem", "does not know this key");
        browser
            .until("document.activeElement?.id === 'key' && document.activeElement.value === ''");
        assert!(browser.text("#problem").contains("node/keys/guest.key"));
        assert!(!browser.text("body").contains(&wrong));
    }
    browser.write(&key_of("team-a"));
    browser.press(Key::Tab);
    assert_eq!(browser.evaluate("document.activeElement.type"), "submit");
    browser.press(Key::BackTab);
    assert_eq!(browser.evaluate("document.activeElement.id"), "key");
    browser.press(Key::Enter);
    browser.until("document.activeElement?.tagName === 'H1'");
    assert_eq!(browser.text("#problem"), "");

    browser.tab_to("document.activeElement.textContent === 'hello'");
    browser.press(Key::Enter);
    browser.until("document.activeElement?.tagName === 'H1' && document.activeElement.textContent === 'hello'");
    browser.until("document.querySelector('#throughput')");
    browser.tab_to("document.activeElement.id.startsWith('field-')");
    browser.write("Ada");
    browser.press(Key::Enter);
    browser.until_says("#answer", "success");
    assert!(browser.text("#answer").contains("Ada"), "{}", browser.text("#answer"));
    let unlabelled = browser.evaluate(
        "[...document.querySelectorAll('input, select, textarea')].filter(it => \
            !it.labels.length && !it.ariaLabel).length",
    );
    assert_eq!(unlabelled, 0);
    assert!(browser.text("#status").contains("success"), "told to screen readers");
    browser.tab_to("document.activeElement.id === 'sign-out'");
    browser.press(Key::Enter);
    browser.until("document.activeElement?.id === 'key'");
    browser.assert_no_script_ran();
    assert_nothing_leaked(&mut browser, &node, "team-a");
}

#[test]
fn the_files_of_the_page_have_a_strict_policy_and_are_not_sent_twice() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let get =
        |path: &str, headers: &[(&str, &str)]| http(node.address(), "GET", path, headers, b"");
    let redirect = get("/ui", &[]);
    assert!(redirect.status == 308 && redirect.head.contains("location: ui/"), "{}", redirect.head);
    let document = get("/ui/", &[]);
    let mut bytes = document.body.len();
    let names = document.text().split("src=\"").skip(1);
    let names: Vec<_> = names.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(names, ["app.js"]);
    for name in [
        "style.css",
        "app.js",
        "api.js",
        "dom.js",
        "form.js",
        "result.js",
        "charts.js",
        "activity.js",
        "server.js",
    ] {
        let file = get(&format!("/ui/{name}"), &[]);
        assert_eq!(file.status, 200, "{name}");
        bytes += file.body.len();
        let head = file.head.to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-cache",
        ] {
            assert!(head.contains(header), "{name} lacks {header}: {head}");
        }
        let etag = file.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let again = get(&format!("/ui/{name}"), &[("if-none-match", etag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{name}");
    }
    assert!(bytes <= 150_000, "{bytes}");
    for path in ["/ui/none.js", "/ui/../node.toml", "/ui/%2e%2e/node.db", "/ui/a/b", "/ui/app.js/"]
    {
        assert_eq!(get(path, &[]).status, 404, "{path}");
    }
    assert_eq!(http(node.address(), "POST", "/ui/", &[], b"").status, 405);
}

#[test]
fn pictures_are_stored_and_read_within_the_namespace_and_its_quota() {
    let sandbox = Sandbox::new();
    let small = Tenant::new("small").with("quotas = { parameters = '200KiB' }");
    let folder = sandbox.path("node-config");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("p.toml"),
        "[storage]\nread = ['results/*']\nwrite = ['results/*']\n",
    )
    .unwrap();
    let strict = Tenant::new("strict").with("policy = \"p.toml\"");
    let node = Node::start(&sandbox, "", &[small, strict]);
    let send = |method: &str, tenant: &str, path: &str, body: &[u8]| {
        let key = format!("Basic {}", BASE64_STANDARD.encode(key_of(tenant)));
        let target = format!("/api/v1/namespaces/{path}");
        http(node.address(), method, &target, &[("authorization", &key)], body)
    };
    let picture = std::fs::read(golden::file("picture.png")).unwrap();
    let stored = send("POST", "small", "_/pictures", &picture);
    assert_eq!(stored.status, 201, "{}", stored.text());
    let location = stored.json()["location"].as_str().unwrap().to_owned();
    // The same picture again is the same object.
    assert_eq!(send("POST", "small", "_/pictures", &picture).json(), stored.json());
    let at = |location: &str| format!("_/pictures?location={location}");
    let read = send("GET", "small", &at(&location), b"");
    assert!(read.status == 200 && read.body == picture, "{}", read.head);
    for header in ["content-type: image/png", "nosniff", "cache-control: no-store", "sandbox"] {
        assert!(read.head.contains(header), "lacks {header}: {}", read.head);
    }

    let large = [picture.as_slice(), &[0; 100 << 10]].concat();
    for (tenant, method, path, body, status, says) in [
        ("small", "POST", "_/pictures".to_owned(), large.as_slice(), 413, "quota `parameters`"),
        ("small", "POST", "_/pictures".to_owned(), b"<svg onload='x()'/>", 415, "PNG, JPEG"),
        ("small", "GET", at("ui/none.png"), b"", 404, "ui/none.png"),
        ("small", "GET", at("../../keys/guest.key"), b"", 400, "location"),
        ("small", "GET", at("http://127.0.0.1:9/x.png"), b"", 403, "127.0.0.1"),
        ("small", "GET", "_/pictures".to_owned(), b"", 400, "location"),
        ("strict", "GET", at(&location), b"", 403, "policy"),
        ("strict", "POST", "_/pictures".to_owned(), &picture, 403, "policy"),
        (
            "strict",
            "GET",
            format!("small/pictures?location={location}"),
            b"",
            403,
            "not authorized",
        ),
        ("strict", "GET", "small/descriptions".to_owned(), b"", 403, "not authorized"),
        ("nobody", "GET", at(&location), b"", 401, "invalid"),
    ] {
        let answer = send(method, tenant, &path, body);
        assert_eq!(answer.status, status, "{tenant} {method} {path}: {}", answer.text());
        assert!(answer.text().contains(says), "{tenant} {method} {path}: {}", answer.text());
    }
}
