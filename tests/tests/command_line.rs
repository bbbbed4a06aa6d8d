//! Command line as documented: exit codes, `--json`, parameters, inputs, URLs, policy, settings.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use keynet_tests::proxy::{Fault, Proxy};
use keynet_tests::terminal::Terminal;
use keynet_tests::{
    Ended, Sandbox, binary, end, end_with_input, fetch, free_address, guest, http, made, root,
    says, split_url,
};
use serde_json::{Value, json};

/// Runs `run GUEST ARGUMENTS`.
fn run(sandbox: &Sandbox, component: &str, arguments: &[&str]) -> Ended {
    end(command(sandbox, component, arguments))
}

fn command(sandbox: &Sandbox, component: &str, arguments: &[&str]) -> Command {
    let component = guest(component);
    let mut all = vec![Path::new("run").as_os_str(), component.as_os_str()];
    all.extend(arguments.iter().map(|argument| -> &std::ffi::OsStr { argument.as_ref() }));
    sandbox.command(all)
}

/// Runs `run GUEST --json` with parameters, and returns its only line.
fn run_json(sandbox: &Sandbox, component: &str, parameters: &Value) -> Value {
    let ended = end_with_input(
        command(sandbox, component, &["--json", "--params-file", "-"]),
        &parameters.to_string(),
    );
    assert_eq!(ended.stdout.matches('\n').count(), 1, "{ended:?}");
    ended.json()
}

fn capable(sandbox: &Sandbox, parameters: Value) -> Value {
    run_json(sandbox, "capable", &parameters)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

// Exit codes

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
    sandbox.set("KEYNET_MEMORY", "lots");
    meet(run(&sandbox, "hello", &["--param", "name=Ada"]), 4, "KEYNET_MEMORY");

    let documented = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let table = documented.split("## Exit codes").nth(1).expect("the table");
    let documented = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect::<BTreeSet<i32>>();
    assert_eq!(met, documented);
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

// --json

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

// Streams

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

// Parameters

#[test]
fn parameters_are_json_where_they_can_be_and_the_last_one_counts() {
    let sandbox = Sandbox::new();
    std::fs::write(
        sandbox.path("file.json"),
        r#"{"do": "sleep", "a": 1, "b": [1, 2], "kept": {"c": null}}"#,
    )
    .unwrap();
    let arguments = [
        "--params-file",
        "file.json",
        "--param",
        "do=behave",
        "-p",
        "a=2",
        "--param",
        "a=3",
        "--param",
        "b=x=y",
        "--param",
        "quoted=\"0.3\"",
        "--param",
        "number=0.30",
        "--param",
        "yes=true",
        "--param",
        "half={",
        "--param",
        "empty=",
    ];
    let ended = run(&sandbox, "hostile", &arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = json!({ "do": "behave", "a": 3, "b": "x=y", "kept": { "c": null }, "quoted": "0.3", "number": 0.3, "yes": true, "half": "{", "empty": "" });
    assert_eq!(ended.json()["parameters"], expected);
}

#[test]
fn parameters_come_from_standard_input() {
    let sandbox = Sandbox::new();
    let hello = |input: &str, more: &[&str]| {
        end_with_input(command(&sandbox, "hello", &[&["--params-file", "-"], more].concat()), input)
    };
    assert_eq!(hello("{\"name\": \"Ada\"}\n", &[]).json(), json!({ "greeting": "Hello, Ada!" }));
    assert_eq!(
        hello("\u{feff}{\"name\": \"Ada\", \"word\": \"Good\"}", &["--param", "name=Bo"]).json(),
        json!({ "greeting": "Good, Bo!" })
    );
    says(&hello("", &[]), 2, &["standard input", "it is empty"]);
    says(&hello("\"Ada\"", &[]), 2, &["neither a JSON object nor an array"]);
    says(&hello("[1]", &["--param", "name=Ada"]), 2, &["array"]);
    says(&hello("{\n\"name\": Ada}", &[]), 2, &["line 2"]);
}

#[test]
fn configuration_among_the_parameters_is_told_and_left_out() {
    let ended = run(
        &Sandbox::new(),
        "hostile",
        &["--param", "do=behave", "--param", "TRITON_URL=http://h", "--param", "KEYNET_MEMORY=1"],
    );
    says(
        &ended,
        0,
        &["the parameter TRITON_URL is left out", "the parameter KEYNET_MEMORY is left out"],
    );
    assert_eq!(ended.json()["parameters"], json!({ "do": "behave" }));
}

// Inputs and URLs

#[test]
fn an_input_is_a_url_that_the_action_reads() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("note.txt"), "written by hand").unwrap();
    let ended = run(&sandbox, "capable", &["--param", "do=get", "--input", "location=note.txt"]);
    assert_eq!(ended.json(), json!({ "content": "written by hand" }), "{ended:?}");
    assert!(
        !ended.stderr.contains("wrote"),
        "the input is not what the action wrote: {}",
        ended.stderr
    );
    let stored = keynet_files(&sandbox.path("storage/inputs"));
    assert!(matches!(stored.as_slice(), [one] if one.ends_with("/note.txt")), "{stored:?}");
    run(&sandbox, "capable", &["--param", "do=get", "--input", "location=note.txt"]);
    assert_eq!(
        keynet_files(&sandbox.path("storage/inputs")),
        stored,
        "the same file takes no more room"
    );
    says(
        &run(&sandbox, "capable", &["--param", "do=get", "--input", "location=missing.txt"]),
        6,
        &["missing.txt"],
    );
}

