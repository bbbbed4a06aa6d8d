//! `POST /run`: arguments, environment, results, failures and time.

use std::io::Read as _;
use std::time::{Duration, Instant};

use keynet_tests::made::answers;
use keynet_tests::runtime::{Runtime, Window, activation, base64_of, deadline};
use keynet_tests::{Sandbox, guest, http, send};
use serde_json::{Value, json};

use super::{archive, contract, error_of, logs, nothing_was_said, window, works};

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
    // A missing argument counts as an empty one.
    for body in ["{}", r#"{"value":null}"#, r#"{"value":{}}"#] {
        let answer = runtime.post("/run", body.as_bytes());
        assert_eq!((answer.status, answer.json()), (200, json!({})), "{body}");
    }
    // In a sequence, an array is passed on.
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
        assert_eq!(
            error_of(&runtime.run(&value), 404),
            "The action did not receive a dictionary or array as an argument."
        );
        runtime.window();
    }
    works(&runtime);
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
    let key = |sandbox: &Sandbox, code: &str| {
        let runtime = Runtime::start(sandbox);
        assert_eq!(runtime.init(code).status, 200);
        let mut body = activation(&json!({ "do": "environment" }), Duration::from_secs(60));
        body["api_key"] = json!("uuid:key");
        runtime.post("/run", body.to_string().as_bytes()).json()["__OW_API_KEY"].clone()
    };
    let (asking, not_asking) = (
        archive(&sandbox, "zip", &["action.wasm"], "api-key = true\n"),
        base64_of(&guest("contract")),
    );
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
        works(&runtime);
        assert_eq!(logs(&runtime), Window::default());
    }
    // An error object of the action is passed on unchanged.
    let answer = runtime.run(&json!({ "do": "error-object" }));
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "error": { "statusCode": 404, "body": "no such picture" } }))
    );
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
        assert_eq!(
            (answer.status, answer.text()),
            (502, r#"{"error":"The action did not return a dictionary or array."}"#),
            "{text}"
        );
        runtime.window();
    }
    std::fs::write(sandbox.path("answer.wasm"), answers("[1.50, {\"a\" : 12345678901234567890}]"))
        .unwrap();
    let runtime = Runtime::of(&sandbox, &sandbox.path("answer.wasm"));
    assert_eq!(
        runtime.run(&json!({})).text(),
        "[1.50, {\"a\" : 12345678901234567890}]",
        "as it is"
    );
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
        // A tenth of a second is reserved for reporting.
        let time = Duration::from_secs(5);
        let hangs_up = Instant::now() + time;
        let body = activation(&value, time).to_string();
        let mut stream = send(runtime.address(), "POST", "/run", &[], body.as_bytes());
        stream.set_read_timeout(Some(hangs_up.saturating_duration_since(Instant::now()))).unwrap();
        let mut bytes = [0; 1024];
        let length = stream
            .read(&mut bytes)
            .unwrap_or_else(|error| panic!("{value}: the client hung up: {error}"));
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(
            said.starts_with("HTTP/1.1 200") && said.contains("did not finish within"),
            "{said}"
        );
        // The platform's deadline was met, which KEYNET_TIME does not move.
        assert!(said.contains("timeout in OpenWhisk") && !said.contains("KEYNET_TIME"), "{said}");
        runtime.window();
    }
    works(&runtime);
}

#[test]
fn an_activation_that_comes_too_late_is_not_run() {
    let runtime = contract(&Sandbox::new());
    let past = (deadline(Duration::ZERO).parse::<u64>().unwrap() - 5000).to_string();
    let body = json!({ "value": {}, "deadline": past });
    assert!(
        error_of(&runtime.post("/run", body.to_string().as_bytes()), 200).contains("had passed")
    );
    assert_eq!(runtime.window().stdout, Vec::<String>::new());
    // A clock that was never set, and the deadlines that tests send, do not count as deadlines.
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
