//! Other programs using the real servers: objects uploaded to S3, models registered in MLflow; and
//! the client of OpenWhisk's own project.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use keynet_test_servers::RealServer;
use serde_json::Value;

use crate::{guest, http, root};

/// Returns the `curl` command for `target`, such as `/key` or `?list-type=2`, in the bucket `test`.
pub fn s3(server: &RealServer, target: &str) -> Command {
    let keys =
        format!("{}:{}", server.get("AWS_ACCESS_KEY_ID"), server.get("AWS_SECRET_ACCESS_KEY"));
    let mut curl = Command::new("curl");
    curl.args(["-sf", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", &keys]);
    curl.arg(format!("{}/test{target}", server.get("S3_ENDPOINT")));
    curl
}

/// Uploads a file to the bucket `test`.
pub fn upload(server: &RealServer, file: &Path, key: &str) {
    let mut curl = s3(server, &format!("/{key}"));
    assert!(curl.arg("-T").arg(file).status().expect("curl").success(), "{key}");
}

/// Sends a request to MLflow's REST API, and returns the response.
pub fn mlflow(server: &RealServer, what: &str, body: &Value) -> Value {
    let address = server.get("MLFLOW_TRACKING_URI").trim_start_matches("http://");
    let target = format!("/api/2.0/mlflow/{what}");
    let answer = http(
        address,
        "POST",
        &target,
        &[("Content-Type", "application/json")],
        body.to_string().as_bytes(),
    );
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    answer.json()
}

/// Has npm's `openwhisk` create an action with `image`, run and remove it at `host` with `key`, and
/// returns its output of each step.
pub fn openwhisk_client(host: &str, key: &str, image: &str) -> BTreeMap<String, Value> {
    openwhisk_script("drive.js", [host, key, image], &guest("hello"))
}

/// Has npm's `openwhisk` use all that a node has of the API, at `host` with the `key` of
/// `namespace`, and returns its output of each step.
pub fn whole_openwhisk_client(host: &str, key: &str, namespace: &str) -> BTreeMap<String, Value> {
    openwhisk_script("everything.js", [host, key, namespace], &guest("contract"))
}

fn openwhisk_script(
    script: &str,
    arguments: [&str; 3],
    component: &Path,
) -> BTreeMap<String, Value> {
    let servers = root().join("tests/servers");
    let ended = Command::new(servers.join("openwhisk-client.sh"))
        .arg("run")
        .arg(servers.join("openwhisk-client").join(script))
        .args(arguments)
        .arg(component)
        .stdin(Stdio::null())
        .output()
        .expect("node; `tests/servers/openwhisk-client.sh install` brings it");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    let steps = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let named =
        |step: Value| (step["step"].as_str().expect("a name").to_owned(), step["value"].clone());
    steps.map(named).collect()
}
