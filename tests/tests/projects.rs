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
    /// Runs `keynet-inference new --lang rust NAME`.
    fn new(name: &'static str, cache: &str) -> Self {
        let sandbox = sandbox(cache);
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

/// Returns a sandbox with the cache of this name, and with the target folder of all projects.
fn sandbox(name: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_CACHE", cache(name).display());
    sandbox.set("CARGO_TARGET_DIR", target().display());
    sandbox.set("CARGO_INCREMENTAL", "0");
    // The examples are built first and need the same crates: a crate released a minute ago must
    // not change the test.
    sandbox.set("CARGO_NET_OFFLINE", "true");
    sandbox
}

fn cache(name: &str) -> PathBuf {
    binary().with_file_name("test-projects").join(name)
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
fn a_colleague_with_another_home_and_an_empty_cache_builds_tests_and_edits_the_project() {
    let mut project = Project::new("shared", "author");
    project.build();
    let first = fs::read(project.path("action.wasm")).unwrap();
    let author = std::mem::replace(&mut project.sandbox, sandbox("colleague"));
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    for (variable, usual) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let tools = std::env::var_os(variable).map_or_else(|| home.join(usual), PathBuf::from);
        project.sandbox.set(variable, tools.display());
    }
    project.sandbox.set("HOME", project.sandbox.path("home").display());
    fs::rename(author.path("shared"), project.path("")).unwrap();
    let cache = cache("author");
    fs::remove_dir_all(&cache).unwrap();
    drop(author); // and what else the author has

    // What an editor asks.
    let metadata = project.end(project.cargo(&["metadata", "--format-version", "1"]));
    succeeds(&metadata);
    let sdk = metadata.json()["packages"].as_array().unwrap().iter().find_map(|package| {
        let is_sdk = package["name"] == "keynet-inference-sdk";
        is_sdk.then(|| PathBuf::from(package["manifest_path"].as_str().unwrap()))
    });
    assert!(sdk.unwrap().starts_with(project.path("")));

    let tested = project.end(project.sandbox.program("cargo", ["test"]));
    succeeds(&tested);
    assert!(tested.stdout.contains("test result: ok. 2 passed"), "{tested:?}");
    project.build();
    project.greets(Path::new("action.wasm"));
    assert_eq!(fs::read(project.path("action.wasm")).unwrap().len(), first.len());
    assert!(!cache.exists());
}

#[test]
fn a_new_project_has_no_path_of_its_authors_machine_in_any_language() {
    let sandbox = sandbox("paths");
    let mut languages = Vec::new();
    for language in ["rust", "python", "typescript", "javascript", "go", "c", "cpp"] {
        succeeds(&sandbox.run(["new", "--lang", language, &format!("in-{language}")]));
        languages.push(sandbox.path(&format!("in-{language}")));
    }
    let own = [sandbox.path(""), cache("paths")].map(|path| path.display().to_string());
    while let Some(path) = languages.pop() {
        if path.is_dir() {
            languages.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!own.iter().any(|own| text.contains(own)), "{}", path.display());
        }
    }
}

#[test]
fn a_project_with_an_older_sdk_is_built_and_told_how_to_update_it() {
    let project = Project::new("older", "cache");
    let version = project.path("keynet-sdk/VERSION");
    let current = fs::read_to_string(&version).unwrap();
    fs::write(&version, "0.0.9 (0123456789ab)\n").unwrap();
    fs::write(project.path("keynet-sdk/rust/src/of_the_older.rs"), "").unwrap();
    let built = project.run(["build"]);
    succeeds(&built);
    let note = "note: the project's SDK is 0.0.9 (0123456789ab), this keynet-inference has";
    assert!(built.stderr.contains(note), "{built:?}");
    assert!(built.stderr.contains("`keynet-inference build --update-sdk`"), "{built:?}");

    let updated = project.run(["build", "--update-sdk"]);
    succeeds(&updated);
    let note = format!("note: the SDK in keynet-sdk is now {}", current.trim());
    assert!(updated.stderr.contains(&note), "{updated:?}");
    assert!(!project.path("keynet-sdk/rust/src/of_the_older.rs").exists());
    assert_eq!(fs::read_to_string(&version).unwrap(), current);
    let built = project.run(["build"]);
    assert!(!built.stderr.contains("the project's SDK"), "{built:?}");
}

