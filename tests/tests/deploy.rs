//! End-to-end tests of `deploy`, `invoke`, `logs`, `list` and `undeploy`: against a strict stand-in
//! for OpenWhisk's API whose containers are the real `keynet-runtime`, with components from files
//! and from a real registry.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use keynet_test_servers::RealServer;
use keynet_tests::openwhisk_api::{IMAGE, KEY, OpenWhisk, Setup, certificate};
use keynet_tests::process::Process;
use keynet_tests::{Ended, Sandbox, end_with_input, fetch, free_address, guest, http};
use serde_json::{Value, json};

/// Creates a sandbox with an empty home: the developer's own `.wskprops` and logins have no effect.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("HOME", sandbox.path("").display());
    sandbox
}

/// Starts an OpenWhisk with the real runtime, and configures the sandbox for it.
fn running(setup: Setup) -> (Sandbox, OpenWhisk) {
    let mut sandbox = sandbox();
    let openwhisk = OpenWhisk::running(&sandbox, setup);
    openwhisk.configure(&mut sandbox);
    (sandbox, openwhisk)
}

/// Runs a command, and asserts success.
fn done(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let ended = sandbox.run(arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended
}

/// Runs a command, and asserts its failure: the exit code, and a part of its message.
fn fails(sandbox: &Sandbox, arguments: &[&str], code: i32, says: &str) -> Ended {
    let ended = sandbox.run(arguments);
    assert!(
        ended.code == Some(code) && ended.stderr.contains(says),
        "{arguments:?} should end with {code}, {says:?}: {ended:?}"
    );
    ended
}

fn path(guest_name: &str) -> String {
    guest(guest_name).display().to_string()
}

fn annotation<'a>(action: &'a Value, name: &str) -> &'a Value {
    let all = action["annotations"].as_array().unwrap();
    all.iter()
        .find(|annotation| annotation["key"] == name)
        .map_or(&Value::Null, |annotation| &annotation["value"])
}

#[test]
fn a_component_is_deployed_invoked_changed_and_removed() {
    let (sandbox, openwhisk) = running(Setup::default());
    let hello = path("hello");

    let deployed = done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--json"]).json();
    assert_eq!(
        (&deployed["name"], &deployed["created"], &deployed["version"]),
        (&json!("/guest/hello"), &json!(true), &json!("0.0.1"))
    );
    assert_eq!(
        (&deployed["kind"], &deployed["image"], &deployed["url"]),
        (&json!("blackbox"), &json!(IMAGE), &Value::Null)
    );
    let stored = openwhisk.stored("", "hello");
    let encoded = Command::new("base64").arg("-w0").arg(&hello).output().unwrap();
    assert_eq!(stored["exec"]["code"].as_str().unwrap().as_bytes(), encoded.stdout);
    assert_eq!(stored["exec"]["binary"], true);
    assert_eq!(annotation(&stored, "provide-api-key"), &json!(false));
    assert_eq!(annotation(&stored, "description"), "Greets a person by name.");
    let parameters = json!([{ "name": "name", "required": true, "type": "string", "description": "Who is greeted." }]);
    assert_eq!(annotation(&stored, "parameters"), &parameters);
    assert_eq!(annotation(&stored, "keynet-digest"), &deployed["digest"]);

    let invoked = done(&sandbox, &["invoke", "hello", "--param", "name=Ada"]);
    assert_eq!(invoked.stdout, "{\"greeting\":\"Hello, Ada!\"}\n");
    let logged = done(&sandbox, &["logs", "hello", "--strip"]);
    assert!(logged.stdout.lines().any(|line| line == "greeting Ada"), "{logged:?}");
    assert!(!logged.stdout.contains("XXX_THE_END"), "{logged:?}");

    // An error of the action, as text and as JSON.
    fails(
        &sandbox,
        &["invoke", "/_/hello"],
        1,
        "error: the action answered with an error: the parameter `name` is missing",
    );
    let told = sandbox.run(["invoke", "hello", "--json", "--logs"]);
    assert_eq!(
        (told.code, &told.json()["kind"], &told.json()["status"]),
        (Some(1), &json!("application-error"), &json!("application error"))
    );
    let id = told.json()["activation"].as_str().unwrap().to_owned();
    let logs = done(&sandbox, &["logs", &id, "--json"]).json();
    assert_eq!((&logs["activation"], &logs["status"]), (&json!(id), &json!("application error")));

    // Settings that are not given are unchanged: foreign annotations, parameters, limits.
    let web = [
        "deploy",
        &hello,
        "--image",
        IMAGE,
        "--web",
        "true",
        "--param",
        "word=Hi",
        "--annotation",
        "team=vision",
        "--timeout",
        "30s",
    ];
    let updated = done(&sandbox, &web);
    let url = format!("{}/api/v1/web/guest/default/hello", openwhisk.host());
    assert!(
        updated.stdout.starts_with("updated /guest/hello\n")
            && updated.stdout.contains(&format!("url      {url}\n")),
        "{updated:?}"
    );
    let again = done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--json"]).json();
    assert_eq!(
        (&again["version"], &again["limits"]["timeout"], &again["created"]),
        (&json!("0.0.3"), &json!(30_000), &json!(false))
    );
    let stored = openwhisk.stored("", "hello");
    assert_eq!(
        (annotation(&stored, "team"), &stored["parameters"]),
        (&json!("vision"), &json!([{ "key": "word", "value": "Hi" }]))
    );
    assert_eq!(
        [
            annotation(&stored, "web-export"),
            annotation(&stored, "final"),
            annotation(&stored, "raw-http")
        ],
        [true, true, false]
    );
    assert_eq!(done(&sandbox, &["invoke", "hello", "--url"]).stdout, format!("{url}\n"));
    let answer = fetch(&format!("{url}.json?name=Bea"));
    assert_eq!((answer.status, answer.json()), (200, json!({ "greeting": "Hi, Bea!" })));
    assert_eq!(
        fetch(&format!("{url}.json?name=Bea&word=Ho")).status,
        400,
        "final parameters are final"
    );

    let listed = done(&sandbox, &["list"]).stdout;
    assert!(
        listed.contains("/guest/hello  blackbox  256 MB, 30 s") && listed.contains(&url),
        "{listed}"
    );
    assert_eq!(
        done(&sandbox, &["list", "guest", "--json"]).json()[0]["digest"],
        deployed["digest"]
    );

    assert_eq!(done(&sandbox, &["undeploy", "hello"]).stdout, "removed hello\n");
    fails(&sandbox, &["undeploy", "hello"], 8, "error: OpenWhisk has no action hello\n");
    assert!(done(&sandbox, &["list"]).stderr.contains("there are no actions"));
}

