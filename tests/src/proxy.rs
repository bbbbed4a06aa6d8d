//! Faults between a client and a real server: a proxy that forwards everything except the requests
//! that a test selects.
//!
//! It speaks HTTP/1.1 without TLS, and records all requests.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::wire::{Body, Framing, Head};

/// Range of all further requests.
pub const ALL: Range<usize> = 0..usize::MAX;

/// Fault applied to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The proxy responds; the server does not receive the request.
    Answer {
        /// Status.
        status: u16,
        /// Headers besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// The proxy redirects to the same target at another server, such as `http://127.0.0.2:81`.
    Redirect(String),
    /// The connection breaks after this many bytes of the request's body; with 0, the server
    /// receives nothing of the request.
    CutUpload(u64),
    /// The connection breaks after this many bytes of the response's body.
    CutDownload(u64),
    /// This many bytes of the request's body are forwarded, then nothing until the client
    /// disconnects.
    HoldUpload(u64),
    /// This many bytes of the response's body are forwarded, then nothing until the client
    /// disconnects.
    HoldDownload(u64),
    /// The response's body is forwarded in pieces of this many bytes, with a pause before each.
    Slow(usize, Duration),
    /// This byte of the response's body is changed.
    Flip(u64),
    /// The response's body ends after this many bytes, with a matching `Content-Length`.
    Truncate(u64),
    /// The server processes the request, but its response is lost.
    LoseAnswer,
}

impl Fault {
    /// Returns a response of the proxy, in the format of registries' errors.
    pub fn status(status: u16) -> Self {
        let body = format!(
            r#"{{"errors":[{{"code":"UNKNOWN","message":"the proxy answers {status}"}}]}}"#
        )
        .into_bytes();
        Self::Answer {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }
}

/// Recorded request.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Target.
    pub target: String,
    /// `Authorization` header.
    pub authorization: Option<String>,
    /// All headers, as text.
    pub headers: String,
    /// Body, if the proxy responded itself.
    pub body: String,
    /// Number of bytes of the body that were forwarded.
    pub received: u64,
    /// Status of the response; 0 while there is none.
    pub status: u16,
    /// Number of bytes of the response's body that were sent.
    pub sent: u64,
    /// True if the exchange has ended, with success or failure.
    pub done: bool,
}

impl Seen {
    /// Reports whether the request has this method and this part of the target.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }
}

struct Rule {
    method: &'static str,
    part: String,
    which: Range<usize>,
    met: usize,
    fault: Fault,
}

#[derive(Default)]
struct Record {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    changed: Condvar,
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("the record")
    }

    fn change(&self, id: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.record().seen[id]);
        self.changed.notify_all();
    }
}

/// Running proxy.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts a proxy in front of the server at `server`, on a port of 127.0.0.1.
    pub fn before(server: &str) -> Self {
        Self::at("127.0.0.1", server)
    }

    /// Same as [`Proxy::before`], on another address of this machine.
    pub fn at(host: &str, server: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared::default());
        let (server, keep) = (server.to_owned(), Arc::clone(&shared));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, shared) = (server.clone(), Arc::clone(&shared));
                thread::spawn(move || connection(client, &server, &shared));
            }
        });
        Self { address, shared: keep }
    }

    /// Returns its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Applies `fault` to the requests of `which`, counted among the further requests with this
    /// method and this part of the target.
    pub fn on(&self, method: &'static str, part: &str, which: Range<usize>, fault: Fault) {
        self.shared.record().rules.push(Rule {
            method,
            part: part.to_owned(),
            which,
            met: 0,
            fault,
        });
    }

    /// Removes all faults and all recorded requests.
    pub fn forget(&self) {
        let mut record = self.shared.record();
        record.rules.clear();
        // Requests in progress keep their index.
        record.seen.iter_mut().for_each(|seen| *seen = Seen::default());
    }

    /// Returns the recorded requests.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.record().seen.iter().filter(|seen| !seen.method.is_empty()).cloned().collect()
    }

    /// Returns the number of recorded requests of this kind.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, part)).count()
    }

    /// Returns the number of bytes of blobs that were sent to the server.
    pub fn uploaded(&self) -> u64 {
        self.seen()
            .iter()
            .filter(|seen| seen.target.contains("/blobs/uploads/"))
            .map(|seen| seen.received)
            .sum()
    }

    /// Waits until a recorded request satisfies `like`.
    pub fn wait_for(&self, like: impl Fn(&Seen) -> bool) {
        self.wait_until(|seen| seen.iter().any(&like));
    }

    /// Waits until the recorded requests satisfy `enough`.
    pub fn wait_until(&self, enough: impl Fn(&[Seen]) -> bool) {
        let record = self.shared.record();
        let waiting = |record: &mut Record| !enough(&record.seen);
        let (record, ended) = self
            .shared
            .changed
            .wait_timeout_while(record, Duration::from_secs(60), waiting)
            .expect("the record");
        assert!(!ended.timed_out(), "it did not come: {:#?}", record.seen);
    }
}

