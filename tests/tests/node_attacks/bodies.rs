//! Bodies of requests: large, slow, and of unknown clients.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keynet_tests::node::{Node, Tenant, key_of};
use keynet_tests::process::resident;
use keynet_tests::{Sandbox, guest, http};
use serde_json::json;

use super::{Attacked, BLOCKING};

/// Opens a connection with the head of a request that announces 45 MiB, and sends the first of them.
fn begin(address: &str, target: &str, key: Option<&str>, mib: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    let key = key.map_or_else(String::new, |key| {
        format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(key))
    });
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: x\r\n{key}Content-Type: application/json\r\n\
        Content-Length: {}\r\n\r\n{{\"x\":\"",
        45 << 20
    );
    stream.write_all(head.as_bytes()).unwrap();
    let part = vec![b'x'; 1 << 20];
    (0..mib).try_for_each(|_| stream.write_all(&part)).ok()?;
    Some(stream)
}

#[test]
fn good_deploys_while_evil_sends_large_bodies_slowly() {
    let attacked = Attacked::start("", "");
    let (address, key) = (attacked.node.address(), key_of("evil"));
    let bodies: Vec<_> = (0..8)
        .map(|number| {
            let target = format!("/api/v1/namespaces/_/actions/slow{number}");
            let (address, key) = (address.to_owned(), key.clone());
            thread::spawn(move || begin(&address, &target, Some(&key), 40))
        })
        .collect();
    thread::sleep(Duration::from_secs(2));
    for _ in 0..5 {
        attacked.good.deployed("again", &guest("contract"));
    }
    drop(bodies);
}

#[test]
fn good_deploys_while_four_namespaces_send_large_bodies_slowly() {
    let sandbox = Sandbox::new();
    let evils = ["evil", "worse", "worst", "dire"];
    let tenants = ["good", evils[0], evils[1], evils[2], evils[3]].map(Tenant::new);
    let node = Node::start(&sandbox, "", &tenants);
    let bodies: Vec<_> = evils
        .iter()
        .flat_map(|name| [(name, 0), (name, 1), (name, 2)])
        .map(|(name, number)| {
            let target = format!("/api/v1/namespaces/_/actions/slow{number}");
            let (address, key) = (node.address().to_owned(), key_of(name));
            thread::spawn(move || begin(&address, &target, Some(&key), 40))
        })
        .collect();
    thread::sleep(Duration::from_secs(2));
    for _ in 0..3 {
        node.client("good").deployed("contract", &guest("contract"));
    }
    drop(bodies);
}

#[test]
fn good_deploys_while_evil_waits_for_activations_with_large_parameters() {
    let attacked = Attacked::start("", "");
    let large = json!({ "do": "sleep", "ms": 20_000, "x": "x".repeat(1_000_000) });
    let waiting: Vec<_> = (0..200).map(|_| attacked.evil.begin("POST", BLOCKING, &large)).collect();
    for _ in 0..5 {
        attacked.good.deployed("again", &guest("contract"));
    }
    drop(waiting);
}

#[test]
fn bodies_of_clients_without_a_key_are_not_held() {
    let attacked = Attacked::start("", "");
    let address = attacked.node.address();
    let before = resident(attacked.process());
    for target in [
        "/api/v1/namespaces/_/actions/x",
        "/api/v1/namespaces/good/actions/contract",
        "/api/v1/web/good/default/contract.json",
        "/api/v1/web/good/default/none.json",
        "/api/v1/web/nobody/default/x.json",
        "/",
        "/elsewhere",
    ] {
        let started = Instant::now();
        let mut held = Vec::new();
        for _ in 0..20 {
            held.extend(begin(address, target, None, 2));
        }
        for stream in &mut held {
            // The answer came before the body: or the connection was closed.
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut head = [0; 12];
            if let Ok(12) = stream.read(&mut head) {
                assert!(head.starts_with(b"HTTP/1.1 4"), "{target}: {head:?}");
            }
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{target} waits for bodies");
    }
    let grown = resident(attacked.process()).saturating_sub(before);
    assert!(grown < 60, "280 MiB of bodies took {grown} MiB");
    attacked.good_answers(3);
}

#[test]
fn evil_is_told_the_limit_of_parameters_before_it_has_sent_them() {
    let attacked = Attacked::start("", "");
    let large = vec![b'x'; 3 << 20];
    let key = format!("Basic {}", BASE64_STANDARD.encode(key_of("evil")));
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let target = "/api/v1/namespaces/_/actions/contract?blocking=true";
    let stream =
        keynet_tests::send(attacked.node.address(), "POST", target, &headers, &large[..1000]);
    drop(stream.shutdown(std::net::Shutdown::Write));
    let short = http(attacked.node.address(), "POST", target, &headers, b"[1]");
    assert_eq!(short.status, 400, "{}", short.text());
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\
        Content-Type: application/json\r\nContent-Length: 3000000\r\n\r\n"
    );
    let mut stream = TcpStream::connect(attacked.node.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    assert!(text.contains("3000000 > 1048576"), "{text}");
}
