//! Settings of the container, and those that callers may supply.

use keynet_tests::Sandbox;
use serde_json::json;

use super::{contract, error_of};

#[test]
fn storage_in_a_folder_needs_an_address_for_its_urls() {
    let mut sandbox = Sandbox::new();
    let error = error_of(&contract(&sandbox).run(&json!({ "do": "put" })), 200);
    for name in [
        "KEYNET_STORAGE_PUBLIC_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_BUCKET_NAME",
    ] {
        assert!(error.contains(name), "{error}");
    }
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "https://objects.example.com/");
    let url = contract(&sandbox).run(&json!({ "do": "put" })).json()["url"].clone();
    assert!(url.as_str().unwrap().starts_with("https://objects.example.com/"), "{url}");
}

#[test]
fn callers_bring_servers_of_their_own_only_where_they_may() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "https://objects.example.com/");
    let value = json!({ "do": "put", "AWS_BUCKET_NAME": "theirs", "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:1" });
    // The setting is removed from the parameters, without further effect.
    assert!(contract(&sandbox).run(&value).json()["url"].is_string());
    sandbox.set("KEYNET_CONFIG_FROM_PARAMETERS", "true");
    let runtime = contract(&sandbox);
    let error = error_of(&runtime.run(&value), 200);
    assert!(
        error.contains("AWS_ACCESS_KEY_ID in the caller's parameters"),
        "a half configuration is the caller's mistake: {error}"
    );
    assert!(
        runtime.run(&json!({ "do": "put" })).json()["url"].is_string(),
        "the next caller has the container's"
    );
    // The address is used when a model is requested, which this action does not do.
    assert_eq!(
        runtime.run(&json!({ "do": "identity", "TRITON_URL": "http://127.0.0.1:1" })).json(),
        json!({ "do": "identity" })
    );
    assert_eq!(
        runtime.run(&json!({ "do": "identity", "MODEL_NAME": "m" })).json(),
        json!({ "do": "identity" })
    );
}
