//! Every row of OpenWhisk's contract with an action container, against the process itself over its port.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use keynet_test_servers::RealServer;
use keynet_tests::made::answers;
use keynet_tests::runtime::{Runtime, Window, activation, base64, base64_of, deadline};
use keynet_tests::{Sandbox, answer, guest, http, send};
use serde_json::{Value, json};

const NO_CODE: &str = r#"{"error":"Missing main/no code to execute."}"#;
const SECOND_INIT: &str = r#"{"error":"Cannot initialize the action more than once."}"#;

fn contract(sandbox: &Sandbox) -> Runtime {
    Runtime::of(sandbox, &guest("contract"))
}

fn window(stdout: &[&str], stderr: &[&str]) -> Window {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Window { stdout: lines(stdout), stderr: lines(stderr), receipt: None }
}

/// Without what it cost.
fn logs(runtime: &Runtime) -> Window {
    Window { receipt: None, ..runtime.window() }
}

/// The message of an answer that has one field, `error`.
fn error_of(answer: &keynet_tests::Answer, status: u16) -> String {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "exactly one field: {body}");
    body["error"].as_str().unwrap_or_else(|| panic!("no error: {body}")).to_owned()
}

fn nothing_was_said(runtime: &Runtime) {
    thread::sleep(Duration::from_millis(100));
    assert_eq!(runtime.rest(), (vec![], vec![]));
}

// POST /init

#[test]
fn init_answers_ok_and_its_logs_are_the_first_activations() {
    let sandbox = Sandbox::new();
    let runtime = contract(&sandbox);
    nothing_was_said(&runtime);
    assert_eq!(runtime.run(&json!({ "name": "Ada" })).json(), json!({ "name": "Ada" }));
    assert_eq!(logs(&runtime), window(&["hello stdout"], &["hello stderr"]));
}

#[test]
fn init_without_code_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    for body in ["", "{}", r#"{"value":{}}"#, r#"{"value":{"name":"","main":"","binary":false,"code":""}}"#, r#"{"value":{"code":null}}"#] {
        let answer = runtime.post("/init", body.as_bytes());
        assert_eq!((answer.status, answer.text()), (403, NO_CODE), "{body}");
        assert_eq!(logs(&runtime), window(&[], &["Missing main/no code to execute."]));
    }
}

#[test]
fn a_second_init_is_refused_and_said_in_the_logs_without_an_end() {
    let runtime = contract(&Sandbox::new());
    let answer = runtime.init(&base64_of(&guest("contract")));
    assert_eq!((answer.status, answer.text()), (403, SECOND_INIT));
    runtime.says("Cannot initialize the action more than once.");
    // The action is the first one's still, and what was said belongs to the window that is open.
    assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
    assert_eq!(logs(&runtime), window(&[], &["Cannot initialize the action more than once."]));
    nothing_was_said(&runtime);
}

#[test]
fn an_init_that_is_not_json_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    for body in [&b"{"[..], b"nonsense", b"[]", b"\xff", br#"{"value":{"code":3}}"#] {
        assert!(error_of(&runtime.post("/init", body), 400).starts_with("the body of /init"));
        assert_eq!(runtime.window().stderr.len(), 1, "the error is in the logs, and one end on each stream");
    }
    // The container is as it was.
    assert_eq!(runtime.init(&base64_of(&guest("contract"))).status, 200);
}

#[test]
fn code_that_cannot_be_decoded_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    for code in
        ["function main() { return {} }", &base64(b"just text"), &base64(b"PK\x03\x04 but no zip"), &base64(b"\x1f\x8b but no gzip")]
    {
        let error = error_of(&runtime.init(code), 400);
        assert_eq!(logs(&runtime), window(&[], &[&error]));
    }
    // What `wsk` makes of a file with another name than .zip.
    let mangled = String::from_utf8_lossy(&std::fs::read(guest("contract")).unwrap()).into_owned();
    let error = error_of(&runtime.init(&mangled), 400);
    assert!(error.contains("base64 -w0") && error.contains("zip"), "{error}");
    runtime.window();
}

#[test]
fn code_that_does_not_load_is_refused_with_the_reason() {
    let runtime = Runtime::start(&Sandbox::new());
    let refused = |component: &[u8], reason: &str| {
        let error = error_of(&runtime.init(&base64(component)), 502);
        assert!(error.contains(reason), "{error}");
        let logs = logs(&runtime);
        assert!(logs.stdout.is_empty() && logs.stderr.join("\n").contains(reason), "{logs:?}");
    };
    refused(b"\0asm\x01\0\0\0", "wasm-tools component new");
    refused(b"\0asm\x0d\0\x01\0 and nonsense", "cannot be compiled");
    refused(&wat::parse_str("(component)").unwrap(), "does not export");
    let foreign = r#"(component (import "wasi:http/types@0.2.0" (instance)))"#;
    refused(&wat::parse_str(foreign).unwrap(), "wasi:http/types@0.2.0");
}

#[test]
fn an_action_that_exits_at_init_is_refused_and_what_it_said_is_in_the_logs() {
    let runtime = Runtime::start(&Sandbox::new());
    let error = error_of(&runtime.init(&base64_of(&guest("exits-at-init"))), 502);
    assert!(error.contains("cannot describe itself") && error.contains("exit("), "{error}");
    assert_eq!(logs(&runtime).stderr.first().map(String::as_str), Some("leaving before it has begun"));
    nothing_was_said(&runtime);
}

