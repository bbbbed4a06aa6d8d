//! The client of OpenWhisk's own project drives a node.

use std::process::{Command, Stdio};

use keynet_tests::node::key_of;
use keynet_tests::{Sandbox, guest, root};
use serde_json::{Value, json};

use super::node;

#[test]
fn openwhisks_own_client_makes_changes_runs_and_removes_an_action() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let servers = root().join("tests/servers");
    let ended = Command::new(servers.join("openwhisk-client.sh"))
        .arg("run")
        .arg(servers.join("openwhisk-client/drive.js"))
        .args([&format!("http://{}", node.address()), &key_of("team-a"), "keynet/any:1"])
        .arg(guest("hello"))
        .stdin(Stdio::null())
        .output()
        .expect("node; `tests/servers/openwhisk-client.sh install` brings it");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    let step = |name: &str| {
        let steps = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let step = steps.into_iter().find(|step| step["step"] == name);
        step.unwrap_or_else(|| panic!("no step {name}: {said}"))["value"].clone()
    };
    assert_eq!(step("namespaces"), json!(["team-a"]));
    assert_eq!(step("created")["version"], "0.0.1");
    assert_eq!(step("again")["statusCode"], 409);
}
