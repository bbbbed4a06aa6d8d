//! The examples in Python behave as those in Rust.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

use keynet_tests::runtime::Runtime;
use keynet_tests::{Sandbox, compiled_guest, golden, says};
use serde_json::json;

#[test]
fn hello_in_python_greets() {
    let (sandbox, hello) = (Sandbox::new(), compiled_guest("hello-python"));
    let ended = sandbox.run(["run", hello.to_str().unwrap(), "--param", "name=안녕"]);
    assert_eq!(
        (ended.code, ended.stdout.trim()),
        (Some(0), r#"{"greeting":"Hello, 안녕!"}"#),
        "{ended:?}"
    );
    says(
        &sandbox.run(["run", hello.to_str().unwrap()]),
        1,
        &["the parameter `name` is missing: expected a string", "Who is greeted."],
    );

    let runtime = Runtime::of(&sandbox, &hello);
    for name in ["Ada", "Bo"] {
        assert_eq!(
            runtime.run(&json!({ "name": name })).json(),
            json!({ "greeting": format!("Hello, {name}!") })
        );
    }
}

#[test]
fn the_golden_example_in_python_finds_and_draws_what_the_one_in_rust_does() {
    let [rust, others @ ..] = golden::GUESTS;
    let expected = golden::in_process_by(rust);
    for name in others {
        golden::assert_alike(&golden::in_process_by(name), &expected);
    }
}

#[test]
fn the_golden_example_in_python_runs_in_a_container_with_models_and_objects_in_folders() {
    let expected = golden::in_process();
    let mut sandbox = Sandbox::new();
    let _server = sandbox.serve_objects();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let folder = sandbox.path("storage");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(golden::file("picture.png"), folder.join("street.png")).unwrap();

    let runtime = Runtime::of_image(&mut sandbox, &compiled_guest("image-detection-python"));
    for _ in 0..2 {
        let result = runtime.run(&golden::parameters("street.png")).json();
        let url = result["url"].as_str().unwrap_or_else(|| panic!("no picture: {result}"));
        let picture = keynet_tests::fetch(url).body;
        golden::assert_alike(
            &golden::Found { detections: result["detections"].clone(), picture },
            &expected,
        );
    }
    let refused = runtime.run(&json!({ "image_url": "nowhere.png" })).json();
    assert!(
        refused["error"].as_str().is_some_and(|error| error.contains("nowhere.png")),
        "{refused}"
    );
}
