//! Bodies of incoming requests: limits of their size, their total memory, and their time.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Maximum size of a body in bytes: OpenWhisk's 48 MB of code as text, and the JSON around it. An
/// argument may be as large, since OpenWhisk's operator may raise its limit of 1 MiB.
const MAX_BODY: usize = 50 << 20;

/// Maximum memory in bytes of all bodies together, if the machine has that much.
const MAX_TOGETHER: u64 = 128 << 20;

/// Unit of the memory for bodies, so that their number is limited too. A body that arrived in one
/// piece takes none.
const UNIT: usize = 1 << 20;

/// Time that a sender may pause, and time that a whole body may take.
const PAUSE: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(60);

/// Time that a body waits for the memory that others hold.
const ROOM: Duration = Duration::from_secs(5);

/// Reason why the body of a request cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It is larger than any request needs.
    #[error("the body is larger than {} MiB", MAX_BODY >> 20)]
    TooLarge,
    /// The connection ended, or the body is not HTTP.
    #[error("the body did not arrive: {0}")]
    Incomplete(hyper::Error),
    /// The sender was too slow.
    #[error(
        "the body did not arrive in time: it may pause for {} s and take {} s in all",
        PAUSE.as_secs(),
        WHOLE.as_secs()
    )]
    TimedOut,
    /// The bodies of other requests hold the memory.
    #[error(
        "the server holds as many bodies of requests as it has memory for: send this one \
            again later"
    )]
    NoMemory,
}

impl IntakeError {
    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete(_) => StatusCode::BAD_REQUEST,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Memory of all bodies.
pub struct Intake {
    units: Arc<Semaphore>,
}

/// A body that has arrived. Its memory is released when it is dropped.
pub struct RequestBody {
    bytes: Bytes,
    _held: Option<OwnedSemaphorePermit>,
}

impl RequestBody {
    /// Returns the content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Intake {
    /// Creates the limit for a process of `memory` bytes: a quarter of them, and at least one whole
    /// body.
    pub fn of(memory: u64) -> Self {
        let bytes =
            usize::try_from(MAX_TOGETHER.min(memory / 4)).unwrap_or(usize::MAX).max(MAX_BODY);
        Self { units: Arc::new(Semaphore::new(bytes / UNIT)) }
    }

    /// Reads a whole body. Does not copy a body that came in one piece, as nearly all do. Reserves
    /// memory as the data arrives, not by the announced length.
    ///
    /// # Errors
    /// The body is too large, is incomplete or timed out, or there is no memory for it now.
    pub async fn read(&self, mut body: Incoming) -> Result<RequestBody, IntakeError> {
        if body.size_hint().lower() > MAX_BODY as u64 {
            return Err(IntakeError::TooLarge);
        }
        let Some(first) = frame(&mut body, PAUSE).await? else {
            return Ok(RequestBody { bytes: Bytes::new(), _held: None });
        };
        let first = first.into_data().unwrap_or_default();
        if body.is_end_stream() && first.len() <= MAX_BODY {
            return Ok(RequestBody { bytes: first, _held: None });
        }
        // Boxed, so that the futures of small requests do not contain its state.
        Box::pin(self.read_on(body, first)).await
    }

    /// Reads the body after its `first` piece.
    async fn read_on(&self, mut body: Incoming, first: Bytes) -> Result<RequestBody, IntakeError> {
        let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let expected = announced.map_or(MAX_BODY, |rest| rest.saturating_add(first.len()));
        if announced.is_some() && expected > MAX_BODY {
            return Err(IntakeError::TooLarge);
        }
        let due = Instant::now() + WHOLE;
        let mut whole = Whole { bytes: Vec::new(), held: None, expected };
        whole.append(&self.units, &first).await?;
        drop(first);
        loop {
            let left = due.saturating_duration_since(Instant::now()).min(PAUSE);
            match frame(&mut body, left).await? {
                None => return Ok(RequestBody { bytes: whole.bytes.into(), _held: whole.held }),
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        whole.append(&self.units, &data).await?;
                    }
                }
            }
        }
    }
}

async fn frame(body: &mut Incoming, time: Duration) -> Result<Option<Frame<Bytes>>, IntakeError> {
    let mut next = body.frame();
    // A frame that has arrived with the headers, as nearly all do, needs no timer.
    let arrived = match poll!(&mut next) {
        Poll::Ready(frame) => Ok(frame),
        Poll::Pending => timeout(time, next).await,
    };
    match arrived {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(error))) => Err(IntakeError::Incomplete(error)),
        Err(_) => Err(IntakeError::TimedOut),
    }
}

/// A body in several pieces.
struct Whole {
    bytes: Vec<u8>,
    held: Option<OwnedSemaphorePermit>,
    /// Announced length, or the limit.
    expected: usize,
}

impl Whole {
    async fn append(&mut self, units: &Arc<Semaphore>, data: &[u8]) -> Result<(), IntakeError> {
        let needed = self.bytes.len() + data.len();
        if needed > MAX_BODY {
            return Err(IntakeError::TooLarge);
        }
        if needed > self.bytes.capacity() {
            // Doubles the capacity, up to the announced length.
            let capacity = (self.bytes.capacity() * 2)
                .clamp(UNIT.min(self.expected), self.expected)
                .max(needed);
            self.reserve(units, capacity).await?;
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    async fn reserve(
        &mut self,
        units: &Arc<Semaphore>,
        capacity: usize,
    ) -> Result<(), IntakeError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = capacity.div_ceil(UNIT).saturating_sub(held);
        if wanted > 0 {
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let taken =
                timeout_at(Instant::now() + ROOM, Arc::clone(units).acquire_many_owned(wanted))
                    .await;
            let Ok(Ok(taken)) = taken else { return Err(IntakeError::NoMemory) };
            match &mut self.held {
                Some(held) => held.merge(taken),
                None => self.held = Some(taken),
            }
        }
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }
}
