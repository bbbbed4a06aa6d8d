//! Actions that ask a real Triton.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::Path;

use keynet_test_servers::RealServer;
use keynet_tests::{Ended, Sandbox, end, guest, root};
use serde_json::{Value, json};

fn asking(server: &RealServer) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("TRITON_URL", format!("http://{}", server.get("TRITON_GRPC")));
    sandbox
}

fn capable(sandbox: &Sandbox, part: &str) -> Ended {
    let ended = sandbox.run(["run".as_ref(), guest("capable").as_os_str(), "--param".as_ref(), format!("do={part}").as_ref()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// Files of regions that some process of ours has made.
fn regions() -> Vec<String> {
    let names = std::fs::read_dir("/dev/shm").unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("keynet-")).collect()
}

#[test]
fn an_action_asks_triton_in_every_way() {
    let server = RealServer::triton(&[("TRITON_LOAD", "identity identity_bf16 add_sub stream slow")]);
    let types = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"];
    let types: Vec<String> =
        types.iter().map(|name| format!("{name} [3]")).chain(["FP32 [0]", "BYTES [3]", "BF16 [2]"].map(Into::into)).collect();
    let expected = json!({
        "types": types,
        "add_sub": {
            "names": ["OUTPUT0", "OUTPUT1"],
            "sum": [6.0, 9.0],
            "newest difference": [-4.0, -5.0],
            "newest names": ["OUTPUT1"],
            "chained": [10.0, 14.0],
        },
        "many": { "right": 39, "wrong": ["not found"] },
        "stream": { "answers": [[0, 0], [1, 1], [2, 2]], "first": [0, 0], "cancelled": true, "by predict": "invalid" },
        "metadata": {
            "name": "add_sub",
            "versions": ["1", "2"],
            "platform": "python",
            "inputs": [["INPUT0", "FP32", [-1, -1]], ["INPUT1", "FP32", [-1, -1]]],
        },
        "refused": {
            "shape": "invalid: model add_sub, input INPUT0: expected FP32 [-1,-1], got FP32 [1]",
            "model": "not found: model nobody: Request for unknown model: 'nobody' is not found",
            "time": "timeout",
        },
    });
    assert_eq!(capable(&asking(&server), "triton").json(), expected);

    let gone = asking(&server);
    server.stop();
    let ended = gone.run([
        "run".as_ref(),
        guest("capable").as_os_str(),
        "--param".as_ref(),
        "do=add-sub".as_ref(),
        "--timeout".as_ref(),
        "5s".as_ref(),
    ]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Triton cannot be reached") && ended.stderr.contains("TRITON_URL"), "{ended:?}");
}

/// The models folder of the golden example, with the same ONNX file, served by ONNX Runtime.
fn detector_for_triton(folder: &Path) {
    let example = root().join("examples/image-detection/models/detector");
    let version = folder.join("detector/1");
    std::fs::create_dir_all(&version).unwrap();
    std::fs::copy(example.join("1/model.onnx"), version.join("model.onnx")).unwrap();
    std::fs::copy(root().join("tests/servers/triton/onnx_model.py"), version.join("model.py")).unwrap();
    let config = std::fs::read_to_string(example.join("config.pbtxt")).unwrap();
    let config = config.replace("platform: \"onnxruntime_onnx\"", "backend: \"python\"").replace("label_filename: \"labels.txt\"", "");
    assert!(config.contains("python") && !config.contains("label"));
    std::fs::write(folder.join("detector/config.pbtxt"), config).unwrap();
}

fn detections(sandbox: &Sandbox, more: &[&str]) -> Value {
    let picture = root().join("examples/image-detection/picture.png");
    let mut command = sandbox.command(["run"]);
    command.arg(guest("image-detection")).arg("--input").arg(format!("image_url={}", picture.display()));
    let ended = end({
        command.args(more);
        command
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.json()["detections"].clone()
}

#[test]
fn the_golden_example_finds_the_same_on_triton_as_in_process() {
    let models = tempfile::tempdir().unwrap();
    detector_for_triton(models.path());
    let server = RealServer::triton(&[("TRITON_MODELS", models.path().to_str().unwrap())]);
    // Low, so that rows which are barely there are compared too.
    let threshold = ["--param", "threshold=0.05"];
    let embedded = root().join("examples/image-detection/models");
    let in_process = detections(&Sandbox::new(), &[&["--models", embedded.to_str().unwrap()], threshold.as_slice()].concat());
    let mut sandbox = asking(&server);
    let before = regions();
    for shared_memory in ["off", "auto"] {
        sandbox.set("KEYNET_TRITON_SHM", shared_memory);
        let found = detections(&sandbox, &threshold);
        let (found, expected) = (found.as_array().unwrap(), in_process.as_array().unwrap());
        assert_eq!(found.len(), expected.len(), "{found:?}\n{expected:?}");
        assert!(found.len() >= 5, "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found["label"], expected["label"]);
            let numbers = |detection: &Value| -> Vec<f64> {
                let bounds = detection["box"].as_array().unwrap().iter().map(|side| side.as_f64().unwrap());
                std::iter::once(detection["score"].as_f64().unwrap()).chain(bounds).collect()
            };
            for (found, expected) in numbers(found).into_iter().zip(numbers(expected)) {
                assert!((found - expected).abs() <= 1e-3 + f64::EPSILON, "{found} is not {expected}");
            }
        }
    }
    assert_eq!(regions(), before);
}

#[test]
fn a_credential_for_triton_is_never_told() {
    let server = RealServer::triton(&[("TRITON_LOAD", "add_sub"), ("TRITON_TOKEN", "hunter2")]);
    let mut sandbox = asking(&server);
    let arguments = ["-vv", "run", guest("capable").to_str().unwrap(), "--param", "do=add-sub"].map(str::to_owned);
    let ended = sandbox.run(&arguments);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("KEYNET_TRITON_HEADERS"), "{ended:?}");
    sandbox.set("KEYNET_TRITON_HEADERS", "triton-grpc-protocol-x-token: hunter2");
    let ended = sandbox.run(&arguments);
    assert_eq!(ended.json(), json!({ "sum": [4.0] }));
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    sandbox.set("KEYNET_TRITON_HEADERS", "triton-grpc-protocol-x-token hunter2");
    let ended = sandbox.run(&arguments);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("line 1") && !ended.stderr.contains("hunter2"), "{ended:?}");
}
