//! Sequences of sequences, of themselves, and of what is gone.

use std::time::{Duration, Instant};

use keynet_tests::guest;
use serde_json::{Value, json};

use super::Attacked;

fn put(attacked: &Attacked, name: &str, components: &[String]) -> u16 {
    let body = json!({ "exec": { "kind": "sequence", "components": components } });
    attacked.evil.call("PUT", &format!("/_/actions/{name}?overwrite=true"), &body).status
}

#[test]
fn good_runs_beside_a_sequence_of_50_to_the_power_of_6_actions() {
    let attacked = Attacked::start("", "");
    assert_eq!(put(&attacked, "s0", &vec!["/_/contract".to_owned(); 50]), 200);
    for level in 1..6 {
        let components = vec![format!("/_/s{}", level - 1); 50];
        assert_eq!(put(&attacked, &format!("s{level}"), &components), 200);
    }
    assert_eq!(put(&attacked, "long", &vec!["/_/contract".to_owned(); 51]), 400);
    let started = Instant::now();
    let answer = attacked.evil.invoke("s5", &json!({ "do": "identity" }));
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("Too many actions"), "{}", answer.text());
    assert!(started.elapsed() < Duration::from_secs(60));
    let ids = attacked.begin(100, "s5", &json!({ "do": "identity" }));
    attacked.good_answers(20);
    ids.iter().for_each(|id| drop(attacked.evil.record(id)));
}

#[test]
fn a_sequence_of_itself_ends() {
    let attacked = Attacked::start("", "");
    assert_eq!(put(&attacked, "s", &["/_/contract".to_owned()]), 200);
    assert_eq!(put(&attacked, "s", &["/_/s".to_owned()]), 200);
    assert_eq!(put(&attacked, "t", &["/_/s".to_owned(), "/_/contract".to_owned()]), 200);
    assert_eq!(put(&attacked, "s", &["/_/t".to_owned(), "/_/t".to_owned()]), 200);
    for name in ["s", "t"] {
        let answer = attacked.evil.invoke(name, &json!({}));
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(answer.text().contains("Too many actions"), "{}", answer.text());
    }
    attacked.good_answers(1);
}

#[test]
fn a_sequence_of_what_is_gone_says_so_and_has_a_record() {
    let attacked = Attacked::start("", "");
    let components = ["/_/contract".to_owned(), "/_/evil".to_owned()];
    assert_eq!(put(&attacked, "s", &components), 200);
    let gone = attacked.evil.call("DELETE", "/_/actions/evil", &Value::Null);
    assert_eq!(gone.status, 200);
    let answer = attacked.evil.call("POST", "/_/actions/s?blocking=true", &json!({}));
    assert_eq!(answer.status, 502, "{}", answer.text());
    let id = answer.json()["activationId"].as_str().unwrap().to_owned();
    let record = attacked.evil.record(&id);
    assert!(record.to_string().contains("does not exist"), "{record}");
    assert_eq!(record["logs"].as_array().unwrap().len(), 1, "{record}");
    for components in [vec![], vec!["/_/none".to_owned()], vec!["..".to_owned()]] {
        assert_eq!(put(&attacked, "u", &components), 400, "{components:?}");
    }
    assert_eq!(put(&attacked, "u", &["/good/contract".to_owned()]), 403);
}

#[test]
fn the_final_parameters_of_an_action_stay_in_a_sequence() {
    let attacked = Attacked::start("", "");
    let own = json!({
        "annotations": [{ "key": "final", "value": true }],
        "parameters": [{ "key": "host", "value": "own" }, { "key": "free", "value": null }],
    });
    assert_eq!(attacked.evil.deploy("step", &guest("contract"), &own).status, 200);
    assert_eq!(put(&attacked, "s", &["/_/contract".to_owned(), "/_/step".to_owned()]), 200);
    let sent = json!({ "host": "theirs", "free": 1, "other": 1.5 });
    assert_eq!(attacked.evil.invoke("step", &sent).status, 400);
    let answer = attacked.evil.invoke("s", &sent);
    assert_eq!(answer.json(), json!({ "host": "own", "free": 1, "other": 1.5 }));
}
