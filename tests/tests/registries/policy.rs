//! The permissions of a pulled action, layouts, progress and refusals.

use super::*;

#[test]
fn what_was_pulled_reaches_nothing_on_the_private_network_unless_it_is_trusted() {
    let desk = Desk::at("none");
    let sandbox = Sandbox::without_cache();
    let capable = guest("capable");
    let file = capable.to_str().unwrap();
    let (reference, layout) = (desk.reference("capable:1"), "oci-layout:copied:1");
    desk.push(&capable, &reference);
    assert_eq!(keynet(&sandbox, ["push", file, layout]).code, Some(0));
    let private = format!("location=http://{}/v2/", desk.host());
    let get = |what: &str, more: &[&str]| {
        keynet(
            &sandbox,
            [&["run", what, "--param", "do=get", "--param", private.as_str()], more].concat(),
        )
    };
    let reaches = |ended: &Ended| assert_eq!(ended.json(), json!({ "content": "{}" }), "{ended:?}");

    reaches(&get(file, &[]));
    for what in [&reference, layout] {
        says(&get(what, &[]), 1, &["denied", "private-addresses"]);
        reaches(&get(what, &["--trust"]));
        assert_eq!(
            keynet(&sandbox, ["inspect", what, "--json"]).json()["private_addresses"],
            false
        );
    }
    assert_eq!(keynet(&sandbox, ["inspect", file, "--json"]).json()["private_addresses"], true);

    // Serving it does not change that.
    let address = keynet_tests::free_address();
    let server = keynet_tests::Server::start(
        sandbox.command(["run", &reference, "--serve", &address]),
        address,
    );
    let (status, refused) =
        server.post(&json!({ "do": "get", "location": format!("http://{}/v2/", desk.host()) }));
    assert_eq!((status, &refused["kind"]), (403, &json!("denied")), "{refused}");
}

#[test]
fn run_says_what_a_pulled_action_may_use_before_its_first_run() {
    let desk = Desk::at("none");
    let mut sandbox = Sandbox::without_cache();
    let capable = guest("capable");
    let reference = desk.reference("capable:1");
    desk.push(&capable, &reference);
    let run = |sandbox: &Sandbox, what: &str| {
        sandbox.run(["run", what, "--param", "do=list", "--param", "prefix="])
    };
    let told = |ended: &Ended| ended.stderr.contains("It may use");

    let first = run(&sandbox, &reference);
    says(
        &first,
        0,
        &[
            &reference,
            "models: any",
            "read: any",
            "write: any",
            "urls: any, at public addresses only",
            "limits: 256.0 MiB, 60 s",
        ],
    );
    assert!(told(&first) && !told(&run(&sandbox, &reference)), "it is said once");
    assert!(!told(&run(&sandbox, capable.to_str().unwrap())), "one's own build is no news");
    // Another policy changes the display.
    std::fs::write(sandbox.path("policy.toml"), "models = []\n[storage]\nwrite = []\n").unwrap();
    sandbox.set("KEYNET_POLICY", "policy.toml");
    says(&run(&sandbox, &reference), 0, &["models: none", "read: any", "write: none"]);
    assert!(!told(&run(&sandbox, &reference)));
}

