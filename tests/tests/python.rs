//! Functions in Python on the command line: created, built, run, served, pushed; and the messages
//! if that fails.
//!
//! Results of a build (componentize-py, packages, numpy and Pillow) are kept in the user's own
//! cache, so that they are built once.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use keynet_tests::projects::Projects;
use keynet_tests::{end_within, free_address, golden, root, says};
use serde_json::json;

/// Time limit of a build: the first one builds shared parts, possibly including numpy and Pillow.
const BUILD: Duration = Duration::from_secs(2400);

/// Message of `build` and of commands that build implicitly.
const BUILDING: &str = "building function.py into a component";

const PLAIN: &str = "from keynet_inference import \
    keynet_function\n\n\n@keynet_function(\"plain\")\ndef main(args):\n    return {}\n";

/// Asserts that the command fails with these texts and without output of its tools.
fn refuses(projects: &Projects, arguments: &[&str], code: i32, texts: &[&str]) -> String {
    let ended = projects.run(arguments);
    says(&ended, code, texts);
    for tool in [
        "componentize",
        "wasm backtrace",
        "AssertionError",
        "/python/",
        "keynet_entry",
        "pip._internal",
    ] {
        assert!(!ended.stderr.contains(tool), "says {tool:?}: {}", ended.stderr);
    }
    ended.stderr
}