#[test]
fn a_secured_web_action_wants_its_secret() {
    let (sandbox, openwhisk) = running(Setup::default());
    let hello = path("hello");
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--web-secure", "true"],
        2,
        "--web-secure is for web actions",
    );
    let ended = done(
        &sandbox,
        &[
            "deploy",
            &hello,
            "--image",
            IMAGE,
            "--web",
            "yes",
            "--web-secure",
            "hunter2-hunter2",
            "-vv",
        ],
    );
    assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended:?}");
    let call = |secret: Option<&str>| {
        let headers: Vec<_> =
            secret.map(|secret| ("X-Require-Whisk-Auth", secret)).into_iter().collect();
        http(
            openwhisk.address(),
            "GET",
            "/api/v1/web/guest/default/hello.json?name=Ada",
            &headers,
            &[],
        )
        .status
    };
    assert_eq!([call(None), call(Some("wrong")), call(Some("hunter2-hunter2"))], [401, 401, 200]);
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web-secure", "true"]);
    let number = annotation(&openwhisk.stored("", "hello"), "require-whisk-auth").clone();
    assert!(number.is_u64(), "{number}");
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web-secure", "true"]);
    assert_eq!(annotation(&openwhisk.stored("", "hello"), "require-whisk-auth"), &number);
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web-secure", "false"]);
    assert_eq!(
        (annotation(&openwhisk.stored("", "hello"), "require-whisk-auth"), call(None)),
        (&Value::Null, 200)
    );
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web", "no"]);
    assert_eq!(call(None), 404);
}

