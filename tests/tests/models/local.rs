//! Without any server, and models from where people have them.

use super::*;

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
