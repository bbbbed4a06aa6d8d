//! Actions that use a real Triton.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::thread;
use std::time::{Duration, Instant};

use keynet_test_servers::RealServer;
use keynet_tests::runtime::{Runtime, activation};
use keynet_tests::{Ended, Sandbox, answer, compiled_guest, golden, guest, send, shared_memory};
use serde_json::{Value, json};

fn asking(server: &RealServer) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("TRITON_URL", format!("http://{}", server.get("TRITON_GRPC")));
    sandbox
}

fn capable(sandbox: &Sandbox, part: &str) -> Ended {
    let ended = sandbox.run([
        "run".as_ref(),
        guest("capable").as_os_str(),
        "--param".as_ref(),
        format!("do={part}").as_ref(),
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

#[test]
fn an_action_asks_triton_in_every_way() {
    let server =
        RealServer::triton(&[("TRITON_LOAD", "identity identity_bf16 add_sub stream slow")]);
    let types = [
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
        "FP32", "FP64",
    ];
    let types: Vec<String> = types
        .iter()
        .map(|name| format!("{name} [3]"))
        .chain(["FP32 [0]", "BYTES [3]", "BF16 [2]"].map(Into::into))
        .collect();
    let expected = json!({
        "types": types,
        "add_sub": {
            "names": ["OUTPUT0", "OUTPUT1"],
            "sum": [6.0, 9.0],
            "newest difference": [-4.0, -5.0],
            "newest names": ["OUTPUT1"],
            "chained": [10.0, 14.0],
        },
        "many": { "right": 39, "wrong": ["not found"] },
        "stream": { "answers": [[0, 0], [1, 1], [2, 2]], "first": [0, 0], "cancelled": true, "by \
            predict": "invalid" },
        "metadata": {
            "name": "add_sub",
            "versions": ["1", "2"],
            "platform": "python",
            "inputs": [["INPUT0", "FP32", [-1, -1]], ["INPUT1", "FP32", [-1, -1]]],
        },
        "refused": {
            "shape": "invalid: model add_sub, input INPUT0: expected FP32 [-1,-1], got FP32 [1]",
            "model": "not found: model nobody: Request for unknown model: 'nobody' is not found",
            "time": "timeout",
        },
    });
    assert_eq!(capable(&asking(&server), "triton").json(), expected);

    let gone = asking(&server);
    server.stop();
    let ended = gone.run([
        "run".as_ref(),
        guest("capable").as_os_str(),
        "--param".as_ref(),
        "do=add-sub".as_ref(),
        "--timeout".as_ref(),
        "5s".as_ref(),
    ]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("Triton cannot be reached") && ended.stderr.contains("TRITON_URL"),
        "{ended:?}"
    );
}

#[test]
fn the_golden_example_finds_the_same_on_triton_as_in_process() {
    let server = RealServer::triton(&[("TRITON_MODELS", golden::file("models").to_str().unwrap())]);
    let in_process = golden::in_process();
    let mut sandbox = asking(&server);
    for shared_memory in ["off", "auto"] {
        sandbox.set("KEYNET_TRITON_SHM", shared_memory);
        let ended = golden::run(
            &sandbox,
            ["--input", &format!("image_url={}", golden::file("picture.png").display())],
        );
        golden::assert_same(&ended.json()["detections"], &in_process.detections);
        assert_eq!(shared_memory::of(ended.process), Vec::<String>::new());
    }
    assert_eq!(shared_memory::registered(&server), Vec::<String>::new());
}

#[test]
fn a_credential_for_triton_is_never_told() {
    let server = RealServer::triton(&[("TRITON_LOAD", "add_sub"), ("TRITON_TOKEN", "hunter2")]);
    let mut sandbox = asking(&server);
    let arguments = ["-vv", "run", guest("capable").to_str().unwrap(), "--param", "do=add-sub"]
        .map(str::to_owned);
    let ended = sandbox.run(&arguments);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("KEYNET_TRITON_HEADERS"), "{ended:?}");
    sandbox.set("KEYNET_TRITON_HEADERS", "triton-grpc-protocol-x-token: hunter2");
    let ended = sandbox.run(&arguments);
    assert_eq!(ended.json(), json!({ "sum": [4.0] }));
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    sandbox.set("KEYNET_TRITON_HEADERS", "triton-grpc-protocol-x-token hunter2");
    let ended = sandbox.run(&arguments);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("line 1") && !ended.stderr.contains("hunter2"), "{ended:?}");
}

/// Runs `do=add-sub`, and returns its result or the error.
fn add_sub(sandbox: &Sandbox) -> Result<Value, String> {
    let ended = sandbox.run(["run", guest("capable").to_str().unwrap(), "--param", "do=add-sub"]);
    if ended.code == Some(0) { Ok(ended.json()) } else { Err(ended.stderr) }
}

#[test]
fn a_triton_that_wants_to_see_a_certificate_is_shown_it() {
    let server = RealServer::triton(&[("TRITON_LOAD", "add_sub"), ("TRITON_TLS", "mutual")]);
    let file = |name: &str| server.folder().join("triton-tls").join(name).display().to_string();
    let mut sandbox = Sandbox::new();
    sandbox.set(
        "TRITON_URL",
        format!("https://localhost:{}", server.get("TRITON_GRPC").rsplit(':').next().unwrap()),
    );
    sandbox.set("KEYNET_TRITON_RETRY", "0");
    // The authorities that the machine trusts are in its own store.
    let untrusted = add_sub(&sandbox).unwrap_err();
    assert!(
        untrusted.contains("UnknownIssuer") && untrusted.contains("KEYNET_TRITON_CA"),
        "{untrusted}"
    );
    sandbox.set("SSL_CERT_FILE", file("ca.crt"));
    let unshown = add_sub(&sandbox).unwrap_err();
    assert!(
        unshown.contains("wants a certificate") && unshown.contains("KEYNET_TRITON_CERT"),
        "{unshown}"
    );
    sandbox.set("KEYNET_TRITON_CERT", file("client.crt"));
    sandbox.set("KEYNET_TRITON_KEY", file("client.key"));
    assert_eq!(add_sub(&sandbox), Ok(json!({ "sum": [4.0] })));
    // A server's certificate is not valid for clients, and a key must match its certificate.
    sandbox.set("KEYNET_TRITON_CERT", file("server.crt"));
    let mixed = add_sub(&sandbox).unwrap_err();
    assert!(mixed.contains("KEYNET_TRITON_CERT and KEYNET_TRITON_KEY"), "{mixed}");
    sandbox.set("KEYNET_TRITON_KEY", file("server.key"));
    let refused = add_sub(&sandbox).unwrap_err();
    assert!(refused.contains("KEYNET_TRITON_CERT"), "{refused}");
}

#[test]
fn a_gateway_before_triton_is_shown_the_token() {
    let server = RealServer::triton(&[("TRITON_LOAD", "add_sub")]);
    let gateway = RealServer::gateway(server.get("TRITON_GRPC"), "hunter2");
    let mut sandbox = Sandbox::new();
    sandbox.set("TRITON_URL", format!("http://{}", gateway.get("GATEWAY")));
    sandbox.set("KEYNET_TRITON_RETRY", "0");
    for wrong in [None, Some("hunter3")] {
        wrong.into_iter().for_each(|wrong| sandbox.set("KEYNET_TRITON_TOKEN", wrong));
        let refused = add_sub(&sandbox).unwrap_err();
        assert!(
            refused.contains("denied")
                && refused.contains("401")
                && refused.contains("KEYNET_TRITON_TOKEN"),
            "{refused}"
        );
        assert!(!refused.contains("hunter"), "{refused}");
    }
    sandbox.set("KEYNET_TRITON_TOKEN", "hunter2");
    assert_eq!(add_sub(&sandbox), Ok(json!({ "sum": [4.0] })));
    server.stop();
    let gone = add_sub(&sandbox).unwrap_err();
    assert!(gone.contains("unavailable") && gone.contains("502"), "{gone}");
}

// Shutdown of a container that shares memory with Triton

/// Starts a container that shares memory with `server`, with further settings.
fn sharing(server: &RealServer, more: &[(&str, &str)]) -> Runtime {
    let mut sandbox = asking(server);
    sandbox.set("KEYNET_TRITON_SHM", "auto");
    more.iter().for_each(|(name, value)| sandbox.set(name, value));
    let runtime = Runtime::of(&sandbox, &guest("capable"));
    assert_eq!(runtime.run(&json!({ "do": "mirror" })).json(), json!({ "right": true }));
    assert_eq!(
        (shared_memory::of(runtime.id()).len(), shared_memory::registered(server).len()),
        (1, 1)
    );
    runtime
}

/// Sends an activation that takes `ms`, and waits until Triton processes it.
fn mirroring(runtime: &Runtime, ms: u64) -> std::net::TcpStream {
    let body =
        activation(&json!({ "do": "mirror", "ms": ms }), Duration::from_secs(60)).to_string();
    let sent = send(runtime.address(), "POST", "/run", &[], body.as_bytes());
    runtime.says(&format!("mirroring for {ms} ms"));
    thread::sleep(Duration::from_millis(500));
    sent
}

#[test]
fn a_container_that_ends_gives_back_the_memory_that_it_shared_with_triton() {
    let server = RealServer::triton(&[("TRITON_LOAD", "mirror")]);
    let nothing = (Vec::<String>::new(), Vec::<String>::new());
    let held =
        |runtime: &Runtime| (shared_memory::of(runtime.id()), shared_memory::registered(&server));

    let mut idle = sharing(&server, &[]);
    idle.signal("TERM");
    assert_eq!(idle.ends_within(Duration::from_secs(5)).code(), Some(0));
    assert_eq!(held(&idle), nothing);

    // Running activations end first.
    let mut busy = sharing(&server, &[]);
    let sent = mirroring(&busy, 2000);
    busy.signal("TERM");
    assert_eq!(answer(sent).json(), json!({ "right": true }));
    assert_eq!(busy.ends_within(Duration::from_secs(5)).code(), Some(0));
    assert_eq!(held(&busy), nothing);

    // An activation that takes too long is cancelled, and Triton releases its region as soon as it
    // has finished.
    let mut late = sharing(&server, &[("KEYNET_GRACE", "300ms")]);
    let sent = mirroring(&late, 50_000);
    late.signal("TERM");
    let started = Instant::now();
    assert!(answer(sent).text().contains("stopped before the activation had ended"));
    assert_eq!(late.ends_within(Duration::from_secs(5)).code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(held(&late), nothing);

    // The process does not wait for a Triton that does not answer; the next process unregisters the
    // region that was left.
    let mut alone = sharing(&server, &[]);
    server.signal("STOP");
    alone.signal("TERM");
    let ended = alone.ends_within(Duration::from_secs(5));
    server.signal("CONT");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(shared_memory::of(alone.id()).len(), 0);
    let mut next = sharing(&server, &[]);
    next.signal("TERM");
    next.ends_within(Duration::from_secs(5));
    assert_eq!(held(&next), nothing);
}

/// Runs `keynet-inference run` of a guest of the parity table, and returns its result or its error.
fn parity(sandbox: &Sandbox, name: &str, parameters: &Value) -> Value {
    std::fs::write(sandbox.path("parameters.json"), parameters.to_string()).unwrap();
    let component = compiled_guest(name);
    let ended = sandbox.run([
        "run".as_ref(),
        component.as_os_str(),
        "--json".as_ref(),
        "--params-file".as_ref(),
        "parameters.json".as_ref(),
    ]);
    let answer = ended.json();
    answer.get("result").or(answer.get("error")).unwrap_or_else(|| panic!("{ended:?}")).clone()
}

#[test]
fn every_language_sends_and_gets_every_element_type() {
    let server = RealServer::triton(&[("TRITON_LOAD", "identity identity_bf16")]);
    let sandbox = asking(&server);
    let ends = [
        ("BOOL", json!([true, false])),
        ("UINT8", json!([0, 255])),
        ("UINT16", json!([0, 65_535])),
        ("UINT32", json!([0, u32::MAX])),
        ("UINT64", json!([0, u64::MAX])),
        ("INT8", json!([-128, 127])),
        ("INT16", json!([-32_768, 32_767])),
        ("INT32", json!([i32::MIN, i32::MAX])),
        ("INT64", json!([i64::MIN, i64::MAX])),
        ("FP16", json!([-1.5, 65_504.0])),
        ("FP32", json!([0.5, -16_777_216.0])),
        ("FP64", json!([5e-324, f64::MAX])),
        ("BYTES", json!(["", "안녕 \u{0} \u{1f600}"])),
        ("BF16", json!([-2.5, 3.140_625])),
    ];
    for name in ["parity-rust", "parity-python"] {
        for (data_type, values) in &ends {
            let (model, input, output) = match *data_type {
                "BF16" => ("identity_bf16", "IN".to_owned(), "OUT".to_owned()),
                other => ("identity", format!("IN_{other}"), format!("OUT_{other}")),
            };
            let sent = json!({ "do": "tensor", "type": data_type, "shape": [2], "values": values, "model": model, "input": input, "output": output });
            let came = parity(&sandbox, name, &sent);
            assert_eq!(
                (&came["type"], &came["values"]),
                (&json!(data_type), values),
                "{name}: {came}"
            );
        }
    }
}

#[test]
fn an_array_of_python_becomes_the_type_that_the_model_declares() {
    let server = RealServer::triton(&[("TRITON_LOAD", "identity")]);
    let (triton, in_process) = (asking(&server), Sandbox::new());
    let places = [
        (&triton, "identity", "IN_", "OUT_", json!([2, 3])),
        (&in_process, "identity_", "in", "out", json!([[2, 3]])),
    ];
    for (sandbox, model, input, output, values) in places {
        let of = |data_type: &str, values: &Value, dtype: &str| {
            let name = |start: &str| {
                if start.ends_with('_') { format!("{start}{data_type}") } else { start.to_owned() }
            };
            let model = if model.ends_with('_') {
                format!("{model}{}", data_type.to_lowercase())
            } else {
                model.to_owned()
            };
            let (input, output) = (name(input), name(output));
            let sent = json!({ "do": "of-another-type", "dtype": dtype, "values": values, "model": model, "input": input, "output": output });
            parity(sandbox, "parity-python", &sent)
        };
        for (data_type, dtype, comes_as) in [
            ("INT64", "int32", "int64"),
            ("INT32", "int64", "int32"),
            ("FP32", "float64", "float32"),
            ("FP32", "int32", "float32"),
        ] {
            assert_eq!(
                of(data_type, &values, dtype)["dtype"],
                comes_as,
                "{model}: {dtype} to {data_type}"
            );
        }
        let refused = of("FP32", &json!(0.1), "float64").to_string();
        assert!(
            refused.contains("float64")
                && refused.contains("takes FP32")
                && refused.contains("astype(numpy.float32)"),
            "{refused}"
        );
    }
}
