//! Restricted machines: hard limits, a home that is not writable, clients that use IPv6.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use keynet_tests::runtime::Runtime;
use keynet_tests::{Ended, Sandbox, binary, end, guest, http};
use serde_json::json;

fn greets(ended: &Ended) {
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "{\"greeting\":\"Hello, Ada!\"}\n"),
        "{ended:?}"
    );
}

/// Login nodes and batch systems have hard limits on processor time below those of this host, and
/// users may not raise them.
#[test]
fn components_are_compiled_within_hard_limits_below_ours() {
    let sandbox = Sandbox::without_cache();
    let script = r#"ulimit -t 150; ulimit -c 0; exec "$@""#;
    let (keynet, hello) = (binary(), guest("hello"));
    let arguments = [
        "-c",
        script,
        "sh",
        keynet.to_str().unwrap(),
        "run",
        hello.to_str().unwrap(),
        "--param",
        "name=Ada",
    ];
    greets(&end(sandbox.program("sh", arguments)));
}

#[test]
fn a_home_that_cannot_be_written_costs_the_cache_and_nothing_else() {
    let mut sandbox = Sandbox::new();
    let home = sandbox.path("home");
    fs::create_dir(&home).unwrap();
    let is_root = fs::metadata(&home).unwrap().uid() == 0;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    sandbox.set("KEYNET_STATE_DIR", home.join(".local/state").display());
    sandbox.set("KEYNET_CACHE", home.join(".cache").display());
    // Root can write everywhere, unless the capabilities to bypass permissions are dropped.
    let drop = "--bounding-set=-dac_override,-dac_read_search";
    let run =
        |arguments: &[&str]| match is_root {
            true => end(sandbox
                .program("setpriv", [&[drop, binary().to_str().unwrap()], arguments].concat())),
            false => sandbox.run(arguments),
        };
    let hello = guest("hello");
    let ended = run(&["run", hello.to_str().unwrap(), "--param", "name=Ada"]);
    greets(&ended);
    assert!(
        ended.stderr.contains("compiled code is not kept")
            && ended.stderr.contains("KEYNET_STATE_DIR"),
        "{}",
        ended.stderr
    );
    assert_eq!(run(&["inspect", hello.to_str().unwrap()]).code, Some(0));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_port_of_the_runtime_is_reached_by_both_versions_of_ip() {
    let runtime = Runtime::of(&Sandbox::new(), &guest("hello"));
    let port = runtime.address().rsplit(':').next().unwrap();
    let body = json!({ "value": { "name": "Ada" } }).to_string();
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:{port}");
        // A machine without IPv6 has only the IPv4 address.
        if host == "[::1]" && std::net::TcpListener::bind("[::1]:0").is_err() {
            continue;
        }
        assert!(TcpStream::connect(&address).is_ok(), "{address}");
        let answer = http(
            &address,
            "POST",
            "/run",
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        );
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "greeting": "Hello, Ada!" })),
            "{address}"
        );
    }
}