#[test]
fn main_is_the_function_or_main() {
    let sandbox = Sandbox::new();
    let code = base64_of(&guest("contract"));
    let init = |main: &str| {
        let runtime = Runtime::start(&sandbox);
        let answer = runtime.post("/init", json!({ "value": { "name": "x", "main": main, "code": code } }).to_string().as_bytes());
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(init("contract").0, 200);
    assert_eq!(init("").0, 200);
    let (status, error) = init("niam");
    assert_eq!(status, 502);
    assert!(error.contains("`contract`") && error.contains("`niam`"), "{error}");
}

#[test]
fn of_two_inits_at_once_one_is_refused() {
    let sandbox = Sandbox::without_cache();
    let runtime = Runtime::start(&sandbox);
    let code = base64_of(&guest("contract"));
    let mut answers: Vec<_> = thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| runtime.init(&code)));
        both.into_iter().map(|one| one.join().unwrap()).map(|answer| (answer.status, answer.text().to_owned())).collect()
    });
    answers.sort();
    assert_eq!(answers, [(200, "{\"ok\":true}".to_owned()), (403, SECOND_INIT.to_owned())]);
}

#[test]
fn one_who_hangs_up_during_init_leaves_the_container_as_it_was() {
    let sandbox = Sandbox::without_cache();
    let runtime = Runtime::start(&sandbox);
    let code = base64_of(&guest("contract"));
    let body = json!({ "value": { "name": "x", "main": "main", "code": code } }).to_string();
    drop(send(runtime.address(), "POST", "/init", &[], body.as_bytes()));
    thread::sleep(Duration::from_millis(50));
    // Whether it came to anything or not, it is over soon.
    let started = Instant::now();
    let answer = loop {
        let answer = runtime.init(&code);
        if answer.status == 200 || started.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert!(answer.status == 200 || answer.text() == SECOND_INIT, "{}", answer.text());
    assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
}

#[test]
fn init_ends_within_the_actions_time() {
    let sandbox = Sandbox::without_cache();
    let runtime = Runtime::start(&sandbox);
    let time = Duration::from_millis(300);
    // Compiling takes longer than 250 ms of a processor that nobody else uses.
    let code = base64_of(&guest("contract"));
    let started = Instant::now();
    let answer = runtime.init_with(&code, &json!({ "__OW_DEADLINE": deadline(time) }));
    if answer.status == 200 {
        return; // a very fast machine
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let error = error_of(&answer, 502);
    assert!(error.contains("its timeout") && error.contains("image build"), "{error}");
    runtime.window();
    assert_eq!(runtime.init(&code).status, 200, "with time enough it goes");
}

#[test]
fn what_is_too_large_to_compile_here_says_so_and_what_to_do() {
    let mut sandbox = Sandbox::without_cache();
    sandbox.set("KEYNET_COMPILE_MEMORY", "1MiB");
    let runtime = Runtime::start(&sandbox);
    let error = error_of(&runtime.init(&base64_of(&guest("contract"))), 502);
    assert!(error.contains("1 MiB") && error.contains("keynet-inference image build"), "{error}");
    assert!(!runtime.window().stderr.is_empty());
}

#[test]
fn a_wrong_configuration_is_told_at_init() {
    let mut sandbox = Sandbox::new();
    let runtime = Runtime::start(&sandbox);
    let code = base64_of(&guest("contract"));
    let error = error_of(&runtime.init_with(&code, &json!({ "TRITON_URL": "localhost:8001" })), 502);
    assert!(error.contains("TRITON_URL in the action's init variables"), "{error}");
    sandbox.set("KEYNET_MEMORY", "lots");
    let error = error_of(&Runtime::start(&sandbox).init(&code), 502);
    assert!(error.contains("KEYNET_MEMORY in the environment"), "{error}");
    sandbox.set("KEYNET_MEMORY", "256MiB");
    sandbox.set("KEYNET_GRACE", "a while");
    let error = error_of(&Runtime::start(&sandbox).init(&code), 502);
    assert!(error.contains("KEYNET_GRACE in the environment"), "{error}");
}

// How code arrives

#[test]
fn code_may_be_base64_in_any_layout() {
    let sandbox = Sandbox::new();
    let code = base64_of(&guest("contract"));
    let wrapped: String = code.as_bytes().chunks(76).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect();
    for code in [format!("{code}\n"), wrapped] {
        let runtime = Runtime::start(&sandbox);
        assert_eq!(runtime.init(&code).status, 200);
        assert_eq!(runtime.run(&json!({ "do": "identity" })).json(), json!({ "do": "identity" }));
    }
}

#[test]
fn code_may_be_an_archive_with_wishes() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("archive");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(guest("contract"), folder.join("action.wasm")).unwrap();
    // It asks for less than it may have: nothing may be written.
    std::fs::write(folder.join("keynet.toml"), "[storage]\nwrite = []\n").unwrap();
    let made =
        sandbox.program("python3", ["-c", "import shutil; [shutil.make_archive('a', kind, 'archive') for kind in ('zip', 'gztar')]"]);
    assert_eq!(keynet_tests::end(made).code, Some(0));
    for name in ["a.zip", "a.tar.gz"] {
        let runtime = Runtime::start(&sandbox);
        let answer = runtime.init(&base64_of(&sandbox.path(name)));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let error = error_of(&runtime.run(&json!({ "do": "put" })), 200);
        assert!(error.contains("keynet.toml"), "{name}: {error}");
    }
    std::fs::copy(guest("contract"), folder.join("another.wasm")).unwrap();
    let made = sandbox.program("python3", ["-c", "import shutil; shutil.make_archive('b', 'zip', 'archive')"]);
    assert_eq!(keynet_tests::end(made).code, Some(0));
    let error = error_of(&Runtime::start(&sandbox).init(&base64_of(&sandbox.path("b.zip"))), 502);
    assert!(error.contains("action.wasm") && error.contains("another.wasm"), "{error}");
}

#[test]
fn code_may_lie_in_the_image() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_ACTION", guest("contract").display());
    for body in ["{}", r#"{"value":{"name":"x","main":"main","binary":false,"env":{}}}"#] {
        let runtime = Runtime::start(&sandbox);
        assert_eq!(runtime.post("/init", body.as_bytes()).text(), "{\"ok\":true}");
        assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
    }
    // What is sent stands above it.
    let runtime = Runtime::start(&sandbox);
    assert_eq!(
        error_of(&runtime.init(&base64(b"\0asm\x01\0\0\0")), 502).split(':').next(),
        Some("this is a core WebAssembly module, not a component")
    );
}

