//! Functions in TypeScript and JavaScript on the command line: made, tested, built, run, served,
//! published; and what is said when that cannot be.
//!
//! The tools that build them lie in the user's own cache, so that they are installed once.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keynet_tests::projects::Projects;
use keynet_tests::runtime::Runtime;
use keynet_tests::{Ended, Sandbox, compiled_guest, end_within, free_address, golden, says};
use serde_json::json;

/// The first build installs the tools, and SpiderMonkey is compiled.
const BUILD: Duration = Duration::from_secs(1200);

/// What `build` and its like say when they build.
const BUILDING: &str = "building main.ts into a component";

const PLAIN: &str = "import { keynetFunction } from \"@keynet/inference\";\n\n\
    export const main = keynetFunction({ name: \"plain\" }, async (args) => {\n  return {};\n});\n";

const PACKAGE: &str =
    r#"{ "type": "module", "dependencies": { "@keynet/inference": "file:./vendor" } }"#;

fn in_folder(projects: &Projects, folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = projects.sandbox.command(arguments);
    command.current_dir(folder);
    end_within(command, BUILD)
}

/// `run` fails for a function with this text, and says these texts and nothing of its tools.
fn refuses(projects: &Projects, name: &str, text: &str, code: i32, texts: &[&str]) -> String {
    projects.project(name, &[("main.ts", text)]);
    let ended = projects.run(["run", &format!("{name}/main.ts")]);
    says(&ended, code, texts);
    for tool in ["componentize-qjs", "esbuild", "node_modules", "user.js", "/javascript/"] {
        assert!(!ended.stderr.contains(tool), "says {tool:?}: {}", ended.stderr);
    }
    ended.stderr
}

fn npm(folder: &Path, arguments: &[&str]) -> Ended {
    let mut npm = Command::new("npm");
    npm.args(arguments).args(["--no-audit", "--no-fund"]).current_dir(folder);
    end_within(npm, BUILD)
}

