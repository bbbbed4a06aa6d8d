//! The life of the process: shutdown, `kill -9`, restart, backup.

use std::thread;
use std::time::Duration;

use keynet_tests::node::Node;
use keynet_tests::{Sandbox, answer, guest, http, says};
use serde_json::{Value, json};

use super::node;

#[test]
fn running_activations_end_when_the_node_is_asked_to_stop() {
    let sandbox = Sandbox::new();
    let mut node = node(&sandbox);
    let team = node.client("team-a");
    team.deployed("contract", &guest("contract"));
    let sleep = json!({ "do": "sleep", "ms": 1500 });
    let blocking = team.begin("POST", "/_/actions/contract?blocking=true&result=true", &sleep);
    let begun = team.call("POST", "/_/actions/contract", &sleep);
    let id = begun.json()["activationId"].as_str().unwrap().to_owned();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(http(node.address(), "GET", "/ready", &[], b"").status, 200);
    node.server().signal("TERM");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(http(node.address(), "GET", "/ready", &[], b"").status, 503);
    assert_eq!(team.invoke("contract", &json!({})).status, 503);
    let ended = answer(blocking);
    assert_eq!((ended.status, ended.json()), (200, json!({ "slept": 1500 })));
    node.server().ends_within(Duration::from_secs(20));
    let node = Node::restart(&sandbox);
    let record = node.client("team-a").record(&id);
    assert_eq!(record["response"]["result"], json!({ "slept": 1500 }));
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9() {
    let sandbox = Sandbox::new();
    let mut acknowledged: Vec<(String, Option<Value>)> = Vec::new();
    let mut node = node(&sandbox);
    node.client("team-a").deployed("contract", &guest("contract"));
    for round in 0..5 {
        let team = node.client("team-a");
        let calls: Vec<_> = (0..4)
            .map(|caller| {
                let team = team.clone();
                thread::spawn(move || {
                    let mut mine = Vec::new();
                    for number in 0.. {
                        let value = json!({ "round": round, "caller": caller, "number": number });
                        let blocking = number % 2 == 0;
                        let path = format!("/_/actions/contract?blocking={blocking}");
                        let answered =
                            std::panic::catch_unwind(|| team.call("POST", &path, &value)).ok();
                        let Some(answer) = answered else { break };
                        let Some(id) = answer.json()["activationId"].as_str().map(str::to_owned)
                        else {
                            break;
                        };
                        mine.push((id, blocking.then_some(value)));
                    }
                    mine
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(400 + 150 * round));
        node.server().signal("KILL");
        node.server().ends_within(Duration::from_secs(10));
        for call in calls {
            acknowledged.extend(call.join().unwrap());
        }
        node = Node::restart(&sandbox);
        assert_eq!(node.client("team-a").get("/_/actions")[0]["name"], "contract");
    }
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    for (id, result) in acknowledged {
        let record = node.client("team-a").record(&id);
        match result {
            Some(result) => assert_eq!(record["response"]["result"], result),
            // It ended, or its record says that it was interrupted.
            None => assert!(record["response"]["status"].is_string(), "{record}"),
        }
    }
}

#[test]
fn a_backup_is_taken_while_the_node_runs_and_works_as_its_data() {
    let sandbox = Sandbox::new();
    let mut node = node(&sandbox);
    let team = node.client("team-a");
    team.deployed("hello", &guest("hello"));
    let invoked = team.call("POST", "/_/actions/hello?blocking=true", &json!({ "name": "Ada" }));
    let id = invoked.json()["activationId"].as_str().unwrap().to_owned();
    let backup = ["serve", "--data", "node-data", "--backup", "saved"];
    says(&sandbox.run(backup), 0, &["saved"]);
    says(&sandbox.run(backup), 6, &["saved"]);
    node.server().signal("TERM");
    node.server().ends_within(Duration::from_secs(20));
    std::fs::rename(sandbox.path("node-data"), sandbox.path("lost")).unwrap();
    std::fs::rename(sandbox.path("saved"), sandbox.path("node-data")).unwrap();
    let node = Node::restart(&sandbox);
    let team = node.client("team-a");
    assert_eq!(team.record(&id)["response"]["status"], "success");
    assert_eq!(team.invoke("hello", &json!({ "name": "Bo" })).json()["greeting"], "Hello, Bo!");
}
