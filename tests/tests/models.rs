//! Deployment of models of a real MLflow to a real Triton that reads its repository from a folder
//! or from a real S3 store.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use keynet_test_servers::{Fault, FaultyProxy, RealServer};
use keynet_tests::outsiders::{mlflow, s3, upload};
use keynet_tests::process::signal;
use keynet_tests::{Ended, Sandbox, end, http, root};
use serde_json::{Value, json};

/// Returns version `number` of the model; the three versions add 1, 2 and 10.
fn adds(number: u32) -> Vec<u8> {
    fs::read(root().join(format!("host/crates/models/tests/models/versions/{number}/model.onnx")))
        .unwrap()
}

/// Configuration of the model, written by a person.
const BY_HAND: &str = "# by hand
backend: 'onnxruntime'
input { name: 'x' data_type: TYPE_FP32 dims: -1 }
output { name: 'y' data_type: TYPE_FP32 dims: -1 }";

/// Configuration that Triton's ONNX backend does not load: the file has no such output.
const BROKEN: &str = "output { name: \"nobody\" data_type: TYPE_FP32 dims: [ -1 ] }";

// MLflow

/// MLflow of an operator.
struct Registry(RealServer);

impl Registry {
    fn start() -> Self {
        Self(RealServer::mlflow("none"))
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        mlflow(&self.0, what, body)
    }

    /// Registers files as the next version of a model.
    fn register(&self, name: &str, version: u32, files: &[(&str, &[u8])]) {
        let address = self.0.get("MLFLOW_TRACKING_URI").trim_start_matches("http://");
        let run = self.post("runs/create", &json!({ "experiment_id": "0", "start_time": 1 }));
        let (id, artifacts) = (
            run["run"]["info"]["run_id"].as_str().unwrap(),
            run["run"]["info"]["artifact_uri"].as_str().unwrap(),
        );
        let folder = artifacts.strip_prefix("mlflow-artifacts:/").unwrap();
        for (path, bytes) in files {
            let target = format!("/api/2.0/mlflow-artifacts/artifacts/{folder}/model/{path}");
            assert_eq!(http(address, "PUT", &target, &[], bytes).status, 200, "{path}");
        }
        if version == 1 {
            self.post("registered-models/create", &json!({ "name": name }));
        }
        self.post(
            "model-versions/create",
            &json!({ "name": name, "source": format!("{artifacts}/model"), "run_id": id }),
        );
    }
}

// Triton and its repository

/// Model repository of Triton.
enum Place {
    Folder(tempfile::TempDir),
    S3(RealServer),
}

impl Place {
    fn uri(&self) -> String {
        match self {
            Self::Folder(folder) => folder.path().canonicalize().unwrap().display().to_string(),
            Self::S3(server) => format!("s3://{}/test/deep/models", server.get("S3_ENDPOINT")),
        }
    }

    fn keys(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Folder(_) => vec![],
            Self::S3(server) => {
                let mut keys = vec![("AWS_DEFAULT_REGION", server.get("AWS_REGION"))];
                keys.extend(
                    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
                        .map(|name| (name, server.get(name))),
                );
                keys
            }
        }
    }

    /// Returns all its files.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::Folder(folder) => files_below(folder.path()),
            Self::S3(server) => {
                let listed = s3(server, "?list-type=2&prefix=deep%2Fmodels%2F").output().unwrap();
                let listed = String::from_utf8(listed.stdout).unwrap();
                let keys = listed
                    .split("<Key>")
                    .skip(1)
                    .filter_map(|rest| rest.split_once("</Key>"))
                    .map(|(key, _)| key);
                keys.map(|key| {
                    let read = s3(server, &format!("/{key}")).output().unwrap();
                    assert!(read.status.success(), "{key}");
                    (key.strip_prefix("deep/models/").unwrap().to_owned(), read.stdout)
                })
                .collect()
            }
        }
    }

    /// Writes a file of a model without deploying it.
    fn put(&self, path: &str, bytes: &[u8]) {
        match self {
            Self::Folder(folder) => {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Self::S3(server) => {
                let file = tempfile::NamedTempFile::new().unwrap();
                fs::write(file.path(), bytes).unwrap();
                upload(server, file.path(), &format!("deep/models/{path}"));
            }
        }
    }
}