/// Handles all requests of one connection, until one side disconnects.
fn connection(client: TcpStream, server: &str, shared: &Shared) {
    let _ = client.set_nodelay(true);
    let Ok(mut back) = client.try_clone() else { return };
    let mut client = BufReader::new(client);
    while let Ok(Some(head)) = Head::read(&mut client) {
        let id = enter(&head, shared);
        let fault = fault_of(&head, shared);
        let kept = exchange(&head, &mut client, &mut back, server, fault, &Progress { shared, id });
        shared.change(id, |seen| seen.done = true);
        if head.closes() || !kept.unwrap_or(false) {
            break;
        }
    }
    let _ = back.shutdown(Shutdown::Both);
}

fn enter(head: &Head, shared: &Shared) -> usize {
    let seen = Seen {
        method: head.word(0).to_owned(),
        target: head.word(1).to_owned(),
        authorization: head.get("authorization").map(str::to_owned),
        headers: format!("{:?}", head.headers),
        ..Seen::default()
    };
    let mut record = shared.record();
    record.seen.push(seen);
    shared.changed.notify_all();
    record.seen.len() - 1
}

fn fault_of(head: &Head, shared: &Shared) -> Option<Fault> {
    let mut found = None;
    for rule in &mut shared.record().rules {
        if rule.method == head.word(0) && head.word(1).contains(&rule.part) {
            rule.met += 1;
            if found.is_none() && rule.which.contains(&(rule.met - 1)) {
                found = Some(rule.fault.clone());
            }
        }
    }
    found
}

struct Progress<'a> {
    shared: &'a Shared,
    id: usize,
}

impl Progress<'_> {
    fn received(&self, bytes: usize) {
        self.shared.change(self.id, |seen| seen.received += bytes as u64);
    }

    fn answered_here(&self, body: &[u8]) {
        self.shared.change(self.id, |seen| seen.body = String::from_utf8_lossy(body).into_owned());
    }

    fn sent(&self, bytes: usize) {
        self.shared.change(self.id, |seen| seen.sent += bytes as u64);
    }

    fn status(&self, status: u16) {
        self.shared.change(self.id, |seen| seen.status = status);
    }
}

/// Handles one request and its response. Returns whether the connection can be used for another.
fn exchange(
    head: &Head,
    client: &mut BufReader<TcpStream>,
    back: &mut TcpStream,
    server: &str,
    fault: Option<Fault>,
    progress: &Progress<'_>,
) -> io::Result<bool> {
    let fault = match fault {
        Some(Fault::Redirect(other)) => Some(
            Fault::status(307)
                .with("Location", format!("{}{}", other.trim_end_matches('/'), head.word(1))),
        ),
        other => other,
    };
    if let Some(Fault::Answer { status, headers, body }) = fault {
        let mut request = Vec::new();
        Body::new(client, head.request_framing()).read_to_end(&mut request)?;
        progress.answered_here(&request);
        let mut answer = Head { first: format!("HTTP/1.1 {status} Proxy"), headers };
        answer.set("Content-Length", Some(body.len().to_string()));
        progress.status(status);
        answer.write(back)?;
        if head.word(0) != "HEAD" {
            back.write_all(&body)?;
        }
        return Ok(true);
    }

    if matches!(fault, Some(Fault::CutUpload(0))) {
        return Ok(false);
    }
    if matches!(fault, Some(Fault::HoldUpload(0))) {
        io::copy(&mut Body::new(client, head.request_framing()), &mut io::sink())?;
        client.read_exact(&mut [0])?;
        return Ok(false);
    }
    let mut upstream = TcpStream::connect(server)?;
    let mut request = head.clone();
    request.set("Connection", Some("close".to_owned()));
    request.write(&mut upstream)?;
    let complete =
        hand_up(head.request_framing(), client, &mut upstream, fault.as_ref(), progress)?;

    let mut upstream = BufReader::new(upstream);
    let Some(mut answer) = Head::read(&mut upstream)? else { return Ok(false) };
    progress.status(answer.status());
    if matches!(fault, Some(Fault::LoseAnswer)) {
        return Ok(false);
    }
    let framing = answer.answer_framing(head.word(0));
    let length = match (framing, &fault) {
        (Framing::Length(length), Some(Fault::Truncate(most))) => Some(length.min(*most)),
        (Framing::Length(length), _) => Some(length),
        _ => None,
    };
    if head.word(0) != "HEAD" {
        answer.set("Content-Length", length.map(|length| length.to_string()));
        answer.set("Transfer-Encoding", length.is_none().then(|| "chunked".to_owned()));
    }
    answer.set("Connection", (!complete).then(|| "close".to_owned()));
    answer.write(back)?;
    hand_down(Body::new(&mut upstream, framing), length.is_none(), back, fault.as_ref(), progress)?;
    Ok(complete)
}

