//! A user's own project, outside the clone: created, tested, built and run as the README describes,
//! and with cargo alone.
//!
//! Dependencies are compiled once, in `target/guest-build`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use keynet_tests::{Ended, Sandbox, binary, end_within, root, user_cache};
use serde_json::json;

/// Time limit of a build: the first one compiles all dependencies, possibly after waiting for
/// another test's.
const BUILD: Duration = Duration::from_secs(1200);

/// Sandbox with a project in it.
struct Project {
    sandbox: Sandbox,
    name: &'static str,
}

impl Project {
    /// Runs `keynet-inference new --lang rust NAME`. The SDK is shared by all tests with this
    /// cache, so that it is compiled once.
    fn new(name: &'static str, cache: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("KEYNET_CACHE", binary().with_file_name("test-projects").join(cache).display());
        sandbox.set("CARGO_TARGET_DIR", target().display());
        sandbox.set("CARGO_INCREMENTAL", "0");
        // The examples are built first and need the same crates: a crate released a minute ago must
        // not change the test.
        sandbox.set("CARGO_NET_OFFLINE", "true");
        assert!(!sandbox.path("").starts_with(root()), "outside the clone");
        let ended = sandbox.run(["new", "--lang", "rust", name]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for step in [
            format!("cd {name}"),
            "keynet-inference dev --param name=Ada".to_owned(),
            "keynet-inference run --param name=Ada".to_owned(),
        ] {
            assert!(ended.stdout.contains(&step), "the next steps lack {step:?}: {}", ended.stdout);
        }
        Self { sandbox, name }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.sandbox.path(self.name).join(file)
    }

    fn end(&self, mut command: Command) -> Ended {
        command.current_dir(self.path(""));
        end_within(command, BUILD)
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.end(self.sandbox.command(arguments))
    }

    fn build(&self) {
        let ended = self.run(["build"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.starts_with(&format!("{}: action.wasm, ", self.name)), "{ended:?}");
    }

    /// Returns a cargo command, with the toolchain that `keynet-inference build` would use.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut rustc = self
            .sandbox
            .program("rustc", ["--print", "target-libdir", "--target", "wasm32-wasip2"]);
        let folder = rustc.current_dir(self.path("")).output().expect("rustc").stdout;
        let active = Path::new(String::from_utf8(folder).unwrap().trim()).is_dir();
        let mut cargo = self.sandbox.program("cargo", arguments);
        if !active {
            cargo.env("RUSTUP_TOOLCHAIN", "keynet-wasm");
        }
        cargo
    }

    fn greets(&self, component: &Path) {
        let component = component.as_os_str();
        let ended = self.run([
            "run".as_ref(),
            component,
            "--param".as_ref(),
            "name=Ada".as_ref(),
            "--param".as_ref(),
            "word=Good day".as_ref(),
        ]);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "{\"greeting\":\"Good day, Ada!\"}\n"),
            "{ended:?}"
        );
        assert!(ended.stderr.lines().any(|line| line == "greeting Ada"), "{}", ended.stderr);
        self.grows_no_memory(component);
    }

    /// Asserts that the initial memory contains the heap, however the component was built: the
    /// stack, the data and one MiB.
    fn grows_no_memory(&self, component: &OsStr) {
        let held = |name: &str| {
            let parameter = format!("name={name}");
            let ended = self.run([
                "run".as_ref(),
                component,
                "--json".as_ref(),
                "--param".as_ref(),
                parameter.as_ref(),
            ]);
            ended.json()["receipt"]["memory_wasm"].as_u64().expect("bytes")
        };
        let (little, more) = (held("Ada"), held(&"A".repeat(60_000)));
        assert!(little >= 2 << 20 && little == more, "{little} bytes, or {more} for a longer name");
    }
}

fn target() -> PathBuf {
    binary().ancestors().nth(2).expect("target").join("guest-build")
}

