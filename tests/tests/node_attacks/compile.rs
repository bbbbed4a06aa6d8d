//! Components that take long to compile.

use std::fmt::Write as _;
use std::time::{Duration, Instant};
use std::{process, thread};

use keynet_tests::Sandbox;
use keynet_tests::hostile::Bomb;
use keynet_tests::made::answers;
use keynet_tests::node::{Node, Tenant};
use serde_json::json;

use super::Attacked;

/// Returns a component of functions that are slow to compile: many values that are alive at once.
fn slow_to_compile() -> Vec<u8> {
    let mut fields = String::new();
    for function in 0..40 {
        let _ = write!(fields, "(func (export \"f{function}\") (param i64) (result i64) (local");
        fields.push_str(&" i64".repeat(400));
        fields.push_str(") (loop $again\n");
        for step in 0..20_000 {
            let (to, from) = (1 + step % 400, 1 + (step * 7 + 3) % 400);
            let _ = writeln!(
                fields,
                "local.get {from} local.get {to} i64.rotl local.get 0 i64.xor local.set {to}"
            );
        }
        fields.push_str("(br_if $again (i64.eqz (local.get 9)))) local.get 7)\n");
    }
    Bomb { fields, ..Bomb::default() }.component()
}

#[test]
fn good_deploys_and_runs_while_evil_compiles_for_a_minute() {
    let mut sandbox = Sandbox::without_cache();
    sandbox.set("KEYNET_COMPILE_TIME", "60s");
    let attacked = Attacked::start_in(sandbox, "", "");
    let bomb = attacked.sandbox.path("bomb.wasm");
    std::fs::write(&bomb, slow_to_compile()).unwrap();
    let compiling = |name: &'static str| {
        let (evil, bomb) = (attacked.evil.clone(), bomb.clone());
        thread::spawn(move || drop(evil.deploy(name, &bomb, &json!({}))))
    };
    let bombs = ["one", "two", "three", "four"].map(compiling);
    let node = attacked.process();
    let started = Instant::now();
    while children(node) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not compile");
        thread::sleep(Duration::from_millis(20));
    }
    for number in 0..3 {
        let component = attacked.sandbox.path("good.wasm");
        let text = format!("{{\"number\":{number},\"process\":{}}}", process::id());
        std::fs::write(&component, answers(&text)).unwrap();
        attacked.good.deployed("new", &component);
        assert_eq!(attacked.good.invoke("new", &json!({})).json()["number"], number);
    }
    attacked.good_answers(5);
    assert_eq!(children(node), 1, "evil compiles one component at a time");
    assert!(bombs.iter().all(|bomb| !bomb.is_finished()), "they were to take longer");
}

#[test]
fn good_changes_its_actions_while_a_hundred_changes_of_evil_wait_for_a_compilation() {
    let mut sandbox = Sandbox::without_cache();
    sandbox.set("KEYNET_COMPILE_TIME", "60s");
    let attacked = Attacked::start_in(sandbox, "", "");
    let bomb = attacked.sandbox.path("bomb.wasm");
    std::fs::write(&bomb, slow_to_compile()).unwrap();
    let evil = attacked.evil.clone();
    let compiling = thread::spawn(move || drop(evil.deploy("bomb", &bomb, &json!({}))));
    while children(attacked.process()) == 0 {
        thread::sleep(Duration::from_millis(20));
    }
    let (answered, answers) = std::sync::mpsc::channel();
    for number in 0..100 {
        let (evil, answered) = (attacked.evil.clone(), answered.clone());
        thread::spawn(move || {
            let answer = evil.call("PUT", &format!("/_/packages/p{number}"), &json!({}));
            let _ = answered.send(answer.status);
        });
    }
    let refused: Vec<u16> =
        (0..37).map_while(|_| answers.recv_timeout(Duration::from_secs(20)).ok()).collect();
    assert_eq!(refused, [429; 37], "one is made, and 63 wait");
    assert_eq!(attacked.good.call("PUT", "/_/packages/p", &json!({})).status, 200);
    attacked.good_answers(5);
    assert!(!compiling.is_finished(), "it was to take longer");
}

#[test]
fn good_deploys_and_runs_while_eight_namespaces_compile_for_minutes() {
    let mut sandbox = Sandbox::without_cache();
    sandbox.set("KEYNET_COMPILE_TIME", "120s");
    let names: Vec<_> = (0..8).map(|number| format!("evil-{number}")).collect();
    let mut tenants = vec![Tenant::new("good")];
    tenants.extend(names.iter().map(|name| Tenant::new(name)));
    let node = Node::start(&sandbox, "", &tenants);
    let good = node.client("good");
    let (bomb, component) = (sandbox.path("bomb.wasm"), sandbox.path("good.wasm"));
    std::fs::write(&bomb, slow_to_compile()).unwrap();
    let deploying = |name: &String| {
        let (evil, bomb) = (node.client(name), bomb.clone());
        thread::spawn(move || drop(evil.deploy("bomb", &bomb, &json!({}))))
    };
    let bombs: Vec<_> = names.iter().map(deploying).collect();
    let started = Instant::now();
    while children(node.server_id()) < 3 {
        assert!(started.elapsed() < Duration::from_secs(60), "they do not compile");
        thread::sleep(Duration::from_millis(20));
    }
    for number in 0..3 {
        let text = format!("{{\"number\":{number},\"process\":{}}}", process::id());
        std::fs::write(&component, answers(&text)).unwrap();
        let begun = Instant::now();
        good.deployed("new", &component);
        println!("deployment {number} of good: {:?}", begun.elapsed());
        assert_eq!(good.invoke("new", &json!({})).json()["number"], number);
    }
    assert!(children(node.server_id()) <= 3, "as many as without an attack");
    assert!(bombs.iter().all(|bomb| !bomb.is_finished()), "good waited for a bomb");
}

/// Returns the number of child processes of a process.
fn children(process: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process");
    let children = tasks.flatten().map(|task| {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        text.split_whitespace().count()
    });
    children.sum()
}
