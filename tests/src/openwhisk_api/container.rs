//! Invoker: containers are started, initialised, run and destroyed, and their logs collected
//! (ContainerProxy.scala, Container.scala, ActivationResult.scala, DockerContainer.scala).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::body::{Action, pairs};
use super::{Api, IMAGE, KEY, now_ms};
use crate::process::Process;

const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";
/// Time without output after which the invoker stops waiting for the sentinels.
const IDLE: Duration = Duration::from_secs(2);
/// Largest result in bytes.
const MAX_RESULT: usize = 1 << 20;

/// Warm containers, with the action and the version that they were created for.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Container>>);

impl Pool {
    fn take(&self, of: &str) -> Option<Container> {
        let mut warm = self.0.lock().expect("the containers");
        let at = warm.iter().position(|container| container.of == of)?;
        Some(warm.remove(at))
    }

    /// Ends all containers.
    pub fn end(&self) {
        self.0.lock().expect("the containers").clear();
    }
}

/// Process that serves `/init` and `/run`.
struct Container {
    of: String,
    process: Process,
    address: SocketAddr,
    lines: Receiver<Line>,
}

/// Line of a container's log.
struct Line {
    time: String,
    stream: &'static str,
    text: String,
}

impl Line {
    /// Formats the line as `LogLine.toFormattedString` does.
    fn formatted(&self) -> String {
        format!("{:<30} {}: {}", self.time, self.stream, self.text)
    }
}

/// Activation that has ended; its logs are collected later.
pub struct Ended {
    /// Record, without logs.
    pub record: Value,
    container: Option<Container>,
    developer_error: bool,
    log_limit: usize,
}

impl Ended {
    /// Returns the record with its logs: the output until the sentinel on each stream.
    pub fn with_logs(&mut self) -> Value {
        let logs = self.container.as_ref().map_or_else(Vec::new, |container| {
            collect(&container.lines, self.developer_error, self.log_limit)
        });
        let mut record = self.record.clone();
        record["logs"] = json!(logs);
        record
    }

    /// Keeps the container for the next activation, unless it must be destroyed.
    pub fn release(self, api: &Api) {
        if let Some(container) = self.container.filter(|_| !self.developer_error) {
            api.pool.0.lock().expect("the containers").push(container);
        }
    }
}

/// Response of a container, or the lack of one.
enum Answered {
    Status(u16, Vec<u8>),
    Late,
    Nothing,
}

/// Runs an activation to its end.
pub fn activate(
    api: &Api,
    action: &Action,
    mut arguments: Map<String, Value>,
    id: &str,
    transaction: &str,
) -> Ended {
    let asked = now_ms();
    let of = format!("{}/{}@{}", action.namespace(), action.name, action.version());
    let init_arguments: Map<_, _> = action
        .init
        .iter()
        .filter_map(|name| Some((name.clone(), arguments.remove(name)?)))
        .collect();
    let mut common = json!({
        "namespace": "guest", "action_name": format!("/{}/{}", action.namespace(), action.name), "action_version": action.version(),
        "activation_id": id, "transaction_id": transaction,
    });
    if action.is("provide-api-key", true) {
        common["api_key"] = json!(KEY);
    }
    let timeout = Duration::from_millis(action.limits.timeout);
    let mut record = Recorder { action, id, asked, init: None, began: now_ms() };

    let container = match api.pool.take(&of) {
        Some(container) => container,
        None => {
            let Some(mut container) = Container::start(api, action, of) else {
                return record.ended(
                    None,
                    &Outcome::whisk(format!(
                        "Failed to pull container image '{}'.",
                        action.exec.image.as_deref().unwrap_or("?")
                    )),
                );
            };
            let body = json!({ "value": initializer(action, &init_arguments, &common, timeout) });
            let began = Instant::now();
            let answered = container.post("/init", &body, timeout, true);
            record.init = Some(began.elapsed());
            if let Some(outcome) = Outcome::of_init(answered, timeout) {
                return record.ended(Some(container), &outcome);
            }
            container
        }
    };
    let mut body = common;
    body["value"] = Value::Object(arguments);
    body["deadline"] = json!((now_ms() + action.limits.timeout).to_string());
    let answered = container.post_once("/run", &body, timeout);
    let outcome = Outcome::of_run(answered, timeout);
    record.ended(Some(container), &outcome)
}

