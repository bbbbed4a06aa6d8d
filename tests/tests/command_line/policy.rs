//! Completions, times, policies and settings.

use super::*;

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
    says(&ended, 1, &["33554432 bytes", "--memory gives it more"]);
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