/// Publishes the contract's guest in a registry: the reference by digest, without `oci://`.
fn published(sandbox: &mut Sandbox, registry: &RealServer) -> String {
    let host = registry.get("REGISTRY");
    let login = json!({ "auths": { host: { "auth": base64(b"alice:s3cret") } } });
    std::fs::create_dir(sandbox.path("pull-secret")).unwrap();
    std::fs::write(sandbox.path("pull-secret/config.json"), login.to_string()).unwrap();
    let mut push = sandbox.command(["push".as_ref(), guest("contract").as_os_str(), format!("{host}/team/contract:1.0").as_ref()]);
    push.env("DOCKER_CONFIG", sandbox.path("pull-secret"));
    let pushed = keynet_tests::end(push);
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    pushed.stdout.trim().strip_prefix("pushed ").expect("what was pushed").to_owned()
}

#[test]
fn a_reference_is_pulled_with_the_operators_login_from_the_operators_registries() {
    let mut sandbox = Sandbox::new();
    let registry = RealServer::registry("token");
    let host = registry.get("REGISTRY").to_owned();
    let realm = registry.get("REGISTRY_TOKEN_REALM").trim_start_matches("http://").trim_end_matches("/token").to_owned();
    let reference = published(&mut sandbox, &registry);
    let code = format!("oci://{reference}\n");
    let refused = |sandbox: &Sandbox, code: &str| {
        let runtime = Runtime::start(sandbox);
        let answer = runtime.init(code);
        assert_eq!(answer.status, 502, "{code}");
        let error = error_of(&answer, 502);
        assert_eq!(logs(&runtime).stderr, [error.as_str()]);
        assert!(!error.contains("s3cret"), "{error}");
        error
    };
    // Nothing is contacted that is not public, unless the operator lists it.
    assert!(refused(&sandbox, &code).contains("may not be contacted"));
    sandbox.set("KEYNET_REGISTRY_HOSTS", format!("{host},{realm}"));
    refused(&sandbox, &code);
    for (name, value) in [
        ("KEYNET_REGISTRY", format!("{host}/team").as_str()),
        ("KEYNET_REGISTRY_USERNAME", "alice"),
        ("KEYNET_REGISTRY_PASSWORD", "s3cret"),
    ] {
        sandbox.set(name, value);
    }
    let runtime = Runtime::start(&sandbox);
    let answer = runtime.init(&code);
    assert_eq!((answer.status, answer.text()), (200, "{\"ok\":true}"), "{:?}", runtime.rest());
    assert_eq!(runtime.run(&json!({ "do": "identity" })).json(), json!({ "do": "identity" }));
    // A tag may mean another component tomorrow.
    let tagged = format!("oci://{host}/team/contract:1.0");
    assert!(refused(&sandbox, &tagged).contains("KEYNET_ALLOW_TAGS"));
    assert!(refused(&sandbox, &code.replace("@sha256:", "@sha256:0").replace("\n", "")).contains("sha256"));
    sandbox.set("KEYNET_ALLOW_TAGS", "true");
    assert_eq!(Runtime::start(&sandbox).init(&tagged).status, 200);
    // A mounted pull secret does as well; a login of another prefix is not sent.
    sandbox.set("KEYNET_REGISTRY", format!("{host}/another-team"));
    refused(&sandbox, &code);
    sandbox.set("KEYNET_REGISTRY_CONFIG", sandbox.path("pull-secret/config.json").display());
    assert_eq!(Runtime::start(&sandbox).init(&code).status, 200);
}

