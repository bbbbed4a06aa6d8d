//! Actions in C and C++ on the command line: made, tested, built, run, served, published; and the
//! messages where that cannot be.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keynet_tests::runtime::Runtime;
use keynet_tests::{Ended, Sandbox, Server, compiled_guest, end_within, free_address, root, says};
use serde_json::json;

/// Compilers share the machine with other tests.
const BUILD: Duration = Duration::from_secs(600);

/// The message of a build that compiles.
const COMPILING: &str = "for WebAssembly";

/// The smallest action.
const PLAIN: &str = "#include <keynet.h>\nstatic bool run(yyjson_mut_doc *result, keynet_error \
    *error) {\n    (void)error;\n    keynet_result_object(result);\n    return true;\n}\n";

/// Its registration.
const FUNCTION: &str = "KEYNET_FUNCTION(.name = \"plain\", .run = run);\n";

/// A folder with projects in it, and the cache of all builds of these tests.
struct Projects(Sandbox);

impl Projects {
    fn new() -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("KEYNET_ARTIFACTS", sandbox.path("artifacts").display());
        Self(sandbox)
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = self.0.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        end_within(self.0.command(arguments), BUILD)
    }

    /// `run FILE`, whose result is JSON.
    fn result(&self, file: &Path, parameter: &str) -> serde_json::Value {
        let ended =
            self.run(["run".as_ref(), file.as_os_str(), "--param".as_ref(), parameter.as_ref()]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()
    }
}

/// From `new` to a published action, by the file `main`.
fn new_to_push(language: &str, main: &str) {
    let projects = Projects::new();
    let made = projects.run(["new", "--lang", language, "greeter"]);
    says(&made, 0, &[]);
    assert!(made.stdout.contains(&format!("keynet-inference run {main} --param name=Ada")));
    let folder = projects.0.path("greeter");
    let ignored = fs::read_to_string(folder.join(".gitignore")).unwrap();
    for line in ["*.key", "/artifacts/", "/models/", "/storage/", "/action.wasm"] {
        assert!(ignored.lines().any(|each| each == line), "{line}: {ignored}");
    }

    // So that it is compiled now, whatever is in the cache.
    let source = folder.join(main);
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, format!("{text}// {:?}\n", std::time::SystemTime::now())).unwrap();

    let run = || {
        let mut run = projects.0.command(["run", main, "--param", "name=Ada"]);
        run.current_dir(&folder);
        end_within(run, BUILD)
    };
    let first = run();
    says(&first, 0, &[COMPILING, "greeting Ada"]);
    assert_eq!(first.json(), json!({ "greeting": "Hello, Ada!" }));
    let second = run();
    assert!(!second.stderr.contains(COMPILING), "nothing has changed: {second:?}");
    let text = fs::read_to_string(&source).unwrap().replace("greeting %s", "welcoming %s");
    fs::write(&source, text).unwrap();
    says(&run(), 0, &[COMPILING, "welcoming Ada"]);

    let about = projects.run(["inspect".as_ref(), source.as_os_str(), "--json".as_ref()]).json();
    assert_eq!(about["name"], json!("greeter"));
    assert_eq!(about["description"], json!("Greets a person by name."));
    assert_eq!(about["input_schema"]["required"], json!(["name"]));
    assert_eq!(about["input_schema"]["properties"]["word"]["default"], json!("Hello"));

    // The project holds its SDK: it builds elsewhere, with nothing of this machine's cache.
    let mut elsewhere = Projects::new();
    elsewhere.0.set("KEYNET_CACHE", elsewhere.0.path("another-cache").display());
    fs::rename(&folder, elsewhere.0.path("moved")).unwrap();
    let folder = elsewhere.0.path("moved");
    let built = elsewhere.run(["build", "--path", "moved"]);
    assert!(built.stdout.starts_with("greeter: moved/action.wasm, "), "{built:?}");
    assert!(!elsewhere.0.path("another-cache/c/sdk").exists(), "the project's own SDK is used");
    assert_eq!(
        elsewhere.result(&folder.join("action.wasm"), "name=Ada"),
        json!({ "greeting": "Hello, Ada!" })
    );

    let address = free_address();
    let source = folder.join(main);
    let serve = ["run".as_ref(), "--serve".as_ref(), address.as_ref(), source.as_os_str()];
    let server = Server::start(elsewhere.0.command(serve), address.clone());
    assert_eq!(server.post(&json!({ "name": "Ada" })), (200, json!({ "greeting": "Hello, Ada!" })));
    assert_eq!(server.post(&json!({})).0, 400);

    let push = ["push".as_ref(), source.as_os_str(), "--json".as_ref(), "--quiet".as_ref()];
    let pushed = elsewhere.run(push);
    assert_eq!(pushed.json()["name"], json!("greeter"), "{pushed:?}");
    assert!(pushed.stderr.is_empty(), "{pushed:?}");
    let reference = pushed.json()["reference"].as_str().unwrap().to_owned();
    assert_eq!(
        elsewhere.result(Path::new(&reference), "name=Ada"),
        json!({ "greeting": "Hello, Ada!" })
    );

    let mut test = Command::new("make");
    test.args(["--silent", "test"]).current_dir(&folder);
    let tested = end_within(test, BUILD);
    assert_eq!(
        (tested.code, tested.stdout.contains("welcoming Ada")),
        (Some(0), true),
        "{tested:?}"
    );
}

