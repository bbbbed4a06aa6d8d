//! Actions in Go: made, tested, built, run and published on the command line; and what is said when
//! that cannot be.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keynet_tests::runtime::Runtime;
use keynet_tests::{Ended, Sandbox, compiled_guest, end_within, golden, says};
use serde_json::{Value, json};

/// The first build compiles Go's library.
const BUILD: Duration = Duration::from_secs(1200);

const SDK: &str = "github.com/keynet/keynet-inference/guest-sdk/go";

/// A project that `new` made, which needs no network.
struct Project {
    sandbox: Sandbox,
    folder: PathBuf,
}

impl Project {
    fn new(name: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("KEYNET_ARTIFACTS", sandbox.path("artifacts").display());
        sandbox.set("GOPROXY", "off");
        sandbox.set("GOTOOLCHAIN", "local");
        let made = sandbox.run(["new", "--lang", "go", name]);
        says(&made, 0, &[]);
        assert!(made.stdout.contains("keynet-inference run main.go --param name=Ada"), "{made:?}");
        let folder = sandbox.path(name);
        Self { sandbox, folder }
    }

    fn end(&self, mut command: Command) -> Ended {
        command.current_dir(&self.folder);
        end_within(command, BUILD)
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.end(self.sandbox.command(arguments))
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }
}

/// A program whose `main` has this body.
fn program(body: &str) -> String {
    format!(
        "package main\n\nimport (\n\t\"context\"\n\n\t\"{SDK}/keynet\"\n)\n\n\
         func act(context.Context, map[string]any) (any, error) {{\n\treturn nil, nil\n}}\n\n\
         func main() {{\n\t{body}\n}}\n\nvar _ = keynet.Function[any, any]\n"
    )
}

#[test]
fn a_new_project_is_tested_run_built_and_pushed_as_its_readme_says() {
    let project = Project::new("greeter");
    for file in ["go.mod", "main_test.go", "keynet.toml", "README.md", "keynet-sdk/go.mod"] {
        assert!(project.folder.join(file).is_file(), "{file}");
    }
    let ignored = fs::read_to_string(project.folder.join(".gitignore")).unwrap();
    for entry in ["*.key", "/artifacts/", "/models/", "/storage/", "/action.wasm"] {
        assert!(ignored.lines().any(|line| line == entry), "{entry}: {ignored}");
    }
    let tested = project.end(project.sandbox.program("go", ["test", "./..."]));
    says(&tested, 0, &[]);
    assert!(tested.stdout.contains("ok  \texample/greeter"), "{tested:?}");
    let vetted = project.end(project.sandbox.program("go", ["vet", "./..."]));
    says(&vetted, 0, &[]);

    let first = project.run(["run", "main.go", "--param", "name=Ada"]);
    says(&first, 0, &["greeting Ada"]);
    assert_eq!(first.json(), json!({ "greeting": "Hello, Ada!" }));
    let refused = project.run(["run", "main.go", "--param", "name="]);
    says(&refused, 1, &["the parameter `name` is empty"]);

    let built = project.run(["build"]);
    assert!(built.stdout.starts_with("greeter: action.wasm, "), "{built:?}");
    let about = project.run(["inspect", "action.wasm", "--json"]).json();
    assert_eq!(
        (&about["name"], &about["input_schema"]["required"]),
        (&json!("greeter"), &json!(["name"]))
    );
    assert_eq!(about["input_schema"]["properties"]["word"]["default"], "Hello");

    // By the folder too.
    let pushed = project.run(["push", ".", "--json"]);
    says(&pushed, 0, &[]);
    assert_eq!(pushed.json()["name"], "greeter");
    let reference = pushed.json()["reference"].as_str().expect("a reference").to_owned();
    let again = project.run(["run", &reference, "--param", "name=Bo", "--param", "word=Hi"]);
    assert_eq!(again.json(), json!({ "greeting": "Hi, Bo!" }), "{again:?}");
}

#[test]
fn a_project_builds_for_a_colleague_with_another_home_and_an_empty_cache() {
    let mut project = Project::new("shared");
    let elsewhere = project.sandbox.path("home/colleague/clone");
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::rename(&project.folder, &elsewhere).unwrap();
    project.folder = elsewhere;
    // Go's own cache only spares the test a minute.
    let cache = project.end(project.sandbox.program("go", ["env", "GOCACHE"])).stdout;
    project.sandbox.set("GOCACHE", cache.trim());
    project.sandbox.set("HOME", project.sandbox.path("home/colleague").display());
    project.sandbox.set("KEYNET_CACHE", project.sandbox.path("empty").display());
    let ran = project.run(["run", "main.go", "--param", "name=Ada"]);
    says(&ran, 0, &[]);
    assert_eq!(ran.json(), json!({ "greeting": "Hello, Ada!" }));
}