/// Returns the files below a folder; a dangling symbolic link counts as an empty file.
fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut rest: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = rest.pop() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            match entry.path().is_dir() {
                true => rest.push(entry.path()),
                false => {
                    let name =
                        entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                    drop(files.insert(name, fs::read(entry.path()).unwrap_or_default()));
                }
            }
        }
    }
    files
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

struct Production {
    place: Place,
    triton: RealServer,
    sandbox: Sandbox,
}

impl Production {
    fn start(place: Place, registry: Option<&Registry>, control: &str) -> Self {
        place.put("byhand/config.pbtxt", b"backend: \"onnxruntime\"");
        place.put("byhand/1/model.onnx", &adds(1));
        let uri = place.uri();
        let mut settings =
            vec![("TRITON_MODELS", uri.as_str()), ("TRITON_LOAD", ""), ("TRITON_ARGS", control)];
        settings.extend(place.keys());
        let triton = RealServer::triton(&settings);
        let mut sandbox = Sandbox::new();
        sandbox.set("TRITON_URL", format!("http://{}", triton.get("TRITON_GRPC")));
        sandbox.set("TRITON_MODEL_REPO", &uri);
        for (name, value) in place.keys() {
            sandbox.set(name, value);
        }
        if let Some(Registry(server)) = registry {
            sandbox.set("MLFLOW_TRACKING_URI", server.get("MLFLOW_TRACKING_URI"));
        }
        Self { place, triton, sandbox }
    }

    /// Runs `keynet-inference model ARGUMENTS`.
    fn model(&self, arguments: &[&str]) -> Ended {
        self.sandbox.run([&["model"], arguments].concat())
    }

    fn does(&self, arguments: &[&str], line: &str) {
        let ended = self.model(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), line), "{ended:?}");
    }

    /// Asserts that the command fails with this exit code and these texts.
    fn refuses(&self, arguments: &[&str], code: i32, texts: &[&str]) {
        let ended = self.model(arguments);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        for text in texts {
            assert!(ended.stderr.contains(text), "no {text:?} in {ended:?}");
        }
    }

    fn shown(&self, name: &str) -> Value {
        self.model(&["get", name, "--json"]).json()
    }

    /// Returns a version's output for 5, requested from Triton itself; `None` if it is not served.
    fn of_five(&self, model: &str, version: u32) -> Option<f64> {
        let address = self.triton.get("TRITON_HTTP").trim_start_matches("http://");
        let question =
            json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [5.0] }] });
        let target = format!("/v2/models/{model}/versions/{version}/infer");
        let answer = http(address, "POST", &target, &[], question.to_string().as_bytes());
        (answer.status == 200).then(|| answer.json()["outputs"][0]["data"][0].as_f64().unwrap())
    }

    fn loaded(&self) -> Vec<String> {
        let states = self.model(&["status", "--json"]).json();
        let ready = states.as_array().unwrap().iter().filter(|state| state["state"] == "READY");
        ready
            .map(|state| format!("{}:{}", state["name"].as_str().unwrap(), state["version"]))
            .collect()
    }
}

// Deploy, update, delete

