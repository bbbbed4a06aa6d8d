//! Exit codes, help, `--json` and the two streams.

use super::*;
use keynet_tests::process::signal;
use std::io::{BufRead as _, BufReader, Read as _};

#[test]
fn every_documented_exit_code_is_met() {
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("text.wasm"), "no component").unwrap();
    std::fs::write(sandbox.path("list.json"), "{ half").unwrap();
    let mut met = BTreeSet::new();
    let mut meet = |ended: Ended, code: i32, text: &str| {
        says(&ended, code, &[text]);
        assert!(code == 0 || ended.stdout.is_empty(), "{ended:?}");
        met.insert(code);
    };
    meet(run(&sandbox, "hello", &["--param", "name=Ada"]), 0, "greeting Ada");
    meet(
        run(&sandbox, "hello", &[]),
        1,
        "error: the action answered with an error (invalid): the parameter `name` is missing",
    );
    meet(run(&sandbox, "hello", &["--nonsense"]), 2, "--nonsense");
    meet(run(&sandbox, "hello", &["--params-file", "list.json"]), 2, "list.json");
    meet(sandbox.run(["run", "text.wasm"]), 3, "not WebAssembly");
    meet(sandbox.run(["inspect", "text.wasm"]), 3, "not WebAssembly");
    meet(sandbox.run(["build"]), 5, "no Cargo.toml");
    meet(sandbox.run(["run", "missing.wasm"]), 6, "missing.wasm");
    meet(run(&sandbox, "hello", &["--params-file", "missing.json"]), 6, "missing.json");
    meet(run(&sandbox, "hello", &["--models", "missing"]), 6, "missing");
    let server = Proxy::before(&free_address());
    for (at, status) in [401, 422, 500].into_iter().enumerate() {
        server.on("POST", "", at..at + 1, Fault::status(status));
    }
    let login = |address: &str| {
        let url = format!("http://{address}");
        end_with_input(
            sandbox.command(["login", &url, "--username", "ada@example.com", "--password-stdin"]),
            "password",
        )
    };
    for (code, status) in [(7, "401"), (8, "422"), (9, "500")] {
        meet(login(server.address()), code, status);
    }
    let nobody = free_address();
    meet(login(&nobody), 10, &nobody);
    meet(sandbox.run(["pull", "oci-layout:nowhere:1"]), 11, "nowhere");
    meet(sandbox.run(["whoami"]), 7, "nobody is signed in");
    let model = root().join("host/crates/models/tests/models/versions/1/model.onnx");
    let model = model.to_str().unwrap();
    let broken = root().join("host/crates/models/tests/models/unknown_operator/1/model.onnx");
    let deploy = |source: &str, name: &str| {
        sandbox.run(["model", "deploy", source, "--name", name, "--models", "models"])
    };
    std::fs::create_dir(sandbox.path("models")).unwrap();
    meet(deploy(model, "adder"), 0, "loading");
    meet(deploy(model, "adder"), 6, "there is a model adder in the repository");
    meet(deploy("missing.onnx", "other"), 6, "missing.onnx");
    meet(deploy(broken.to_str().unwrap(), "broken"), 6, "nothing of it was left");
    meet(deploy("models:/adder/1", "other"), 4, "MLFLOW_TRACKING_URI");
    let mut elsewhere = Sandbox::new();
    elsewhere.set("TRITON_URL", format!("http://{nobody}"));
    meet(elsewhere.run(["model", "list", "--quiet"]), 4, "TRITON_MODEL_REPO");
    elsewhere.set("TRITON_MODEL_REPO", elsewhere.path("repository").display());
    std::fs::create_dir(elsewhere.path("repository")).unwrap();
    meet(elsewhere.run(["model", "list", "--quiet"]), 10, "Triton cannot be reached");
    let (code, told) = interrupted(elsewhere.command(["model", "list", "--wait"]));
    assert!(code == Some(130) && told.contains("stopped before it was done"), "{code:?} {told}");
    sandbox.set("KEYNET_MEMORY", "lots");
    meet(run(&sandbox, "hello", &["--param", "name=Ada"]), 4, "KEYNET_MEMORY");
    met.insert(130);
    let recorded = Sandbox::new();
    says(
        &run(&recorded, "hello", &["--param", "name=Ada", "--record", "rec"]),
        0,
        &["recorded in rec"],
    );
    // The result of the replay is an answer too.
    says(&run(&recorded, "contract", &["--replay", "rec"]), 12, &["differs: $.greeting"]);
    met.insert(12);

    let documented = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let table = documented.split("## Exit codes").nth(1).expect("the table");
    let documented = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect::<BTreeSet<i32>>();
    assert_eq!(met, documented);
}

