//! What OpenWhisk or the command line refuses.

use super::*;

#[test]
fn the_platform_and_the_arguments_must_fit() {
    let (sandbox, openwhisk) =
        running(Setup { min_memory: 32, max_memory: 32, ..Setup::default() });
    let hello = path("hello");
    let ended = fails(
        &sandbox,
        &["deploy", &hello],
        3,
        "this OpenWhisk has no kind wasm:component: name the runtime's image with --image",
    );
    assert!(ended.stderr.contains("KEYNET_RUNTIME_IMAGE"), "{ended:?}");
    fails(
        &sandbox,
        &["deploy", &hello, "--kind", "cobol:60"],
        3,
        "no kind cobol:60; it has nodejs:20",
    );
    let digest = format!("keynet/runtime@sha256:{}", "a".repeat(64));
    fails(
        &sandbox,
        &["deploy", &hello, "--image", &digest],
        3,
        "OpenWhisk drops the digest of an image",
    );
    fails(&sandbox, &["deploy", "--image", IMAGE], 2, "give it a --name");
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--name", "a b/c/d/e"],
        2,
        "not an action's name",
    );
    fails(&sandbox, &["deploy", "Cargo.toml"], 6, "cannot read Cargo.toml");
    fails(&sandbox, &["deploy", &path("exits-at-init"), "--image", IMAGE], 3, "cannot be loaded");
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--memory", "32MiB"],
        3,
        "takes more memory than the 32 MB that this OpenWhisk gives an action at most",
    );
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--skip-memory-check", "--memory", "512MiB"],
        8,
        "memory size 512 MB exceeds allowed threshold of 32 MB",
    );
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--skip-memory-check", "--concurrency", "8"],
        8,
        "concurrency 8 exceeds allowed threshold of 1",
    );
    assert!(done(&sandbox, &["list"]).stdout.is_empty());

    // An image that contains the action has no code.
    let note = done(&sandbox, &["deploy", "--image", "keynet/hello", "--name", "baked"]).stderr;
    assert!(note.contains("whatever its tag latest is"), "{note}");
    assert_eq!(
        openwhisk.last("PUT").body["exec"],
        json!({ "kind": "blackbox", "image": "keynet/hello" })
    );
}

