//! Connections: their number, and the time that each may be silent.
//!
//! hyper's own timeout for headers starts at the end of the previous response, so it cannot
//! distinguish a connection that is kept open between requests, as OpenWhisk's clients do, from
//! headers that arrive slowly. This module distinguishes the two, and also closes the connection of
//! a client that does not read its response. No timer closes a connection that was merely frozen
//! with its container: the bytes that arrived meanwhile are read first.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Times that a client may be silent.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// From the first byte of a request to the end of its headers: with few connections, with half
    /// of the slots taken, and with few slots left.
    headers: [Duration; 3],
    /// From the first moment at which the client's receive buffer is full to the end of the
    /// response.
    answer: Duration,
    /// Lifetime of a connection without a request, in the same three cases. Closing one costs a
    /// client no more than a new connection.
    idle: [Duration; 3],
}

const TIMES: Times = Times {
    headers: [Duration::from_secs(10), Duration::from_secs(5), Duration::from_secs(2)],
    answer: Duration::from_secs(60),
    idle: [Duration::from_secs(300), Duration::from_secs(15), Duration::from_secs(1)],
};

/// Slots for connections.
pub struct Places {
    free: Arc<Semaphore>,
    all: usize,
    times: Times,
}

/// Returns how many connections a process takes that is configured for `most`: half of its limit of
/// descriptors if that is lower.
pub fn connections(most: usize) -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = descriptors.and_then(|number| usize::try_from(number / 2).ok()).unwrap_or(most);
    most.min(half).max(1)
}

impl Places {
    /// Creates as many slots as [`connections`] allows.
    pub fn up_to(most: usize) -> Self {
        Self::new(connections(most), TIMES)
    }

    fn new(all: usize, times: Times) -> Self {
        Self { free: Arc::new(Semaphore::new(all)), all, times }
    }

    /// Waits for a slot.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Returns the time that applies to as many connections as there are now.
    fn now(&self, [few, many, all]: [Duration; 3]) -> Duration {
        match self.free.available_permits() {
            free if free * 8 < self.all => all,
            free if free * 2 < self.all => many,
            _ => few,
        }
    }
}

/// Something that is dropped once the response that has it as an extension was written, or will not
/// be: work that no client waits for.
#[derive(Clone)]
pub struct UntilWritten {
    _kept: Arc<dyn Any + Send + Sync>,
}

impl UntilWritten {
    /// Returns the extension that keeps `kept`.
    pub fn new(kept: impl Any + Send + Sync) -> Self {
        Self { _kept: Arc::new(kept) }
    }
}

/// State that a connection's service shares with its stream.
#[derive(Default)]
pub struct Progress {
    requests: AtomicU32,
    under_way: AtomicBool,
    kept: Mutex<Option<UntilWritten>>,
}

impl Progress {
    /// Records the end of a request's headers; until the guard is dropped, no timeout for headers
    /// or idleness applies.
    pub fn begin(&self) -> UnderWay<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.under_way.store(true, Ordering::Relaxed);
        UnderWay(self)
    }

    /// Keeps what a response has until it was written.
    pub fn keep(&self, extensions: &mut Extensions) {
        if let Some(kept) = extensions.remove::<UntilWritten>() {
            *self.kept() = Some(kept);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<UntilWritten>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being read or processed.
pub struct UnderWay<'a>(&'a Progress);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.store(false, Ordering::Relaxed);
    }
}

/// A client's connection. It ends by itself when the client is silent for too long.
pub struct Connection {
    stream: TcpStream,
    places: Arc<Places>,
    progress: Arc<Progress>,
    /// Number of requests at the time when the next two fields were set.
    requests: u32,
    idle_since: Option<Instant>,
    headers_since: Option<Instant>,
    answer_since: Option<Instant>,
    reading: Alarm,
    writing: Alarm,
    _place: Option<OwnedSemaphorePermit>,
}

/// A timer that is reset only when it is too early, or would be too late.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

