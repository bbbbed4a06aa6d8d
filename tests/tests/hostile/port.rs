//! Container's port and its output streams: descriptors, connections, bodies, logs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use keynet_tests::hostile::{AT_REST, Ended, VictimSetup};
use keynet_tests::process::{Process, descriptors, peak_of, reset_peak, resident};
use keynet_tests::runtime::{
    Runtime, SENTINEL, activation, base64, base64_of, initialization, runtime_binary,
};
use keynet_tests::{Sandbox, answer, free_address, golden, guest, http};
use serde_json::{Value, json};

/// Number of stalled bodies, their announced length, and the bytes of each that are sent.
const STALLED: usize = 40;
const ANNOUNCED: usize = 50_000_000;
const SENT: usize = 20 << 20;

/// Limit on request bodies in progress, in addition to the memory of activations, in MiB:
/// docs/security.md.
const BODIES: u64 = 128;

/// `KEYNET_PROCESS_MEMORY` during stalled bodies, in MiB.
const PROCESS: u64 = 256;

/// Limit on the logs that wait for a slow reader, in MiB.
const LOGS_QUEUED: u64 = 32;

/// Time limit within which the server disconnects a client that sends nothing more.
const PATIENCE: Duration = Duration::from_secs(75);

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    stream
}

#[test]
fn stalled_bodies_hold_no_more_than_the_process_may_and_no_one_up() {
    let victim =
        VictimSetup::new([("KEYNET_PROCESS_MEMORY", "256MiB"), ("KEYNET_MEMORY", "64MiB")]).start();
    let address = victim.address();
    let head = format!(
        "POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: \
        {ANNOUNCED}\r\n\r\n{{\"value\":\""
    );
    let body = vec![b'x'; SENT];
    let (well, peak) = victim.peak_while(|| {
        let stalled: Vec<_> = thread::scope(|scope| {
            let send = || {
                let mut stream = connect(&address);
                // The server stops reading some of them: the bytes that were sent are counted.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                stream
            };
            let stalled: Vec<_> = (0..STALLED).map(|_| scope.spawn(send)).collect();
            stalled.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let well = victim.is_well();
        drop(stalled);
        well
    });
    eprintln!("{peak} MiB beside {STALLED} stalled bodies; {well:?}");
    well.unwrap();
    assert!(peak <= PROCESS + AT_REST, "{peak} MiB");
    victim.is_well().unwrap();
}

/// The host holds a caller's parameters as received, as the guest's arguments, and one by one: all
/// of it is charged.
#[test]
fn arguments_are_charged_before_they_are_unfolded() {
    let victim =
        VictimSetup::new([("KEYNET_PROCESS_MEMORY", "256MiB"), ("KEYNET_MEMORY", "128MiB")])
            .start();
    let small: String = (0..3_500_000).map(|number| format!(",\"{number:x}\":1")).collect();
    let one = "x".repeat(40 << 20);
    for (name, callers, body) in [
        ("3,500,000 small arguments", 1, format!("{{\"value\":{{\"do\":\"hello\"{small}}}}}")),
        (
            "five times 40 MiB of small arguments",
            5,
            format!("{{\"value\":{{\"do\":\"hello\"{small}}}}}"),
        ),
        (
            "five arguments of 40 MiB",
            5,
            format!("{{\"value\":{{\"do\":\"hello\",\"x\":\"{one}\"}}}}"),
        ),
        (
            "five times 40 MiB beside the arguments",
            5,
            format!("{{\"value\":{{\"do\":\"hello\"}},\"x\":\"{one}\"}}"),
        ),
    ] {
        let address = victim.address();
        let (answers, peak) = victim.peak_while(|| {
            thread::scope(|scope| {
                let send = || http(&address, "POST", "/run", &[], body.as_bytes());
                let callers: Vec<_> = (0..callers).map(|_| scope.spawn(send)).collect();
                callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
            })
        });
        let told: Vec<_> = answers
            .iter()
            .map(|answer| (answer.status, answer.text().chars().take(200).collect::<String>()))
            .collect();
        eprintln!("{name}: {peak} MiB, {told:?}");
        assert!(answers.iter().all(|answer| answer.body.len() <= 4096), "{name}: {told:?}");
        assert!(peak <= PROCESS + BODIES + AT_REST, "{name}: {peak} MiB");
        victim.is_well().unwrap();
    }
}

#[test]
fn a_client_that_sends_no_more_is_hung_up_on() {
    let runtime = Runtime::of(&Sandbox::new(), &guest("evil"));
    let address = runtime.address().to_owned();
    // A line of a head each second, a byte of a body each second, a body that stalls, and a
    // connection that sends nothing.
    let dripping: [(&str, &str, &str); 3] = [
        ("a head", "POST /run HTTP/1.1\r\nHost: h\r\n", "X-Slow: 1\r\n"),
        ("a body", "POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{", " "),
        ("a stalled body", "POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{", ""),
    ];
    let told: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = dripping
            .iter()
            .map(|(name, start, piece)| {
                let address = &address;
                scope.spawn(move || {
                    let mut stream = connect(address);
                    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    stream.write_all(start.as_bytes()).unwrap();
                    let (started, mut buffer) = (Instant::now(), [0; 1024]);
                    while started.elapsed() < PATIENCE {
                        let sent = stream.write_all(piece.as_bytes());
                        let hung_up = match stream.read(&mut buffer) {
                            Ok(length) => length == 0 || buffer.starts_with(b"HTTP/1.1 4"),
                            Err(error) => !matches!(
                                error.kind(),
                                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                            ),
                        };
                        if sent.is_err() || hung_up {
                            return (*name, Some(started.elapsed()));
                        }
                    }
                    (*name, None)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    eprintln!("{told:?}");
    let waiting: Vec<_> = told.iter().filter(|(_, after)| after.is_none()).collect();
    assert!(waiting.is_empty(), "these were waited for longer than {PATIENCE:?}: {waiting:?}");
    assert_eq!(runtime.run(&json!({ "do": "hello" })).json(), json!({ "allowed": "hello" }));
}

/// Uploads use files or connections of the host.
#[test]
fn uploads_leave_descriptors_for_everyone_else() {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "true");
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:9/");
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let script = r#"ulimit -n 256; exec "$@""#;
    let binary = runtime_binary();
    let arguments = ["-c", script, "sh", binary.to_str().unwrap(), "--port", port];
    let runtime = Runtime::with(sandbox.program("sh", arguments), address.clone());
    assert_eq!(runtime.init(&base64_of(&guest("evil"))).status, 200);
    let before = descriptors(runtime.id());
    let attack = runtime.begin(&json!({ "do": "uploads", "count": 1000, "ms": 1500 }));
    thread::sleep(Duration::from_millis(1000));
    let during = descriptors(runtime.id());
    let well = http(
        &address,
        "POST",
        "/run",
        &[],
        activation(&json!({ "do": "hello" }), Duration::from_secs(10)).to_string().as_bytes(),
    );
    let ended = Ended::of(Some(&answer(attack)));
    eprintln!("{before} descriptors before, {during} during: {ended:?}");
    assert!(during <= before + 32, "{during} descriptors, {before} before");
    assert!(
        matches!(&ended, Ended::Refused { kind, message, .. } if kind == "too-large" && message.contains("upload")),
        "{ended:?}"
    );
    assert_eq!(well.json(), json!({ "allowed": "hello" }));
    assert_eq!(runtime.run(&json!({ "do": "hello" })).json(), json!({ "allowed": "hello" }));
}

/// Returns a tar.gz of `count` empty files, each with a name of `length` bytes.
fn long_names(count: usize, length: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::best()));
    for number in 0..count {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{number}{}", "a".repeat(length)), std::io::empty())
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_archive_s_names_are_bounded_and_not_repeated() {
    let runtime = Runtime::start(&Sandbox::new());
    let code = long_names(990, 260_000);
    assert!(code.len() < 1 << 20, "{} bytes", code.len());
    reset_peak(runtime.id());
    let answer = runtime.init(&base64(&code));
    let peak = peak_of(runtime.id());
    eprintln!(
        "{} bytes of archive: {} bytes of answer, {peak} MiB: {:.300}",
        code.len(),
        answer.body.len(),
        answer.text()
    );
    assert!(answer.status >= 400 && answer.body.len() <= 4096, "{} bytes", answer.body.len());
    assert!(peak <= 16 + AT_REST, "{peak} MiB");
    assert_eq!(runtime.init(&base64_of(&guest("evil"))).status, 200);
}

/// The reader of the logs is so slow that there is always another byte to write: the wait for it
/// must not start again each time.
#[test]
fn a_slow_reader_of_the_logs_keeps_no_answer_past_its_deadline() {
    const DUE: Duration = Duration::from_secs(3);
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "true");
    sandbox.set("KEYNET_LOGS", "64MiB");
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let mut command = sandbox.program(runtime_binary(), ["--port", port]);
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    process.listens_within(&address, Duration::from_secs(20)).unwrap();
    let code = base64_of(&guest("evil"));
    assert_eq!(
        http(
            &address,
            "POST",
            "/init",
            &[],
            initialization(&code, "main", &json!({})).to_string().as_bytes()
        )
        .status,
        200
    );
    let slow = |mut pipe: Box<dyn std::io::Read + Send>| {
        thread::spawn(move || {
            while pipe.read(&mut [0; 4096]).unwrap_or(0) > 0 {
                thread::sleep(Duration::from_millis(700));
            }
        })
    };
    let stdout = slow(Box::new(process.pipes().stdout.take().unwrap()));
    let stderr = slow(Box::new(process.pipes().stderr.take().unwrap()));
    let run = |value, time| {
        http(&address, "POST", "/run", &[], activation(&value, time).to_string().as_bytes())
    };
    reset_peak(process.id());
    thread::scope(|scope| {
        let talking: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let asked = Instant::now();
                    let answer = run(json!({ "do": "logs", "count": 30_000 }), DUE);
                    (asked.elapsed(), answer.status)
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        let answer = run(json!({ "do": "hello" }), Duration::from_secs(30));
        let beside = asked.elapsed();
        let talked: Vec<_> = talking.into_iter().map(|talking| talking.join().unwrap()).collect();
        eprintln!("due in {DUE:?}: {talked:?}; beside them: {beside:?}");
        assert_eq!(answer.json(), json!({ "allowed": "hello" }));
        assert!(
            talked
                .iter()
                .all(|(time, status)| *status == 200 && *time < DUE + Duration::from_secs(1)),
            "{talked:?}"
        );
        assert!(beside < DUE + Duration::from_secs(1), "{beside:?}");
    });
    // Lines that the reader has not read wait in a bounded queue, or are dropped.
    let peak = peak_of(process.id());
    assert!(peak <= AT_REST + LOGS_QUEUED, "{peak} MiB");
    drop((process, stdout, stderr));
}

#[test]
fn a_request_that_is_refused_writes_nothing_into_another_s_window() {
    let runtime = Runtime::of(&Sandbox::new(), &guest("evil"));
    let running = runtime.begin(&json!({ "do": "sleep", "ms": 1500 }));
    thread::sleep(Duration::from_millis(500));
    // OpenWhisk's own tests send deadlines of 1970, which are ignored: this one has just passed.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let late = json!({ "value": {}, "deadline": (now.as_millis() - 1000).to_string() }).to_string();
    for body in ["nonsense", "[1]", "{\"value\": 3}", &late] {
        assert!(
            http(runtime.address(), "POST", "/run", &[], body.as_bytes()).json()["error"]
                .is_string(),
            "{body}"
        );
    }
    assert_eq!(
        runtime.rest(),
        (vec![], vec![]),
        "an activation is running, and its window is open"
    );
    assert_eq!(answer(running).json(), json!({ "allowed": 1500 }));
    let window = runtime.window();
    assert!(window.stdout.is_empty() && window.stderr.is_empty(), "{window:?}");
    // The rejections may write complete log windows of their own after it.
    thread::sleep(Duration::from_millis(200));
    let (stdout, stderr) = runtime.rest();
    let ends = |lines: &[String]| lines.iter().filter(|line| *line == SENTINEL).count();
    assert_eq!(ends(&stdout), ends(&stderr), "{stdout:?} {stderr:?}");
}

/// Each value that a caller sends is a new configuration: engines, caches, pools and clients must
/// not be created for each.
#[test]
fn servers_that_callers_bring_leave_the_process_as_it_was() {
    let models = golden::file("models").display().to_string();
    let victim =
        VictimSetup::new([("KEYNET_CONFIG_FROM_PARAMETERS", "true"), ("KEYNET_MODELS", &models)])
            .start();
    let store = |number: usize| {
        json!({
            "do": "get", "location": "x",
            "AWS_BUCKET_NAME": format!("b{number}"), "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": format!("http://192.0.2.{}:1", number % 250),
            "TRITON_URL": format!("http://192.0.2.{}:1", number % 250),
        })
    };
    // An embedded model, which is loaded on the first request.
    let model = |number: usize| json!({ "do": "metadata", "text": "detector", "MODEL_NAME": format!("m{number}") });
    let object =
        |number: usize| json!({ "do": "list", "location": "", "MODEL_NAME": format!("n{number}") });
    let kinds: [&(dyn Fn(usize) -> Value + Sync); 3] = [&store, &model, &object];
    kinds.iter().for_each(|bring| drop(victim.ask(&bring(0))));
    let threads = || std::fs::read_dir(format!("/proc/{}/task", victim.id())).unwrap().count();
    let (files, tasks, memory) = (descriptors(victim.id()), threads(), resident(victim.id()));
    let ((), peak) = victim.peak_while(|| {
        thread::scope(|scope| {
            for thread in 0..4 {
                let (victim, kinds) = (&victim, &kinds);
                let brought = move || {
                    (0..60).for_each(|number| {
                        drop(victim.ask(&kinds[number % 3](1000 * (thread + 1) + number)))
                    })
                };
                scope.spawn(brought);
            }
        });
    });
    let (files_after, tasks_after) = (descriptors(victim.id()), threads());
    eprintln!(
        "{files} descriptors before, {files_after} after 240 callers; {tasks} threads, \
            {tasks_after}; {memory} MiB, at most {peak}"
    );
    assert!(files_after <= files + 16, "{files_after} descriptors, {files} before");
    // Blocking threads come and go; a pool for each caller would stay.
    assert!(tasks_after <= tasks + 16, "{tasks_after} threads, {tasks} before");
    assert!(peak <= memory + 16, "{peak} MiB, {memory} before");
    victim.is_well().unwrap();
}