#[test]
fn what_is_wrong_with_a_program_is_told_as_go_tells_it() {
    let project = Project::new("broken");
    let builds = |main: &str, code: i32, texts: &[&str]| {
        project.write("main.go", main);
        says(&project.run(["build"]), code, texts);
    };
    fs::remove_file(project.folder.join("main_test.go")).unwrap();
    builds(
        &program("keynet.Function(keynet.Info{Name: 7}, act)"),
        5,
        &["./main.go:14:36: cannot use 7", "go could not build the program"],
    );
    builds(
        &program(""),
        5,
        &["the program declares no action", "call keynet.Function in its main"],
    );
    builds(
        &program("keynet.Function(keynet.Info{Name: \"No Name\", Description: \"x\"}, act)"),
        5,
        &["No Name"],
    );
    builds(
        &program(&"keynet.Function(keynet.Info{Name: \"a\"}, act); ".repeat(2)),
        5,
        &["keynet.Function is called twice"],
    );
    builds(
        &program("").replace("package main", "package other"),
        5,
        &["requires exactly one main package"],
    );
    says(
        &project.run(["build", "--profile", "dev"]),
        5,
        &["arguments for cargo", "leave out --profile"],
    );
    fs::remove_file(project.folder.join("go.mod")).unwrap();
    builds(&program(""), 5, &["has no go.mod", "keynet-inference new --lang go"]);
}

#[test]
fn a_go_that_is_missing_or_too_old_is_told_with_what_to_install() {
    let mut project = Project::new("no-go");
    let tools = project.sandbox.path("tools");
    fs::create_dir_all(&tools).unwrap();
    project.sandbox.set("PATH", tools.display());
    let install = "install Go 1.25 or later from https://go.dev/dl";
    says(&project.run(["build"]), 5, &["there is no Go on this machine", install]);
    let go = tools.join("go");
    fs::write(&go, "#!/bin/sh\necho go1.21.13\n").unwrap();
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
    says(&project.run(["run", "main.go"]), 5, &["go1.21.13", install]);
}

/// What the guest of the parity table does, with what its table does not ask.
fn parity(environment: &[(&str, &str)], parameters: &str) -> (Value, String) {
    let mut sandbox = Sandbox::new();
    environment.iter().for_each(|(name, value)| sandbox.set(name, value));
    fs::write(sandbox.path("parameters.json"), parameters).unwrap();
    let guest = compiled_guest("parity-go");
    let guest = guest.to_str().unwrap();
    let ended = sandbox.run(["run", guest, "--json", "--params-file", "parameters.json"]);
    (ended.json(), ended.stderr)
}

#[test]
fn the_context_ends_at_the_activations_deadline_where_it_has_one() {
    let (answer, _) = parity(&[], r#"{"do": "deadline"}"#);
    assert_eq!(answer["result"]["has"], false, "{answer}");
    let sandbox = Sandbox::new();
    let runtime = Runtime::of(&sandbox, &compiled_guest("parity-go"));
    let answer = runtime.run_within(&json!({ "do": "deadline" }), Duration::from_secs(100)).json();
    let seconds = answer["seconds"].as_f64().expect("seconds");
    assert!(answer["has"] == true && (1.0..=100.0).contains(&seconds), "{answer}");
}

#[test]
fn large_results_of_many_calls_leave_room_for_the_next() {
    // 300 MiB through goroutines with garbage of their own, in a fifth of it.
    let (answer, _) = parity(&[("KEYNET_MEMORY", "64MiB")], r#"{"do": "churn", "calls": 300}"#);
    assert_eq!(answer["result"], json!({ "calls": 300 }), "{answer}");
}

#[test]
fn tensors_that_nothing_refers_to_are_given_back_without_being_closed() {
    let environment = [("KEYNET_MEMORY", "96MiB"), ("KEYNET_HANDLES", "1024")];
    let (answer, _) = parity(&environment, r#"{"do": "leave"}"#);
    assert_eq!(answer["result"], json!({}), "{answer}");
}

#[test]
fn what_nothing_can_recover_from_is_told_with_its_reason() {
    for (part, reason) in [
        ("crash-elsewhere", "panic: the other box is empty"),
        ("deadlock", "fatal error: all goroutines are asleep - deadlock!"),
    ] {
        let (answer, logs) = parity(&[], &json!({ "do": part }).to_string());
        let error = answer["error"].as_str().expect("an error");
        assert!(error.contains(reason), "{answer}");
        assert!(logs.contains("parity-go/ma"), "the trace names the file: {logs}");
    }
}

#[test]
fn hello_in_go_greets() {
    let (sandbox, hello) = (Sandbox::new(), compiled_guest("hello-go"));
    let hello = hello.to_str().unwrap();
    let ended = sandbox.run(["run", hello, "--param", "name=안녕"]);
    assert_eq!(ended.json(), json!({ "greeting": "Hello, 안녕!" }), "{ended:?}");
    let missing = "the parameter `name` is missing: expected a string, \"Who is greeted.\"";
    says(&sandbox.run(["run", hello]), 1, &[missing]);
}

#[test]
fn the_golden_example_in_go_refuses_what_is_no_picture() {
    let sandbox = Sandbox::new();
    let guest = compiled_guest("image-detection-go");
    let text = sandbox.path("note.txt");
    fs::write(&text, "no picture").unwrap();
    let input = format!("image_url={}", text.display());
    let models = golden::file("models");
    let arguments = [Path::new("run"), &guest, Path::new("--models"), &models];
    let mut command = sandbox.command(arguments);
    command.args(["--input", &input]);
    says(&end_within(command, BUILD), 1, &["the picture is neither a PNG nor a JPEG file"]);
}