fn keynet_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(keynet_files(&path)),
            path => found.push(path.display().to_string()),
        }
    }
    found.sort();
    found
}

#[test]
fn what_an_action_stored_is_told_and_can_be_opened() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve_objects();
    let ended =
        run(&sandbox, "capable", &["--param", "do=put", "--param", "content=for all to see"]);
    let result = ended.json();
    let (location, url) = (result["location"].as_str().unwrap(), result["url"].as_str().unwrap());
    let file = sandbox.path("storage").join(location);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "for all to see");
    says(&ended, 0, &[&format!("note: wrote {}\n", file.display())]);

    let answer = fetch(url);
    assert_eq!((answer.status, answer.text()), (200, "for all to see"));
    assert!(
        answer.head.to_ascii_lowercase().contains("content-type: text/plain"),
        "{}",
        answer.head
    );
    let (address, target) = split_url(url);
    assert_eq!(address, server.address());
    let part = http(address, "GET", &target, &[("Range", "bytes=4-6")], &[]);
    assert_eq!((part.status, part.text()), (206, "all"));
    let head = http(address, "HEAD", &target, &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    // The URL permits only reading, and only this object.
    assert_eq!(http(address, "PUT", &target, &[("Content-Type", "text/plain")], b"x").status, 403);
    assert_eq!(http(address, "DELETE", &target, &[], &[]).status, 405);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "for all to see");
}