#[test]
fn every_refusal_has_a_message_and_an_exit_code() {
    let mut sandbox = sandbox();
    let openwhisk = OpenWhisk::start(Setup { per_minute: 0, ..Setup::default() });
    let listing = ["list", "--json"];
    assert_eq!(
        (sandbox.run(listing).code, sandbox.run(listing).json()["kind"].clone()),
        (Some(4), json!("configuration"))
    );
    fails(&sandbox, &["list"], 4, "hint: set APIHOST in ");
    openwhisk.configure(&mut sandbox);

    let wrong = KEY.replace("123z", "456z");
    fails(&sandbox, &["list", "--auth", &wrong], 7, "does not accept the key");
    fails(
        &sandbox,
        &["list", "--auth", "hunter2"],
        4,
        "the key in the command line cannot be used",
    );
    fails(
        &sandbox,
        &["list", "other"],
        7,
        "OpenWhisk does not allow it: The supplied authentication is not authorized to access \
            'other'. (transaction ",
    );
    fails(&sandbox, &["invoke", "hello"], 8, "OpenWhisk has no action hello");
    fails(&sandbox, &["undeploy", "pkg/hello"], 8, "OpenWhisk has no action pkg/hello");

    let hello = path("hello");
    let deploy = ["deploy", hello.as_str(), "--image", IMAGE, "--skip-memory-check"];
    let with = |more: &[&'static str]| [&deploy[..], more].concat();
    fails(&sandbox, &with(&["--name", "pkg/hello"]), 8, "OpenWhisk has no package pkg");
    let auth = format!("Basic {}", base64_of(KEY));
    let package = http(
        openwhisk.address(),
        "PUT",
        "/api/v1/namespaces/_/packages/hello",
        &[("Authorization", &auth)],
        b"{}",
    );
    assert_eq!(package.status, 200);
    fails(
        &sandbox,
        &deploy,
        8,
        "OpenWhisk reports a conflict: Resource by this name exists but is not in this collection.",
    );
    std::fs::write(sandbox.path("large.json"), json!({ "large": "x".repeat(1 << 20) }).to_string())
        .unwrap();
    fails(
        &sandbox,
        &with(&["--name", "large", "--params-file", "large.json"]),
        8,
        "too large for OpenWhisk: parameters larger than allowed",
    );
    done(&sandbox, &with(&["--name", "a"]));
    fails(
        &sandbox,
        &["invoke", "a", "--params-file", "large.json"],
        8,
        "Request larger than allowed",
    );
    fails(
        &sandbox,
        &["invoke", "a"],
        8,
        "Too many requests in the last minute (count: 1, allowed: 0).",
    );
    std::fs::write(sandbox.path("array.json"), "[1]").unwrap();
    fails(
        &sandbox,
        &["invoke", "a", "--params-file", "array.json"],
        8,
        "OpenWhisk refuses the request: The request content was malformed",
    );

    openwhisk.fail_next(
        503,
        &json!({ "error": "System is overloaded, try again later.", "code": "t1" }),
    );
    fails(
        &sandbox,
        &["list"],
        9,
        "OpenWhisk failed with HTTP status 503: System is overloaded, try again later. \
            (transaction t1)",
    );
    openwhisk.fail_next(502, &json!("<html>bad gateway</html>"));
    fails(&sandbox, &["invoke", "a"], 9, "HTTP status 502");
    openwhisk.fail_next(200, &json!({ "surprise": true }));
    fails(&sandbox, &["list"], 9, "does not answer as OpenWhisk does");
    openwhisk.fail_next(404, &json!("no such page"));
    fails(&sandbox, &["list"], 9, "hint: APIHOST is the address of OpenWhisk's API");
    fails(
        &sandbox,
        &["list", "--apihost", &format!("http://{}", free_address())],
        10,
        "cannot be reached",
    );
    // TLS to a server that does not speak TLS
    fails(&sandbox, &["list", "--apihost", openwhisk.address()], 10, "cannot be reached");
}

#[test]
fn a_certificate_must_be_trusted() {
    let mut sandbox = sandbox();
    let (ca, tls) = certificate(&sandbox.path("certificates"));
    let openwhisk = OpenWhisk::start(Setup { tls: Some(tls), ..Setup::default() });
    openwhisk.configure(&mut sandbox);
    let ended = fails(&sandbox, &["list"], 10, "cannot be trusted");
    assert!(ended.stderr.contains("hint: --ca names the file"), "{ended:?}");
    done(&sandbox, &["list", "--ca", &ca.display().to_string()]);
    done(&sandbox, &["list", "-i"]);
    sandbox.set("__OW_IGNORE_CERTS", "true");
    done(&sandbox, &["list"]);
    fails(&sandbox, &["list", "--ca", "wskprops"], 4, "there is no certificate in PEM");
}

#[test]
fn flags_stand_above_variables_and_those_above_the_file_and_nothing_shows_the_key() {
    let mut sandbox = sandbox();
    let (here, there) = (OpenWhisk::new(), OpenWhisk::new());
    here.configure(&mut sandbox);
    let hello = path("hello");
    let (user, password) = KEY.split_once(':').unwrap();
    let encoded = base64_of(KEY);
    let secret = [password.to_owned(), encoded, KEY.to_owned()];
    let quiet = |ended: &Ended| {
        for secret in &secret {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
        }
    };
    let seen = |openwhisk: &OpenWhisk| openwhisk.seen().len();

    quiet(&done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--skip-memory-check", "-vv"]));
    assert!(seen(&here) > 0 && seen(&there) == 0);
    sandbox.set("WHISK_APIHOST", there.host());
    quiet(&done(&sandbox, &["list", "-vv"]));
    assert_eq!(seen(&there), 1);
    sandbox.set("WSK_APIHOST", "http://127.0.0.1:1");
    quiet(&sandbox.run(["list", "-vv"]));
    let before = seen(&here);
    quiet(&done(&sandbox, &["list", "--apihost", here.host(), "--auth", KEY, "-vv"]));
    assert_eq!((seen(&here), seen(&there)), (before + 1, 1));
    sandbox.set("WSK_AUTH", format!("{user}:{}", "0".repeat(64)));
    quiet(&fails(
        &sandbox,
        &["list", "--apihost", here.host(), "-vv"],
        7,
        "does not accept the key",
    ));
    sandbox.set("WSK_CONFIG_FILE", "/no/such/file");
    quiet(&fails(
        &sandbox,
        &["undeploy", "hello", "--apihost", here.host(), "-vv"],
        7,
        "does not accept the key",
    ));
    quiet(&done(
        &sandbox,
        &["undeploy", "hello", "--apihost", here.host(), "-u", KEY, "-vv", "--json"],
    ));
}

fn base64_of(text: &str) -> String {
    let mut encode = Command::new("base64");
    encode.arg("-w0");
    end_with_input(encode, text).stdout
}
