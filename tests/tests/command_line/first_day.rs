//! The first day of a new user: habits of other tools, wrong names, forgotten words.

use super::*;

/// Returns a component with the requests `ask`, a short `keynet.toml`.
fn asking(component: &str, ask: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(guest(component)).unwrap();
    let name = "keynet-ask";
    let size = 1 + name.len() + ask.len();
    bytes.extend([0, u8::try_from(size).unwrap(), u8::try_from(name.len()).unwrap()]);
    assert!(size < 128, "one byte of LEB128");
    bytes.extend(name.bytes().chain(ask.bytes()));
    bytes
}

#[test]
fn what_an_action_asks_for_and_does_not_get_is_told() {
    let mut sandbox = Sandbox::new();
    let ask = "models = [\"detector\"]\napi-key = true\n";
    std::fs::write(sandbox.path("asking.wasm"), asking("capable", ask)).unwrap();
    let key = "the caller's OpenWhisk key, which keynet.toml asks for";
    let inspect = sandbox.run(["inspect", "asking.wasm"]);
    assert!(inspect.code == Some(0) && inspect.stdout.contains(key), "{inspect:?}");
    let ran = sandbox.run(["run", "asking.wasm", "--param", "do=parameters"]);
    says(&ran, 0, &[&format!("note: not granted here: {key}")]);
    assert!(!ran.stderr.contains("detector"), "models are granted: {ran:?}");

    std::fs::write(sandbox.path("policy.toml"), "models = [\"other\"]\n").unwrap();
    sandbox.set("KEYNET_POLICY", "policy.toml");
    let inspect = sandbox.run(["inspect", "asking.wasm"]);
    let model = "models: detector, which keynet.toml asks for and the policy does not grant";
    assert!(inspect.stdout.contains(model), "{inspect:?}");
    let json = sandbox.run(["inspect", "asking.wasm", "--json"]).json();
    assert_eq!(json["denied"], json!({ "api-key": [], "models": ["detector"] }));

    std::fs::write(sandbox.path("policy.toml"), "api-key = true\n").unwrap();
    let json = sandbox.run(["inspect", "asking.wasm", "--json"]).json();
    assert_eq!((&json["denied"], &json["api_key"]), (&json!({}), &json!(true)));
}

#[test]
fn a_parameter_that_the_action_does_not_know_is_noticed() {
    let ended = run(&Sandbox::new(), "hello", &["--param", "nam=Ada"]);
    says(
        &ended,
        1,
        &[
            "note: the action's schema has no parameter nam; did you mean name?",
            "`name` is missing",
        ],
    );
    let known = run(&Sandbox::new(), "hello", &["--param", "name=Ada"]);
    assert!(!known.stderr.contains("note:"), "{known:?}");
}

#[test]
fn forgotten_words_are_supplied() {
    let sandbox = Sandbox::new();
    let hello = guest("hello");
    let hello = hello.to_str().unwrap();
    says(&sandbox.run(["run", "nope.wasm"]), 6, &["nope.wasm", "keynet-inference build"]);
    says(&sandbox.run(["run", hello, "name=Ada"]), 2, &["--param name=Ada"]);
    says(&sandbox.run(["run", "name=Ada"]), 2, &["--param name=Ada"]);
    let help = sandbox.run(["run", "--help"]);
    assert!(help.stdout.contains("127.0.0.1:8080"), "{}", help.stdout);
}

#[test]
fn a_password_that_is_empty_is_not_called_unsaid() {
    let sandbox = Sandbox::new();
    let login = ["login", "http://127.0.0.1:1", "--username", "ada", "--password-stdin"];
    let ended = end_with_input(sandbox.command(login), "\n");
    says(&ended, 2, &["standard input has no password: it is empty", "CI secret"]);
    assert!(!ended.stderr.contains("say it with"), "{ended:?}");
}

#[test]
fn nobody_signed_in_is_an_exit_code() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run(["whoami"]);
    says(&ended, 7, &["nobody is signed in", "keynet-inference login"]);
    let json = sandbox.run(["whoami", "--json"]);
    assert!(json.code == Some(7) && json.json()["server"].is_null(), "{json:?}");
}

