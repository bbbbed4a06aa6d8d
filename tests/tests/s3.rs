//! Objects of actions on a real S3 store: the cases of the embedded store, with the same results.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::process::Command;

use keynet_test_servers::RealServer;
use keynet_tests::{Ended, Sandbox, fetch, guest, root};
use serde_json::json;

/// Cases, each in its own bucket, with the results in which another store differs: this one guesses
/// the type of objects declared as `application/octet-stream`, and a store without folders can have
/// an object at the path of a folder.
const CASES: &[(&str, &str, &[&str])] = &[
    ("capable-keeps-objects", "default", &["content type"]),
    ("capable-reads-objects-in-parts", "parts", &[]),
    ("capable-uploads-objects", "uploads", &[]),
    ("capable-writes-on-conditions", "conditions", &[]),
    ("capable-presigns-urls", "presigned", &[]),
    ("capable-lists-objects", "listing", &["a key that is the folder of others", "all"]),
    ("capable-calls-as-no-sdk-would", "contract", &[]),
];

struct OnS3 {
    server: RealServer,
}

impl OnS3 {
    fn new() -> Self {
        let buckets: Vec<_> = CASES.iter().map(|(_, bucket, _)| *bucket).collect();
        Self { server: RealServer::s3(&[("S3_BUCKETS", &buckets.join(","))]) }
    }

    /// Creates a sandbox with the variables that were set for the previous package.
    fn sandbox(&self, bucket: &str) -> Sandbox {
        let mut sandbox = Sandbox::new();
        sandbox.set("AWS_BUCKET_NAME", bucket);
        sandbox.set("MLFLOW_S3_ENDPOINT_URL", self.server.get("S3_ENDPOINT"));
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            sandbox.set(name, self.server.get(name));
        }
        // Proxy settings for other programs have no effect.
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            sandbox.set(name, "http://127.0.0.1:1");
        }
        sandbox.set("AWS_SKIP_SIGNATURE", "true");
        sandbox.set("AWS_PROFILE", "nobody");
        sandbox
    }
}

fn run(sandbox: &Sandbox, parameters: &str) -> Ended {
    std::fs::write(sandbox.path("parameters.json"), parameters).unwrap();
    let component = guest("capable");
    sandbox.run([
        "run".as_ref(),
        component.as_os_str(),
        "--params-file".as_ref(),
        "parameters.json".as_ref(),
    ])
}

#[test]
fn actions_find_s3_as_they_find_the_embedded_store() {
    let s3 = OnS3::new();
    for (name, bucket, otherwise) in CASES {
        let case =
            std::fs::read_to_string(root().join("tests/cases").join(name).with_extension("toml"))
                .unwrap();
        let case: toml::Value = toml::from_str(&case).unwrap();
        let mut expected = serde_json::to_value(&case["result"]).unwrap();
        let ended = run(&s3.sandbox(bucket), case["parameters"].as_str().unwrap());
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        let mut result = ended.json();
        for key in *otherwise {
            expected.as_object_mut().unwrap().remove(*key);
            result.as_object_mut().unwrap().remove(*key);
        }
        assert_eq!(result, expected, "{name}: {}", ended.stderr);
        assert!(ended.peak_mib <= 250, "{name}: {} MiB", ended.peak_mib);
        assert!(!ended.stderr.contains("objects are files in"), "{}", ended.stderr);
        let secret = s3.server.get("AWS_SECRET_ACCESS_KEY");
        assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret), "{name}");
    }
}

#[test]
fn what_an_action_stored_is_at_the_url_it_answers_with() {
    let s3 = OnS3::new();
    let sandbox = s3.sandbox("default");
    let ended = run(&sandbox, r#"{"do": "put", "content": "for all to see", "location": "shown"}"#);
    let url = ended.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(s3.server.get("S3_ENDPOINT")), "{url}");
    assert!(ended.stderr.contains("note: wrote s3://default/shown"), "{}", ended.stderr);
    let answer = fetch(&url);
    assert_eq!((answer.status, answer.text()), (200, "for all to see"));
    assert!(
        answer.head.to_ascii_lowercase().contains("content-type: text/plain"),
        "{}",
        answer.head
    );
    let again = run(&sandbox, &json!({ "do": "get", "location": url }).to_string());
    assert_eq!(again.json(), json!({ "content": "for all to see" }));
}