/// Returns the body of `/init` (`containerInitializer`): the code, and an environment of strings.
fn initializer(
    action: &Action,
    init: &Map<String, Value>,
    common: &Value,
    timeout: Duration,
) -> Value {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut env: Map<String, Value> =
        init.iter().map(|(name, value)| (name.clone(), json!(text(value)))).collect();
    for (name, value) in common.as_object().expect("an object") {
        env.insert(format!("__OW_{}", name.to_uppercase()), json!(text(value)));
    }
    let deadline = u128::from(now_ms()) + timeout.as_millis();
    env.insert("__OW_DEADLINE".to_owned(), json!(deadline.to_string()));
    let mut value = json!({
        "name": action.name, "binary": action.exec.binary(), "main": action.exec.main.as_deref().unwrap_or("main"), "env": env,
    });
    if let Some(code) = &action.exec.code {
        value["code"] = json!(code);
    }
    value
}

impl Container {
    /// Starts a container; `None` if the image does not exist.
    fn start(api: &Api, action: &Action, of: String) -> Option<Self> {
        let ours =
            action.exec.kind == "wasm:component" || action.exec.image.as_deref() == Some(IMAGE);
        let start = api.setup.container.as_ref().filter(|_| ours)?;
        let address: SocketAddr = crate::free_address().parse().expect("an address");
        let port = address.port();
        let mut command = start(port);
        command
            .env("__OW_API_HOST", &api.host)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let lines = read(
            process.pipes().stdout.take().expect("a pipe"),
            process.pipes().stderr.take().expect("a pipe"),
        );
        Some(Self { of, process, address, lines })
    }

    /// Sends a request; the connection is retried every 50 ms until the container listens.
    fn post(&mut self, path: &str, body: &Value, timeout: Duration, again: bool) -> Answered {
        let began = Instant::now();
        while again && TcpStream::connect(self.address).is_err() {
            if began.elapsed() > timeout {
                return Answered::Late;
            }
            if self.process.ended().is_some() {
                return Answered::Nothing;
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.post_once(path, body, timeout.saturating_sub(began.elapsed()))
    }

    /// Sends a request on a connection of its own, which is closed when the time is over.
    fn post_once(&self, path: &str, body: &Value, timeout: Duration) -> Answered {
        let deadline = Instant::now() + timeout;
        let Ok(mut stream) = TcpStream::connect(self.address) else { return Answered::Nothing };
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: \
                application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .is_err()
        {
            return Answered::Nothing;
        }
        let mut bytes = Vec::new();
        let mut chunk = [0; 65_536];
        loop {
            if let Some(answered) = whole(&bytes) {
                return answered;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Answered::Late;
            }
            let _ = stream.set_read_timeout(Some(left));
            match stream.read(&mut chunk) {
                Ok(0) => return Answered::Nothing,
                Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    return Answered::Late;
                }
                Err(_) => return Answered::Nothing,
            }
        }
    }
}

/// Parses a complete response. A response without `Content-Length` counts as none, as for
/// OpenWhisk.
fn whole(bytes: &[u8]) -> Option<Answered> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let Some(length) = length.filter(|_| status != 204) else { return Some(Answered::Nothing) };
    let body = &bytes[end + 4..];
    (body.len() >= length).then(|| Answered::Status(status, body[..length].to_vec()))
}

/// Outcome of an activation (`ActivationResponse`).
struct Outcome {
    status: &'static str,
    result: Value,
    timeout: bool,
}

impl Outcome {
    fn developer(error: impl Into<Value>) -> Self {
        Self {
            status: "action developer error",
            result: json!({ "error": error.into() }),
            timeout: false,
        }
    }

    fn whisk(error: String) -> Self {
        Self { status: "whisk internal error", result: json!({ "error": error }), timeout: false }
    }

    fn late(timeout: Duration, during: &str) -> Self {
        let late = Self::developer(format!(
            "The action exceeded its time limits of {} milliseconds{during}.",
            timeout.as_millis()
        ));
        Self { timeout: true, ..late }
    }

    /// Returns the outcome of a failed initialisation; `None` if it succeeded.
    fn of_init(answered: Answered, timeout: Duration) -> Option<Self> {
        match answered {
            Answered::Status(200, _) => None,
            Answered::Status(_, body) => {
                let text = String::from_utf8_lossy(&body).into_owned();
                let error = serde_json::from_str::<Value>(&text)
                    .ok()
                    .and_then(|value| value.get("error").cloned());
                Some(Self::developer(error.unwrap_or_else(|| {
                    json!(format!("The action failed during initialization: {text}"))
                })))
            }
            Answered::Late => Some(Self::late(timeout, " during initialization")),
            Answered::Nothing => {
                Some(Self::developer("The action did not initialize and exited unexpectedly."))
            }
        }
    }