#[test]
fn a_published_component_is_deployed_by_its_digest() {
    let registry = RealServer::registry("basic");
    let host = registry.get("REGISTRY");
    let mut sandbox = sandbox();
    for (name, value) in [("HOSTS", host), ("USERNAME", "alice"), ("PASSWORD", "s3cret")] {
        sandbox.set(&format!("KEYNET_REGISTRY_{name}"), value);
    }
    sandbox.set("KEYNET_REGISTRY", host);
    let openwhisk = OpenWhisk::running(&sandbox, Setup { kind: true, ..Setup::default() });
    openwhisk.configure(&mut sandbox);
    let login =
        sandbox.command(["login", "--registry", host, "--username", "alice", "--password-stdin"]);
    let login = end_with_input(login, "s3cret");
    assert_eq!(login.code, Some(0), "{login:?}");

    let reference = format!("{host}/team/hello:1");
    let pushed = done(&sandbox, &["push", &path("hello"), &reference, "--json"]).json();
    let digest = pushed["digest"].as_str().unwrap();
    let deployed = done(&sandbox, &["deploy", &reference, "--name", "greet", "--json"]).json();
    assert_eq!((&deployed["kind"], &deployed["image"]), (&json!("wasm:component"), &Value::Null));
    assert_eq!(deployed["reference"], format!("{reference}@{digest}"));
    let stored = openwhisk.stored("", "greet");
    assert_eq!(stored["exec"]["code"], format!("oci://{host}/team/hello@{digest}"));
    assert_eq!(stored["exec"]["binary"], false);
    assert_eq!(
        done(&sandbox, &["invoke", "greet", "--param", "name=Ada"]).stdout,
        "{\"greeting\":\"Hello, Ada!\"}\n"
    );
    let short = format!("{reference}@sha256:{}", &digest[7..19]);
    assert!(done(&sandbox, &["list"]).stdout.contains(&short));

    // The tag moves; the deployed action does not change until it is deployed again.
    done(&sandbox, &["push", &path("contract"), &reference]);
    assert_eq!(
        done(&sandbox, &["invoke", "greet", "--param", "name=Ada"]).stdout,
        "{\"greeting\":\"Hello, Ada!\"}\n"
    );
    done(&sandbox, &["deploy", &reference, "--name", "greet"]);
    assert_eq!(
        done(&sandbox, &["invoke", "greet", "--param", "name=Ada"]).stdout,
        "{\"name\":\"Ada\"}\n"
    );

    fails(&sandbox, &["deploy", &format!("{host}/team/nothing:1")], 11, "has no");
}

#[test]
fn a_container_that_may_not_contact_the_registry_is_a_developer_error() {
    let registry = RealServer::registry("none");
    let reference = format!("{}/team/hello:1", registry.get("REGISTRY"));
    let (sandbox, _openwhisk) = running(Setup::default());
    done(&sandbox, &["push", &path("hello"), &reference]);
    done(&sandbox, &["deploy", &reference, "--image", IMAGE]);
    let ended = fails(
        &sandbox,
        &["invoke", "hello", "--param", "name=Ada"],
        1,
        "error: the action failed: ",
    );
    assert!(ended.stderr.contains("may not be contacted"), "{ended:?}");
    let told = sandbox.run(["invoke", "hello", "--json"]);
    assert_eq!((told.code, &told.json()["kind"]), (Some(1), &json!("developer-error")));
    let logs = done(&sandbox, &["logs", "hello"]).stdout;
    assert!(logs.contains("Log data might be missing"), "{logs}");

    // A missing image is reported by OpenWhisk.
    done(&sandbox, &["deploy", &path("hello"), "--image", "nobody/nothing:1", "--name", "lost"]);
    fails(
        &sandbox,
        &["invoke", "lost"],
        1,
        "OpenWhisk could not run the action (whisk internal error): Failed to pull container image \
            'nobody/nothing:1'.",
    );
}

#[test]
fn an_activation_that_takes_longer_is_waited_for() {
    let (sandbox, _openwhisk) =
        running(Setup { max_wait: Duration::from_millis(300), ..Setup::default() });
    done(&sandbox, &["deploy", &path("contract"), "--image", IMAGE]);
    let sleeps = ["invoke", "contract", "--param", "do=sleep", "--param", "ms=1200"];
    let ended = done(&sandbox, &sleeps);
    assert_eq!(ended.stdout, "{\"slept\":1200}\n");
    assert!(ended.stderr.contains("goes on; its record is waited for"), "{ended:?}");
    let record = done(&sandbox, &[&sleeps[..], &["--blocking"]].concat()).json();
    assert_eq!(record["response"]["result"], json!({ "slept": 1200 }));
    assert!(record["logs"].is_array(), "{record}");
    fails(
        &sandbox,
        &[&sleeps[..], &["--wait", "100ms"]].concat(),
        1,
        "has not ended after 100.00 ms",
    );

    let id = done(&sandbox, &[&sleeps[..], &["--no-wait"]].concat()).stdout;
    assert_eq!(id.trim().len(), 32);
    fails(&sandbox, &["logs", id.trim()], 8, "OpenWhisk has no activation");
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        done(&sandbox, &["logs", id.trim(), "--strip"]).stdout.lines().any(|line| line == "asleep")
    );

    // An array is returned without a record.
    assert_eq!(
        done(&sandbox, &["invoke", "contract", "--param", "do=array"]).stdout,
        "[1,{\"two\":2}]\n"
    );
}

