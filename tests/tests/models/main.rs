//! Deployment of models of a real MLflow to a real Triton that reads its repository from a folder
//! or from a real S3 store.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod failures;
mod life;
mod local;

use keynet_test_servers::{Fault, FaultyProxy, RealServer};
use keynet_tests::outsiders::{mlflow, s3, upload};
use keynet_tests::process::signal;
use keynet_tests::{Ended, Sandbox, end, http, root};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

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