/// Sends SIGINT to a command when it has written a line, and returns its exit code and standard
/// error.
fn interrupted(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    stderr.read_line(&mut told).unwrap();
    signal(child.id(), "INT");
    stderr.read_to_string(&mut told).unwrap();
    (child.wait().unwrap().code(), told)
}

#[test]
fn help_has_every_command_and_the_exit_codes() {
    let ended = Sandbox::new().run(["--help"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let commands = [
        "new", "build", "run", "inspect", "push", "pull", "tag", "verify", "keygen", "login",
        "logout", "whoami", "storage",
    ];
    for text in commands.into_iter().chain(["completions", "Exit codes"]) {
        assert!(ended.stdout.contains(text), "lacks {text:?}: {}", ended.stdout);
    }
}

#[test]
fn json_of_a_success() {
    let report = run_json(&Sandbox::new(), "hello", &json!({ "name": "Ada" }));
    assert_eq!(keys(&report), ["receipt", "result"]);
    assert_eq!(report["result"], json!({ "greeting": "Hello, Ada!" }));
    let receipt = &report["receipt"];
    for name in
        ["total_ns", "instantiate_ns", "guest_ns", "memory_peak", "memory_wasm", "log_bytes"]
    {
        assert!(receipt[name].as_u64().is_some_and(|amount| amount > 0), "{name}: {receipt}");
    }
    assert_eq!(
        (&receipt["inference_calls"], &receipt["storage_calls"], &receipt["logs_cut"]),
        (&json!(0), &json!(0), &json!(false))
    );
}

#[test]
fn a_receipt_names_the_engine_that_ran_the_models() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_ONNXRUNTIME", "off");
    let report = capable(&sandbox, json!({ "do": "metadata" }));
    assert_eq!(report["receipt"]["inference_engine"], "rten", "{report}");
    let report = run_json(&sandbox, "hello", &json!({ "name": "Ada" }));
    assert_eq!(report["receipt"].get("inference_engine"), None, "{report}");
}

#[test]
fn a_library_of_onnx_runtime_that_cannot_be_loaded_is_named_before_anything_runs() {
    let mut sandbox = Sandbox::new();
    for (value, why) in [
        ("/missing/libonnxruntime.so", "/missing/libonnxruntime.so cannot be read: No such file"),
        ("on", "\"on\" is neither `auto` nor `off` nor the path of a library"),
    ] {
        sandbox.set("KEYNET_ONNXRUNTIME", value);
        let report = run_json(&sandbox, "hello", &json!({ "name": "Ada" }));
        let error = report["error"].as_str().unwrap();
        assert!(error.contains("KEYNET_ONNXRUNTIME") && error.contains(why), "{report}");
    }
}

#[test]
fn json_of_an_error_of_the_action() {
    let report = run_json(&Sandbox::new(), "hello", &json!({}));
    assert_eq!(keys(&report), ["error", "kind", "receipt"]);
    assert_eq!(report["kind"], "invalid");
    // The action's own message, with no text around it.
    assert_eq!(
        report["error"],
        "the parameter `name` is missing: expected a string, \"Who is greeted.\""
    );
    for kind in [
        "invalid",
        "not-found",
        "denied",
        "precondition-failed",
        "too-large",
        "timeout",
        "unavailable",
        "internal",
    ] {
        let report =
            capable(&Sandbox::new(), json!({ "do": "fail", "kind": kind, "message": "so it is" }));
        assert_eq!((&report["kind"], &report["error"]), (&json!(kind), &json!("so it is")));
    }
}

#[test]
fn json_of_each_way_to_fail() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_TIME", "1s");
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let deeds = [
        ("panic", "panic"),
        ("recurse", "trap"),
        ("exit", "exit"),
        ("loop-for-ever", "out-of-time"),
        ("allocate-one-memory", "limit"),
    ];
    for (deed, kind) in deeds {
        let report = run_json(&sandbox, "hostile", &json!({ "do": deed }));
        assert_eq!(report["kind"], kind, "{report}");
        assert!(report["error"].as_str().is_some_and(|error| !error.is_empty()), "{report}");
        assert!(report["receipt"]["total_ns"].as_u64().is_some_and(|time| time > 0), "{report}");
        let traced = matches!(kind, "panic" | "trap");
        assert_eq!(
            report["trace"]
                .as_array()
                .is_some_and(|frames| frames.iter().all(Value::is_string) && !frames.is_empty()),
            traced,
            "{report}"
        );
    }
}