#[test]
fn a_key_that_git_would_add_is_told() {
    let sandbox = Sandbox::new();
    let git = |arguments: &[&str]| {
        let ended = end(sandbox.program("git", arguments));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    let outside = sandbox.run(["keygen", "outside"]);
    assert!(outside.code == Some(0) && !outside.stderr.contains("git"), "{outside:?}");
    git(&["init", "-q", "."]);
    says(&sandbox.run(["keygen", "seen"]), 0, &["seen.key is in a git repository", "*.key"]);
    std::fs::write(sandbox.path(".gitignore"), "*.key\n").unwrap();
    let ignored = sandbox.run(["keygen", "hidden"]);
    assert!(ignored.code == Some(0) && !ignored.stderr.contains("git"), "{ignored:?}");
}

#[test]
fn the_wrong_half_of_a_key_pair_is_named() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(["keygen"]).code, Some(0));
    let hello = guest("hello");
    let ended = sandbox.run(["push", hello.to_str().unwrap(), "--sign", "keynet.pub"]);
    says(&ended, 6, &["it is a public key", "keynet.key"]);
    assert!(!ended.stderr.contains("chmod"), "{ended:?}");
}

#[test]
fn a_pull_names_the_function_and_replaces_nothing() {
    let sandbox = Sandbox::new();
    let hello = guest("hello");
    let push = sandbox.run(["push", hello.to_str().unwrap(), "oci-layout:artifacts:v2"]);
    says(&push, 0, &[]);
    let pull = || sandbox.run(["pull", "oci-layout:artifacts:v2"]);
    let first = pull();
    assert!(first.code == Some(0) && first.stdout.ends_with(" hello.wasm\n"), "{first:?}");
    says(&pull(), 0, &[]);
    std::fs::write(sandbox.path("hello.wasm"), "my own").unwrap();
    says(&pull(), 6, &["hello.wasm is there already", "-o hello.wasm"]);
    assert_eq!(std::fs::read(sandbox.path("hello.wasm")).unwrap(), b"my own");
    let replaced = sandbox.run(["pull", "oci-layout:artifacts:v2", "-o", "hello.wasm"]);
    says(&replaced, 0, &[]);
    assert_eq!(std::fs::read(sandbox.path("hello.wasm")).unwrap(), std::fs::read(hello).unwrap());
}

#[test]
fn a_tag_that_is_not_there_lists_those_that_are() {
    let sandbox = Sandbox::new();
    let hello = guest("hello");
    for tag in ["hello", "stable"] {
        let to = format!("oci-layout:artifacts:{tag}");
        says(&sandbox.run(["push", hello.to_str().unwrap(), &to]), 0, &[]);
    }
    for command in ["pull", "run", "inspect"] {
        let ended = sandbox.run([command, "oci-layout:artifacts:helo"]);
        says(&ended, 11, &["has no tag helo: there is hello, stable"]);
    }
}

#[test]
fn a_project_is_used_without_its_path() {
    let sandbox = Sandbox::new();
    // Without sources, the component in the folder is used.
    std::fs::copy(guest("hello"), sandbox.path("action.wasm")).unwrap();
    let ran = sandbox.run(["run", "--param", "name=Ada"]);
    assert_eq!(ran.stdout, "{\"greeting\":\"Hello, Ada!\"}\n", "{ran:?}");
    assert!(sandbox.run(["inspect"]).stdout.starts_with("hello\n"));
    let pushed = sandbox.run(["push", "oci-layout:artifacts:mine"]);
    assert!(pushed.stdout.starts_with("pushed oci-layout:artifacts"), "{pushed:?}");
    let deployed = sandbox.run(["deploy", "--json"]);
    assert!(!deployed.stdout.contains("required arguments"), "{deployed:?}");
}

#[test]
fn a_name_that_cannot_be_used_proposes_one() {
    let sandbox = Sandbox::new();
    for (name, instead) in [("my_action", "`my-action`"), ("내-동작", "`my-action`")] {
        says(&sandbox.run(["new", name, "--lang", "c"]), 5, &[instead]);
    }
    std::fs::create_dir(sandbox.path("greet")).unwrap();
    let mut here = sandbox.command(["new", ".", "--lang", "c"]);
    here.current_dir(sandbox.path("greet"));
    let made = end(here);
    assert!(made.stdout.starts_with("made the action greet in ."), "{made:?}");
    assert!(sandbox.path("greet/main.c").is_file() && !made.stdout.contains("cd ."), "{made:?}");
}

#[test]
fn keynet_toml_is_checked_before_a_compiler_runs() {
    let sandbox = Sandbox::new();
    for (language, name) in [("c", "in-c"), ("python", "in-python"), ("go", "in-go")] {
        says(&sandbox.run(["new", name, "--lang", language]), 0, &[]);
        std::fs::write(sandbox.path(name).join("keynet.toml"), "modls = [\"a\"]\n").unwrap();
        let ended = sandbox.run(["build", name]);
        says(&ended, 5, &["keynet.toml cannot be used", "modls"]);
        assert!(!ended.stderr.contains("building"), "{ended:?}");
    }
}
