//! Connections, and concurrent activations.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::runtime::{Runtime, Window, activation};
use keynet_tests::{Sandbox, answer};
use serde_json::json;

use super::{contract, error_of, logs, nothing_was_said, window, works};

#[test]
fn connections_are_kept_or_made_anew_and_bodies_may_come_in_chunks() {
    let runtime = contract(&Sandbox::new());
    let mut stream = TcpStream::connect(runtime.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let exchange = |stream: &mut TcpStream, request: &str, expected: &str| {
        stream.write_all(request.as_bytes()).unwrap();
        let mut got = String::new();
        while !got.ends_with(expected) {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "it closed the connection: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    };
    let body = r#"{"value":{"do":"identity"}}"#;
    for _ in 0..3 {
        let plain = format!(
            "POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange(&mut stream, &plain, r#"{"do":"identity"}"#);
    }
    let (first, second) = body.split_at(5);
    let chunked = format!(
        "POST /run HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \
            chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    exchange(&mut stream, &chunked, r#"{"do":"identity"}"#);
    // The content type of the body is ignored.
    let typed = format!(
        "POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: \
        text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(&mut stream, &typed, r#"{"do":"identity"}"#);
    for _ in 0..3 {
        works(&runtime);
    }
}

#[test]
fn without_leave_activations_are_run_one_after_another() {
    let runtime = contract(&Sandbox::new());
    thread::scope(|scope| {
        for id in ["a", "b", "c", "d"] {
            let runtime = &runtime;
            scope.spawn(move || {
                assert_eq!(
                    runtime
                        .run(&json!({ "do": "lines", "count": 50, "bytes": 10, "id": id }))
                        .status,
                    200
                )
            });
        }
    });
    for _ in 0..4 {
        let logs = runtime.window();
        let id = &logs.stdout[0][..1];
        let expected: Vec<_> = (0..50).map(|line| format!("{id} {line} xxxxxxxxxx")).collect();
        assert_eq!((&logs.stdout, &logs.stderr), (&expected, &expected));
    }
    // A request that times out in the queue gets its response in time, and the running activation
    // is not disturbed.
    let long = runtime.begin(&json!({ "do": "sleep", "ms": 2500 }));
    runtime.says("asleep");
    let error = error_of(
        &runtime.run_within(&json!({ "do": "identity" }), Duration::from_millis(800)),
        200,
    );
    assert!(error.contains("nothing was run"), "{error}");
    assert_eq!(answer(long).json(), json!({ "slept": 2500 }));
    assert_eq!(logs(&runtime), window(&["asleep"], &[]));
}

/// Starts a container that allows concurrent activations, with shared objects.
fn concurrent() -> (Runtime, Sandbox) {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "True");
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:1/");
    (contract(&sandbox), sandbox)
}

#[test]
fn with_leave_128_activations_overlap_and_a_trap_in_one_is_its_own() {
    const COUNT: usize = 128;
    let (runtime, sandbox) = concurrent();
    let traps = |id: usize| id == 77;
    thread::scope(|scope| {
        let running: Vec<_> = (0..COUNT)
            .map(|id| {
                let runtime = &runtime;
                scope.spawn(move || {
                    let mut body = activation(
                        &json!({ "do": "meet", "id": id.to_string(), "trap": traps(id) }),
                        Duration::from_secs(55),
                    );
                    body["activation_id"] = json!(format!("activation {id}"));
                    runtime.post("/run", body.to_string().as_bytes())
                })
            })
            .collect();
        // No activation ends before all have started: they run at the same time.
        let started = Instant::now();
        let here = || {
            std::fs::read_dir(sandbox.path("storage/here")).map_or(0, |files| {
                files
                    .flatten()
                    .filter(|file| !file.file_name().to_string_lossy().starts_with('.'))
                    .count()
            })
        };
        while here() < COUNT {
            assert!(
                started.elapsed() < Duration::from_secs(45),
                "only {} of {COUNT} are under way",
                here()
            );
            thread::sleep(Duration::from_millis(50));
        }
        std::fs::write(sandbox.path("storage/go"), "").unwrap();
        for (id, answer) in running.into_iter().map(|thread| thread.join().unwrap()).enumerate() {
            match traps(id) {
                true => assert!(error_of(&answer, 200).contains("trapped"), "{}", answer.text()),
                false => assert_eq!(
                    answer.json(),
                    json!({ "id": id.to_string(), "activation": format!("activation {id}") }),
                    "its own environment"
                ),
            }
        }
    });
    // The lines of each activation are contiguous, with an end marker.
    let mut seen: Vec<_> = (0..COUNT).map(|_| runtime.window().stdout).collect();
    seen.sort();
    let mut expected: Vec<_> = (0..COUNT)
        .map(|id| {
            if traps(id) {
                vec![format!("{id} is here")]
            } else {
                vec![format!("{id} is here"), format!("{id} goes")]
            }
        })
        .collect();
    expected.sort();
    assert_eq!(seen, expected);
    nothing_was_said(&runtime);
}

#[test]
fn lines_of_overlapping_activations_are_never_torn() {
    let (runtime, _sandbox) = concurrent();
    // Some write more than the host buffers.
    let (ids, lines) = (["a", "b", "c", "d", "e", "f", "g", "h"], 3000);
    thread::scope(|scope| {
        for id in ids {
            let runtime = &runtime;
            scope.spawn(move || {
                assert_eq!(
                    runtime
                        .run(&json!({ "do": "lines", "count": lines, "bytes": 200, "id": id }))
                        .status,
                    200
                )
            });
        }
    });
    let windows: Vec<_> = ids.iter().map(|_| runtime.window()).collect();
    for stream in [|window: &Window| window.stdout.clone(), |window: &Window| window.stderr.clone()]
    {
        let all: Vec<_> = windows.iter().flat_map(stream).collect();
        for id in ids {
            let own: Vec<_> = all.iter().filter(|line| line.starts_with(id)).collect();
            let expected: Vec<_> =
                (0..lines).map(|line| format!("{id} {line} {}", "x".repeat(200))).collect();
            assert!(
                own.iter().map(|line| line.as_str()).eq(expected.iter().map(String::as_str)),
                "{id}: {} lines",
                own.len()
            );
        }
        assert_eq!(all.len(), ids.len() * lines);
    }
}

#[test]
fn more_than_the_configured_number_wait() {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "true");
    sandbox.set("KEYNET_CONCURRENCY", 1);
    let runtime = contract(&sandbox);
    let long = runtime.begin(&json!({ "do": "sleep", "ms": 2500 }));
    thread::sleep(Duration::from_millis(500));
    let error = error_of(
        &runtime.run_within(&json!({ "do": "identity" }), Duration::from_millis(800)),
        200,
    );
    assert!(error.contains("a place among the activations"), "{error}");
    assert_eq!(answer(long).json(), json!({ "slept": 2500 }));
}