impl Connection {
    pub fn new(
        stream: TcpStream,
        places: Arc<Places>,
        place: Option<OwnedSemaphorePermit>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            stream,
            places,
            progress,
            requests: 0,
            idle_since: None,
            headers_since: None,
            answer_since: None,
            reading: Alarm::default(),
            writing: Alarm::default(),
            _place: place,
        }
    }

    /// Reports whether the next bytes come between requests or belong to the next request's
    /// headers.
    fn awaits_request(&mut self) -> bool {
        let requests = self.progress.requests.load(Ordering::Relaxed);
        if requests != self.requests {
            self.requests = requests;
            (self.idle_since, self.headers_since) = (None, None);
        }
        !self.progress.under_way.load(Ordering::Relaxed) && self.answer_since.is_none()
    }

    /// Handles the result of a write: the time that the client may read nothing begins with the
    /// first byte that does not fit into its buffer.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            return wrote;
        }
        let since = *self.answer_since.get_or_insert_with(Instant::now);
        ready!(self.writing.poll(since + self.places.times.answer, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if !this.awaits_request() {
            return read;
        }
        let late = || Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        if read.is_ready() {
            return match this.headers_since {
                Some(since) if since.elapsed() > this.places.now(this.places.times.headers) => {
                    late()
                }
                since => {
                    this.headers_since = since.or_else(|| Some(Instant::now()));
                    read
                }
            };
        }
        if let Some(since) = this.headers_since {
            let time = this.places.now(this.places.times.headers);
            ready!(this.reading.poll(since + time, context));
            return late();
        }
        let since = *this.idle_since.get_or_insert_with(Instant::now);
        let time = this.places.now(this.places.times.idle);
        ready!(this.reading.poll(since + time, context));
        // Ends the stream as if the client had closed it: no request is in progress.
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // All bytes were passed to the operating system.
        self.answer_since = None;
        let kept = self.progress.kept().take();
        drop(kept); // without the lock
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(600);

    /// Returns a client, and its connection on the server's side.
    async fn pair(all: usize, times: Times) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let places = Arc::new(Places::new(all, times));
        let place = places.place().await;
        let (stream, _) = listener.accept().await.unwrap();
        (client, Connection::new(stream, places, place, Arc::default()))
    }

    #[tokio::test]
    async fn a_header_that_trickles_in_ends_the_connection() {
        let (mut client, mut connection) =
            pair(100, Times { headers: [SHORT; 3], answer: LONG, idle: [LONG; 3] }).await;
        let trickling = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let mut bytes = [0; 16];
        let error = loop {
            match connection.read(&mut bytes).await {
                Ok(count) => assert!(count > 0),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        trickling.await.unwrap();
        // The same for a client that stops within the headers.
        let (mut client, mut connection) =
            pair(100, Times { headers: [SHORT; 3], answer: LONG, idle: [LONG; 3] }).await;
        client.write_all(b"POST").await.unwrap();
        assert_eq!(connection.read(&mut bytes).await.unwrap(), 4);
        assert_eq!(connection.read(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_idle_connection_is_kept_unless_places_are_few() {
        let times = Times { headers: [LONG; 3], answer: LONG, idle: [LONG, LONG, SHORT] };
        let mut bytes = [0; 16];
        let (_client, mut connection) = pair(100, times).await;
        assert!(tokio::time::timeout(SHORT * 2, connection.read(&mut bytes)).await.is_err());
        let (_client, mut connection) = pair(1, times).await;
        assert_eq!(connection.read(&mut bytes).await.unwrap(), 0, "as if the client had closed it");
    }

    #[tokio::test]
    async fn a_request_that_is_answered_is_not_idle() {
        let (_client, mut connection) =
            pair(1, Times { headers: [SHORT; 3], answer: LONG, idle: [SHORT; 3] }).await;
        let progress = Arc::clone(&connection.progress);
        let under_way = progress.begin();
        let mut bytes = [0; 16];
        assert!(tokio::time::timeout(SHORT * 3, connection.read(&mut bytes)).await.is_err());
        drop(under_way);
        let started = Instant::now();
        assert_eq!(connection.read(&mut bytes).await.unwrap(), 0);
        assert!(started.elapsed() >= SHORT / 2, "the time begins with the end of the answer");
    }

    #[tokio::test]
    async fn what_a_response_keeps_is_dropped_once_it_was_written_or_will_not_be() {
        let (_client, mut connection) =
            pair(1, Times { headers: [LONG; 3], answer: LONG, idle: [LONG; 3] }).await;
        let progress = Arc::clone(&connection.progress);
        let answered = || {
            let kept = Arc::new(());
            let mut extensions = Extensions::new();
            extensions.insert(UntilWritten::new(Arc::clone(&kept)));
            progress.keep(&mut extensions);
            kept
        };
        let kept = answered();
        connection.write_all(b"a response").await.unwrap();
        assert_eq!(Arc::strong_count(&kept), 2);
        connection.flush().await.unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
        let kept = answered();
        drop(connection);
        drop(progress);
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_its_answer_is_given_up() {
        let (mut client, mut connection) =
            pair(100, Times { headers: [LONG; 3], answer: SHORT, idle: [LONG; 3] }).await;
        let answer = vec![1; 64 << 20];
        let error = connection.write_all(&answer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        let mut taken = Vec::new();
        let _ = client.read_to_end(&mut taken).await;
        assert!(taken.len() < answer.len());
    }
}