fn a_models_life(place: Place) {
    let registry = Registry::start();
    let of_mlflow = [
        ("MLmodel", b"flavors:".as_slice()),
        ("requirements.txt", b"onnx"),
        ("labels.txt", b"one\ntwo"),
    ];
    registry.register("adder", 1, &[&of_mlflow[..], &[("model.onnx", &adds(1))]].concat());
    registry.register("adder", 2, &[("net.onnx", &adds(2)), ("config.pbtxt", BY_HAND.as_bytes())]);
    registry.register(
        "adder",
        3,
        &[("model.onnx", &adds(10)), ("config.pbtxt", BROKEN.as_bytes())],
    );
    registry.post(
        "registered-models/alias",
        &json!({ "name": "adder", "alias": "champion", "version": "1" }),
    );
    let production = Production::start(place, Some(&registry), "");
    let byhand = ["byhand/1/model.onnx", "byhand/config.pbtxt"];

    production.does(
        &["deploy", "models:/adder@champion", "--wait"],
        "deployed adder:1 from models:/adder/1\n",
    );
    let first = production.place.files();
    assert_eq!(
        names(&first),
        [
            "adder/1/model.onnx",
            "adder/config.pbtxt",
            "adder/labels.txt",
            "adder/mlflow-meta.json",
            byhand[0],
            byhand[1]
        ]
    );
    let config = String::from_utf8(first["adder/config.pbtxt"].clone()).unwrap();
    assert!(config.contains("input [\n  { name: \"x\" data_type: TYPE_FP32 dims: ["), "{config}");
    assert!(config.contains("label_filename: \"labels.txt\""), "{config}");
    let record: Value = serde_json::from_slice(&first["adder/mlflow-meta.json"]).unwrap();
    let path = format!("{}/adder", production.place.uri());
    let expected = json!({ "name": "adder", "triton_model_path": path, "mlflow_model_uri": "models:/adder/1", "flavor": "onnx" });
    assert_eq!(record, expected);
    assert_eq!(production.of_five("adder", 1), Some(6.0));
    production.refuses(
        &["deploy", "models:/adder/2"],
        8,
        &["there is a model adder in the repository", "already: update it"],
    );
    assert_eq!(production.place.files(), first);
    production.does(&["list"], "adder  1  onnx  models:/adder/1\n");
    let shown = production.shown("adder");
    assert_eq!(shown["inputs"], json!([{ "name": "x", "datatype": "FP32", "shape": [-1] }]));
    assert_eq!(
        (&shown["ready"], &shown["platform"], &shown["path"]),
        (&json!(true), &json!("onnxruntime_onnx"), &json!(path))
    );
    let status = production.model(&["status", "adder", "--json"]).json();
    assert_eq!(
        (&status[0]["state"], &status[0]["statistics"]["inferences"]),
        (&json!("READY"), &json!(1))
    );

    production.does(&["update", "models:/adder/2"], "updated adder:2 from models:/adder/2\n");
    let second = production.place.files();
    // This version's config.pbtxt names no labels, and the model has no labels file.
    assert_eq!(
        names(&second),
        [
            "adder/2/model.onnx",
            "adder/config.pbtxt",
            "adder/mlflow-meta.json",
            byhand[0],
            byhand[1]
        ]
    );
    assert_eq!(
        String::from_utf8(second["adder/config.pbtxt"].clone()).unwrap(),
        format!("{BY_HAND}\nversion_policy: {{ specific {{ versions: [ 2 ] }} }}\n")
    );
    assert_eq!((production.of_five("adder", 2), production.of_five("adder", 1)), (Some(7.0), None));

    // A version that cannot be loaded changes nothing.
    production.refuses(
        &["update", "models:/adder/3"],
        8,
        &["nobody", "what was there before is served as it was"],
    );
    assert_eq!(production.place.files(), second);
    assert_eq!((production.of_five("adder", 2), production.of_five("adder", 3)), (Some(7.0), None));
    production.refuses(
        &["deploy", "models:/adder/3", "--name", "other"],
        8,
        &["nobody", "nothing of it was left"],
    );
    assert_eq!(production.place.files(), second);
    assert_eq!(production.loaded(), ["adder:2"]);

    // Update back, then deploy both.
    production
        .does(&["update", "models:/adder@champion"], "updated adder:1 from models:/adder/1\n");
    assert_eq!(production.place.files(), first);
    assert_eq!((production.of_five("adder", 1), production.of_five("adder", 2)), (Some(6.0), None));
    production
        .does(&["update", "models:/adder/2", "--keep"], "updated adder:1,2 from models:/adder/2\n");
    assert_eq!(
        (production.of_five("adder", 1), production.of_five("adder", 2)),
        (Some(6.0), Some(7.0))
    );

    production.does(&["unload", "adder", "--wait"], "unloaded adder\n");
    assert_eq!(production.of_five("adder", 2), None);
    production.does(&["list"], "");
    production.does(&["load", "adder"], "loaded adder:1,2 from models:/adder/2\n");
    production.does(&["delete", "adder"], "deleted adder\n");
    assert_eq!(names(&production.place.files()), byhand);
    assert_eq!(production.loaded(), Vec::<String>::new());
    production.refuses(&["delete", "adder"], 8, &["there is no model adder"]);
    production.refuses(&["update", "models:/adder/1"], 8, &["there is no model adder"]);
    production.refuses(&["delete", "byhand"], 8, &["was not deployed from here"]);
    production.refuses(&["get", "adder"], 8, &["there is no model adder"]);
    production.does(&["load", "byhand"], "loaded byhand:1\n");
    production.refuses(&["deploy", "models:/adder/4"], 8, &["adder"]);
    production.refuses(&["deploy", "models:/nobody/1"], 8, &["nobody"]);
    assert_eq!(names(&production.place.files()), byhand);
    if let Place::Folder(folder) = &production.place {
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["byhand"]);
    }
}