#[test]
fn a_project_takes_the_sdk_by_its_version_from_a_registry() {
    let project = Project::new("by-version", "cache");
    let manifest = fs::read_to_string(project.path("Cargo.toml")).unwrap();
    let by_path = "{ path = \"keynet-sdk/rust\" }";
    assert!(manifest.contains(by_path), "{manifest}");
    fs::write(project.path("Cargo.toml"), manifest.replace(by_path, "\"0.1\"")).unwrap();
    // In place of crates.io's.
    let published = project.sandbox.path("published");
    fs::rename(project.path("keynet-sdk"), &published).unwrap();
    fs::create_dir(project.path(".cargo")).unwrap();
    let patch =
        format!("patch.crates-io.keynet-inference-sdk.path = {:?}\n", published.join("rust"));
    fs::write(project.path(".cargo/config.toml"), patch).unwrap();
    project.build();
    project.greets(Path::new("action.wasm"));
    let refused = project.run(["build", "--update-sdk"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.stderr.contains("its manifest names the SDK"), "{refused:?}");
}

#[test]
fn building_a_project_compiles_no_generator_of_bindings() {
    let project = Project::new("slim", "cache");
    succeeds(&project.end(project.cargo(&["generate-lockfile"])));
    let lock = fs::read_to_string(project.path("Cargo.lock")).unwrap();
    let packages: Vec<_> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    for heavy in ["wit-parser", "wit-component", "wasm-encoder", "wasmparser", "prettyplease"] {
        assert!(!packages.contains(&format!("{heavy:?}").as_str()), "{packages:?}");
    }
    assert!(packages.len() <= 30, "{} packages: {packages:?}", packages.len());
}

#[test]
fn two_functions_in_a_crate_and_a_forgotten_derive_are_each_told_once() {
    let project = Project::new("mistakes", "cache");
    let source = project.path("src/lib.rs");
    let good = fs::read_to_string(&source).unwrap();
    let function = "#[keynet_function(name = \"second\", description = \"Again.\")]\n\
        pub fn again(args: Value) -> Result<Value> { Ok(args) }";
    let second = format!("{good}\nmod other {{\nuse super::*;\n{function}\n}}\n");
    let (parameters, result) = (
        good.replace("#[derive(Deserialize, JsonSchema)]\n", ""),
        good.replace("#[derive(Debug, PartialEq, Serialize)]\n", ""),
    );
    for (text, error) in [
        (second, "the name `a_crate_has_only_one_keynet_function` is defined multiple times"),
        (parameters, "`Args` cannot be the parameters of an inference function"),
        (result, "`Output` cannot be the result of an inference function"),
    ] {
        assert_ne!(text, good);
        fs::write(&source, text).unwrap();
        let ended = project.run(["build"]);
        assert_eq!(ended.code, Some(5), "{ended:?}");
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error["));
        let errors: Vec<_> = errors.map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(errors, [error], "{}", ended.stderr);
        assert!(!ended.stderr.contains("__private"), "{}", ended.stderr);
    }
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
fn a_new_that_fails_halfway_leaves_no_project() {
    let sandbox = Sandbox::new();
    // No file of more than 8 KiB can be written, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    for language in ["rust", "python", "typescript", "go", "c"] {
        let program = binary().into_os_string().into_string().unwrap();
        let arguments = ["-c", script, "bash", &program, "new", "--lang", language, "half-made"];
        let ended = keynet_tests::end(sandbox.program("bash", arguments));
        assert_eq!(ended.code, Some(6), "{ended:?}");
        assert!(ended.stderr.contains("error: cannot write"), "{ended:?}");
        assert_eq!(fs::read_dir(sandbox.path("")).unwrap().count(), 0, "{language}");
    }
    assert_eq!(sandbox.run(["new", "half-made"]).code, Some(0));
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