#[test]
fn a_new_project_in_c_is_run_served_pushed_and_tested_anywhere() {
    new_to_push("c", "main.c");
}

#[test]
fn a_new_project_in_cpp_is_run_served_pushed_and_tested_anywhere() {
    new_to_push("cpp", "main.cpp");
}

#[test]
fn hello_in_c_and_cpp_greets() {
    for name in ["hello-c", "hello-cpp"] {
        let (projects, hello) = (Projects::new(), compiled_guest(name));
        assert_eq!(projects.result(&hello, "name=안녕"), json!({ "greeting": "Hello, 안녕!" }));
        let missing = ["the parameter `name` is missing: expected a string", "Who is greeted."];
        says(&projects.run(["run".as_ref(), hello.as_os_str()]), 1, &missing);
        let runtime = Runtime::of(&projects.0, &hello);
        for name in ["Ada", "Bo"] {
            let greeting = format!("Hello, {name}!");
            let answer = runtime.run(&json!({ "name": name })).json();
            assert_eq!(answer, json!({ "greeting": greeting }));
        }
    }
}

#[test]
fn what_the_compiler_and_the_linker_report_is_shown_as_it_is() {
    let projects = Projects::new();
    projects.write(&[
        ("syntax/main.c", &format!("{PLAIN}{FUNCTION}int x = ;\n")),
        ("none/main.c", PLAIN),
        ("two/main.c", &format!("{PLAIN}{FUNCTION}")),
        ("two/src/other.c", &format!("{PLAIN}{FUNCTION}")),
        ("flags/main.c", &format!("{PLAIN}{FUNCTION}#ifndef WANTED\n#error no flag\n#endif\n")),
        ("flags/compile_flags.txt", "-DWANTED\n-Wall\n"),
        ("refused/main.c", PLAIN),
        ("refused/compile_flags.txt", "-o other.o\n"),
        ("both/main.cpp", ""),
        ("both/Cargo.toml", ""),
        ("throws/main.cpp", "#include <keynet.hpp>\nvoid f() { throw 1; }\n"),
    ]);
    let refuses = |path: &str, texts: &[&str]| {
        let ended = projects.run(["build", "--path", path]);
        says(&ended, 5, texts);
        ended
    };
    refuses(
        "syntax",
        &["main.c:8:9: error: expected expression\n", "int x = ;", "main.c could not be compiled"],
    );
    refuses("none", &["undefined symbol: keynet_registered_function", "KEYNET_FUNCTION"]);
    refuses("two", &["duplicate symbol: keynet_registered_function", "one KEYNET_FUNCTION"]);
    refuses("refused", &["compile_flags.txt", "-o other.o"]);
    refuses("both", &["has projects in several languages", "main.cpp"]);
    refuses("throws", &["main.cpp:2:12: error: ", "exceptions disabled"]);
    says(&projects.run(["build", "--path", "flags"]), 0, &[]);
    // A header that changes is seen.
    projects.write(&[
        ("header/main.c", &format!("#include \"own.h\"\n{PLAIN}{FUNCTION}")),
        ("header/own.h", "\n"),
    ]);
    says(&projects.run(["build", "--path", "header"]), 0, &[]);
    projects.write(&[("header/own.h", "#error changed\n")]);
    refuses("header", &["own.h:1:2: error: changed"]);
    projects.write(&[("header/own.h", "\n")]);
    let again = projects.run(["build", "--path", "header"]);
    says(&again, 0, &[]);
    assert!(!again.stderr.contains(COMPILING), "it was built before: {again:?}");
}