#[test]
fn a_registered_model_is_deployed_updated_changed_back_and_deleted_in_a_folder() {
    a_models_life(Place::Folder(tempfile::tempdir().unwrap()));
}

#[test]
fn a_registered_model_is_deployed_updated_changed_back_and_deleted_in_s3() {
    a_models_life(Place::S3(RealServer::s3(&[])));
}

// Failures

/// Returns a folder of a Triton repository whose model takes `seconds` to load.
fn slow(seconds: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("1")).unwrap();
    let model = format!(
        "import time\nclass TritonPythonModel:\n    def initialize(self, \
        args):\n        time.sleep({seconds})\n"
    );
    fs::write(folder.path().join("1/model.py"), model).unwrap();
    let config = "backend: \"python\"\noutput { name: \"y\" data_type: TYPE_FP32 dims: [ 1 ] }";
    fs::write(folder.path().join("config.pbtxt"), config).unwrap();
    folder
}

#[test]
fn a_deployment_that_is_stopped_or_too_late_leaves_nothing() {
    let production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let before = production.place.files();
    let slow = slow(4);
    let source = slow.path().to_str().unwrap();

    let mut command = production.sandbox.command(["model", "deploy", source, "--name", "slow"]);
    let mut deploying = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(deploying.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line == "loading" {
            assert!(production.place.files().contains_key("slow/1/model.py"));
            signal(deploying.id(), "INT");
        }
        said.push(line);
    }
    assert_eq!(deploying.wait().unwrap().code(), Some(10), "{said:?}");
    assert!(
        said.last().unwrap().contains("stopped before it was done; nothing of it was left"),
        "{said:?}"
    );
    assert_eq!(production.place.files(), before);

    production.refuses(
        &["deploy", source, "--name", "slow", "--timeout", "1s"],
        10,
        &["not done in the time it was given; nothing of it was left"],
    );
    assert_eq!(production.place.files(), before);
    assert_eq!(production.loaded(), Vec::<String>::new());
    production.does(
        &["deploy", source, "--name", "slow", "--version", "7"],
        &format!("deployed slow:7 from file://{source}\n"),
    );
    assert!(production.place.files().contains_key("slow/7/model.py"));
}