#[test]
fn a_new_function_is_run_served_and_pushed_by_its_file() {
    let projects = Projects::new(BUILD);
    let made = projects.run(["new", "--lang", "python", "greeter"]);
    says(&made, 0, &[]);
    assert!(made.stdout.contains("keynet-inference run function.py --param name=Ada"), "{made:?}");
    let folder = projects.sandbox.path("greeter");
    let function = folder.join("function.py");
    for file in
        ["tests/test_function.py", "requirements.txt", "keynet.toml", "README.md", ".gitignore"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
    // Change the source, so that it is built now and not taken from the cache.
    let text = fs::read_to_string(&function).unwrap();
    fs::write(&function, format!("{text}\n# {:?}\n", std::time::SystemTime::now())).unwrap();

    let mut run = projects.sandbox.command(["run", "function.py", "--param", "name=Ada"]);
    run.current_dir(&folder);
    let first = end_within(run, BUILD);
    says(&first, 0, &[BUILDING, "greeting Ada"]);
    assert_eq!(first.json(), json!({ "greeting": "Hello, Ada!" }));
    assert_eq!(
        projects.result(&function, &["name=Ada", "word=Good day"]),
        json!({ "greeting": "Good day, Ada!" })
    );

    let mut build = projects.sandbox.command(["build"]);
    build.current_dir(&folder);
    let built = end_within(build, BUILD);
    assert!(built.stdout.starts_with("greeter: action.wasm, "), "{built:?}");
    assert!(!built.stderr.contains(BUILDING), "nothing has changed: {built:?}");
    assert_eq!(
        projects.result(&folder.join("action.wasm"), &["name=Ada"]),
        json!({ "greeting": "Hello, Ada!" })
    );
    let elsewhere = projects.run(["build", "--path", "greeter", "-o", "elsewhere.wasm"]);
    says(&elsewhere, 0, &[]);
    assert_eq!(
        fs::read(projects.sandbox.path("elsewhere.wasm")).unwrap(),
        fs::read(folder.join("action.wasm")).unwrap()
    );

    let about = projects.run(["inspect".as_ref(), function.as_os_str(), "--json".as_ref()]).json();
    assert_eq!(
        (&about["name"], &about["description"]),
        (&json!("greeter"), &json!("Greets a person by name."))
    );
    assert_eq!(about["input_schema"]["required"], json!(["name"]));

    let address = free_address();
    let command = projects.sandbox.command([
        "run".as_ref(),
        "--serve".as_ref(),
        address.as_ref(),
        function.as_os_str(),
    ]);
    let server = keynet_tests::Server::start(command, address);
    assert_eq!(server.post(&json!({ "name": "Ada" })), (200, json!({ "greeting": "Hello, Ada!" })));
    assert_eq!(server.post(&json!({})).0, 400);

    let pushed = projects.run([
        "push".as_ref(),
        function.as_os_str(),
        "--json".as_ref(),
        "--quiet".as_ref(),
    ]);
    assert_eq!(pushed.json()["name"], json!("greeter"), "{pushed:?}");
    assert_eq!(
        projects.result(Path::new(pushed.json()["reference"].as_str().unwrap()), &["name=Ada"]),
        json!({ "greeting": "Hello, Ada!" })
    );
    assert!(pushed.stderr.is_empty(), "{pushed:?}");
}

#[test]
fn what_is_wrong_with_a_function_is_told_in_its_own_lines() {
    let projects = Projects::new(BUILD);
    let refuses = |name: &str, text: &str, texts: &[&str]| {
        projects.project(name, &[("function.py", text)]);
        refuses(&projects, &["run", &format!("{name}/function.py")], 5, texts)
    };
    refuses(
        "syntax",
        &PLAIN.replace("return {}", "x = = 1"),
        &["error: function.py, line 6: SyntaxError: invalid syntax\n", "x = = 1\n"],
    );
    let module = refuses(
        "module",
        &format!("import os\nimport torch\n{PLAIN}"),
        &["function.py, line 2: there is no module torch", "requirements.txt"],
    );
    assert!(!module.contains("Traceback"), "{module}");
    refuses(
        "standard",
        &format!("import mmap\n{PLAIN}"),
        &["function.py, line 1: there is no module mmap", "Python for WebAssembly lacks"],
    );
    refuses(
        "undecorated",
        "def main(args):\n    return {}\n",
        &["function.py has no function with @keynet_function: put @keynet_function("],
    );
    refuses(
        "parameter",
        &PLAIN.replace("args", "request"),
        &[
            "must have exactly one parameter, `args`; it has ['request']",
            "File \"function.py\", line 4",
        ],
    );
    projects.project(
        "helped",
        &[(
            "helpers.py",
            "def load():\n    return \
        open('labels.txt').read()\n\n\nload()\n",
        )],
    );
    refuses(
        "helped",
        &format!("import helpers\n{PLAIN}"),
        &[
            "function.py cannot be imported: Traceback",
            "File \"function.py\", line 1",
            "File \"helpers.py\", line 5",
            "FileNotFoundError",
            "Path(__file__)",
        ],
    );
}

#[test]
fn what_is_no_function_is_refused_before_anything_is_built() {
    let projects = Projects::new(BUILD);
    projects.project("both", &[("Cargo.toml", ""), ("function.py", PLAIN)]);
    refuses(
        &projects,
        &["build", "--path", "both"],
        5,
        &["both has projects in several languages: a Cargo.toml, ", "both/function.py"],
    );
    projects.project("several", &[("a.py", PLAIN), ("b.py", PLAIN)]);
    refuses(&projects, &["build", "--path", "several"], 5, &["several functions: a.py, b.py"]);
    refuses(&projects, &["build", "several/a.py", "--profile", "dev"], 5, &["arguments for cargo"]);
    refuses(&projects, &["run", "missing.py"], 6, &["missing.py"]);
    refuses(
        &projects,
        &["push", "several/a.py", "--base-image", "openwhisk/action-python-v3.11:latest"],
        2,
        &["leave --base-image out"],
    );
    refuses(&projects, &["build", "--path", "artifacts"], 6, &["artifacts"]);
}

#[test]
fn a_function_without_a_description_runs_and_is_not_pushed() {
    let projects = Projects::new(BUILD);
    let folder = projects.project("plain", &[("function.py", PLAIN)]);
    assert_eq!(projects.result(&folder.join("function.py"), &[]), json!({}));
    refuses(
        &projects,
        &["push", "plain/function.py"],
        3,
        &["has no description", "@keynet_function(\"plain\", description=\"", "or a docstring"],
    );
    projects.project(
        "plain",
        &[(
            "function.py",
            &PLAIN.replace("    return", "    \"\"\"Returns nothing.\"\"\"\n    return"),
        )],
    );
    says(&projects.run(["push", "plain/function.py"]), 0, &["published on this machine"]);
}

#[test]
fn no_secret_of_the_builder_is_in_the_component() {
    let mut projects = Projects::new(BUILD);
    let text = "import os\nfrom pathlib import Path\n\nSEEN = dict(os.environ), sorted(str(each) \
        for each in Path(__file__).parent.iterdir())\n\
                MARK = 'planted-' + 'in-the-' * 2 + 'memory'\n\n";
    let text = format!(
        "{text}{}",
        PLAIN.replace("return {}", "return {'environment': SEEN[0], 'files': SEEN[1]}")
    );
    let files = [
        ("function.py", text.as_str()),
        (".env", "TOKEN=secret-of-the-file"),
        ("server.key", "secret-of-the-key"),
        ("labels.txt", "cup"),
    ];
    projects.project("safe", &[("seen.txt", "")]);
    let folder = projects.project("safe", &files);
    projects.sandbox.set("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment");
    projects.sandbox.set("SECRET", "secret-of-the-shell");
    let result = projects.result(&folder.join("function.py"), &[]);
    let names: Vec<_> = result["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["__pycache__", "function.py", "labels.txt", "seen.txt"],
        "what a build makes, and what is no secret"
    );
    let variables: Vec<_> = result["environment"].as_object().unwrap().keys().collect();
    assert_eq!(variables, ["PYTHONHOME", "PYTHONPATH", "PYTHONUNBUFFERED"]);

    says(&projects.run(["build", "--path", "safe"]), 0, &[]);
    let component = fs::read(folder.join("action.wasm")).unwrap();
    let holds = |text: &str| component.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("planted-in-the-in-the-memory"), "the search finds what the module made");
    let home = std::env::var("HOME").unwrap();
    let builder = [
        folder.to_str().unwrap(),
        &format!("{home}/.cache"),
        "secret-of-the-environment",
        "secret-of-the-shell",
    ];
    for text in builder.into_iter().chain(["secret-of-the-file", "secret-of-the-key"]) {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn what_functions_import_late_is_there_and_what_is_random_is_fresh() {
    let projects = Projects::new(BUILD);
    let text = r#"import random
import uuid
from datetime import datetime
from logging import StreamHandler, getLogger
from logging.handlers import MemoryHandler

from keynet_inference import UserInput, keynet_function

FROZEN = random.random()
KEPT = getLogger("kept")
KEPT.propagate = False
KEPT.addHandler(MemoryHandler(100, target=StreamHandler()))


@keynet_function("late")
def main(args):
    KEPT.warning("a record that a handler keeps until the end")
    import colorsys
    from helpers import late
    if UserInput.get("unknown"):
        __import__(UserInput.get("unknown"))
    if UserInput.get("file"):
        open(UserInput.get("file"))
    return {
        "red": colorsys.hsv_to_rgb(0, 1, 1),
        "year": datetime.strptime("2026-01-31", "%Y-%m-%d").year,
        "korean": "안녕".encode("euc-kr").hex(),
        "late": late.NAME,
        "random": [random.random(), uuid.uuid4().hex],
        "frozen": FROZEN,
    }
"#;
    let helpers = [("helpers/__init__.py", ""), ("helpers/late.py", "NAME = __name__\n")];
    projects.project("late", &helpers);
    let function = projects.project("late", &[("function.py", text)]).join("function.py");
    let (first, second) = (projects.result(&function, &[]), projects.result(&function, &[]));
    assert_eq!(
        (&first["red"], &first["year"], &first["korean"]),
        (&json!([1, 0.0, 0.0]), &json!(2026), &json!("bec8b3e7"))
    );
    assert_eq!(first["late"], json!("helpers.late"));
    assert_ne!(first["random"][0], second["random"][0]);
    assert_ne!(first["random"][1], second["random"][1]);
    assert_eq!(first["frozen"], second["frozen"], "it was made while the component was built");
    let run = ["run".as_ref(), function.as_os_str()];
    says(&projects.run(run), 0, &["a record that a handler keeps until the end"]);
    let fails = |parameter: &str, texts: &[&str]| {
        says(
            &projects.run([
                "run".as_ref(),
                function.as_os_str(),
                "--param".as_ref(),
                parameter.as_ref(),
            ]),
            1,
            texts,
        );
    };
    fails(
        "unknown=wave",
        &[
            "No module named 'wave'",
            "import it at the top of the file",
            "File \"function.py\", line 21",
        ],
    );
    fails("unknown=torch", &["import `torch` at the top of the file", "requirements.txt"]);
    fails("file=labels.txt", &["an action has no files"]);
}

#[test]
fn packages_of_python_alone_are_installed_and_others_are_refused_by_name() {
    let projects = Projects::new(BUILD);
    let text = PLAIN.replace(
        "return {}",
        "import inflection\n    return {'name': inflection.camelize('device_type')}",
    );
    let requirements = "keynet-inference==0.8.5\ninflection==0.5.1\nwin-package-that-is-not-there; \
        sys_platform == 'win32'\n";
    let function = projects
        .project("pure", &[("function.py", &text), ("requirements.txt", requirements)])
        .join("function.py");
    assert_eq!(projects.result(&function, &[]), json!({ "name": "DeviceType" }));
    let manifest = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['inflection==0.5.1']\n";
    let function = projects
        .project("manifest", &[("function.py", &text), ("pyproject.toml", manifest)])
        .join("function.py");
    assert_eq!(projects.result(&function, &[]), json!({ "name": "DeviceType" }));

    let refuses = |name: &str, requirements: &str, texts: &[&str]| {
        let project =
            projects.project(name, &[("function.py", PLAIN), ("requirements.txt", requirements)]);
        refuses(&projects, &["build", "--path", project.to_str().unwrap()], 5, texts);
    };
    refuses(
        "native",
        "grpcio\n",
        &["the package grpcio has no wheel of Python alone", "numpy and Pillow", "TritonPlugin"],
    );
    refuses("unknown", "inflection==99.0\n", &["inflection==99.0", "none of", "0.5.1"]);
    refuses(
        "conflict",
        "inflection==0.5.1\ninflection==0.5.0\n",
        &["the packages exclude each other", "inflection==0.5.0"],
    );
    refuses("local", "-e ./lib\n", &["requirements.txt, line 1", "project's folder"]);
    let mut offline = projects.sandbox.command(["build", "--path", "offline"]);
    projects.project(
        "offline",
        &[
            ("function.py", PLAIN),
            ("requirements.txt", &format!("inflection>=0.5 # {}\nidna>=3\n", std::process::id())),
        ],
    );
    offline
        .env("PIP_INDEX_URL", format!("http://{}/simple", free_address()))
        .env("PIP_CONFIG_FILE", "/dev/null");
    let ended = end_within(offline, BUILD);
    if ended.code == Some(0) {
        return; // an earlier run has already resolved these requirements
    }
    says(&ended, 5, &["the package index cannot be reached", "PIP_INDEX_URL"]);
}

#[test]
fn numpy_in_another_version_is_refused_with_the_one_there_is() {
    let projects = Projects::new(BUILD);
    projects.project("old", &[("function.py", PLAIN), ("requirements.txt", "numpy==1.26.4\n")]);
    refuses(
        &projects,
        &["build", "--path", "old"],
        5,
        &["there is no numpy==1.26.4 for WebAssembly; there is 2.4.6", "only the package's name"],
    );
}

#[test]
fn the_readme_of_the_python_package_is_built_as_it_stands_and_stores_a_picture() {
    let mut projects = Projects::new(BUILD);
    projects.sandbox.set("MODEL_NAME", "detector");
    let function = root().join("tests/python/readme/function.py");
    let input = format!("image_url={}", golden::file("picture.png").display());
    let models = golden::file("models");
    let ended = projects.run([
        "run".as_ref(),
        function.as_os_str(),
        "--models".as_ref(),
        models.as_os_str(),
        "--input".as_ref(),
        input.as_ref(),
    ]);
    says(&ended, 0, &["note: wrote "]);
    let written =
        ended.stderr.lines().find_map(|line| line.strip_prefix("note: wrote ")).expect("a file");
    assert!(
        ended.json()["url"].as_str().unwrap().contains(written.rsplit('/').next().unwrap()),
        "{ended:?}"
    );
    let picture = fs::read(written).unwrap();
    assert_eq!(
        golden::size_of_png(&picture),
        golden::size_of_png(&fs::read(golden::file("picture.png")).unwrap())
    );
    says(&projects.run(["push".as_ref(), function.as_os_str()]), 3, &["has no description"]);
}