#[test]
fn a_registry_with_its_own_certificate_authority_is_trusted_where_the_operator_says_so() {
    let mut sandbox = Sandbox::new();
    let registry = RealServer::registry("tls");
    sandbox.set("KEYNET_REGISTRY_CA", registry.get("REGISTRY_CA"));
    let reference = published(&mut sandbox, &registry);
    sandbox.set("KEYNET_REGISTRY_CONFIG", sandbox.path("pull-secret/config.json").display());
    sandbox.set("KEYNET_REGISTRY_HOSTS", registry.get("REGISTRY"));
    assert_eq!(Runtime::start(&sandbox).init(&format!("oci://{reference}")).status, 200);
    sandbox.set("KEYNET_REGISTRY_CA", "");
    let error = error_of(&Runtime::start(&sandbox).init(&format!("oci://{reference}")), 502);
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn a_reference_cannot_name_a_folder_of_the_container() {
    let runtime = Runtime::start(&Sandbox::new());
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let error = error_of(&runtime.init(&format!("oci://oci-layout:/etc@{digest}")), 502);
    assert!(error.contains("registry"), "{error}");
}

#[test]
fn a_body_of_48_mb_is_taken() {
    let runtime = contract(&Sandbox::new());
    let text = "x".repeat(48 << 20);
    let answer = runtime.run(&json!({ "do": "environment", "text": text }));
    assert_eq!(answer.status, 200, "{}", &answer.text()[..200.min(answer.body.len())]);
    // Code of that size arrives too; that it is none is found when all of it is there.
    let runtime = Runtime::start(&Sandbox::new());
    let error = error_of(&runtime.init(&"A".repeat(48 << 20)), 400);
    assert!(error.contains("000000"), "{error}");
    assert_eq!(runtime.post("/init", &vec![b' '; 60 << 20]).status, 413);
}

// POST /run

#[test]
fn run_before_init_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    let answer = runtime.run(&json!({}));
    assert_eq!((answer.status, answer.text()), (500, r#"{"error":"no action defined yet"}"#));
    nothing_was_said(&runtime);
}

#[test]
fn arguments_come_back_as_they_were() {
    let runtime = contract(&Sandbox::new());
    for value in [
        json!({ "do": "identity", "string": "hello", "numbers": [42, 1, 1.5], "object": { "a": "A" }, "boolean": true, "null": null }),
        json!({ "do": "identity", "string": "❄ ☃ ❄ \u{1f600} \u{0} \" \\ /" }),
        json!({ "do": "identity", "arg": "a".repeat(1_048_561) }),
    ] {
        let answer = runtime.run(&value);
        assert_eq!((answer.status, answer.json()), (200, value));
    }
    // A missing argument is an empty one.
    for body in ["{}", r#"{"value":null}"#, r#"{"value":{}}"#] {
        let answer = runtime.post("/run", body.as_bytes());
        assert_eq!((answer.status, answer.json()), (200, json!({})), "{body}");
    }
    // In a sequence an array is passed on.
    let answer = runtime.run(&json!([1, { "two": 2 }]));
    assert_eq!((answer.status, answer.json()), (200, json!([1, { "two": 2 }])));
    assert_eq!(runtime.run(&json!({ "do": "array" })).json(), json!([1, { "two": 2 }]));
}

#[test]
fn unicode_goes_in_and_out_and_into_the_logs() {
    let runtime = contract(&Sandbox::new());
    let answer = runtime.run(&json!({ "do": "unicode", "delimiter": "☃" }));
    assert_eq!(answer.json(), json!({ "winter": "❄ ☃ ❄" }));
    assert_eq!(logs(&runtime), window(&["❄ ☃ ❄"], &[]));
}

#[test]
fn a_body_that_is_not_json_or_an_argument_of_another_kind_is_refused() {
    let runtime = contract(&Sandbox::new());
    for body in [&b""[..], b"{", b"[]", b"\xff", b"{} {}"] {
        error_of(&runtime.post("/run", body), 400);
        runtime.window();
    }
    for value in [json!(1), json!("x"), json!(true)] {
        assert_eq!(error_of(&runtime.run(&value), 404), "The action did not receive a dictionary or array as an argument.");
        runtime.window();
    }
    assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
}

#[test]
fn the_environment_is_inits_and_this_runs_and_nothing_else() {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_API_HOST", "https://host:443");
    sandbox.set("OF_THE_CONTAINER", "secret");
    let runtime = Runtime::start(&sandbox);
    let env = json!({
        "__OW_NAMESPACE": "of init", "__OW_ACTIVATION_ID": "of init", "__OW_API_KEY": "uuid:key", "SOME_VAR": "xyz", "NUMBER": 3, "BOOL": true,
        "ARRAY": ["a", "b"], "OBJECT": { "a": "A" }, "NULL": null, "EMPTY": "", "MODEL_NAME": "m", "KEYNET_MEMORY": "1TiB", "APP_API_KEY": "s",
    });
    assert_eq!(runtime.init_with(&base64_of(&guest("contract")), &env).status, 200);
    let body = json!({
        "value": { "do": "environment" }, "namespace": "zzz", "action_name": "/zzz/xxx", "action_version": "0.0.1", "activation_id": "iii",
        "transaction_id": "tid", "deadline": "123", "api_key": "uuid:key", "something_new": "also", "a_number": 7,
    });
    let answer = runtime.post("/run", body.to_string().as_bytes());
    let expected = json!({
        "SOME_VAR": "xyz", "NUMBER": "3", "BOOL": "true", "ARRAY": "[\"a\",\"b\"]", "OBJECT": "{\"a\":\"A\"}", "NULL": "", "EMPTY": "",
        "__OW_API_HOST": "https://host:443", "__OW_NAMESPACE": "zzz", "__OW_ACTION_NAME": "/zzz/xxx", "__OW_ACTION_VERSION": "0.0.1",
        "__OW_ACTIVATION_ID": "iii", "__OW_TRANSACTION_ID": "tid", "__OW_DEADLINE": "123", "__OW_SOMETHING_NEW": "also", "__OW_A_NUMBER": "7",
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[test]
fn init_without_variables_is_fine() {
    let runtime = Runtime::start(&Sandbox::new());
    assert_eq!(runtime.init_with(&base64_of(&guest("contract")), &Value::Null).status, 200);
    let answer = runtime.post("/run", br#"{"value":{"do":"environment"}}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({})));
}

#[test]
fn the_callers_key_is_seen_only_where_it_is_asked_for_and_granted() {
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("policy.toml"), "api-key = true\n").unwrap();
    sandbox.set("KEYNET_POLICY", sandbox.path("policy.toml").display());
    let folder = sandbox.path("archive");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(guest("contract"), folder.join("action.wasm")).unwrap();
    std::fs::write(folder.join("keynet.toml"), "api-key = true\n").unwrap();
    let made = sandbox.program("python3", ["-c", "import shutil; shutil.make_archive('a', 'zip', 'archive')"]);
    assert_eq!(keynet_tests::end(made).code, Some(0));
    let key = |sandbox: &Sandbox, code: &str| {
        let runtime = Runtime::start(sandbox);
        assert_eq!(runtime.init(code).status, 200);
        let mut body = activation(&json!({ "do": "environment" }), Duration::from_secs(60));
        body["api_key"] = json!("uuid:key");
        runtime.post("/run", body.to_string().as_bytes()).json()["__OW_API_KEY"].clone()
    };
    let (asking, not_asking) = (base64_of(&sandbox.path("a.zip")), base64_of(&guest("contract")));
    assert_eq!(key(&sandbox, &asking), json!("uuid:key"));
    assert_eq!(key(&sandbox, &not_asking), Value::Null);
    assert_eq!(key(&Sandbox::new(), &asking), Value::Null);
}

#[test]
fn an_action_that_fails_is_an_application_error_and_the_container_stays() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let runtime = contract(&sandbox);
    for (value, said) in [
        (json!({ "do": "error" }), "the picture is empty"),
        (json!({ "do": "nonsense" }), "there is no deed"),
        (json!({ "do": "throw", "message": "no pixels" }), "no pixels"),
        (json!({ "do": "trap" }), "trapped"),
        (json!({ "do": "exit" }), "exit("),
        (json!({ "do": "memory" }), "KEYNET_MEMORY"),
    ] {
        let error = error_of(&runtime.run(&value), 200);
        assert!(error.contains(said), "{value}: {error}");
        runtime.window();
        let next = runtime.run(&json!({ "do": "identity" }));
        assert_eq!((next.status, next.json()), (200, json!({ "do": "identity" })), "after {value}");
        assert_eq!(logs(&runtime), Window::default());
    }
    // An error of the action's own making is passed on as it is.
    let answer = runtime.run(&json!({ "do": "error-object" }));
    assert_eq!((answer.status, answer.json()), (200, json!({ "error": { "statusCode": 404, "body": "no such picture" } })));
}

#[test]
fn a_trap_says_where_it_happened() {
    let runtime = contract(&Sandbox::new());
    runtime.run(&json!({ "do": "trap" }));
    let logs = runtime.window();
    assert_eq!(logs.stdout, ["before the trap"]);
    assert!(logs.stderr.iter().any(|line| line.contains("divide")), "{logs:?}");
}

#[test]
fn a_result_that_is_no_object_is_a_developer_error_with_the_platforms_words() {
    let sandbox = Sandbox::new();
    for text in ["3", "\"text\"", "null", "not JSON", "{\"half\":"] {
        std::fs::write(sandbox.path("answer.wasm"), answers(text)).unwrap();
        let runtime = Runtime::of(&sandbox, &sandbox.path("answer.wasm"));
        let answer = runtime.run(&json!({}));
        assert_eq!((answer.status, answer.text()), (502, r#"{"error":"The action did not return a dictionary or array."}"#), "{text}");
        runtime.window();
    }
    std::fs::write(sandbox.path("answer.wasm"), answers("[1.50, {\"a\" : 12345678901234567890}]")).unwrap();
    let runtime = Runtime::of(&sandbox, &sandbox.path("answer.wasm"));
    assert_eq!(runtime.run(&json!({})).text(), "[1.50, {\"a\" : 12345678901234567890}]", "as it is");
}

#[test]
fn a_big_result_is_not_cut() {
    let runtime = contract(&Sandbox::new());
    let answer = runtime.run(&json!({ "do": "big", "bytes": 3 << 20 }));
    assert_eq!((answer.status, answer.body.len()), (200, (3 << 20) + r#"{"big":""}"#.len()));
}

#[test]
fn the_answer_is_there_before_the_platform_hangs_up() {
    let runtime = contract(&Sandbox::new());
    for value in [json!({ "do": "sleep", "ms": 60_000 }), json!({ "do": "compute" })] {
        // A tenth of a second is kept back to report.
        let time = Duration::from_secs(5);
        let hangs_up = Instant::now() + time;
        let body = activation(&value, time).to_string();
        let mut stream = send(runtime.address(), "POST", "/run", &[], body.as_bytes());
        stream.set_read_timeout(Some(hangs_up.saturating_duration_since(Instant::now()))).unwrap();
        let mut bytes = [0; 1024];
        let length = stream.read(&mut bytes).unwrap_or_else(|error| panic!("{value}: the client hung up: {error}"));
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(said.starts_with("HTTP/1.1 200") && said.contains("did not finish within"), "{said}");
        runtime.window();
    }
    assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
}

#[test]
fn an_activation_that_comes_too_late_is_not_run() {
    let runtime = contract(&Sandbox::new());
    let past = (deadline(Duration::ZERO).parse::<u64>().unwrap() - 5000).to_string();
    let body = json!({ "value": {}, "deadline": past });
    assert!(error_of(&runtime.post("/run", body.to_string().as_bytes()), 200).contains("had passed"));
    assert_eq!(runtime.window().stdout, Vec::<String>::new());
    // But a clock that was never set, and what tests send, is no deadline.
    let answer = runtime.post("/run", br#"{"value":{},"deadline":"123"}"#);
    assert_eq!(answer.json(), json!({}));
}

#[test]
fn other_requests_are_refused_in_the_same_form() {
    let runtime = contract(&Sandbox::new());
    error_of(&runtime.post("/", b"{}"), 404);
    error_of(&runtime.post("/ack", b"{}"), 404);
    let answer = http(runtime.address(), "GET", "/run", &[], b"");
    assert_eq!(answer.status, 405);
    nothing_was_said(&runtime);
}

// Logs

#[test]
fn every_way_out_ends_the_window_on_both_streams() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let runtime = contract(&sandbox);
    for deed in ["identity", "error", "throw", "trap", "exit", "memory", "no-newline", "forge", "forge-by-panic", "array", "nonsense"] {
        runtime.run(&json!({ "do": deed, "message": "m" }));
        runtime.window();
        nothing_was_said(&runtime);
    }
    // One who hangs up.
    let patient = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "sleep", "ms": 50_000 }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    runtime.says("asleep");
    drop(patient);
    assert_eq!(logs(&runtime), window(&["asleep"], &[]));
    nothing_was_said(&runtime);
    assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
}

#[test]
fn a_last_line_without_a_newline_is_kept() {
    let runtime = contract(&Sandbox::new());
    runtime.run(&json!({ "do": "no-newline" }));
    assert_eq!(logs(&runtime), window(&["the last line of stdout"], &["the last line of stderr"]));
    runtime.run(&json!({ "do": "exit" }));
    assert_eq!(runtime.window().stdout, ["half a line before the exit"]);
}

#[test]
fn an_action_cannot_end_its_window_nor_forge_a_receipt() {
    let runtime = contract(&Sandbox::new());
    runtime.run(&json!({ "do": "forge" }));
    let logs = runtime.window();
    assert_eq!((logs.stdout.len(), logs.stderr.len()), (1, 2), "{logs:?}");
    assert!(logs.stdout[0].contains('\u{200b}'), "{logs:?}");
    assert!(logs.receipt.unwrap()["total_ns"].as_u64().unwrap() > 0);
    // Not by the words of its panic either, which the host repeats.
    runtime.run(&json!({ "do": "forge-by-panic" }));
    let logs = runtime.window();
    assert!(logs.stderr.len() >= 2 && logs.stderr.iter().all(|line| !line.contains(keynet_tests::runtime::SENTINEL)), "{logs:?}");
    nothing_was_said(&runtime);
}

#[test]
fn a_flood_of_lines_is_cut_at_the_limit_and_the_activation_goes_on() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_LOGS", "1MiB");
    let runtime = contract(&sandbox);
    let answer = runtime.run(&json!({ "do": "lines", "count": 20_000, "bytes": 100, "id": "a" }));
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    let logs = runtime.window();
    let bytes: usize = logs.stdout.iter().chain(&logs.stderr).map(|line| line.len() + 1).sum();
    assert!(((1 << 20) - 2..(1 << 20) + 200).contains(&bytes), "{bytes}");
    assert!(logs.stderr.last().unwrap().contains("KEYNET_LOGS"), "{:?}", logs.stderr.last());
}

#[test]
fn receipts_can_be_left_out() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_RECEIPTS", "false");
    let runtime = contract(&sandbox);
    runtime.run(&json!({ "do": "identity" }));
    assert_eq!(runtime.window(), Window::default());
}

#[test]
fn the_hosts_own_messages_go_to_a_file_and_never_into_the_logs() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.path("diagnostics");
    sandbox.set("KEYNET_DIAGNOSTICS", file.display());
    sandbox.set("RUST_LOG", "debug");
    sandbox.set("KEYNET_RECEIPTS", "false");
    let runtime = contract(&sandbox);
    runtime.run(&json!({ "do": "identity" }));
    assert_eq!(runtime.window(), Window::default());
    assert!(std::fs::read_to_string(file).unwrap().contains("an activation ended"));
}

#[test]
fn logs_that_nobody_reads_cost_no_answer() {
    let sandbox = Sandbox::new();
    let address = keynet_tests::free_address();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let command = format!("exec {} --port {port} >&- 2>&-", keynet_tests::runtime::runtime_binary().display());
    let runtime = Runtime::with(sandbox.program("sh", ["-c", &command]), address);
    assert_eq!(runtime.init(&base64_of(&guest("contract"))).status, 200);
    assert_eq!(runtime.run(&json!({ "name": "Ada" })).json(), json!({ "name": "Ada" }));
}

#[test]
fn logs_that_pile_up_keep_no_answer_from_its_caller() {
    use std::process::Stdio;
    let sandbox = Sandbox::new();
    let address = keynet_tests::free_address();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let mut command = sandbox.program(keynet_tests::runtime::runtime_binary(), ["--port", &port]);
    // Two pipes that are held and never read.
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
    let code = base64_of(&guest("contract"));
    let init = json!({ "value": { "name": "x", "main": "main", "code": code } }).to_string();
    assert_eq!(http(&address, "POST", "/init", &[], init.as_bytes()).status, 200);
    for value in [json!({ "do": "lines", "count": 2000, "bytes": 100, "id": "a" }), json!({ "do": "identity" })] {
        let answer = http(&address, "POST", "/run", &[], activation(&value, Duration::from_secs(30)).to_string().as_bytes());
        assert_eq!((answer.status, answer.json().get("error")), (200, None), "{answer:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

// Connections

#[test]
fn connections_are_kept_or_made_anew_and_bodies_may_come_in_chunks() {
    let runtime = contract(&Sandbox::new());
    let mut stream = TcpStream::connect(runtime.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let exchange = |stream: &mut TcpStream, request: &str, expected: &str| {
        stream.write_all(request.as_bytes()).unwrap();
        let mut got = String::new();
        while !got.ends_with(expected) {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "it closed the connection: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    };
    let body = r#"{"value":{"do":"identity"}}"#;
    for _ in 0..3 {
        let plain = format!("POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        exchange(&mut stream, &plain, r#"{"do":"identity"}"#);
    }
    let (first, second) = body.split_at(5);
    let chunked = format!(
        "POST /run HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    exchange(&mut stream, &chunked, r#"{"do":"identity"}"#);
    // The type of the body says nothing.
    let typed = format!("POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    exchange(&mut stream, &typed, r#"{"do":"identity"}"#);
    for _ in 0..3 {
        assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
    }
}

// Activations at the same time

#[test]
fn without_leave_activations_are_run_one_after_another() {
    let runtime = contract(&Sandbox::new());
    thread::scope(|scope| {
        for id in ["a", "b", "c", "d"] {
            let runtime = &runtime;
            scope.spawn(move || assert_eq!(runtime.run(&json!({ "do": "lines", "count": 50, "bytes": 10, "id": id })).status, 200));
        }
    });
    for _ in 0..4 {
        let logs = runtime.window();
        let id = &logs.stdout[0][..1];
        let expected: Vec<_> = (0..50).map(|line| format!("{id} {line} xxxxxxxxxx")).collect();
        assert_eq!((&logs.stdout, &logs.stderr), (&expected, &expected));
    }
    // Who waits in vain is answered in time, and the one who runs is not disturbed.
    let long = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "sleep", "ms": 2500 }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    runtime.says("asleep");
    let body = activation(&json!({ "do": "identity" }), Duration::from_millis(800));
    let error = error_of(&runtime.post("/run", body.to_string().as_bytes()), 200);
    assert!(error.contains("nothing was run"), "{error}");
    assert_eq!(answer(long).json(), json!({ "slept": 2500 }));
    assert_eq!(logs(&runtime), window(&["asleep"], &[]));
}

/// A container that may run activations at once, and objects that everybody sees.
fn concurrent() -> (Runtime, Sandbox) {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "True");
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:1/");
    (contract(&sandbox), sandbox)
}

#[test]
fn with_leave_128_activations_overlap_and_a_trap_in_one_is_its_own() {
    const COUNT: usize = 128;
    let (runtime, sandbox) = concurrent();
    let traps = |id: usize| id == 77;
    thread::scope(|scope| {
        let running: Vec<_> = (0..COUNT)
            .map(|id| {
                let runtime = &runtime;
                scope.spawn(move || {
                    let mut body = activation(&json!({ "do": "meet", "id": id.to_string(), "trap": traps(id) }), Duration::from_secs(55));
                    body["activation_id"] = json!(format!("activation {id}"));
                    runtime.post("/run", body.to_string().as_bytes())
                })
            })
            .collect();
        // Nobody goes before everybody is here: they are all under way at once.
        let started = Instant::now();
        let here = || {
            std::fs::read_dir(sandbox.path("storage/here"))
                .map_or(0, |files| files.flatten().filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count())
        };
        while here() < COUNT {
            assert!(started.elapsed() < Duration::from_secs(45), "only {} of {COUNT} are under way", here());
            thread::sleep(Duration::from_millis(50));
        }
        std::fs::write(sandbox.path("storage/go"), "").unwrap();
        for (id, answer) in running.into_iter().map(|thread| thread.join().unwrap()).enumerate() {
            match traps(id) {
                true => assert!(error_of(&answer, 200).contains("trapped"), "{}", answer.text()),
                false => assert_eq!(
                    answer.json(),
                    json!({ "id": id.to_string(), "activation": format!("activation {id}") }),
                    "its own environment"
                ),
            }
        }
    });
    // Each one's lines stand together, and each has its end.
    let mut seen: Vec<_> = (0..COUNT).map(|_| runtime.window().stdout).collect();
    seen.sort();
    let mut expected: Vec<_> = (0..COUNT)
        .map(|id| if traps(id) { vec![format!("{id} is here")] } else { vec![format!("{id} is here"), format!("{id} goes")] })
        .collect();
    expected.sort();
    assert_eq!(seen, expected);
    nothing_was_said(&runtime);
}

#[test]
fn lines_of_overlapping_activations_are_never_torn() {
    let (runtime, _sandbox) = concurrent();
    // Some say more than is held back.
    let (ids, lines) = (["a", "b", "c", "d", "e", "f", "g", "h"], 3000);
    thread::scope(|scope| {
        for id in ids {
            let runtime = &runtime;
            scope.spawn(move || assert_eq!(runtime.run(&json!({ "do": "lines", "count": lines, "bytes": 200, "id": id })).status, 200));
        }
    });
    let windows: Vec<_> = ids.iter().map(|_| runtime.window()).collect();
    for stream in [|window: &Window| window.stdout.clone(), |window: &Window| window.stderr.clone()] {
        let all: Vec<_> = windows.iter().flat_map(stream).collect();
        for id in ids {
            let own: Vec<_> = all.iter().filter(|line| line.starts_with(id)).collect();
            let expected: Vec<_> = (0..lines).map(|line| format!("{id} {line} {}", "x".repeat(200))).collect();
            assert!(own.iter().map(|line| line.as_str()).eq(expected.iter().map(String::as_str)), "{id}: {} lines", own.len());
        }
        assert_eq!(all.len(), ids.len() * lines);
    }
}

#[test]
fn more_than_the_configured_number_wait() {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "true");
    sandbox.set("KEYNET_CONCURRENCY", 1);
    let runtime = contract(&sandbox);
    let long = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "sleep", "ms": 2500 }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    thread::sleep(Duration::from_millis(500));
    let body = activation(&json!({ "do": "identity" }), Duration::from_millis(800));
    let error = error_of(&runtime.post("/run", body.to_string().as_bytes()), 200);
    assert!(error.contains("a place among the activations"), "{error}");
    assert_eq!(answer(long).json(), json!({ "slept": 2500 }));
}

// Configuration

#[test]
fn storage_in_a_folder_needs_an_address_for_its_urls() {
    let mut sandbox = Sandbox::new();
    let error = error_of(&contract(&sandbox).run(&json!({ "do": "put" })), 200);
    for name in ["KEYNET_STORAGE_PUBLIC_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_BUCKET_NAME"] {
        assert!(error.contains(name), "{error}");
    }
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "https://objects.example.com/");
    let url = contract(&sandbox).run(&json!({ "do": "put" })).json()["url"].clone();
    assert!(url.as_str().unwrap().starts_with("https://objects.example.com/"), "{url}");
}

#[test]
fn callers_bring_servers_of_their_own_only_where_they_may() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "https://objects.example.com/");
    let value = json!({ "do": "put", "AWS_BUCKET_NAME": "theirs", "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:1" });
    // It is taken out, and nothing else happens.
    assert!(contract(&sandbox).run(&value).json()["url"].is_string());
    sandbox.set("KEYNET_CONFIG_FROM_PARAMETERS", "true");
    let runtime = contract(&sandbox);
    let error = error_of(&runtime.run(&value), 200);
    assert!(error.contains("AWS_ACCESS_KEY_ID in the caller's parameters"), "a half configuration is the caller's mistake: {error}");
    assert!(runtime.run(&json!({ "do": "put" })).json()["url"].is_string(), "the next caller has the container's");
    // The address is looked at when a model is asked, which this action does not do.
    assert_eq!(runtime.run(&json!({ "do": "identity", "TRITON_URL": "http://127.0.0.1:1" })).json(), json!({ "do": "identity" }));
    assert_eq!(runtime.run(&json!({ "do": "identity", "MODEL_NAME": "m" })).json(), json!({ "do": "identity" }));
}

// The end, and pauses

#[test]
fn asked_to_stop_it_answers_503_and_ends_what_is_under_way() {
    let mut runtime = contract(&Sandbox::new());
    let slow = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "sleep", "ms": 2000 }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    runtime.says("asleep");
    runtime.signal("TERM");
    thread::sleep(Duration::from_millis(200));
    for path in ["/run", "/init"] {
        let answer = runtime.post(path, b"{}");
        assert_eq!((answer.status, answer.text()), (503, r#"{"error":"the container is shutting down"}"#));
    }
    let slow = answer(slow);
    assert_eq!((slow.status, slow.json()), (200, json!({ "slept": 2000 })));
    assert_eq!(runtime.ends_within(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(logs(&runtime), window(&["asleep"], &[]));
}

#[test]
fn idle_it_stops_at_once() {
    for started in [Runtime::start(&Sandbox::new()), contract(&Sandbox::new())] {
        let mut runtime = started;
        let _kept = TcpStream::connect(runtime.address()).unwrap();
        runtime.signal("TERM");
        assert_eq!(runtime.ends_within(Duration::from_secs(5)).code(), Some(0));
    }
}

#[test]
fn what_does_not_end_within_the_grace_is_cut_off_and_answered() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_GRACE", "1s");
    let mut runtime = contract(&sandbox);
    let slow = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "sleep", "ms": 50_000 }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    runtime.says("asleep");
    runtime.signal("TERM");
    assert!(error_of(&answer(slow), 200).contains("was stopped before"));
    assert_eq!(runtime.ends_within(Duration::from_secs(10)).code(), Some(0));
    let logs = runtime.window();
    assert_eq!((logs.stdout, logs.stderr.len()), (vec!["asleep".to_owned()], 1));
}

#[test]
fn a_pause_of_any_length_is_survived() {
    let runtime = contract(&Sandbox::new());
    assert_eq!(runtime.run(&json!({ "do": "identity" })).status, 200);
    let under_way = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "sleep", "ms": 500 }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    runtime.says("asleep");
    runtime.signal("STOP");
    // Sent while nobody answers.
    let waiting = send(
        runtime.address(),
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "identity" }), Duration::from_secs(60)).to_string().as_bytes(),
    );
    thread::sleep(Duration::from_secs(2));
    runtime.signal("CONT");
    assert_eq!(answer(under_way).json(), json!({ "slept": 500 }));
    assert_eq!(answer(waiting).json(), json!({ "do": "identity" }));
}

// The command

#[test]
fn the_probe_says_whether_it_answers() {
    let sandbox = Sandbox::new();
    let binary = keynet_tests::runtime::runtime_binary();
    let runtime = Runtime::start(&sandbox);
    let port = runtime.address().rsplit(':').next().unwrap().to_owned();
    let health = |arguments: &[&str]| keynet_tests::end(sandbox.program(&binary, arguments.iter().copied()));
    assert_eq!(health(&["health", "--port", &port]).code, Some(0));
    let mut by_variable = sandbox.program(&binary, ["health"]);
    by_variable.env("PORT", &port);
    assert_eq!(keynet_tests::end(by_variable).code, Some(0));
    drop(runtime);
    let ended = health(&["health", "--port", &port]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&port), "{ended:?}");
    let ended = health(&["--version"]);
    assert!(ended.code == Some(0) && ended.stdout.starts_with("keynet-runtime "), "{ended:?}");
    assert_eq!(health(&["--port", "none"]).code, Some(2));
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    let runtime = Runtime::start(&sandbox);
    let port = runtime.address().rsplit(':').next().unwrap().to_owned();
    let ended = keynet_tests::end(sandbox.program(keynet_tests::runtime::runtime_binary(), ["--port", &port]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&port) && ended.stderr.contains("PORT"), "{ended:?}");
}
