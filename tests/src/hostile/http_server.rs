//! HTTP/1.1 server with malicious responses.

use std::io::{self, BufReader, Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::wire::{Body, Head};

/// Handler of a request: receives the head of the request, and writes the response.
pub type Reply = dyn Fn(&Head, &mut Sent<'_>) -> io::Result<()> + Send + Sync;

/// Size of one piece of an endless body, in bytes.
const PIECE: usize = 64 << 10;

/// Server on a free port of 127.0.0.1. Each connection carries one request.
pub struct HttpServer {
    address: String,
    sent: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

/// Response in progress, with a count of the bytes sent.
pub struct Sent<'a> {
    stream: TcpStream,
    count: &'a AtomicU64,
}

impl Write for Sent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Sent<'_> {
    /// Sends the status line and the headers.
    pub fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(self, "HTTP/1.1 {status} Hostile\r\nConnection: close\r\n{headers}\r\n")
    }

    /// Sends a chunked body: `piece` repeatedly, at least `most` bytes.
    pub fn chunks(&mut self, piece: &[u8], most: u64) -> io::Result<()> {
        let mut left = i64::try_from(most).unwrap_or(i64::MAX);
        let large = piece.repeat((PIECE / piece.len().max(1)).max(1));
        while left > 0 {
            write!(self, "{:x}\r\n", large.len())?;
            self.write_all(&large)?;
            self.write_all(b"\r\n")?;
            left -= i64::try_from(large.len()).unwrap_or(i64::MAX);
        }
        self.write_all(b"0\r\n\r\n")
    }

    /// Sends one piece after each pause, until the client disconnects or `count` are sent.
    pub fn drip(&mut self, piece: &[u8], count: usize, pause: Duration) -> io::Result<()> {
        for _ in 0..count {
            self.write_all(piece)?;
            thread::sleep(pause);
        }
        Ok(())
    }
}

impl HttpServer {
    /// Starts a server that responds by `reply`.
    pub fn start(
        reply: impl Fn(&Head, &mut Sent<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let (sent, requests, reply): (_, _, Arc<Reply>) =
            (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(reply));
        let server = Self { address, sent: Arc::clone(&sent), requests: Arc::clone(&requests) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (sent, requests, reply) =
                    (Arc::clone(&sent), Arc::clone(&requests), Arc::clone(&reply));
                thread::spawn(move || drop(answer(client, &sent, &requests, &*reply)));
            }
        });
        server
    }

    /// Returns `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns `ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the MiB that were sent since the last call.
    pub fn sent_mib(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed) >> 20
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

fn answer(
    client: TcpStream,
    sent: &AtomicU64,
    requests: &AtomicU64,
    reply: &Reply,
) -> io::Result<()> {
    client.set_write_timeout(Some(Duration::from_secs(60)))?;
    let out = client.try_clone()?;
    let mut client = BufReader::new(client);
    let Some(head) = Head::read(&mut client)? else { return Ok(()) };
    requests.fetch_add(1, Ordering::Relaxed);
    io::copy(&mut Body::new(&mut client, head.request_framing()).take(1 << 30), &mut io::sink())?;
    let mut out = Sent { stream: out, count: sent };
    let replied = reply(&head, &mut out);
    let _ = out.stream.shutdown(Shutdown::Both);
    replied
}

/// Starts a server that always responds with this status, these headers, and a chunked body of
/// `piece` repeated, `mib` MiB long.
pub fn endless(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    start: &'static str,
    piece: &'static str,
    mib: u64,
) -> HttpServer {
    HttpServer::start(move |_, out| {
        let headers: Vec<_> =
            headers.iter().copied().chain([("Transfer-Encoding", "chunked")]).collect();
        out.head(status, &headers)?;
        if !start.is_empty() {
            write!(out, "{:x}\r\n{start}\r\n", start.len())?; // an empty chunk would end the body
        }
        out.chunks(piece.as_bytes(), mib << 20)
    })
}