#[test]
fn a_url_that_is_forged_or_has_expired_is_refused() {
    let mut sandbox = Sandbox::new();
    let _server = sandbox.serve_objects();
    for location in ["shown", "secret"] {
        assert!(capable(&sandbox, json!({ "do": "put", "location": location, "content": location }))["result"].is_object());
    }
    let url = |ttl: u64| {
        capable(&sandbox, json!({ "do": "presign", "location": "shown", "ttl": ttl }))["result"]["url"].as_str().unwrap().to_owned()
    };
    let good = url(1000);
    assert_eq!(fetch(&good).text(), "shown");
    let forged = [
        good.replace("/shown?", "/secret?"),
        good.replace("expires=", "expires=9"),
        good.split_once("&signature=").unwrap().0.to_owned(),
        good.split_once('?').unwrap().0.to_owned(),
        format!("{good}&expires=99999999999"),
        match good.strip_suffix('0') {
            Some(start) => format!("{start}1"),
            None => format!("{}0", &good[..good.len() - 1]),
        },
    ];
    for forged in forged {
        let answer = fetch(&forged);
        assert_eq!(answer.status, 403, "{forged}: {answer:?}");
        assert!(!answer.text().contains("secret") || !forged.contains("signature"), "{answer:?}");
        // The action cannot read it either.
        let report = capable(&sandbox, json!({ "do": "get", "location": forged }));
        assert_eq!(report["kind"], "denied", "{forged}: {report}");
    }
    let short = url(1);
    thread::sleep(Duration::from_millis(2100));
    let answer = fetch(&short);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.text().contains("expired"), "{answer:?}");
    assert_eq!(capable(&sandbox, json!({ "do": "get", "location": short }))["kind"], "denied");
    // A machine with another key cannot sign: URLs of one machine are not valid on another.
    let mut other = Sandbox::without_cache();
    other.set("KEYNET_STORAGE", sandbox.path("storage").display());
    let _other_server = other.serve_objects();
    let theirs = capable(&other, json!({ "do": "presign", "location": "shown" }))["result"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(fetch(&theirs).status, 200);
    assert_eq!(
        fetch(&format!("http://{}{}", split_url(&good).0, split_url(&theirs).1)).status,
        403
    );
}

#[test]
fn a_url_to_write_takes_what_it_was_made_for() {
    let mut sandbox = Sandbox::new();
    let _server = sandbox.serve_objects();
    let grant = capable(
        &sandbox,
        json!({ "do": "presign-put", "location": "sent/by hand.txt", "ttl": 1000 }),
    )["result"]
        .clone();
    assert_eq!(grant["location"], "sent/by hand.txt");
    let (address, target) = split_url(grant["url"].as_str().unwrap());
    assert_eq!(http(address, "PUT", &target, &[("Content-Type", "text/html")], b"no").status, 403);
    assert_eq!(http(address, "PUT", &target, &[], b"no").status, 403);
    assert_eq!(http(address, "GET", &target, &[], &[]).status, 403);
    assert!(!sandbox.path("storage/sent").exists());
    assert_eq!(
        http(address, "PUT", &target, &[("Content-Type", "text/plain")], b"first").status,
        200
    );
    assert_eq!(
        http(address, "PUT", &target, &[("Content-Type", "text/plain")], b"second").status,
        200
    );
    assert_eq!(
        capable(&sandbox, json!({ "do": "get", "location": "sent/by hand.txt" }))["result"]["content"],
        "second"
    );
}

#[test]
fn a_port_that_is_taken_is_told() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve_objects();
    says(
        &sandbox.run(["storage", "serve", "--listen", server.address()]),
        6,
        &[&format!("cannot listen on {}", server.address()), "choose another address"],
    );
}

#[test]
fn storage_serve_says_where_urls_point_if_that_is_elsewhere() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "https://objects.example.com/");
    let address = free_address();
    let server = keynet_tests::Server::start(
        sandbox.command(["storage", "serve", "--listen", &address]),
        address.clone(),
    );
    server.says(&format!("listening on http://{address}, objects in "));
    server.says("presigned URLs point to https://objects.example.com/");
}

// Completions, --time