#[test]
fn a_deployment_waits_for_a_server_that_is_starting() {
    let mut production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let file = root().join("host/crates/models/tests/models/versions/2/model.onnx");
    let source = file.to_str().unwrap();
    production.triton.stop();
    production.refuses(
        &["deploy", source, "--name", "adder"],
        10,
        &["Triton cannot be reached", "TRITON_URL"],
    );
    let deploying =
        production.sandbox.command(["model", "deploy", source, "--name", "adder", "--wait"]);
    let ended = thread::scope(|scope| {
        let ended = scope.spawn(|| end(deploying));
        thread::sleep(Duration::from_secs(1));
        production.triton.resume();
        ended.join().unwrap()
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("waiting for the server"), "{ended:?}");
    assert_eq!(production.of_five("adder", 1), Some(7.0));
}

#[test]
fn a_server_that_takes_no_orders_says_how_to_start_it() {
    let production = Production::start(
        Place::Folder(tempfile::tempdir().unwrap()),
        None,
        "--model-control-mode=none",
    );
    let before = production.place.files();
    let file = root().join("host/crates/models/tests/models/versions/2/model.onnx");
    let arguments = ["deploy", file.to_str().unwrap(), "--name", "adder"];
    production.refuses(&arguments, 8, &["--model-control-mode=explicit", "nothing of it was left"]);
    assert_eq!(production.place.files(), before);
}

#[test]
fn a_store_that_fails_in_the_middle_gets_back_what_it_had() {
    let mut production = Production::start(Place::S3(RealServer::s3(&[])), None, "");
    let Place::S3(server) = &production.place else { panic!("S3") };
    let file = root().join("host/crates/models/tests/models/versions/2/model.onnx");
    let deploy = ["deploy", file.to_str().unwrap(), "--name", "adder"];
    production.does(
        &deploy,
        &format!("deployed adder:1 from file://{}\n", file.canonicalize().unwrap().display()),
    );
    let mut before = production.place.files();
    let proxy = FaultyProxy::before(server.get("S3_ENDPOINT"));
    production.sandbox.set("TRITON_MODEL_REPO", format!("s3://{}/test/deep/models", proxy.url()));
    let mut failed = 0;
    // The connection breaks after this many bytes of responses, and the retry on another connection
    // is refused.
    for through in [600, 1200, 2400, 3600, 4800] {
        proxy.plan([
            Fault::Cut(through),
            Fault::Answer(403, "<Error><Code>AccessDenied</Code></Error>"),
        ]);
        let ended = production.model(&["update", deploy[1], "--name", "adder"]);
        proxy.plan([]);
        if ended.code == Some(0) {
            production.does(&["delete", "adder"], "deleted adder\n");
            production.does(
                &deploy,
                &format!(
                    "deployed adder:1 from file://{}\n",
                    file.canonicalize().unwrap().display()
                ),
            );
            before = production.place.files();
            continue;
        }
        assert_eq!(production.place.files(), before, "after {through}: {ended:?}");
        assert_eq!(production.of_five("adder", 1), Some(7.0), "after {through}: {ended:?}");
        failed += 1;
    }
    assert!(failed > 0);
    // Leftovers of a deployment that was killed: its record, and some of its files.
    production.does(&["delete", "adder"], "deleted adder\n");
    for left in ["adder/mlflow-meta.json", "adder/1/model.onnx"] {
        production.place.put(left, &before[left]);
    }
    production.refuses(&deploy, 8, &["there is a model adder in the repository"]);
    production.does(&["delete", "adder"], "deleted adder\n");
    assert_eq!(names(&production.place.files()), ["byhand/1/model.onnx", "byhand/config.pbtxt"]);
}

#[test]
fn two_that_deploy_the_same_name_at_once_do_not_harm_each_other() {
    let production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let slow = slow(2);
    let source = slow.path().to_str().unwrap();
    let deploy = || end(production.sandbox.command(["model", "deploy", source, "--name", "twice"]));
    let mut ended = thread::scope(|scope| {
        let both = [scope.spawn(deploy), scope.spawn(deploy)];
        both.map(|one| one.join().unwrap())
    });
    ended.sort_by_key(|ended| ended.code);
    assert_eq!((ended[0].code, ended[1].code), (Some(0), Some(8)), "{ended:?}");
    assert!(ended[1].stderr.contains("there is a model twice"), "{ended:?}");
    assert_eq!(production.loaded(), ["twice:1"]);
    assert!(production.place.files().contains_key("twice/1/model.py"));
}

#[test]
fn an_update_that_is_stopped_while_it_loads_leaves_the_version_before() {
    let production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let (quick, slow) = (slow(0), slow(4));
    let [quick, slow] = [&quick, &slow].map(|folder| folder.path().to_str().unwrap());
    production.does(
        &["deploy", quick, "--name", "model"],
        &format!("deployed model:1 from file://{quick}\n"),
    );
    let before = production.place.files();
    production.refuses(
        &["update", slow, "--name", "model", "--timeout", "1s"],
        10,
        &["what was there before is served as it was", "--timeout"],
    );
    assert_eq!(production.place.files(), before);
    assert_eq!(production.loaded(), ["model:1"]);
    // A server that cannot parse its files reports little; the command adds the details.
    fs::write(Path::new(slow).join("config.pbtxt"), "backend: \"python\"\nnobody_knows: 1")
        .unwrap();
    production.refuses(
        &["update", slow, "--name", "model"],
        8,
        &["could not read the model's config.pbtxt"],
    );
    assert_eq!(
        (production.place.files(), production.loaded()),
        (before, vec!["model:1".to_owned()])
    );
}

// Without any server

#[test]
fn what_a_failing_update_finds_is_there_after_it() {
    let mut sandbox = Sandbox::new();
    let models = sandbox.path("models");
    sandbox.set("KEYNET_MODELS", models.display());
    let model = |arguments: &[&str]| sandbox.run([&["model"], arguments].concat());
    let file = |number: u32| {
        root()
            .join(format!("host/crates/models/tests/models/versions/{number}/model.onnx"))
            .display()
            .to_string()
    };
    let done = |arguments: &[&str]| {
        let ended = model(arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    let refused = |arguments: &[&str], text: &str| {
        let (before, ended) = (files_below(&models), model(arguments));
        assert!(ended.code != Some(0) && ended.stderr.contains(text), "no {text:?} in {ended:?}");
        assert_eq!(files_below(&models), before, "{ended:?}");
    };
    done(&["deploy", &file(1), "--name", "adder"]);
    // Same length as the other, different content.
    refused(
        &["update", &file(2), "--name", "adder", "--version", "1"],
        "a version does not change",
    );
    done(&["update", &file(1), "--name", "adder", "--version", "1"]);
    done(&["update", &file(2), "--name", "adder", "--keep"]);
    fs::write(models.join("adder/config.pbtxt"), "version_policy { latest { num_versions: 1 } }")
        .unwrap();
    // Version 1 exists and is not served; files that a user or another program left beside it do
    // not matter.
    std::os::unix::fs::symlink("nowhere", models.join("adder/.#config.pbtxt")).unwrap();
    fs::create_dir(models.join("adder/1/__pycache__")).unwrap();
    fs::write(models.join("adder/1/__pycache__/x"), "x").unwrap();
    let unknown = root()
        .join("host/crates/models/tests/models/unknown_operator/1/model.onnx")
        .display()
        .to_string();
    refused(
        &["update", &unknown, "--name", "adder", "--version", "1"],
        "what was there before is served as it was",
    );
    done(&["update", &file(1), "--name", "adder", "--version", "1"]);
    assert_eq!(
        names(&files_below(&models)),
        [
            "adder/1/__pycache__/x",
            "adder/1/model.onnx",
            "adder/config.pbtxt",
            "adder/mlflow-meta.json"
        ]
    );

    // A scalar has no dimensions, and Triton has no tensors without: the configuration generated
    // for it works with embedded models too.
    let scalar =
        root().join("host/crates/models/tests/models/scalar/1/model.onnx").display().to_string();
    done(&["deploy", &scalar, "--name", "scalar"]);
    assert!(
        String::from_utf8(files_below(&models)["scalar/config.pbtxt"].clone())
            .unwrap()
            .contains("reshape")
    );
    // A foreign record does not prevent the listing.
    fs::write(models.join("scalar/mlflow-meta.json"), "{}").unwrap();
    let listed = model(&["list"]);
    assert!(
        listed.stdout.starts_with("adder  1  onnx  file://")
            && listed.stderr.contains("scalar is not listed"),
        "{listed:?}"
    );
    assert_eq!(model(&["get", "../models/adder"]).code, Some(2));
    let left: Vec<_> = fs::read_dir(models.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().contains("keynet-model")), "{left:?}");
}

#[test]
fn without_a_server_models_are_deployed_to_the_folder_that_actions_ask() {
    let mut sandbox = Sandbox::new();
    let models = sandbox.path("models");
    sandbox.set("KEYNET_MODELS", models.display());
    let model = |arguments: &[&str]| sandbox.run([&["model"], arguments].concat());
    let listed = model(&["list"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), ""), "{listed:?}");
    let add_sub = root().join("host/crates/models/tests/models/add_sub/1/model.onnx");
    let deployed = model(&["deploy", add_sub.to_str().unwrap(), "--name", "add_sub", "--quiet"]);
    assert_eq!((deployed.code, deployed.stderr.as_str()), (Some(0), ""), "{deployed:?}");
    let external = root().join("host/crates/models/tests/models/external/1");
    let deployed = model(&[
        "deploy",
        external.to_str().unwrap(),
        "--name",
        "external",
        "--version",
        "4",
        "--json",
    ]);
    assert_eq!(
        deployed.json()["versions"],
        json!([{ "version": 4, "state": "READY" }]),
        "{deployed:?}"
    );
    assert_eq!(
        names(&files_below(&models)),
        [
            "add_sub/1/model.onnx",
            "add_sub/config.pbtxt",
            "add_sub/mlflow-meta.json",
            "external/4/model.onnx",
            "external/4/model.onnx.data",
            "external/config.pbtxt",
            "external/mlflow-meta.json"
        ]
    );
    let before = files_below(&models);
    let lonely =
        model(&["deploy", external.join("model.onnx").to_str().unwrap(), "--name", "lonely"]);
    assert_eq!(lonely.code, Some(2), "{lonely:?}");
    assert!(
        lonely.stderr.contains("\"model.onnx.data\", which is not among the files"),
        "{lonely:?}"
    );
    // A model that this machine cannot run is not left behind either.
    let unknown = root().join("host/crates/models/tests/models/unknown_operator/1/model.onnx");
    let unknown = model(&["deploy", unknown.to_str().unwrap(), "--name", "unknown"]);
    assert!(
        unknown.code != Some(0) && unknown.stderr.contains("nothing of it was left"),
        "{unknown:?}"
    );
    assert_eq!(files_below(&models), before);
    assert!(model(&["unload", "add_sub"]).stderr.contains("nothing to unload"));
    let gone = model(&["delete", "external", "--json"]);
    assert_eq!(gone.json()["name"], "external");
    assert!(!models.join("external").exists());
}

/// Names that cannot be folder names, `latest` in any spelling, and models that were logged but not
/// registered.
#[test]
fn models_are_deployed_by_every_name_that_mlflow_knows_them_by() {
    let registry = Registry::start();
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MODELS", sandbox.path("models").display());
    sandbox.set("MLFLOW_TRACKING_URI", registry.0.get("MLFLOW_TRACKING_URI"));
    let mut sources = Vec::new();
    for name in ["plain", "field@home", ".field", "field\\back"] {
        registry.register(name, 1, &[("model.onnx", &adds(1))]);
        registry.post(
            "registered-models/alias",
            &json!({ "name": name, "alias": "champion", "version": "1" }),
        );
        sources.extend([format!("models:/{name}/1"), format!("models:/{name}@champion")]);
    }
    sources.extend(
        [
            "models:/plain/latest",
            "models:/plain/Latest",
            "models:/plain@latest",
            "models:///plain/1",
        ]
        .map(str::to_owned),
    );
    let logged = registry.post("logged-models", &json!({ "experiment_id": "0", "name": "logged" }))
        ["model"]["info"]
        .clone();
    let (id, artifacts) =
        (logged["model_id"].as_str().unwrap(), logged["artifact_uri"].as_str().unwrap());
    let address = registry.0.get("MLFLOW_TRACKING_URI").trim_start_matches("http://");
    let target = format!(
        "/api/2.0/mlflow-artifacts/artifacts/{}/model.onnx",
        artifacts.strip_prefix("mlflow-artifacts:/").unwrap()
    );
    assert_eq!(http(address, "PUT", &target, &[], &adds(1)).status, 200);
    let ready = json!({ "model_id": id, "status": "LOGGED_MODEL_READY" }).to_string();
    let target = format!("/api/2.0/mlflow/logged-models/{id}");
    assert_eq!(
        http(address, "PATCH", &target, &[("Content-Type", "application/json")], ready.as_bytes())
            .status,
        200
    );
    sources.push(format!("models:/{id}"));
    for (number, source) in sources.iter().enumerate() {
        let ended = sandbox.run(["model", "deploy", source, "--name", &format!("m{number}")]);
        assert_eq!(ended.code, Some(0), "{source}: {ended:?}");
    }
    let elsewhere = sandbox.run(["model", "deploy", "models://elsewhere/plain/1"]);
    assert!(
        elsewhere.code == Some(2) && elsewhere.stderr.contains("another registry"),
        "{elsewhere:?}"
    );
}

/// Layout of the Hugging Face hub's cache: `snapshots/…/onnx/model.onnx` links to
/// `../../../blobs/…`.
#[test]
fn models_in_the_cache_of_the_hugging_face_hub_are_deployed_and_run_where_they_are() {
    let mut sandbox = Sandbox::new();
    let (blobs, snapshot) = (sandbox.path("hub/blobs"), sandbox.path("hub/snapshots/abc/onnx"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    let external = root().join("host/crates/models/tests/models/external/1");
    for (digest, name) in [("1111", "model.onnx"), ("2222", "model.onnx.data")] {
        fs::copy(external.join(name), blobs.join(digest)).unwrap();
        std::os::unix::fs::symlink(format!("../../../blobs/{digest}"), snapshot.join(name))
            .unwrap();
    }
    let small = sandbox.path("hub/snapshots/abc/small.onnx");
    fs::write(blobs.join("3333"), adds(1)).unwrap();
    std::os::unix::fs::symlink("../../blobs/3333", &small).unwrap();
    sandbox.set("KEYNET_MODELS", sandbox.path("models").display());
    for arguments in [
        vec!["deploy", snapshot.to_str().unwrap(), "--name", "net"],
        vec!["deploy", small.to_str().unwrap()],
    ] {
        let ended = sandbox.run([&["model"][..], &arguments].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let deployed = files_below(&sandbox.path("models"));
    let names = names(&deployed);
    assert!(
        names.contains(&"net/1/model.onnx.data") && names.contains(&"small/1/model.onnx"),
        "{names:?}"
    );
    // A folder of models whose files are links, as users create from the cache.
    let linked = sandbox.path("linked/small/1");
    fs::create_dir_all(&linked).unwrap();
    std::os::unix::fs::symlink(&small, linked.join("model.onnx")).unwrap();
    sandbox.set("KEYNET_MODELS", sandbox.path("linked").display());
    let loaded = sandbox.run(["model", "load", "small"]);
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
}