#[test]
fn a_new_project_is_tested_run_served_and_pushed_as_its_readme_says() {
    let projects = Projects::new(BUILD);
    let made = projects.run(["new", "--lang", "typescript", "greeter"]);
    says(&made, 0, &[]);
    assert!(made.stdout.contains("keynet-inference run main.ts --param name=Ada"), "{made:?}");
    let folder = projects.sandbox.path("greeter");
    for file in ["package.json", "tsconfig.json", "keynet.toml", "README.md", ".gitignore"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let ignored = fs::read_to_string(folder.join(".gitignore")).unwrap();
    for pattern in ["*.key", "artifacts", "storage", "models", "node_modules", "action.wasm"] {
        assert!(ignored.contains(pattern), "{ignored}");
    }
    let main = folder.join("main.ts");
    // So that it is built now, whatever is in the cache.
    let text = fs::read_to_string(&main).unwrap();
    let unique =
        format!("export const made = {:?};\n", format!("{:?}", std::time::SystemTime::now()));
    fs::write(&main, text + &unique).unwrap();

    let first = in_folder(&projects, &folder, &["run", "main.ts", "--param", "name=Ada"]);
    says(&first, 0, &[BUILDING, "greeting Ada"]);
    assert_eq!(first.json(), json!({ "greeting": "Hello, Ada!" }));
    let mut offline = projects.sandbox.command(["run", ".", "--param", "name=Bo"]);
    offline.current_dir(&folder).env("npm_config_registry", "http://127.0.0.1:1/");
    let again = end_within(offline, BUILD);
    assert_eq!(again.json(), json!({ "greeting": "Hello, Bo!" }));
    assert!(!again.stderr.contains(BUILDING), "nothing has changed: {again:?}");
    let built = in_folder(&projects, &folder, &["build"]);
    assert!(built.stdout.starts_with("greeter: action.wasm, "), "{built:?}");
    assert_eq!(
        projects.result(&folder.join("action.wasm"), &["name=Ada", "word=Good day"]),
        json!({ "greeting": "Good day, Ada!" })
    );
    let about = projects.run(["inspect".as_ref(), main.as_os_str(), "--json".as_ref()]).json();
    assert_eq!(
        (&about["name"], &about["description"], &about["input_schema"]["required"]),
        (&json!("greeter"), &json!("Greets a person by name."), &json!(["name"]))
    );

    let address = free_address();
    let command = projects.sandbox.command([
        "run".as_ref(),
        "--serve".as_ref(),
        address.as_ref(),
        main.as_os_str(),
    ]);
    let server = keynet_tests::Server::start(command, address);
    assert_eq!(server.post(&json!({ "name": "Ada" })), (200, json!({ "greeting": "Hello, Ada!" })));
    assert_eq!(server.post(&json!({})).0, 400);

    let pushed = in_folder(&projects, &folder, &["push", "--json", "--quiet"]);
    assert_eq!(pushed.json()["name"], json!("greeter"), "{pushed:?}");
    assert!(pushed.stderr.is_empty(), "{pushed:?}");
    let reference = pushed.json()["reference"].as_str().unwrap().to_owned();
    assert_eq!(
        projects.result(Path::new(&reference), &["name=Ada"]),
        json!({ "greeting": "Hello, Ada!" })
    );
    says(&in_folder(&projects, &folder, &["push", "main.ts"]), 0, &["published on this machine"]);

    says(&npm(&folder, &["install", "--ignore-scripts"]), 0, &[]);
    let tested = npm(&folder, &["test"]);
    assert!(tested.code == Some(0) && tested.stdout.contains("pass 2"), "{tested:?}");
    says(&npm(&folder, &["run", "check"]), 0, &[]);
    assert_eq!(projects.result(&folder, &["name=Ada"]), json!({ "greeting": "Hello, Ada!" }));
}

#[test]
fn a_new_project_in_javascript_is_tested_and_run_and_builds_where_it_is_copied_to() {
    let projects = Projects::new(BUILD);
    says(&projects.run(["new", "--lang", "javascript", "plain-js"]), 0, &[]);
    let copied = projects.sandbox.path("elsewhere");
    fs::rename(projects.sandbox.path("plain-js"), &copied).unwrap();
    says(&npm(&copied, &["install", "--ignore-scripts"]), 0, &[]);
    let tested = npm(&copied, &["test"]);
    assert!(tested.code == Some(0) && tested.stdout.contains("pass 2"), "{tested:?}");
    let mut elsewhere =
        projects.sandbox.command(["run", "elsewhere/main.js", "--param", "name=Ada"]);
    elsewhere.env("HOME", projects.sandbox.path("another-home"));
    assert_eq!(end_within(elsewhere, BUILD).json(), json!({ "greeting": "Hello, Ada!" }));
}

#[test]
fn what_is_wrong_with_a_function_is_told_in_its_own_lines() {
    let projects = Projects::new(BUILD);
    refuses(
        &projects,
        "syntax",
        &PLAIN.replace("return {}", "const x = = 1"),
        5,
        &["error: main.ts, line 4: Unexpected \"=\"\n", "const x = = 1;\n", "^"],
    );
    refuses(
        &projects,
        "package",
        &format!("import \"@scope/detect/deep\";\n{PLAIN}"),
        5,
        &[
            "main.ts, line 1: the package @scope/detect is not installed",
            "npm install @scope/detect",
        ],
    );
    refuses(
        &projects,
        "file",
        &format!("import \"./labels.txt\";\n{PLAIN}"),
        5,
        &["main.ts, line 1: there is no file ./labels.txt"],
    );
    refuses(
        &projects,
        "builtin",
        &format!("import fs from \"node:fs\";\nconsole.log(fs);\n{PLAIN}"),
        5,
        &["main.ts, line 1: an action has no node:fs", "imports files that are part of it"],
    );
    refuses(
        &projects,
        "undeclared",
        "export const main = async () => ({});\n",
        5,
        &["main.ts exports no function made by keynetFunction: export const main ="],
    );
    projects.project(
        "thrown",
        &[("helpers.ts", "export const load = () => {\n  throw new RangeError(\"no box\");\n};\n")],
    );
    refuses(
        &projects,
        "thrown",
        &format!("import {{ load }} from \"./helpers.ts\";\nload();\n{PLAIN}"),
        5,
        &["main.ts cannot be loaded: Error: no box\n", "at load (helpers.ts:2:", "main.ts:2:"],
    );
    refuses(
        &projects,
        "early",
        &format!("import {{ Storage }} from \"@keynet/inference\";\n{PLAIN}crypto.randomUUID();\n"),
        5,
        &["crypto.randomUUID was called while the module is loaded", "main.ts:7:"],
    );
    refuses(
        &projects,
        "schema",
        &PLAIN.replace("\"plain\"", "\"plain\", input: { type: \"object\", oneOf: [] } as never"),
        5,
        &["`input` has the keyword `oneOf`, which is not checked", "main.ts:3:"],
    );
    refuses(
        &projects,
        "never",
        &PLAIN.replace("return {};", "await new Promise(() => {});\n  return {};"),
        1,
        &["waits for a promise that nothing will settle"],
    );
    refuses(
        &projects,
        "fetch",
        &PLAIN.replace("return {};", "return fetch(\"https://example.com\");"),
        1,
        &["fetch is not defined; an action reaches URLs by `new Storage().get(url)`", "main.ts:4:"],
    );
    refuses(
        &projects,
        "text",
        &PLAIN.replace("return {};", "throw \"text\";"),
        1,
        &["the function threw \"text\", which is no Error"],
    );

    let project = projects.project(
        "not-installed",
        &[
            (
                "package.json",
                &PACKAGE.replace("\"file:./vendor\"", "\"file:./vendor\", \"pngjs\": \"7\""),
            ),
            ("main.ts", &format!("import {{ PNG }} from \"pngjs\";\nconsole.log(PNG);\n{PLAIN}")),
        ],
    );
    let ended = projects.run(["build".as_ref(), "--path".as_ref(), project.as_os_str()]);
    says(
        &ended,
        5,
        &["the package pngjs is not installed", "run `npm install` in ", "not-installed"],
    );
    let project = projects.project(
        "engine",
        &[("package.json", r#"{"keynet": {"engine": "v8"}}"#), ("main.ts", PLAIN)],
    );
    let ended = projects.run(["run".as_ref(), project.join("main.ts").as_os_str()]);
    says(&ended, 5, &["package.json cannot be used", "\"quickjs\" or \"spidermonkey\""]);
}

#[test]
fn without_node_the_command_that_installs_it_is_told() {
    let projects = Projects::new(BUILD);
    let main = projects.project("bare", &[("main.ts", PLAIN)]).join("main.ts");
    let empty = projects.sandbox.path("no-programs");
    fs::create_dir(&empty).unwrap();
    let mut run = projects.sandbox.command(["run".as_ref(), main.as_os_str()]);
    run.env("PATH", &empty);
    says(
        &end_within(run, BUILD),
        5,
        &["there is no Node.js on this machine", "apt install nodejs npm", "nodejs.org"],
    );

    fs::write(empty.join("node"), "#!/bin/sh\necho 18.19.0 /usr/bin/node\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(empty.join("node"), executable).unwrap();
    let mut run = projects.sandbox.command(["run".as_ref(), main.as_os_str()]);
    run.env("PATH", &empty);
    says(
        &end_within(run, BUILD),
        5,
        &["is Node.js 18.19.0, which is too old", "install Node.js 20 or later"],
    );
}

#[test]
fn without_network_the_first_build_says_so() {
    let mut projects = Projects::new(BUILD);
    projects.sandbox.set("KEYNET_CACHE", projects.sandbox.path("empty-cache").display());
    let main = projects.project("offline", &[("main.ts", PLAIN)]).join("main.ts");
    let mut run = projects.sandbox.command(["run".as_ref(), main.as_os_str()]);
    run.env("npm_config_registry", "http://127.0.0.1:1/");
    run.env("npm_config_cache", projects.sandbox.path("npm-cache"));
    let texts = ["npm's registry cannot be reached", "npm config set registry"];
    says(&end_within(run, BUILD), 5, &texts);
}

#[test]
fn files_and_packages_become_part_of_the_component_and_the_builders_secrets_do_not() {
    let projects = Projects::new(BUILD);
    let text = "import { keynetFunction } from \"@keynet/inference\";\n\
        import { shout } from \"shouting\";\n\
        import labels from \"./labels.txt\";\nimport bytes from \"./bytes.bin\";\n\
        import settings from \"./settings.json\";\n\
        export const main = keynetFunction({ name: \"whole\" }, () => ({\n\
          labels: labels.trim().split(\"\\n\"), bytes: Array.from(bytes as Uint8Array), settings,\n\
          shouted: shout(\"box\"), secret: process.env.SECRET ?? null, env: process.env.NODE_ENV,\n\
          url: new URL(\"../b?x=1#y\", \"https://example.com/a/c\").href,\n\
          query: new URLSearchParams({ a: \"1 2\" }).toString(),\n\
          clone: structuredClone(new Map([[1, new Date(0)]])).get(1)?.toISOString(),\n\
          decoded: atob(btoa(\"box\")), random: crypto.getRandomValues(new Uint8Array(2)).length,\n\
        }));\n";
    let package = PACKAGE.replace("\"file:./vendor\"", "\"file:./vendor\", \"shouting\": \"1\"");
    let project = projects.project(
        "whole",
        &[
            ("package.json", &package),
            ("main.ts", text),
            ("labels.txt", "cat\ndog\n"),
            ("bytes.bin", "\u{1}\u{2}"),
            ("settings.json", "{\"side\": 640}"),
            (".env", "SECRET=planted-in-a-file-5a1c\n"),
            ("node_modules/shouting/package.json", r#"{"name": "shouting", "main": "lib.cjs"}"#),
            ("node_modules/shouting/lib.cjs", "exports.shout = (text) => text.toUpperCase();\n"),
        ],
    );
    let mut build =
        projects.sandbox.command(["build".as_ref(), "--path".as_ref(), project.as_os_str()]);
    build
        .env("SECRET", "planted-in-a-variable-9f3e")
        .env("HOME", projects.sandbox.path("secret-home"));
    says(&end_within(build, BUILD), 0, &[]);
    assert_eq!(
        projects.result(&project.join("action.wasm"), &[]),
        json!({
            "labels": ["cat", "dog"], "bytes": [1, 2], "settings": { "side": 640 }, "shouted": "BOX",
            "secret": null, "env": "production", "url": "https://example.com/b?x=1#y",
            "query": "a=1+2", "clone": "1970-01-01T00:00:00.000Z", "decoded": "box", "random": 2,
        })
    );
    let component = fs::read(project.join("action.wasm")).unwrap();
    let has = |text: &str| component.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("dog") && has("shouting"), "the search finds what is there");
    let folder = projects.sandbox.path("");
    for secret in ["planted-in", "secret-home", "javascript/sdk", folder.to_str().unwrap()] {
        assert!(!has(secret), "the component has {secret:?}");
    }
}

#[test]
fn promises_timers_and_logs_are_those_of_javascript() {
    let projects = Projects::new(BUILD);
    let text = "import { keynetFunction } from \"@keynet/inference\";\n\
        const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));\n\
        async function* count() { for (let n = 0; n < 3; n++) { await wait(1); yield n; } }\n\
        export const main = keynetFunction({ name: \"order\" }, async () => {\n\
          const order: unknown[] = [];\n\
          const fired: string[] = [];\n\
          setTimeout(() => fired.push(\"second\"), 20);\n\
          setTimeout(() => fired.push(\"first\"), 10);\n\
          const cancelled = setTimeout(() => fired.push(\"cancelled\"), 1);\n\
          clearTimeout(cancelled);\n\
          queueMicrotask(() => order.push(\"microtask\"));\n\
          order.push(\"sync\");\n\
          await null;\n\
          order.push(\"after await\");\n\
          let ticks = 0;\n\
          await new Promise<void>((resolve) => { const id = setInterval(() => { if (++ticks === 3) { clearInterval(id); resolve(); } }, 2); });\n\
          for await (const n of count()) order.push(n);\n\
          await wait(30);\n\
          order.push(await Promise.allSettled([wait(1).then(() => 1), Promise.reject(new Error(\"x\"))]).then((all) => all.map((each) => each.status)));\n\
          void Promise.reject(new Error(\"lost\"));\n\
          console.info({ a: [1, new Map([[\"b\", 2n]])] });\n\
          console.debug(\"hidden\");\n\
          return { order, fired, ticks };\n\
        });\n";
    let main = projects.project("order", &[("main.ts", text)]).join("main.ts");
    let ended = projects.run(["run".as_ref(), main.as_os_str()]);
    assert_eq!(
        ended.json(),
        json!({
            "order": ["sync", "microtask", "after await", 0, 1, 2, ["fulfilled", "rejected"]],
            "fired": ["first", "second"],
            "ticks": 3,
        }),
        "{ended:?}"
    );
    says(&ended, 0, &["{ a: [1, Map(1) {\"b\" => 2n}] }", "nothing handled it: Error: lost"]);
    assert!(!ended.stderr.contains("hidden"), "{ended:?}");

    let callback = PLAIN.replace("return {};", "setTimeout(() => { throw new Error(\"late\"); }, 1);\n  await new Promise(() => {});\n  return {};");
    refuses(&projects, "callback", &callback, 1, &["Error: late", "main.ts:4:"]);
}

#[test]
fn hello_in_typescript_greets() {
    let (sandbox, hello) = (Sandbox::new(), compiled_guest("hello-typescript"));
    let ended = sandbox.run(["run", hello.to_str().unwrap(), "--param", "name=안녕"]);
    assert_eq!(
        (ended.code, ended.stdout.trim()),
        (Some(0), r#"{"greeting":"Hello, 안녕!"}"#),
        "{ended:?}"
    );
    let texts = ["the parameter `name` is missing: expected a string", "Who is greeted."];
    says(&sandbox.run(["run", hello.to_str().unwrap()]), 1, &texts);

    let runtime = Runtime::of(&sandbox, &hello);
    for name in ["Ada", "Bo"] {
        let greeting = json!({ "greeting": format!("Hello, {name}!") });
        assert_eq!(runtime.run(&json!({ "name": name })).json(), greeting);
    }
}

#[test]
fn the_golden_example_in_typescript_finds_and_draws_what_the_one_in_rust_does() {
    let expected = golden::in_process();
    let mut sandbox = Sandbox::new();
    let _server = sandbox.serve_objects();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let folder = sandbox.path("storage");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(golden::file("picture.png"), folder.join("street.png")).unwrap();

    let guest = compiled_guest("image-detection-typescript");
    let runtime = Runtime::of_image(&mut sandbox, &guest);
    for _ in 0..2 {
        let result = runtime.run(&golden::parameters("street.png")).json();
        let picture = keynet_tests::fetch(result["url"].as_str().expect("a picture")).body;
        let found = golden::Found { detections: result["detections"].clone(), picture };
        golden::assert_alike(&found, &expected);
    }
    fs::write(folder.join("note.txt"), "no picture").unwrap();
    for (name, text) in [("nowhere.png", "nowhere.png"), ("note.txt", "PNG")] {
        let refused = runtime.run(&json!({ "image_url": name })).json();
        assert!(refused["error"].as_str().is_some_and(|error| error.contains(text)), "{refused}");
    }
}