#[test]
fn logs_are_followed_from_activation_to_activation() {
    let (sandbox, _openwhisk) = running(Setup::default());
    done(&sandbox, &["deploy", &path("hello"), "--image", IMAGE]);
    fails(&sandbox, &["logs", "--last"], 8, "OpenWhisk has no activation");
    let mut follow = Process::start(
        sandbox.command(["logs", "hello", "--follow", "--strip"]).stdout(Stdio::piped()),
    );
    let mut lines = BufReader::new(follow.pipes().stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.starts_with("greeting"));
    std::thread::sleep(Duration::from_millis(500));
    for name in ["Ada", "Bea"] {
        done(&sandbox, &["invoke", "hello", "--param", &format!("name={name}")]);
        assert_eq!(lines.next(), Some(format!("greeting {name}")));
    }
    follow.signal("TERM");
    assert!(follow.ends_within(Duration::from_secs(20)).success());
    assert!(done(&sandbox, &["logs", "--last"]).stdout.contains(" stdout: greeting Bea\n"));
}

#[test]
fn variables_of_the_container_are_no_parameters() {
    let (sandbox, openwhisk) = running(Setup::default());
    std::fs::write(sandbox.path("env.json"), "{\"PASSWORD\": \"hunter2\"}").unwrap();
    let contract = path("contract");
    let deploy = [
        "deploy",
        &contract,
        "--image",
        IMAGE,
        "--param",
        "a=1.50",
        "--env",
        "GREETING=hello",
        "--env-file",
        "env.json",
        "-vv",
    ];
    let ended = done(&sandbox, &deploy);
    assert!(!ended.stderr.contains("hunter2") && !ended.stdout.contains("hunter2"), "{ended:?}");
    assert_eq!(
        openwhisk.stored("", "contract")["parameters"],
        json!([{ "key": "GREETING", "value": "hello", "init": true }, { "key": "PASSWORD", "value": "hunter2", "init": true }, { "key": "a", "value": 1.5 }])
    );
    let environment = done(&sandbox, &["invoke", "contract", "--param", "do=environment"]).json();
    assert_eq!(
        (&environment["GREETING"], &environment["PASSWORD"], &environment["__OW_API_KEY"]),
        (&json!("hello"), &json!("hunter2"), &Value::Null)
    );
    assert_eq!(done(&sandbox, &["invoke", "contract"]).json(), json!({ "a": 1.5 }));
    let note =
        done(&sandbox, &["deploy", &contract, "--image", IMAGE, "--param", "MODEL_NAME=x"]).stderr;
    assert!(note.contains("--env MODEL_NAME=…"), "{note}");
    fails(
        &sandbox,
        &["deploy", &contract, "--image", IMAGE, "-p", "X=1", "-e", "X=2"],
        2,
        "both a parameter and a variable",
    );
}

#[test]
fn what_compiling_needs_decides_the_memory() {
    let (sandbox, openwhisk) = running(Setup { min_memory: 64, ..Setup::default() });
    let component = path("image-detection");
    let deploy = ["deploy", &component, "--image", IMAGE];
    let with = |more: &[&'static str]| [&deploy[..], more].concat();
    let memory = || openwhisk.stored("", "image-detection")["limits"]["memory"].clone();
    let ended = fails(
        &sandbox,
        &with(&["--memory", "64"]),
        3,
        "--memory 64 is too little to compile the component in: give it 128,",
    );
    assert!(
        ended.stderr.contains("image build")
            && openwhisk.seen().iter().all(|seen| !seen.line.starts_with("PUT")),
        "{ended:?}"
    );
    done(&sandbox, &with(&["--memory", "64", "--skip-memory-check"]));
    assert_eq!(memory(), 64);
    // Without an explicit limit it is raised, and the user is informed.
    let ended = done(&sandbox, &deploy);
    assert!(
        ended.stderr.contains("the action gets 128 MB of memory instead of 64, in which"),
        "{ended:?}"
    );
    assert_eq!(memory(), 128);
    assert!(!done(&sandbox, &deploy).stderr.contains("the action gets"));
}

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
        &["deploy", &hello, "--image", IMAGE, "--memory", "32"],
        3,
        "takes more memory than the 32 MB that this OpenWhisk gives an action at most",
    );
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--skip-memory-check", "--memory", "512"],
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
    fails(&sandbox, &["list", "--ca", "wskprops"], 4, "holds no certificate");
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
