//! Connections: many, slow, and with huge headers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keynet_tests::node::key_of;
use serde_json::json;

use super::Attacked;

fn connect(attacked: &Attacked, count: usize, sent: &[u8]) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(attacked.node.address()).ok()?;
        stream.write_all(sent).ok()?;
        Some(stream)
    };
    (0..count).filter_map(open).collect()
}

#[test]
fn good_connects_beside_idle_connections_in_every_place() {
    let attacked = Attacked::start("process = { connections = 400 }\n", "");
    let idle = connect(&attacked, 1000, b"");
    assert!(idle.len() >= 400);
    attacked.good_answers(20);
    drop(idle);
}

#[test]
fn good_connects_beside_headers_that_never_end_in_every_place() {
    let attacked = Attacked::start("process = { connections = 400 }\n", "");
    let slow = connect(&attacked, 600, b"GET / HTTP/1.1\r\nX: ");
    attacked.good_answers(5);
    drop(slow);
}

#[test]
fn good_is_answered_while_evil_reads_none_of_its_responses() {
    let attacked = Attacked::start("", "quotas = { memory = '256MiB' }");
    let big = json!({ "do": "big", "bytes": 4_000_000 }).to_string();
    let request = format!(
        "POST /api/v1/namespaces/_/actions/contract?blocking=true HTTP/1.1\r\nHost: x\r\n\
        Authorization: Basic {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{big}",
        BASE64_STANDARD.encode(key_of("evil")),
        big.len()
    );
    let unread = connect(&attacked, 300, request.as_bytes());
    attacked.good_answers(20);
    let peak = keynet_tests::process::peak_of(attacked.process());
    assert!(peak < 1500, "300 responses of 4 MB took {peak} MiB");
    drop(unread);
}

#[test]
fn huge_headers_end_their_own_connection_only() {
    let attacked = Attacked::start("", "");
    let one = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(5000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20));
    for request in [one, many, long] {
        for mut stream in connect(&attacked, 20, request.as_bytes()) {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut head = [0; 12];
            if let Ok(12) = stream.read(&mut head) {
                assert!(head.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&head));
            }
        }
        attacked.good_answers(3);
    }
}