    fn of_run(answered: Answered, timeout: Duration) -> Self {
        let (status, body) = match answered {
            Answered::Status(status, body) => (status, body),
            Answered::Late => return Self::late(timeout, ""),
            Answered::Nothing => {
                return Self::developer(
                    "The action did not produce a valid response and exited unexpectedly.",
                );
            }
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        let invalid = || {
            Self::developer(format!(
                "The action did not produce a valid JSON or JSON Array response: {text}"
            ))
        };
        if body.len() > MAX_RESULT {
            let cut: String = text.chars().take(MAX_RESULT).collect();
            let message = format!(
                "The action produced a response that exceeded the allowed length: {} > \
                    {MAX_RESULT} bytes. The truncated response was: {cut}",
                body.len()
            );
            return Self {
                status: "application error",
                result: json!({ "error": message }),
                timeout: false,
            };
        }
        match (status, serde_json::from_str::<Value>(&text)) {
            (200, Ok(Value::Object(fields))) => match fields.get("error") {
                Some(error) => Self {
                    status: "application error",
                    result: json!({ "error": error }),
                    timeout: false,
                },
                None => Self { status: "success", result: Value::Object(fields), timeout: false },
            },
            (200, Ok(array @ Value::Array(_))) => {
                Self { status: "success", result: array, timeout: false }
            }
            (_, Ok(Value::Object(fields))) => {
                fields.get("error").map_or_else(invalid, |error| Self::developer(error.clone()))
            }
            _ => invalid(),
        }
    }
}

/// Data of a record.
struct Recorder<'a> {
    action: &'a Action,
    id: &'a str,
    asked: u64,
    init: Option<Duration>,
    began: u64,
}

impl Recorder<'_> {
    /// Builds the record (`constructWhiskActivation`).
    fn ended(&self, container: Option<Container>, outcome: &Outcome) -> Ended {
        let Self { action, id, asked, init, began } = self;
        let end = now_ms();
        let mut annotations = json!({
            "limits": action.limits.json(), "path": format!("{}/{}", action.namespace(), action.name), "kind": action.exec.kind,
            "timeout": outcome.timeout, "waitTime": began - asked,
        });
        if let Some(init) = init {
            annotations["initTime"] = json!(u64::try_from(init.as_millis()).expect("milliseconds"));
        }
        let success = outcome.status == "success";
        let record = json!({
            "activationId": id, "namespace": "guest", "subject": "guest", "name": action.name, "version": action.version(), "publish": false,
            "start": began, "end": end, "duration": end - began, "statusCode": if success { 0 } else { 1 },
            "response": { "status": outcome.status, "success": success, "result": outcome.result, "size": outcome.result.to_string().len() },
            "annotations": pairs(annotations.as_object().expect("an object")),
        });
        let developer_error = !matches!(outcome.status, "success" | "application error");
        Ended {
            record,
            container,
            developer_error,
            log_limit: usize::try_from(action.limits.logs).expect("MB") << 20,
        }
    }
}

/// Reads both output streams of a container, line by line.
fn read(stdout: ChildStdout, stderr: ChildStderr) -> Receiver<Line> {
    let (sender, receiver) = mpsc::channel();
    let pipes: [(&'static str, Box<dyn Read + Send>); 2] =
        [("stdout", Box::new(stdout)), ("stderr", Box::new(stderr))];
    for (stream, pipe) in pipes {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if sender.send(Line { time: timestamp(), stream, text }).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// Returns the lines until a sentinel on each stream; any line that contains one is dropped. After
/// a developer error it does not wait for the sentinels.
fn collect(lines: &Receiver<Line>, developer_error: bool, limit: usize) -> Vec<String> {
    let idle = if developer_error { Duration::from_millis(200) } else { IDLE };
    let (mut logs, mut ends, mut bytes) = (Vec::new(), 0, 0);
    while ends < 2 {
        match lines.recv_timeout(idle) {
            Ok(line) if line.text.contains(SENTINEL) => ends += 1,
            Ok(line) => {
                bytes += line.text.len();
                if bytes <= limit {
                    logs.push(line.formatted());
                }
            }
            Err(_) if developer_error => break,
            Err(_) => {
                logs.push(
                    "There was an issue while collecting your logs. Data might be missing."
                        .to_owned(),
                );
                break;
            }
        }
    }
    if bytes > limit {
        logs.push(format!(
            "Logs were truncated because the total bytes size exceeds the limit of {limit} bytes."
        ));
    }
    if developer_error {
        let text = "The action did not initialize or run as expected. Log data might be missing."
            .to_owned();
        logs.push(Line { time: timestamp(), stream: "stderr", text }.formatted());
    }
    logs
}

/// Returns the current time in Docker's format, `2026-01-31T08:00:00.123Z`; the date is a
/// placeholder, because it is never read.
fn timestamp() -> String {
    let ms = now_ms();
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!(
        "1970-01-01T{:02}:{:02}:{:02}.{ms:03}000000Z",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}
