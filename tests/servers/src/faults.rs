//! A proxy in front of a real server, for faults that a real server cannot produce on demand:
//! failures, stalls and interrupted responses.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Fault of one connection.
#[derive(Debug, Clone)]
pub enum Fault {
    /// No fault: it is passed through.
    None,
    /// Its first request receives this status and body, and it is closed.
    Answer(u16, &'static str),
    /// Its first request never receives a response.
    Silence,
    /// It is passed through, after this delay.
    Late(Duration),
    /// It is closed after this number of bytes of the response.
    Cut(usize),
    /// It is closed as soon as it is opened.
    Close,
}

/// Proxy on a free port of 127.0.0.1. Connections receive the planned faults in order, and no
/// faults after the end of the plan.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    plan: Arc<Mutex<(VecDeque<Fault>, Option<Fault>)>>,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl FaultyProxy {
    /// Starts a proxy in front of `server`, such as `127.0.0.1:8333` or `http://127.0.0.1:8333`.
    pub fn before(server: &str) -> Self {
        let server: SocketAddr =
            server.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let proxy = Self {
            address,
            plan: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
        };
        let (plan, connections, open) =
            (Arc::clone(&proxy.plan), Arc::clone(&proxy.connections), Arc::clone(&proxy.open));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                let (kept, end) =
                    (client.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
                open.lock().expect("the connections").push(kept);
                let fault = {
                    let (plan, always) = &mut *plan.lock().expect("the plan");
                    plan.pop_front().or_else(|| always.clone()).unwrap_or(Fault::None)
                };
                thread::spawn(move || {
                    serve(client, server, &fault);
                    let _ = end.shutdown(Shutdown::Both);
                });
            }
        });
        proxy
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies these faults to the next connections, then none.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.plan.lock().expect("the plan") = (faults.into_iter().collect(), None);
    }

    /// Applies this fault to all connections from now on.
    pub fn always(&self, fault: Fault) {
        *self.plan.lock().expect("the plan") = (VecDeque::new(), Some(fault));
    }

    /// Closes idle connections, so that the next request opens a new one and follows the plan.
    pub fn hang_up(&self) {
        self.open
            .lock()
            .expect("the connections")
            .drain(..)
            .for_each(|client| drop(client.shutdown(Shutdown::Both)));
    }

    /// Returns the number of connections that were opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(mut client: TcpStream, server: SocketAddr, fault: &Fault) {
    match fault {
        Fault::None => pass(client, server, usize::MAX),
        Fault::Cut(bytes) => pass(client, server, *bytes),
        Fault::Late(time) => {
            thread::sleep(*time);
            pass(client, server, usize::MAX);
        }
        Fault::Close => {}
        Fault::Silence => drain(&mut client),
        Fault::Answer(status, body) => {
            read_head(&mut client);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Planned\r\nContent-Type: application/xml\r\nContent-Length: \
                    {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = client.write_all(answer.as_bytes());
            let _ = client.shutdown(Shutdown::Write);
            drain(&mut client); // the rest of the request, so that the response is not lost
        }
    }
}

/// Passes on all data, and at most `most` bytes of the responses.
fn pass(mut client: TcpStream, server: SocketAddr, most: usize) {
    let Ok(mut upstream) = TcpStream::connect(server) else { return };
    let (mut from, mut to) =
        (client.try_clone().expect("a handle"), upstream.try_clone().expect("a handle"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut limited = Read::by_ref(&mut upstream).take(most as u64);
    let _ = std::io::copy(&mut limited, &mut client);
    let _ = (client.shutdown(Shutdown::Both), upstream.shutdown(Shutdown::Both));
}

fn read_head(client: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
        head.extend_from_slice(&byte);
    }
}

fn drain(client: &mut TcpStream) {
    let _ = client.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = std::io::copy(client, &mut std::io::sink());
}