#[test]
fn json_when_nothing_ran() {
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("text.wasm"), "no component").unwrap();
    let failed = |sandbox: &Sandbox, arguments: &[&str], code: i32, kind: &str, text: &str| {
        let ended = sandbox.run(arguments);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let report = ended.json();
        assert_eq!((keys(&report), &report["kind"]), (vec!["error", "kind"], &json!(kind)));
        assert!(report["error"].as_str().unwrap().contains(text), "{report}");
    };
    failed(&sandbox, &["run", "missing.wasm", "--json"], 6, "io", "missing.wasm");
    failed(&sandbox, &["run", "text.wasm", "--json"], 3, "component", "not WebAssembly");
    failed(
        &sandbox,
        &["run", "text.wasm", "--json", "--params-file", "text.wasm"],
        2,
        "usage",
        "text.wasm",
    );
    sandbox.set("KEYNET_CONCURRENCY", "many");
    failed(&sandbox, &["run", "text.wasm", "--json"], 4, "configuration", "KEYNET_CONCURRENCY");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let (binary, hello) = (binary(), guest("hello"));
    for arguments in [
        &["run", hello.to_str().unwrap(), "--param", "name=Ada"][..],
        &["completions", "zsh"],
        &["--help"],
    ] {
        let script = r#"{ sleep 0.2; "$@"; echo "code $?" >&2; } | head -c0"#;
        let ended = end(sandbox
            .program("sh", [&["-c", script, "sh", binary.to_str().unwrap()], arguments].concat()));
        says(&ended, 0, &["code 0"]);
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let sandbox = Sandbox::new();
    let (hello, binary) = (guest("hello"), binary());
    for arguments in [&["--param", "name=Ada"][..], &["--param", "name=Ada", "--json"]] {
        let mut all = vec![
            "-c",
            r#""$@" > /dev/full"#,
            "sh",
            binary.to_str().unwrap(),
            "run",
            hello.to_str().unwrap(),
        ];
        all.extend(arguments);
        says(
            &end(sandbox.program("sh", all)),
            6,
            &["error: cannot write the result to standard output"],
        );
    }
    // Standard error cannot be written: there is nowhere to report to.
    let script = r#""$@" 2> /dev/full"#;
    let ended = end(sandbox.program(
        "sh",
        [
            "-c",
            script,
            "sh",
            binary.to_str().unwrap(),
            "run",
            hello.to_str().unwrap(),
            "--param",
            "name=Ada",
        ],
    ));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "{\"greeting\":\"Hello, Ada!\"}\n"),
        "{ended:?}"
    );
}

#[test]
fn results_and_logs_are_apart() {
    let ended = run(&Sandbox::new(), "hello", &["--param", "name=Ada"]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("{\"greeting\":\"Hello, Ada!\"}\n", Some(0)));
    assert!(ended.stderr.lines().any(|line| line == "greeting Ada"), "{}", ended.stderr);
}