#[test]
fn bash_completes_commands() {
    let ended = Sandbox::new().run(["completions", "bash"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let script = r#"
        . /dev/stdin
        COMP_WORDS=(keynet-inference st); COMP_CWORD=1
        function=$(complete -p keynet-inference | grep -o -- '-F [^ ]*' | cut -d' ' -f2)
        "$function" keynet-inference st keynet-inference
        echo "${COMPREPLY[*]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script]).stderr(Stdio::piped());
    assert_eq!(end_with_input(bash, &ended.stdout).stdout.trim(), "storage");
    says(&Sandbox::new().run(["completions", "cobol"]), 2, &["cobol", "bash"]);
}

#[test]
fn time_tells_where_it_went() {
    let ended = run(&Sandbox::new(), "capable", &["--time", "--param", "do=objects"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.json().is_object());
    let row = |name: &str| {
        ended
            .stderr
            .lines()
            .find(|line| line.trim_start().starts_with(name))
            .unwrap_or_else(|| panic!("no {name}: {}", ended.stderr))
    };
    for (name, unit) in [
        ("load", "s  "),
        ("run", "s  "),
        ("start", "s  "),
        ("action", "s  "),
        ("storage", " calls"),
        ("memory", "iB"),
    ] {
        assert!(row(name).contains(unit), "{name}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("\n  models"), "{}", ended.stderr);
    let quiet = run(&Sandbox::new(), "capable", &["--param", "do=objects"]);
    assert!(!quiet.stderr.contains("\nload "), "{}", quiet.stderr);
}

// Policy

const POLICY: &str = r#"
models = ["identity_fp32", "identity_u*"]

[storage]
read = ["public/*", "inputs/*"]
write = ["public/*", "results/*"]

[limits]
time = "2s"
"#;

fn under_policy(policy: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("policy.toml"), policy).unwrap();
    sandbox.set("KEYNET_POLICY", sandbox.path("policy.toml").display());
    sandbox
}

#[test]
fn a_policy_grants_what_it_names_and_nothing_else() {
    let sandbox = under_policy(POLICY);
    for parameters in [
        json!({ "do": "ask", "model": "identity_fp32" }),
        json!({ "do": "put", "location": "public/a", "content": "a" }),
        json!({ "do": "get", "location": "public/a" }),
        json!({ "do": "put", "location": "results/a", "content": "a" }),
        json!({ "do": "put", "location": "s3://default/results/b", "content": "b" }),
        json!({ "do": "list", "prefix": "public/" }),
        json!({ "do": "presign", "location": "public/a" }),
        json!({ "do": "presign-put", "location": "results/c" }),
        json!({ "do": "delete", "location": "results/a" }),
    ] {
        let report = capable(&sandbox, parameters.clone());
        assert!(report["result"].is_object(), "{parameters}: {report}");
    }
    std::fs::create_dir_all(sandbox.path("storage/private")).unwrap();
    std::fs::write(sandbox.path("storage/private/a"), "secret").unwrap();
    for prefix in ["", "p"] {
        let listed = capable(&sandbox, json!({ "do": "list", "prefix": prefix }));
        assert_eq!(
            listed["result"],
            json!({ "found": ["public/a"] }),
            "a listing has what may be read, and nothing else"
        );
    }
    for (parameters, named) in [
        (json!({ "do": "ask", "model": "identity_fp16" }), "model \"identity_fp16\""),
        (json!({ "do": "ask", "model": "identity_fp32x" }), "model \"identity_fp32x\""),
        (json!({ "do": "ask", "model": "identity_fp64:1" }), "model \"identity_fp64\""),
        (json!({ "do": "get", "location": "private/a" }), "reading \"private/a\""),
        (json!({ "do": "get", "location": "s3://default/private/a" }), "reading \"private/a\""),
        (json!({ "do": "get", "location": "results/b" }), "reading \"results/b\""),
        (json!({ "do": "list", "prefix": "private/" }), "listing \"private/\""),
        (json!({ "do": "list", "prefix": "results/" }), "listing \"results/\""),
        (json!({ "do": "presign", "location": "private/a" }), "\"private/a\""),
        (json!({ "do": "put", "location": "private/b", "content": "b" }), "writing \"private/b\""),
        (json!({ "do": "put", "content": "at a new key" }), "writing \"20"),
        (json!({ "do": "presign-put", "location": "private/b" }), "writing \"private/b\""),
        (json!({ "do": "delete", "location": "private/a" }), "writing \"private/a\""),
    ] {
        let report = capable(&sandbox, parameters.clone());
        assert_eq!(report["kind"], "denied", "{parameters}: {report}");
        let error = report["error"].as_str().unwrap();
        assert!(
            error.contains(named) && error.contains("policy") && !error.contains("secret"),
            "{parameters}: {error}"
        );
    }
    assert_eq!(keynet_files(&sandbox.path("storage/private")).len(), 1);
    assert_eq!(capable(&sandbox, json!({ "do": "sleep", "ms": 10_000 }))["kind"], "out-of-time");
    // An option of the command line overrides the policy's limits.
    let slept = run(
        &sandbox,
        "capable",
        &["--timeout", "20s", "--param", "do=sleep", "--param", "ms=2500"],
    );
    assert_eq!(slept.json(), json!({ "slept": 2500 }), "{slept:?}");
}

#[test]
fn a_name_that_may_be_read_does_not_list_what_begins_with_it() {
    let sandbox = under_policy("[storage]\nread = [\"report\", \"results/*\"]");
    for location in ["report", "report-private", "results/1", "results/2", "secret"] {
        let stored =
            capable(&sandbox, json!({ "do": "put", "location": location, "content": "x" }));
        let readable = location == "report" || location.starts_with("results/");
        assert_eq!(
            stored["result"]["url"] != "",
            readable,
            "a URL that reads what may not be read: {stored}"
        );
    }
    let stored = capable(&sandbox, json!({ "do": "put", "content": "x" }));
    assert_eq!(stored["result"]["url"], "", "{stored}");
    let list = |prefix: &str| capable(&sandbox, json!({ "do": "list", "prefix": prefix }));
    for (prefix, found) in [
        ("", vec!["report", "results/1", "results/2"]),
        ("report", vec!["report"]),
        ("results/2", vec!["results/2"]),
        ("res", vec!["results/1", "results/2"]),
    ] {
        assert_eq!(list(prefix)["result"], json!({ "found": found }), "{prefix}");
    }
    for prefix in ["report-", "secret", "s3://default/sec"] {
        let refused = list(prefix);
        assert_eq!(refused["kind"], "denied", "{prefix}: {refused}");
    }
}

#[test]
fn a_policy_that_cannot_be_understood_is_no_policy_to_run_by() {
    for (policy, named) in [
        ("model = [\"x\"]", "model"),
        ("[storage]\nreed = []", "reed"),
        ("[limits]\nmemory = \"much\"", "much"),
        ("models = [", "policy.toml"),
    ] {
        let sandbox = under_policy(policy);
        says(&run(&sandbox, "hello", &["--param", "name=Ada"]), 4, &["policy.toml", named]);
        says(
            &sandbox.run(["inspect".as_ref(), guest("hello").as_os_str()]),
            4,
            &["policy.toml", named],
        );
    }
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_POLICY", "/no/such/policy.toml");
    says(&run(&sandbox, "hello", &["--param", "name=Ada"]), 4, &["/no/such/policy.toml"]);
}

// Settings

#[test]
fn without_a_home_a_folder_that_others_can_write_is_not_taken_over() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let sandbox = Sandbox::new();
    let user = std::fs::metadata(sandbox.path("")).unwrap().uid();
    let folder = sandbox.path(&format!("keynet-inference-{user}"));
    let hello = guest("hello");
    let run = || {
        let mut command = sandbox.command([
            "run".as_ref(),
            hello.as_os_str(),
            "--param".as_ref(),
            "name=Ada".as_ref(),
        ]);
        for name in ["HOME", "KEYNET_STATE_DIR", "KEYNET_CACHE"] {
            command.env_remove(name);
        }
        command.env("TMPDIR", sandbox.path(""));
        end(command)
    };
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    says(
        &run(),
        4,
        &[
            "KEYNET_STATE_DIR",
            "HOME",
            folder.to_str().unwrap(),
            "can be written by others",
            "a folder of your own",
        ],
    );
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing was put there");
    std::fs::remove_dir(&folder).unwrap();
    says(&run(), 0, &[]);
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn the_deployments_model_is_asked_when_none_is_named() {
    let mut sandbox = Sandbox::new();
    let report = capable(&sandbox, json!({ "do": "ask" }));
    assert_eq!(report["kind"], "invalid");
    assert!(report["error"].as_str().unwrap().contains("MODEL_NAME"), "{report}");
    sandbox.set("MODEL_NAME", "identity_fp32");
    assert_eq!(capable(&sandbox, json!({ "do": "ask" }))["result"], json!({ "out": [1.5, -2.0] }));
    // The caller's parameter is not a setting, and an explicitly named model overrides the setting.
    let report = capable(&sandbox, json!({ "do": "ask", "MODEL_NAME": "nobody" }));
    assert_eq!(report["result"], json!({ "out": [1.5, -2.0] }));
    assert_eq!(capable(&sandbox, json!({ "do": "ask", "model": "nobody" }))["kind"], "not-found");
}

#[test]
fn a_triton_server_in_the_environment_is_not_passed_over() {
    let mut sandbox = Sandbox::new();
    sandbox.set("TRITON_URL", "http://127.0.0.1:1");
    sandbox.set("KEYNET_TRITON_RETRY", "0");
    let report = capable(&sandbox, json!({ "do": "ask", "model": "identity_fp32" }));
    assert_eq!(report["kind"], "unavailable");
    let error = report["error"].as_str().unwrap();
    assert!(
        error.contains("cannot be reached") && error.contains("is TRITON_URL its gRPC port?"),
        "{error}"
    );
    let ended = run(&sandbox, "capable", &["--param", "do=ask", "--param", "model=identity_fp32"]);
    assert!(!ended.stderr.contains("run in process, from"), "{}", ended.stderr);
    // An action without models is not affected, and --models overrides the setting.
    assert_eq!(run(&sandbox, "hello", &["--param", "name=Ada"]).code, Some(0));
    let models = root().join("host/crates/models/tests/models");
    let ended = run(
        &sandbox,
        "capable",
        &[
            "--models",
            models.to_str().unwrap(),
            "--param",
            "do=ask",
            "--param",
            "model=identity_fp32",
        ],
    );
    assert_eq!(ended.json(), json!({ "out": [1.5, -2.0] }), "{ended:?}");
    sandbox.set("TRITON_URL", "triton:8001");
    says(&run(&sandbox, "hello", &["--param", "name=Ada"]), 4, &["TRITON_URL", "http://"]);
}

#[test]
fn an_s3_store_in_the_environment_is_not_passed_over() {
    let mut sandbox = Sandbox::new();
    sandbox.set("AWS_BUCKET_NAME", "pictures");
    sandbox.set("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1");
    says(&run(&sandbox, "hello", &["--param", "name=Ada"]), 4, &["AWS_ACCESS_KEY_ID"]);
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "hunter2hunter2");
    let report = capable(&sandbox, json!({ "do": "put", "location": "a", "content": "a" }));
    assert_eq!(report["kind"], "unavailable");
    let error = report["error"].as_str().unwrap();
    assert!(
        error.contains("cannot be reached")
            && error.contains("is MLFLOW_S3_ENDPOINT_URL its address?"),
        "{error}"
    );
    assert!(!sandbox.path("storage").exists(), "nothing is written to the folder instead");
    std::fs::write(sandbox.path("note.txt"), "x").unwrap();
    let ended =
        run(&sandbox, "capable", &["-vv", "--param", "do=get", "--input", "location=note.txt"]);
    says(&ended, 6, &["MLFLOW_S3_ENDPOINT_URL"]);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    assert_eq!(run(&sandbox, "hello", &["--param", "name=Ada"]).code, Some(0));
    let ended = run(
        &sandbox,
        "capable",
        &[
            "--storage",
            "objects",
            "--param",
            "do=put",
            "--param",
            "location=a",
            "--param",
            "content=b",
        ],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(std::fs::read_to_string(sandbox.path("objects/a")).unwrap(), "b");
}

#[test]
fn embedded_defaults_are_told_where_they_are_used() {
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, "capable", &["--param", "do=parameters"]);
    says(
        &ended,
        0,
        &[
            "note: models are run in process, from ",
            "TRITON_URL is not set",
            "note: objects are files in ",
            "AWS_BUCKET_NAME is not set",
        ],
    );
    let hello = run(&sandbox, "hello", &["--param", "name=Ada"]);
    assert!(!hello.stderr.contains("note:"), "hello uses neither: {}", hello.stderr);
    assert!(!Sandbox::new().path("storage").exists());
}

#[test]
fn limits_of_the_command_line() {
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, "hostile", &["--timeout", "500ms", "--param", "do=loop-for-ever"]);
    says(&ended, 1, &["did not finish within 500 ms", "--timeout"]);
    let ended =
        run(&sandbox, "hostile", &["--memory", "32MiB", "--param", "do=allocate-one-memory"]);
    says(&ended, 1, &["33554432 bytes"]);
    says(&run(&sandbox, "hello", &["--memory", "much"]), 2, &["much", "256MiB"]);
}

#[test]
fn a_result_cannot_steer_the_terminal_and_is_piped_as_it_is() {
    let sandbox = Sandbox::new();
    let result = "{\"file\":\"photo_\u{202e}gpj.exe\u{9b}2J\"}";
    std::fs::write(
        sandbox.path("answer.wasm"),
        made::action("answer", "tells\u{202e}lies", result),
    )
    .unwrap();
    let piped = sandbox.run(["run", "answer.wasm"]);
    assert_eq!((piped.code, piped.stdout), (Some(0), format!("{result}\n")));
    for (arguments, shown) in [
        (["run", "answer.wasm"].as_slice(), "\"photo_\\u202egpj.exe\\u009b2J\""),
        (&["run", "answer.wasm", "--json"], "\"photo_\\u202egpj.exe\\u009b2J\""),
        (&["inspect", "answer.wasm"], "tells\\u{202e}lies"),
        (&["inspect", "answer.wasm", "--json"], "tells\\u202elies"),
    ] {
        let (code, all) = Terminal::keynet(&sandbox, arguments).end();
        assert_eq!(code, Some(0), "{all}");
        assert!(
            all.contains(shown) && !all.contains(['\u{202e}', '\u{9b}']),
            "{arguments:?}: {all:?}"
        );
    }
}

#[test]
fn inspect_says_what_an_action_is() {
    let sandbox = Sandbox::new();
    let capable = guest("capable");
    let about = sandbox.run(["inspect".as_ref(), capable.as_os_str(), "--json".as_ref()]).json();
    assert_eq!(
        (&about["name"], &about["description"]),
        (&json!("capable"), &json!("Makes every call of the contract."))
    );
    assert_eq!(about["size"], std::fs::metadata(&capable).unwrap().len());
    assert!(about["digest"].as_str().unwrap().starts_with("sha256:"), "{about}");
    assert!(about["input_schema"]["properties"]["do"].is_object(), "{about}");
    for interface in ["user-input", "triton-predict", "storage"] {
        assert!(
            about["imports"]
                .as_array()
                .unwrap()
                .iter()
                .any(|name| name == &json!(format!("keynet:inference/{interface}@0.1.0"))),
            "{about}"
        );
    }
    for (what, granted) in [("models", "*"), ("read", "*"), ("write", "*"), ("urls", "*")] {
        assert_eq!(about["may_use"][what]["granted"], json!([granted]), "{about}");
    }
    let text = sandbox.run(["inspect".as_ref(), guest("hello").as_os_str()]);
    for part in [
        "hello\nGreets a person by name.\n",
        "size",
        "imports",
        "no models, objects or URLs",
        "name",
        "Who is greeted.",
    ] {
        assert!(text.stdout.contains(part), "lacks {part:?}: {}", text.stdout);
    }
    assert!(!sandbox.path("storage").exists(), "nothing of it ran");
}