#[test]
fn another_bucket_is_for_actions_whose_policy_names_it() {
    let s3 = OnS3::new();
    let mut sandbox = s3.sandbox("default");
    let put = r#"{"do": "put", "content": "x", "location": "s3://parts/out/a"}"#;
    let denied = run(&sandbox, put);
    assert_eq!(denied.code, Some(1), "{denied:?}");
    assert!(
        denied.stderr.contains("others by their names, as `s3://bucket/*`"),
        "{}",
        denied.stderr
    );
    std::fs::write(
        sandbox.path("policy.toml"),
        "[storage]\nread = ['*']\nwrite = ['*', \
        's3://parts/out/*']\n",
    )
    .unwrap();
    sandbox.set("KEYNET_POLICY", sandbox.path("policy.toml").display());
    assert_eq!(run(&sandbox, put).json()["location"], "s3://parts/out/a");
    let elsewhere = run(&sandbox, &put.replace("/out/", "/in/"));
    assert_eq!(elsewhere.code, Some(1), "{elsewhere:?}");
}

#[test]
fn keys_that_the_store_does_not_know_are_said_to_be_so() {
    let s3 = OnS3::new();
    let mut sandbox = s3.sandbox("default");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "hunter2");
    let refused = run(&sandbox, r#"{"do": "get", "location": "a"}"#);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("SignatureDoesNotMatch") && !refused.stderr.contains("hunter2"),
        "{}",
        refused.stderr
    );
    sandbox.set("AWS_SECRET_ACCESS_KEY", "");
    let missing = run(&sandbox, r#"{"do": "get", "location": "a"}"#);
    assert!(
        missing.code != Some(0) && missing.stderr.contains("AWS_SECRET_ACCESS_KEY"),
        "{missing:?}"
    );
}

/// Returns the content of an element of an XML response.
fn element<'a>(answer: &'a str, name: &str) -> &'a str {
    let rest =
        answer.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {answer}")).1;
    rest.split_once('<').unwrap().0
}

#[test]
fn a_temporary_key_is_used_with_its_session_token() {
    let s3 = OnS3::new();
    let keys = format!(
        "{}:{}",
        s3.server.get("AWS_ACCESS_KEY_ID"),
        s3.server.get("AWS_SECRET_ACCESS_KEY")
    );
    let asked = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=tester&DurationSeconds=900";
    let mut curl = Command::new("curl");
    curl.args([
        "-sf",
        "--noproxy",
        "*",
        "--aws-sigv4",
        "aws:amz:us-east-1:sts",
        "-u",
        &keys,
        s3.server.get("S3_ENDPOINT"),
        "-d",
        asked,
    ]);
    let answer = String::from_utf8(curl.output().unwrap().stdout).unwrap();
    let token = element(&answer, "SessionToken");

    let mut sandbox = s3.sandbox("default");
    sandbox.set("AWS_ACCESS_KEY_ID", element(&answer, "AccessKeyId"));
    sandbox.set("AWS_SECRET_ACCESS_KEY", element(&answer, "SecretAccessKey"));
    let without = run(&sandbox, r#"{"do": "get", "location": "a"}"#);
    assert!(without.code == Some(1) && without.stderr.contains("denied"), "{without:?}");
    sandbox.set("AWS_SESSION_TOKEN", format!("{token}x"));
    let wrong = run(&sandbox, r#"{"do": "get", "location": "a"}"#);
    assert!(
        wrong.code == Some(1) && wrong.stderr.contains("denied") && !wrong.stderr.contains(token),
        "{wrong:?}"
    );

    sandbox.set("AWS_SESSION_TOKEN", token);
    let stored = run(&sandbox, r#"{"do": "put", "content": "for a while", "location": "a"}"#);
    assert!(!stored.stderr.contains(token), "{}", stored.stderr);
    let url = stored.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(fetch(&url).text(), "for a while");
    assert_eq!(
        run(&sandbox, &json!({ "do": "get", "location": url }).to_string()).json(),
        json!({ "content": "for a while" })
    );
    // In parts, too.
    assert_eq!(run(&sandbox, r#"{"do": "uploads"}"#).json()["size"], 3 << 20);
}
