//! Attacks on a node: a hostile component, caller or tenant of the namespace `evil`, against the
//! namespace `good` beside it. Each test is named after what `good` sees.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, missing_docs)]

mod bodies;
mod compile;
mod connections;
mod credentials;
mod floods;
mod headers;
mod json;
mod loaded;
mod memory;
mod names;
mod packages;
mod processor;
mod reads;
mod responses;
mod sequences;

use std::time::{Duration, Instant};

use keynet_tests::node::{Client, Node, Tenant};
use keynet_tests::{Sandbox, guest};
use serde_json::{Value, json};

const BLOCKING: &str = "/_/actions/contract?blocking=true&result=true";

/// A node with both namespaces, which have the guests `contract` and `evil` as actions.
struct Attacked {
    node: Node,
    evil: Client,
    good: Client,
    sandbox: Sandbox,
}

impl Attacked {
    /// Starts it; `process` is the beginning of `node.toml`, `evil` the lines of its namespace.
    fn start(process: &str, evil: &str) -> Self {
        Self::start_in(Sandbox::new(), process, evil)
    }

    fn start_in(sandbox: Sandbox, process: &str, evil: &str) -> Self {
        let tenants = [Tenant::new("evil").with(evil), Tenant::new("good")];
        let node = Node::start(&sandbox, process, &tenants);
        let (evil, good) = (node.client("evil"), node.client("good"));
        for client in [&evil, &good] {
            client.deployed("contract", &guest("contract"));
            client.deployed("evil", &guest("evil"));
        }
        let attacked = Self { node, evil, good, sandbox };
        attacked.good_answers(1);
        attacked
    }

    /// Asserts that `count` activations of `good` succeed, and returns the median of their times.
    fn good_answers(&self, count: u32) -> Duration {
        let mut times: Vec<Duration> = (0..count)
            .map(|number| {
                let started = Instant::now();
                let answer = self.good.invoke("contract", &json!({ "number": number }));
                assert_eq!((answer.status, answer.json()), (200, json!({ "number": number })));
                started.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    }

    /// Starts activations of `evil` that no caller waits for, and returns their ids.
    fn begin(&self, count: usize, action: &str, attack: &Value) -> Vec<String> {
        let path = format!("/_/actions/{action}");
        (0..count)
            .map(|_| {
                let answer = self.evil.call("POST", &path, attack);
                assert_eq!(answer.status, 202, "{}", answer.text());
                answer.json()["activationId"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    fn process(&self) -> u32 {
        self.node.server_id()
    }
}