#[test]
fn without_registry_and_login_artifacts_live_in_a_folder() {
    let sandbox = Sandbox::new();
    let hello = guest("hello");
    let ended = keynet(&sandbox, ["push".as_ref(), hello.as_os_str()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("pushed oci-layout:") && ended.stdout.contains("artifacts"),
        "{ended:?}"
    );
    let (tags, strangers) = check_layout(&sandbox.path("artifacts"));
    assert_eq!((tags, strangers), (BTreeSet::from(["hello".to_owned()]), BTreeSet::new()));
    greets(&keynet(&sandbox, ["run", "oci-layout:./artifacts:hello", "--param", "name=Ada"]));
    greets(&keynet(
        &sandbox,
        ["run", ended.stdout.trim().strip_prefix("pushed ").unwrap(), "--param", "name=Ada"],
    ));
    let skopeo = end(sandbox.program("skopeo", ["inspect", "--raw", "oci:artifacts:hello"]));
    assert_eq!(skopeo.code, Some(0), "{skopeo:?}");
    assert_eq!(skopeo.json()["layers"][0]["mediaType"], WASM);
    assert_eq!(keynet(&sandbox, ["tag", "oci-layout:artifacts:hello", "stable"]).code, Some(0));
    // A later push with the same tag replaces it; the other tag stays on the first artifact.
    let other = sandbox.path("other.wasm");
    std::fs::write(&other, padded(&std::fs::read(&hello).unwrap(), 5000, 3)).unwrap();
    let second = keynet(&sandbox, ["push".as_ref(), other.as_os_str(), "--json".as_ref()]).json();
    let (tags, _) = check_layout(&sandbox.path("artifacts"));
    assert_eq!(tags, BTreeSet::from(["hello".to_owned(), "stable".to_owned()]));
    let pull = |tag: &str| {
        let ended = keynet(
            &sandbox,
            ["pull", &format!("oci-layout:artifacts:{tag}"), "-o", "pulled.wasm", "--json"],
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
        (ended.json()["digest"].clone(), std::fs::read(sandbox.path("pulled.wasm")).unwrap())
    };
    assert_eq!(pull("hello"), (second["digest"].clone(), std::fs::read(&other).unwrap()));
    assert_eq!(pull("stable").1, std::fs::read(&hello).unwrap());
}

#[test]
fn a_layout_of_others_is_added_to_and_keeps_what_it_has() {
    let sandbox = Sandbox::new();
    let layout = Layout::create(sandbox.path("theirs"));
    let hello = std::fs::read(guest("hello")).unwrap();
    let theirs = layout.artifact("theirs", &padded(&hello, 100, 1), &[], &[]);
    let ended = keynet(
        &sandbox,
        ["push".as_ref(), guest("hello").as_os_str(), layout.reference("ours").as_ref()],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (tags, _) = check_layout(&sandbox.path("theirs"));
    assert_eq!(tags, BTreeSet::from(["theirs".to_owned(), "ours".to_owned()]));
    let skopeo = end(sandbox.program("skopeo", ["inspect", "--raw", "oci:theirs:theirs"]));
    assert_eq!(sha256(skopeo.stdout.as_bytes()), theirs);
}

#[test]
fn pull_names_the_file_itself() {
    let sandbox = Sandbox::new();
    keynet(&sandbox, ["push".as_ref(), guest("hello").as_os_str()]);
    let ended = keynet(&sandbox, ["pull", "oci-layout:artifacts:hello"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("pulled oci-layout:")
            && ended.stdout.trim().ends_with("hello.wasm"),
        "{ended:?}"
    );
    assert_eq!(
        std::fs::read(sandbox.path("hello.wasm")).unwrap(),
        std::fs::read(guest("hello")).unwrap()
    );
    // To standard output, with nothing else written there.
    let mut command = sandbox.command(["pull", "oci-layout:artifacts:hello", "-o", "-"]);
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stdout == std::fs::read(guest("hello")).unwrap(),
        "{}",
        output.stdout.len()
    );
}

#[test]
fn quiet_says_nothing_and_progress_is_lines_where_nobody_looks() {
    let sandbox = Sandbox::new();
    let push = |more: &[&str]| {
        let hello = guest("hello");
        let all = ["push", hello.to_str().unwrap(), "oci-layout:here:1"]
            .into_iter()
            .chain(more.iter().copied());
        sandbox.run(all.collect::<Vec<_>>())
    };
    let told = push(&[]);
    assert!(
        told.code == Some(0) && !told.stderr.is_empty() && !told.stderr.contains(['\r', '\x1b']),
        "{told:?}"
    );
    let quiet = push(&["--quiet"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{quiet:?}");
    assert!(quiet.stdout.starts_with("pushed "), "{quiet:?}");
}

#[test]
fn progress_is_a_bar_on_a_terminal() {
    let desk = Desk::at("none");
    let proxy = Proxy::before(desk.host());
    let file = desk.sandbox.path("big.wasm");
    std::fs::write(&file, padded(&std::fs::read(guest("hello")).unwrap(), 1 << 20, 4)).unwrap();
    desk.push(&file, &desk.reference("big:1"));
    let layer = sha256(&std::fs::read(&file).unwrap()).replace("sha256:", "");
    proxy.on("GET", &layer, ALL, Fault::Slow(64 << 10, Duration::from_millis(50)));
    let terminal = Terminal::keynet(
        &desk.sandbox,
        &["pull", &format!("{}/tests/big:1", proxy.address()), "-o", "pulled.wasm"],
    );
    let (code, shown) = terminal.end();
    assert!(code == Some(0) && shown.contains("pulled "), "{shown:?}");
    // The progress is redrawn in place.
    assert!(shown.matches('\r').count() > 5 && shown.contains('\x1b'), "{shown:?}");
    let terminal = Terminal::keynet(
        &desk.sandbox,
        &["pull", "--quiet", &desk.reference("big:1"), "-o", "pulled.wasm"],
    );
    let (code, shown) = terminal.end();
    assert!(
        code == Some(0) && shown.starts_with("pulled ") && shown.lines().count() == 1,
        "{shown:?}"
    );
}

#[test]
fn what_is_no_action_is_not_published() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("core.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    std::fs::write(sandbox.path("empty.wasm"), wat::parse_str("(component)").unwrap()).unwrap();
    std::fs::write(sandbox.path("text.wasm"), "text").unwrap();
    for (file, reason) in [
        ("core.wasm", "core WebAssembly module"),
        ("empty.wasm", "keynet:inference/function"),
        ("text.wasm", "WebAssembly"),
    ] {
        says(&keynet(&sandbox, ["push", file, "oci-layout:here:1"]), 3, &[file, reason]);
    }
    says(&keynet(&sandbox, ["push", "missing.wasm", "oci-layout:here:1"]), 6, &["missing.wasm"]);
    assert!(!sandbox.path("here").exists());
}

#[test]
fn what_is_no_reference_says_how_to_write_one() {
    let sandbox = Sandbox::new();
    for reference in [
        "http://registry.example.com/a:1",
        "Registry/UPPER:1",
        "oci-layout:",
        "registry.example.com/a:b:c",
        "a@sha256:12",
    ] {
        let ended =
            keynet(&sandbox, ["push".as_ref(), guest("hello").as_os_str(), reference.as_ref()]);
        says(&ended, 2, &[reference]);
        assert_eq!(keynet(&sandbox, ["pull", reference]).code, Some(2), "{reference}");
    }
    says(&keynet(&sandbox, ["run", "missing.wasm"]), 6, &["missing.wasm"]);
    says(&keynet(&sandbox, ["pull", "oci-layout:nowhere:1"]), 11, &["nowhere"]);
    assert!(!sandbox.path("nowhere").exists());
}

#[test]
fn json_tells_what_failed() {
    let sandbox = Sandbox::new();
    let ended = keynet(&sandbox, ["pull", "oci-layout:nowhere:1", "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(11), &json!("artifact")), "{ended:?}");
    let address = keynet_tests::free_address();
    let ended = keynet(&sandbox, ["pull", &format!("{address}/a:1"), "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(10), &json!("connection")), "{ended:?}");
    let proxy = Proxy::before(&address);
    proxy.on(
        "GET",
        "/v2/",
        ALL,
        Fault::status(401).with("WWW-Authenticate", "Basic realm=\"test\""),
    );
    proxy.on(
        "HEAD",
        "/v2/",
        ALL,
        Fault::status(401).with("WWW-Authenticate", "Basic realm=\"test\""),
    );
    let ended = keynet(&sandbox, ["pull", &format!("{}/a:1", proxy.address()), "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(7), &json!("login")), "{ended:?}");
}