#[test]
fn without_a_compiler_the_message_names_what_to_install() {
    let mut projects = Projects::new();
    projects.write(&[("action/main.c", &format!("{PLAIN}{FUNCTION}")), ("empty/file", "")]);
    let path = std::env::var("PATH").unwrap();
    projects.0.set("PATH", projects.0.path("empty").display());
    let install = "apt-get install --no-install-recommends clang-22 lld-22 \
        libclang-rt-22-dev-wasm32 libc++-22-dev-wasm32 libc++abi-22-dev-wasm32 wasi-libc";
    let build = ["build", "--path", "action"];
    says(&projects.run(build), 5, &["there is no clang on this machine", install, "WASI_SDK_PATH"]);

    // A clang that has no libc for WASI.
    let clang = projects.0.path("empty/clang");
    fs::write(&clang, "#!/bin/sh\necho \"fatal error: 'stdio.h' file not found\" >&2\nexit 1\n")
        .unwrap();
    let mut permissions = fs::metadata(&clang).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&clang, permissions).unwrap();
    says(
        &projects.run(build),
        5,
        &["empty/clang cannot build C for WebAssembly", "'stdio.h' file not found", install],
    );

    projects.0.set("WASI_SDK_PATH", projects.0.path("nothing").display());
    says(&projects.run(build), 5, &["WASI_SDK_PATH is ", "where there is no bin/clang"]);

    // An installation laid out as wasi-sdk is taken before any other.
    let sdk = projects.0.path("wasi-sdk");
    fs::create_dir_all(sdk.join("bin")).unwrap();
    fs::create_dir_all(sdk.join("share")).unwrap();
    let real = debian_clang(&path);
    symlink(&real, sdk.join("bin/clang")).unwrap();
    symlink("/usr", sdk.join("share/wasi-sysroot")).unwrap();
    projects.0.set("WASI_SDK_PATH", sdk.display());
    says(&projects.run(build), 0, &[]);
}

/// Returns the compiler that `guest-sdk/setup-wasm-toolchain --with-c` installs.
fn debian_clang(path: &str) -> PathBuf {
    let found = std::env::split_paths(path).map(|folder| folder.join("clang-22"));
    let found = found.filter_map(|path| path.canonicalize().ok()).next();
    found.expect("clang-22: run `guest-sdk/setup-wasm-toolchain --with-c`")
}

#[test]
fn a_core_module_that_another_build_system_links_becomes_an_action() {
    let projects = Projects::new();
    projects.write(&[("module/main.c", &format!("{PLAIN}{FUNCTION}"))]);
    let sdk = root().join("guest-sdk/c");
    let include = |folder: &str| format!("-I{}", sdk.join(folder).display());
    let mut clang = Command::new(debian_clang(&std::env::var("PATH").unwrap()));
    clang.current_dir(projects.0.path("module"));
    clang.args(["--target=wasm32-wasi", "-w", "-mexec-model=reactor", "-o", "module.wasm"]);
    clang.args([include("include"), include("vendor/yyjson"), include("bindings")]);
    clang.args(
        ["main.c", "bindings/action.c", "bindings/imaging/imaging.c", "vendor/yyjson/yyjson.c"]
            .map(|file| if file == "main.c" { PathBuf::from(file) } else { sdk.join(file) }),
    );
    let sources = fs::read_dir(sdk.join("src")).unwrap().map(|entry| entry.unwrap().path());
    clang.args(sources.filter(|path| path.extension().is_some_and(|ending| ending == "c")));
    clang.args(
        ["action", "imaging/imaging"]
            .map(|name| sdk.join(format!("bindings/{name}_component_type.o"))),
    );
    let linked = end_within(clang, BUILD);
    assert_eq!(linked.code, Some(0), "{linked:?}");
    let built = projects.run(["build", "module/module.wasm", "-o", "action.wasm"]);
    assert!(built.stdout.starts_with("plain: action.wasm, "), "{built:?}");
    assert_eq!(projects.result(&projects.0.path("action.wasm"), "x=1"), json!({}));
    // A component is no core module.
    says(&projects.run(["build", "action.wasm", "-o", "again.wasm"]), 5, &["component"]);
}