/// Forwards a request's body to the server. Returns whether the server received all of it.
fn hand_up(
    framing: Framing,
    client: &mut BufReader<TcpStream>,
    upstream: &mut TcpStream,
    fault: Option<&Fault>,
    progress: &Progress<'_>,
) -> io::Result<bool> {
    let (limit, hold) = match fault {
        Some(Fault::CutUpload(bytes)) => (*bytes, false),
        Some(Fault::HoldUpload(bytes)) => (*bytes, true),
        _ => (u64::MAX, false),
    };
    let (mut body, mut passed) = (Body::new(client, framing), 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        if passed >= limit {
            if hold {
                // Discard the rest, and do not respond.
                io::copy(&mut body, &mut io::sink())?;
                client.read_exact(&mut [0])?;
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let most = buffer.len().min(usize::try_from(limit - passed).unwrap_or(usize::MAX));
        let length = body.read(&mut buffer[..most])?;
        progress.received(length);
        let sent = match framing {
            Framing::Chunked => write_chunk(upstream, &buffer[..length]),
            _ => upstream.write_all(&buffer[..length]),
        };
        if length == 0 || sent.is_err() {
            // a server may answer before it has read everything
            return Ok(sent.is_ok() && body.ended());
        }
        passed += length as u64;
    }
}

/// Forwards a response's body to the client.
fn hand_down(
    mut body: Body<'_>,
    chunked: bool,
    back: &mut TcpStream,
    fault: Option<&Fault>,
    progress: &Progress<'_>,
) -> io::Result<()> {
    let (limit, hold) = match fault {
        Some(Fault::CutDownload(bytes)) => (*bytes, false),
        Some(Fault::HoldDownload(bytes)) => (*bytes, true),
        Some(Fault::Truncate(bytes)) => (*bytes, false),
        _ => (u64::MAX, false),
    };
    let mut buffer = vec![0; 64 << 10];
    if let Some(Fault::Slow(bytes, _)) = fault {
        buffer.truncate(*bytes);
    }
    let mut passed = 0;
    loop {
        let most = buffer.len().min(usize::try_from(limit - passed).unwrap_or(usize::MAX));
        if most == 0 {
            break;
        }
        if let Some(Fault::Slow(_, pause)) = fault {
            thread::sleep(*pause);
        }
        let length = body.read(&mut buffer[..most])?;
        if let Some(Fault::Flip(at)) = fault
            && let Some(byte) = at
                .checked_sub(passed)
                .and_then(|at| buffer[..length].get_mut(usize::try_from(at).unwrap_or(usize::MAX)))
        {
            *byte ^= 0x20;
        }
        if chunked {
            write_chunk(back, &buffer[..length])
        } else {
            back.write_all(&buffer[..length])
        }?;
        progress.sent(length);
        if length == 0 {
            return Ok(());
        }
        passed += length as u64;
    }
    if matches!(fault, Some(Fault::Truncate(_))) {
        return if chunked { write_chunk(back, &[]) } else { Ok(()) };
    }
    if hold {
        // The client sends nothing more: only its end of the connection can be read.
        let _ = back.read_exact(&mut [0]);
    }
    Err(io::ErrorKind::ConnectionAborted.into())
}

fn write_chunk(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    write!(stream, "{:x}\r\n", bytes.len())?;
    stream.write_all(bytes)?;
    stream.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, answer, free_address, http, send};

    const BODY: &[u8] = b"0123456789";

    /// Starts a server that always responds with [`BODY`], and a proxy in front of it.
    fn pair() -> (Proxy, Proxy) {
        let server = Proxy::before(&free_address());
        for method in ["GET", "PUT"] {
            server.on(
                method,
                "",
                ALL,
                Fault::Answer {
                    status: 200,
                    headers: vec![("Kind".into(), "plain".into())],
                    body: BODY.to_vec(),
                },
            );
        }
        let proxy = Proxy::before(server.address());
        (server, proxy)
    }

    fn get(proxy: &Proxy) -> Answer {
        http(proxy.address(), "GET", "/a/b", &[("Authorization", "Basic eA==")], b"")
    }

    /// Returns the received bytes of an incomplete response.
    fn broken(proxy: &Proxy, method: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = send(proxy.address(), method, "/a/b", &[], body).read_to_end(&mut bytes);
        bytes
    }

    #[test]
    fn what_meets_no_fault_is_handed_on_and_written_down() {
        let (server, proxy) = pair();
        let got =
            http(proxy.address(), "PUT", "/a/b", &[("Authorization", "Basic eA==")], b"12345");
        assert_eq!((got.status, got.body.as_slice()), (200, BODY));
        assert!(got.head.contains("Kind: plain"), "{}", got.head);
        assert_eq!(
            (proxy.count("PUT", "/b"), server.count("PUT", "/b"), proxy.count("GET", "")),
            (1, 1, 0)
        );
        let seen = proxy.seen().remove(0);
        assert_eq!(
            (seen.authorization.as_deref(), seen.received, seen.status, seen.sent),
            (Some("Basic eA=="), 5, 200, 10)
        );
    }

    #[test]
    fn faults_meet_the_requests_they_are_for() {
        let (server, proxy) = pair();
        proxy.on("GET", "/b", 1..3, Fault::status(500).with("Retry-After", 7));
        let answers: Vec<_> = (0..4).map(|_| get(&proxy)).collect();
        assert_eq!(
            answers.iter().map(|answer| answer.status).collect::<Vec<_>>(),
            [200, 500, 500, 200]
        );
        assert!(answers[1].head.contains("Retry-After: 7"), "{}", answers[1].head);
        assert_eq!(server.count("GET", ""), 2);
        proxy.on("GET", "/b", ALL, Fault::Redirect("http://elsewhere/".into()));
        assert!(get(&proxy).head.contains("Location: http://elsewhere/a/b"));
        proxy.forget();
        assert_eq!((get(&proxy).status, proxy.seen().len()), (200, 1));
    }

    #[test]
    fn answers_can_be_changed() {
        let (_server, proxy) = pair();
        proxy.on("GET", "", 0..1, Fault::Flip(3));
        proxy.on("GET", "", 1..2, Fault::Truncate(4));
        assert_eq!(get(&proxy).body, b"012\x13456789");
        let short = get(&proxy);
        assert_eq!(short.body, b"0123");
        assert!(short.head.contains("Content-Length: 4"), "{}", short.head);
        proxy.on("GET", "", ALL, Fault::Slow(5, Duration::from_millis(50)));
        let started = std::time::Instant::now();
        assert_eq!(get(&proxy).body, BODY);
        assert!(started.elapsed() >= Duration::from_millis(100));
    }

    #[test]
    fn connections_can_break() {
        let (server, proxy) = pair();
        proxy.on("GET", "", 0..1, Fault::CutDownload(5));
        let got = broken(&proxy, "GET", b"");
        assert!(got.ends_with(b"\r\n\r\n01234"), "{}", String::from_utf8_lossy(&got));
        proxy.on("PUT", "", 0..1, Fault::CutUpload(0));
        assert_eq!((broken(&proxy, "PUT", b"12345").len(), server.count("PUT", "")), (0, 0));
        proxy.on("PUT", "", 0..1, Fault::CutUpload(2));
        assert_eq!(
            (broken(&proxy, "PUT", b"12345").len(), proxy.seen().last().unwrap().received),
            (0, 2)
        );
        proxy.on("PUT", "", 0..1, Fault::LoseAnswer);
        server.forget();
        assert_eq!(broken(&proxy, "PUT", b"12345").len(), 0);
        server.wait_for(|seen| seen.is("PUT", "/a/b"));
    }

    #[test]
    fn a_connection_can_be_held_until_the_client_is_gone() {
        let (_server, proxy) = pair();
        proxy.on("PUT", "", ALL, Fault::HoldUpload(2));
        proxy.on("GET", "", ALL, Fault::HoldDownload(4));
        for (method, body) in [("PUT", &b"12345"[..]), ("GET", b"")] {
            let stream = send(proxy.address(), method, "/a/b", &[], body);
            proxy.wait_for(|seen| {
                seen.is(method, "")
                    && (seen.received, seen.sent) == if method == "PUT" { (2, 0) } else { (0, 4) }
            });
            assert!(!proxy.seen().last().unwrap().done);
            drop(stream);
            proxy.wait_for(|seen| seen.is(method, "") && seen.done);
        }
    }

    #[test]
    fn chunks_are_bodies_too() {
        let (_server, proxy) = pair();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        write!(
            stream,
            "PUT /a HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: \
            chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        .unwrap();
        assert_eq!((answer(stream).status, proxy.seen()[0].received), (200, 5));
    }
}
