//! Clients of a container's port that use more than their share: slow clients, many clients, large
//! bodies, and stalled readers of logs.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::process::Process;
use keynet_tests::runtime::{
    Runtime, SENTINEL, activation, base64_of, deadline, initialization, runtime_binary,
};
use keynet_tests::{Answer, Sandbox, answer, free_address, guest, http, send};
use serde_json::json;

fn contract() -> Runtime {
    Runtime::of(&Sandbox::new(), &guest("contract"))
}

fn works(runtime: &Runtime) {
    let answer = runtime.run(&json!({ "do": "identity" }));
    assert_eq!((answer.status, answer.json()), (200, json!({ "do": "identity" })));
}

fn error_of(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {answer:?}")).to_owned()
}

/// Sends a request whose body stops after `sent` bytes of `announced`.
fn stalled(runtime: &Runtime, path: &str, announced: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(runtime.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {announced}\r\n\r\n")
        .unwrap();
    // The server stops reading it while other requests hold the memory.
    let _ = stream.write_all(&vec![b' '; sent]);
    stream
}

#[test]
fn bodies_that_stall_hold_a_bounded_memory_and_nobody_else() {
    let runtime = contract();
    let before = runtime.peak_mib();
    let bodies: Vec<_> = thread::scope(|scope| {
        let sending: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| stalled(&runtime, "/init", 50 << 20, 22 << 20)))
            .collect();
        let small = scope.spawn(|| {
            thread::sleep(Duration::from_secs(1));
            works(&runtime);
        });
        small.join().unwrap();
        sending.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // 128 MiB, and a vector that grows is briefly held twice.
    let most = before + 128 + 64;
    assert!(runtime.peak_mib() < most, "{} MiB, {before} MiB before", runtime.peak_mib());
    // Each is answered in time and releases its memory.
    let statuses: Vec<_> = bodies.into_iter().map(|stream| answer(stream).status).collect();
    assert!(statuses.iter().all(|status| [408, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&408) && statuses.contains(&503), "{statuses:?}");
    works(&runtime);
    let error = error_of(&http(runtime.address(), "POST", "/init", &[], &vec![b' '; 40 << 20]));
    assert_eq!(
        error, "Cannot initialize the action more than once.",
        "a large body is taken again"
    );
}

#[test]
fn a_body_that_pauses_is_answered_and_one_in_pieces_is_taken() {
    let runtime = contract();
    let pausing = stalled(&runtime, "/run", 1000, 10);
    let body = activation(&json!({ "do": "identity" }), Duration::from_secs(60)).to_string();
    let mut slow = TcpStream::connect(runtime.address()).unwrap();
    write!(
        slow,
        "POST /run HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    for piece in body.as_bytes().chunks(body.len().div_ceil(5)) {
        thread::sleep(Duration::from_millis(100));
        slow.write_all(piece).unwrap();
    }
    assert_eq!(answer(slow).json(), json!({ "do": "identity" }));
    let late = answer(pausing);
    assert_eq!(late.status, 408);
    assert!(error_of(&late).contains("did not arrive in time"), "{late:?}");
}

#[test]
fn a_header_that_trickles_in_is_given_up() {
    let runtime = contract();
    let mut stream = TcpStream::connect(runtime.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(b"POST /run HTTP/1.1\r\nX: ").unwrap();
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(40), "the connection is still open");
        if stream.write_all(b"x").is_err() || matches!(stream.read(&mut [0; 64]), Ok(0)) {
            break;
        }
    }
    assert!(started.elapsed() > Duration::from_secs(5), "{:?}", started.elapsed());
    // Headers that are too long are rejected at once.
    let long = format!("X: {}\r\n", "x".repeat(200 << 10));
    let mut stream = send(runtime.address(), "POST", "/run", &[("X", long.trim_end())], b"{}");
    let mut head = [0; 12];
    // The response may be lost in the connection reset that follows unread data.
    if stream.read_exact(&mut head).is_ok() {
        assert_eq!(&head, b"HTTP/1.1 431");
    }
    works(&runtime);
}

#[test]
fn idle_connections_give_way_to_new_ones() {
    let sandbox = Sandbox::new();
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let command = format!("ulimit -n 200; exec {} --port {port}", runtime_binary().display());
    let runtime = Runtime::with(sandbox.program("sh", ["-c", &command]), address.clone());
    assert_eq!(runtime.init(&base64_of(&guest("contract"))).status, 200);
    let idle: Vec<_> = (0..300).map(|_| TcpStream::connect(runtime.address()).unwrap()).collect();
    works(&runtime);
    drop(idle);
    works(&runtime);
}

#[test]
fn eighty_thousand_fields_are_refused_at_once() {
    let runtime = contract();
    let fields: Vec<_> =
        (0..80_000).map(|index| format!("\"field_{index}\":\"{index}\"")).collect();
    let started = Instant::now();
    let answer =
        runtime.post("/run", format!("{{\"value\":{{}},{}}}", fields.join(",")).as_bytes());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(answer.status, 400);
    assert!(error_of(&answer).contains("more than 256 fields beside `value`"), "{answer:?}");
    runtime.window();
    let large = runtime.post("/run", &vec![b' '; 51 << 20]);
    assert_eq!((large.status, error_of(&large).as_str()), (413, "the body is larger than 50 MiB"));
    works(&runtime);
}

#[test]
fn an_argument_of_many_megabytes_is_read_and_comes_back() {
    let runtime = contract();
    let value = json!({ "do": "identity", "text": "é\"".repeat(1 << 20) });
    let answer = runtime.run(&value);
    assert_eq!(answer.status, 200, "{:.300}", answer.text());
    assert!(answer.json() == value);
}

#[test]
fn a_run_that_is_refused_ends_no_other_activations_window() {
    let runtime = contract();
    let long = runtime.begin(&json!({ "do": "sleep", "ms": 3000 }));
    runtime.says("asleep");
    let past = (deadline(Duration::ZERO).parse::<u64>().unwrap() - 5000).to_string();
    for (body, status) in [
        ("{".to_owned(), 400),
        (json!({ "value": 3 }).to_string(), 404),
        (json!({ "value": {}, "deadline": past }).to_string(), 200),
        (activation(&json!({ "do": "identity" }), Duration::from_millis(300)).to_string(), 200),
    ] {
        let refused = runtime.post("/run", body.as_bytes());
        assert_eq!(refused.status, status, "{body}");
        error_of(&refused);
    }
    assert_eq!(runtime.init("").status, 403);
    assert_eq!(answer(long).json(), json!({ "slept": 3000 }));
    let window = runtime.window();
    assert_eq!(window.stdout, ["asleep"]);
    assert_eq!(window.stderr, ["Cannot initialize the action more than once."]);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(runtime.rest(), (vec![], vec![]));
    // If nothing else is running, OpenWhisk waits for the log markers of a rejected request too.
    assert_eq!(runtime.post("/run", b"{").status, 400);
    runtime.window();
}

/// Starts a container whose output streams are read only when the test does so.
fn held(sandbox: &Sandbox) -> (Process, String) {
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let mut command = sandbox.program(runtime_binary(), ["--port", port]);
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    process.listens_within(&address, Duration::from_secs(20)).unwrap();
    let init = initialization(&base64_of(&guest("contract")), "main", &json!({})).to_string();
    assert_eq!(http(&address, "POST", "/init", &[], init.as_bytes()).status, 200);
    (process, address)
}

#[test]
fn a_slow_reader_of_the_logs_delays_no_answer_past_its_deadline() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_LOGS", "64MiB");
    let (mut process, address) = held(&sandbox);
    let (mut stdout, _stderr) =
        (process.pipes().stdout.take().unwrap(), process.pipes().stderr.take().unwrap());
    // Read a byte now and then: an unbounded wait for the next byte would never end.
    thread::spawn(move || {
        while stdout.read_exact(&mut [0]).is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    for _ in 0..2 {
        let value = json!({ "do": "lines", "count": 200_000, "bytes": 100, "id": "a" });
        let started = Instant::now();
        let time = Duration::from_secs(4);
        let answer =
            http(&address, "POST", "/run", &[], activation(&value, time).to_string().as_bytes());
        assert!(started.elapsed() < time, "{:?}", started.elapsed());
        assert_eq!(answer.status, 200);
    }
}

#[test]
fn a_reader_that_comes_back_gets_whole_lines_every_mark_and_what_was_dropped() {
    let (mut process, address) = held(&Sandbox::new());
    let (stdout, stderr) =
        (process.pipes().stdout.take().unwrap(), process.pipes().stderr.take().unwrap());
    let run = |value| {
        let answer = http(
            &address,
            "POST",
            "/run",
            &[],
            activation(&value, Duration::from_secs(30)).to_string().as_bytes(),
        );
        assert_eq!((answer.status, answer.json().get("error")), (200, None), "{answer:?}");
    };
    run(json!({ "do": "lines", "count": 15_000, "bytes": 150, "id": "a" }));
    run(json!({ "do": "lines", "count": 3, "bytes": 5, "id": "b" }));
    let reading =
        [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)].map(|pipe| {
            thread::spawn(move || {
                let mut lines = Vec::new();
                for line in BufReader::new(pipe).lines().map(Result::unwrap) {
                    let third = line == SENTINEL
                        && lines.iter().filter(|line| *line == SENTINEL).count() == 2;
                    lines.push(line);
                    if third {
                        break;
                    }
                }
                lines
            })
        });
    thread::sleep(Duration::from_secs(1));
    run(json!({ "do": "lines", "count": 2, "bytes": 5, "id": "c" }));
    for lines in reading.map(|thread| thread.join().unwrap()) {
        let kept = lines.iter().take_while(|line| line.starts_with("a ")).count();
        assert!(
            kept > 5000 && lines[..kept].iter().all(|line| line.ends_with(&"x".repeat(150))),
            "{kept}"
        );
        assert!(
            lines[kept].starts_with("keynet: ")
                && lines[kept].contains("bytes of logs were dropped here"),
            "{}",
            lines[kept]
        );
        let last: Vec<_> = lines[kept + 1..]
            .iter()
            .filter(|line| !line.starts_with("keynet-receipt: "))
            .map(String::as_str)
            .collect();
        assert_eq!(last, [SENTINEL, SENTINEL, "c 0 xxxxx", "c 1 xxxxx", SENTINEL]);
    }
}
