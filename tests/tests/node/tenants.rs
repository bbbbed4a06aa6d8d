//! Namespaces: keys, quotas, policies, and the configuration while the node runs.

use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::node::{Node, Tenant, key_of};
use keynet_tests::{Sandbox, answer, guest, says};
use serde_json::{Value, json};

use super::node;

#[test]
fn a_key_opens_its_own_namespace_and_nothing_else_does() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    assert_eq!(team.get(""), json!(["team-a"]));
    let key = key_of("team-a");
    let (id, secret) = key.split_once(':').unwrap();
    let other = key_of("team-b");
    let shortened = &key[..key.len() - 1];
    for forged in [
        "",
        ":",
        id,
        shortened,
        &format!("{key}x"),
        &format!("{id}:{}", other.split_once(':').unwrap().1),
        &format!("{}:{secret}", other.split_once(':').unwrap().0),
        &key.to_uppercase(),
        &format!("{key}\n"),
    ] {
        let answer = team.with_key(forged).call("GET", "/_/actions", &Value::Null);
        assert_eq!(answer.status, 401, "{forged:?}");
        assert!(answer.head.to_lowercase().contains("www-authenticate"), "{}", answer.head);
    }
}

#[test]
fn quotas_are_told_in_openwhisks_words() {
    let sandbox = Sandbox::new();
    let quotas = "quotas = { activations-per-minute = 3, concurrent = 1, queue = 1, \
        parameters = '1KiB', result = '1KiB', entities = 2, action-memory = '256MiB' }";
    let node = Node::start(&sandbox, "", &[Tenant::new("small").with(quotas), Tenant::new("big")]);
    let (small, big) = (node.client("small"), node.client("big"));
    small.deployed("contract", &guest("contract"));
    big.deployed("contract", &guest("contract"));

    let large = small.invoke("contract", &json!({ "x": "x".repeat(2000) }));
    assert_eq!(large.status, 413, "{}", large.text());
    let limits = json!({ "limits": { "memory": 512 } });
    let refused = small.deploy("large", &guest("contract"), &limits);
    assert!(refused.status == 400 && refused.text().contains("256 MB"), "{}", refused.text());
    small.deployed("second", &guest("contract"));
    let third = small.deploy("third", &guest("contract"), &json!({}));
    assert!(third.status == 403 && third.text().contains("quota"), "{}", third.text());

    // One runs, one waits, one is refused: 1 + 1 + 1 of 3 in this minute, or the next one.
    let sleep = json!({ "do": "sleep", "ms": 1500 });
    let path = "/_/actions/contract?blocking=true&result=true";
    let first = small.begin("POST", path, &sleep);
    thread::sleep(Duration::from_millis(300));
    let second = small.begin("POST", path, &sleep);
    thread::sleep(Duration::from_millis(300));
    let refused = small.call("POST", path, &sleep);
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.text().contains("concurrent requests"), "{}", refused.text());
    assert_eq!((answer(first).status, answer(second).status), (200, 200));
    // A minute has three at most, so that of six in a row at least one is refused.
    let answers: Vec<_> = (0..6).map(|_| small.invoke("contract", &json!({}))).collect();
    let refused = answers.iter().find(|answer| answer.status == 429).expect("a refusal");
    assert!(refused.text().contains("in the last minute"), "{}", refused.text());
    for _ in 0..10 {
        assert_eq!(big.invoke("contract", &json!({})).status, 200, "another namespace");
    }
    let large = big.invoke("contract", &json!({ "do": "big", "bytes": 6_000_000 }));
    assert!(large.status == 502 && large.text().contains("quota"), "{}", large.text());
}

#[test]
fn what_the_policy_does_not_grant_fails_at_deploy_with_its_name() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("node-config")).unwrap();
    std::fs::write(sandbox.path("node-config/strict.toml"), "models = ['allowed']\n").unwrap();
    let strict = Tenant::new("strict").with("policy = 'strict.toml'");
    let node = Node::start(&sandbox, "", &[strict]);
    let team = node.client("strict");
    let answer = team.deploy("detect", &guest("image-detection"), &json!({}));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("models"), "{}", answer.text());
    assert_eq!(team.get("/_/actions"), json!([]));
}

#[test]
fn a_changed_configuration_is_taken_while_activations_run() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let mut node = node;
    let team = node.client("team-a");
    team.deployed("contract", &guest("contract"));
    let path = "/_/actions/contract?blocking=true&result=true";
    let running = team.begin("POST", path, &json!({ "do": "sleep", "ms": 1500 }));
    thread::sleep(Duration::from_millis(300));
    // A file with an error changes nothing.
    node.configure("", &[Tenant::new("team-a").with("quotas = { concurent = 1 }")]);
    node.server().signal("HUP");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(node.client("team-b").get(""), json!(["team-b"]));
    // Without a signal: the content is looked at.
    node.configure("", &[Tenant::new("team-a"), Tenant::new("team-c")]);
    let started = Instant::now();
    while node.client("team-c").call("GET", "", &Value::Null).status != 200 {
        assert!(started.elapsed() < Duration::from_secs(30), "it was not reloaded");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(node.client("team-b").call("GET", "", &Value::Null).status, 401);
    assert_eq!(answer(running).status, 200);
    assert_eq!(team.invoke("contract", &json!({})).status, 200);
}

#[test]
fn a_configuration_that_cannot_be_used_says_what_and_where() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("node.toml");
    let key = sandbox.path("a.key");
    std::fs::write(&key, key_of("a")).unwrap();
    let serve = |text: &str| {
        std::fs::write(&file, text).unwrap();
        sandbox.run(["serve", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0"])
    };
    says(&serve("[namespaces.a]\nkey-file = 'a.key'\n"), 4, &["a.key", "chmod 600"]);
    says(&serve("[namespaces.a]\nkey-file = 'none.key'\n"), 4, &["none.key"]);
    says(&serve("listen = 'x'\n"), 4, &["node.toml", "listen"]);
    says(&serve("[namespaces.'../x']\nkey-file = 'a.key'\n"), 4, &["illegal characters"]);
    says(&sandbox.run(["serve", "--config", "missing.toml"]), 6, &["missing.toml"]);
}

#[test]
fn without_a_file_there_is_a_namespace_with_a_new_key() {
    let mut sandbox = Sandbox::new();
    let address = keynet_tests::free_address();
    let arguments = ["serve", "--data", "data", "--listen", &address];
    let server = keynet_tests::Server::start(sandbox.command(arguments), address.clone());
    server.says("data/keys/guest.key");
    let key = std::fs::read_to_string(sandbox.path("data/keys/guest.key")).unwrap();
    sandbox.set("__OW_API_HOST", format!("http://{address}"));
    sandbox.set("__OW_API_KEY", key.trim());
    let component = guest("hello").display().to_string();
    says(&sandbox.run(["deploy", &component, "--name", "hello"]), 0, &[]);
    let invoked = sandbox.run(["invoke", "hello", "--param", "name=Ada"]);
    says(&invoked, 0, &[]);
    assert_eq!(invoked.json()["greeting"], "Hello, Ada!");
    assert!(sandbox.run(["list"]).stdout.contains("hello"));
    let receipt = sandbox.run(["logs", "--last", "--receipt"]).stdout;
    assert!(receipt.contains("guest_ns"), "{receipt}");
    says(&sandbox.run(["undeploy", "hello"]), 0, &[]);
}
