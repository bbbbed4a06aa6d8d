//! Deploy, update and delete, in a folder and in S3.

use super::*;

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
