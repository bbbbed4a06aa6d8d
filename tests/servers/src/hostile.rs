//! An HTTP/1.1 server with arbitrary responses, which counts the bytes that the client has
//! received.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Maximum number of bytes of one response, which a client without a limit would hold.
const MOST: u64 = 192 << 20;

/// Response to a request.
#[derive(Debug, Clone)]
pub enum Hostile {
    /// These bytes, then the end of the connection.
    Answer(Vec<u8>),
    /// A head with these lines and a chunked body that begins with `begins` and then repeats
    /// `piece`.
    Endless {
        /// Status line and headers, without the last line end.
        head: String,
        /// Beginning of the body.
        begins: Vec<u8>,
        /// Piece that is repeated without end.
        piece: Vec<u8>,
    },
    /// A head with these lines and a chunked body of single bytes with pauses.
    Drip {
        /// Status line and headers, without the last line end.
        head: String,
        /// Pause before each byte.
        every: Duration,
    },
}

impl Hostile {
    /// Returns a response with a body of known length.
    pub fn answer(head: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head =
            format!("{}\r\nContent-Length: {}\r\n\r\n", head.replace('\n', "\r\n"), body.len());
        Self::Answer([head.as_bytes(), body].concat())
    }

    /// Returns a response with an endless body, which repeats a piece of text.
    pub fn endless(head: &str, begins: &str, piece: &str) -> Self {
        let piece = piece.repeat((64 << 10) / piece.len().max(1) + 1);
        Self::Endless {
            head: head.to_owned(),
            begins: begins.as_bytes().to_vec(),
            piece: piece.into_bytes(),
        }
    }
}

/// Server on a free port of 127.0.0.1. Its threads end with the process.
#[derive(Debug)]
pub struct HostileServer {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

impl HostileServer {
    /// Starts a server that responds with the result of `answers` for the request line, such as
    /// `GET /a HTTP/1.1`. A connection carries one request.
    pub fn start(answers: impl Fn(&str) -> Hostile + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = Self { address, sent: Arc::default(), requests: Arc::default() };
        let (sent, requests, answers) =
            (Arc::clone(&server.sent), Arc::clone(&server.requests), Arc::new(answers));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (sent, requests, answers) =
                    (Arc::clone(&sent), Arc::clone(&requests), Arc::clone(&answers));
                thread::spawn(move || {
                    let Some(first) = read_request(&client) else { return };
                    requests.fetch_add(1, Ordering::SeqCst);
                    // A client that closes the connection is the expected result of a test.
                    let _ = serve(client, &answers(&first), &sent);
                });
            }
        });
        server
    }

    /// Returns its URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the number of body bytes that clients have received, including the system's buffers.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Returns the number of requests received.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request and the part of its body that has arrived; returns its first line.
fn read_request(mut client: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = client.read(&mut piece).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&head).lines().next().map(str::to_owned)
}

fn serve(mut client: TcpStream, answer: &Hostile, sent: &AtomicU64) -> std::io::Result<()> {
    let head = |head: &str| {
        format!("{}\r\nTransfer-Encoding: chunked\r\n\r\n", head.replace('\n', "\r\n"))
    };
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    match answer {
        Hostile::Answer(bytes) => {
            // Prevents the client from sending its next request on a connection that is about to
            // end.
            let head = bytes
                .windows(4)
                .position(|end| end == b"\r\n\r\n")
                .map_or(bytes.len(), |at| at + 2);
            client
                .write_all(&[&bytes[..head], b"Connection: close\r\n", &bytes[head..]].concat())?;
            sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            client.shutdown(std::net::Shutdown::Write)?;
            // Lets the client read everything before it detects that its own bytes were not read.
            std::io::copy(&mut client, &mut std::io::sink()).map(|_| ())
        }
        Hostile::Endless { head: lines, begins, piece } => {
            client.write_all(head(lines).as_bytes())?;
            if !begins.is_empty() {
                client.write_all(&chunk(begins))?;
            }
            let (piece, mut of_this) = (chunk(piece), 0);
            while of_this < MOST {
                client.write_all(&piece)?;
                of_this += piece.len() as u64;
                sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
            client.write_all(b"0\r\n\r\n")
        }
        Hostile::Drip { head: lines, every } => {
            client.write_all(head(lines).as_bytes())?;
            loop {
                thread::sleep(*every);
                client.write_all(&chunk(b" "))?;
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}