fn succeeds(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_new_project_is_tested_built_and_run_as_the_readme_says() {
    let project = Project::new("my-action", "cache");
    let tested = project.end(project.sandbox.program("cargo", ["test"]));
    succeeds(&tested);
    assert!(tested.stdout.contains("test result: ok. 2 passed"), "{tested:?}");
    project.build();
    project.greets(Path::new("action.wasm"));
    let refused = project.run(["run", "action.wasm", "--param", "name="]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("the parameter `name` is empty"), "{refused:?}");
    let about = project.run(["inspect", "action.wasm", "--json"]).json();
    assert_eq!(
        (&about["name"], &about["input_schema"]["required"]),
        (&json!("my-action"), &json!(["name"]))
    );
    assert!(
        fs::metadata(project.path("action.wasm")).unwrap().len() < 1 << 20,
        "small components start fast"
    );
    let ignored = fs::read_to_string(project.path(".gitignore")).unwrap();
    assert!(ignored.contains("target") && ignored.contains(".wasm"), "{ignored}");

    // Without a path the project is built, if it changed, and used.
    fs::remove_file(project.path("action.wasm")).unwrap();
    let ran = project.run(["run", "--param", "name=Ada"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "{\"greeting\":\"Hello, Ada!\"}\n"));
    let source = fs::read_to_string(project.path("src/lib.rs")).unwrap();
    fs::write(project.path("src/lib.rs"), source.replace("\"Hello\"", "\"Good day\"")).unwrap();
    let ran = project.run(["run", "--param", "name=Ada"]);
    assert!(ran.stdout.contains("Good day, Ada!"), "{ran:?}");
    assert_eq!(project.run(["inspect", "--json"]).json()["name"], "my-action");

    // To another folder, from another folder.
    let output = project.sandbox.path("elsewhere.wasm");
    let mut elsewhere =
        project.sandbox.command(["build", "--path", project.name, "-o", output.to_str().unwrap()]);
    elsewhere.current_dir(project.sandbox.path(""));
    let ended = end_within(elsewhere, BUILD);
    succeeds(&ended);
    assert_eq!(fs::read(&output).unwrap(), fs::read(project.path("action.wasm")).unwrap());
}

#[test]
fn cargo_alone_makes_the_same_component() {
    let project = Project::new("by-cargo", "cache");
    let built = project.end(project.cargo(&["build", "--release", "--target", "wasm32-wasip2"]));
    succeeds(&built);
    project.greets(&target().join("wasm32-wasip2/release/by_cargo.wasm"));
}

#[test]
fn cargo_component_makes_a_component_that_does_the_same() {
    let tools = user_cache().join("tools/bin");
    let there = tools.join("cargo-component").exists();
    assert!(
        there,
        "cargo-component is not in {}: run `guest-sdk/setup-wasm-toolchain --with-cargo-component`",
        tools.display()
    );
    let project = Project::new("by-component", "cache");
    let mut cargo = project.cargo(&["component", "build", "--release"]);
    let path = std::env::join_paths(
        std::iter::once(tools).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    cargo.env("PATH", path);
    succeeds(&project.end(cargo));
    project.greets(&target().join("wasm32-wasip1/release/by_component.wasm"));
}

#[test]
fn an_emptied_cache_is_no_harm() {
    let project = Project::new("forgetful", "emptied");
    project.build();
    let first = fs::read(project.path("action.wasm")).unwrap();
    let cache = binary().with_file_name("test-projects").join("emptied");
    assert!(cache.join("sdk").is_dir());
    fs::remove_dir_all(&cache).unwrap();
    project.build();
    project.greets(Path::new("action.wasm"));
    assert_eq!(fs::read(project.path("action.wasm")).unwrap(), first);
    // One file of the SDK.
    let sdk = fs::read_dir(cache.join("sdk"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("guest-sdk/rust");
    fs::remove_file(sdk.join("Cargo.toml")).unwrap();
    fs::remove_file(sdk.join("src/lib.rs")).unwrap();
    project.build();
}

#[test]
fn a_mistake_in_the_users_code_is_told_in_rustcs_words() {
    let project = Project::new("mistaken", "cache");
    let source = project.path("src/lib.rs");
    let good = fs::read_to_string(&source).unwrap();
    fs::write(project.path("action.wasm"), "the last one that worked").unwrap();
    for (from, to, says) in [
        (
            "args.name.is_empty()",
            "args.nmae.is_empty()",
            &["error[E0609]", "nmae", "src/lib.rs"][..],
        ),
        (
            "fn main(args: Args) -> Result<Output>",
            "fn main(args: Args)",
            &["error", "src/lib.rs", "Result"],
        ),
        (
            ", description = \"Greets a person by name.\"",
            "",
            &["error", "src/lib.rs", "description"],
        ),
    ] {
        assert!(good.contains(from), "the template has no {from:?}");
        fs::write(&source, good.replace(from, to)).unwrap();
        let ended = project.run(["build"]);
        assert_eq!(ended.code, Some(5), "{ended:?}");
        for text in says {
            assert!(ended.stderr.contains(text), "lacks {text:?}: {}", ended.stderr);
        }
        assert!(
            ended.stderr.contains("error: cargo could not build the project")
                && ended.stdout.is_empty(),
            "{ended:?}"
        );
    }
    assert_eq!(
        fs::read_to_string(project.path("action.wasm")).unwrap(),
        "the last one that worked"
    );
    // Source that cargo accepts and no host would.
    fs::write(&source, "").unwrap();
    let ended = project.run(["build"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stderr.contains("#[keynet_function]"), "{}", ended.stderr);
}

#[test]
fn a_project_gets_what_it_asks_for_and_no_more() {
    let project = Project::new("asking", "cache");
    let wishes = fs::read_to_string(project.path("keynet.toml")).unwrap();
    assert!(wishes.contains("# models = [\"detector\"]\n"), "{wishes}");
    fs::write(
        project.path("keynet.toml"),
        wishes.replace("# models = [\"detector\"]", "models = [\"identity_fp32\"]"),
    )
    .unwrap();
    let source = r#"
        use keynet_inference_sdk::prelude::*;

        #[derive(Deserialize, JsonSchema)]
        struct Args {
            model: String,
        }

        #[keynet_function(name = "asking", description = "Asks a model.")]
        fn main(args: Args) -> Result<Value> {
            let tensor = Tensor::from_slice(&[1, 2], &[1.5_f32, -2.0])?;
            let outputs = Triton::with_model(args.model)?.predict([("in", &tensor)])?;
            Ok(json!({ "out": outputs["out"].to_vec::<f32>()? }))
        }
    "#;
    fs::write(project.path("src/lib.rs"), source).unwrap();
    project.build();
    let granted = |sandbox: &Sandbox| {
        let action = project.path("action.wasm");
        sandbox.run(["inspect".as_ref(), action.as_os_str(), "--json".as_ref()]).json()["may_use"]["models"].clone()
    };
    assert_eq!(granted(&project.sandbox), json!({ "granted": ["*"], "asked": ["identity_fp32"] }));
    let text = project.run(["inspect", "action.wasm"]).stdout;
    assert!(text.contains("models: identity_fp32\n"), "{text}");

    let ask = |sandbox: &Sandbox, model: &str| {
        let (action, model) = (project.path("action.wasm"), format!("model={model}"));
        sandbox
            .run([
                "run".as_ref(),
                action.as_os_str(),
                "--json".as_ref(),
                "--param".as_ref(),
                model.as_ref(),
            ])
            .json()
    };
    assert_eq!(ask(&project.sandbox, "identity_fp32")["result"], json!({ "out": [1.5, -2.0] }));
    let denied = ask(&project.sandbox, "identity_fp16");
    assert_eq!(denied["kind"], "denied", "{denied}");
    let error = denied["error"].as_str().unwrap();
    assert!(error.contains("\"identity_fp16\"") && error.contains("keynet.toml"), "{error}");

    // A request is not a grant.
    let mut strict = Sandbox::new();
    fs::write(strict.path("policy.toml"), "models = [\"identity_fp16\"]").unwrap();
    strict.set("KEYNET_POLICY", strict.path("policy.toml").display());
    assert_eq!(
        granted(&strict),
        json!({ "granted": ["identity_fp16"], "asked": ["identity_fp32"] })
    );
    for model in ["identity_fp32", "identity_fp16"] {
        assert_eq!(ask(&strict, model)["kind"], "denied", "{model}");
    }

    fs::write(project.path("keynet.toml"), "modles = [\"x\"]").unwrap();
    let ended = project.run(["build"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(
        ended.stderr.contains("keynet.toml") && ended.stderr.contains("modles"),
        "{}",
        ended.stderr
    );
}

#[test]
fn new_refuses_names_that_cannot_be() {
    let sandbox = Sandbox::new();
    for name in
        ["My-Action", "1st", "a_b", "match", "-x", "ä", "a.b", &"x".repeat(64), "folder/Bad"]
    {
        let ended = sandbox.run(["new", "--lang", "rust", "--", name]);
        assert_eq!(ended.code, Some(5), "{name:?}: {ended:?}");
        assert!(
            ended.stderr.contains("cannot be the name of a Rust action"),
            "{name:?}: {}",
            ended.stderr
        );
    }
    assert_eq!(sandbox.run(["new", "--lang", "cobol", "x"]).code, Some(2));
    assert_eq!(fs::read_dir(sandbox.path("")).unwrap().count(), 0, "nothing was made");
}

#[test]
fn new_refuses_what_is_there_already() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("full")).unwrap();
    fs::write(sandbox.path("full/file"), "mine").unwrap();
    fs::write(sandbox.path("file"), "mine").unwrap();
    for name in ["full", "file"] {
        let ended = sandbox.run(["new", name]);
        assert_eq!(ended.code, Some(5), "{ended:?}");
        assert!(
            ended.stderr.contains("is there already")
                && ended.stderr.contains("hint: choose another name"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(fs::read_dir(sandbox.path("full")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(sandbox.path("file")).unwrap(), "mine");
    fs::create_dir(sandbox.path("empty")).unwrap();
    assert_eq!(sandbox.run(["new", "empty"]).code, Some(0));
    assert!(sandbox.path("empty/src/lib.rs").exists());
    assert_eq!(sandbox.run(["new", "folders/that/are-missing"]).code, Some(0));
    assert!(sandbox.path("folders/that/are-missing/Cargo.toml").exists());
}

#[test]
fn without_rust_the_user_is_told_what_to_install() {
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.run(["new", "my-action"]).code, Some(0));
    sandbox.set("PATH", "/nowhere");
    let mut build = sandbox.command(["build", "--path", "my-action"]);
    build.stdin(Stdio::null());
    let ended = keynet_tests::end(build);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(
        ended.stderr.contains("cargo cannot be started")
            && ended.stderr.contains("https://rustup.rs"),
        "{}",
        ended.stderr
    );
}
