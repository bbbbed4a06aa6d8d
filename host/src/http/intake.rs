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
    /// It is larger than this request needs; the value is the limit in bytes.
    #[error("the body is larger than {}", size(.0))]
    TooLarge(usize),
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
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete(_) => StatusCode::BAD_REQUEST,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn size(bytes: &usize) -> String {
    let mebibytes = *bytes >> 20;
    if mebibytes << 20 == *bytes { format!("{mebibytes} MiB") } else { format!("{bytes} bytes") }
}

/// Memory that the bodies of one tenant may hold of [`Intake`]'s: half of the most that there is,
/// and at least one whole body.
#[derive(Debug)]
pub struct IntakeShare(Arc<Semaphore>);

impl Default for IntakeShare {
    fn default() -> Self {
        let most = usize::try_from(MAX_TOGETHER / 2).unwrap_or(MAX_BODY).max(MAX_BODY);
        Self(Arc::new(Semaphore::new(most / UNIT)))
    }
}

/// Memory of all bodies.
pub struct Intake {
    units: Arc<Semaphore>,
}

/// A body that has arrived. Its memory is released when it is dropped.
pub struct RequestBody {
    bytes: Bytes,
    _held: Vec<OwnedSemaphorePermit>,
}

impl RequestBody {
    /// Returns the content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns a body without content.
    pub fn empty() -> Self {
        Self { bytes: Bytes::new(), _held: Vec::new() }
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

    /// Reads a whole body; see [`Intake::read_up_to`].
    ///
    /// # Errors
    /// As [`Intake::read_up_to`].
    pub async fn read(&self, body: Incoming) -> Result<RequestBody, IntakeError> {
        self.read_up_to(MAX_BODY, None, body).await
    }

    /// Reads a whole body of at most `most` bytes, with memory of `share`. Does not copy a body that came in one piece, as nearly all do. Reserves
    /// memory as the data arrives, not by the announced length.
    ///
    /// # Errors
    /// The body is too large, is incomplete or timed out, or there is no memory for it now.
    pub async fn read_up_to(
        &self,
        most: usize,
        share: Option<&IntakeShare>,
        mut body: Incoming,
    ) -> Result<RequestBody, IntakeError> {
        let most = most.min(MAX_BODY);
        if body.size_hint().lower() > most as u64 {
            return Err(IntakeError::TooLarge(most));
        }
        let Some(first) = frame(&mut body, PAUSE).await? else {
            return Ok(RequestBody::empty());
        };
        let first = first.into_data().unwrap_or_default();
        if body.is_end_stream() && first.len() <= most {
            return Ok(RequestBody { bytes: first, _held: Vec::new() });
        }
        // Boxed, so that the futures of small requests do not contain its state.
        Box::pin(self.read_on(most, share, body, first)).await
    }

    /// Reads the body after its `first` piece.
    async fn read_on(
        &self,
        most: usize,
        share: Option<&IntakeShare>,
        mut body: Incoming,
        first: Bytes,
    ) -> Result<RequestBody, IntakeError> {
        let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let expected = announced.map_or(most, |rest| rest.saturating_add(first.len()));
        if announced.is_some() && expected > most {
            return Err(IntakeError::TooLarge(most));
        }
        let due = Instant::now() + WHOLE;
        // A share first: a tenant that waits for its own does not hold what others wait for.
        let units = share.map(|share| &share.0).into_iter().chain([&self.units]);
        let memory = units.map(|units| (Arc::clone(units), None)).collect();
        let mut whole = Whole { bytes: Vec::new(), memory, most, expected };
        whole.append(&first).await?;
        drop(first);
        loop {
            let left = due.saturating_duration_since(Instant::now()).min(PAUSE);
            match frame(&mut body, left).await? {
                None => {
                    let held = whole.memory.into_iter().filter_map(|(_, held)| held).collect();
                    return Ok(RequestBody { bytes: whole.bytes.into(), _held: held });
                }
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        whole.append(&data).await?;
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
    /// Units that it needs, and those that it holds of each.
    memory: Vec<(Arc<Semaphore>, Option<OwnedSemaphorePermit>)>,
    most: usize,
    /// Announced length, or the limit.
    expected: usize,
}

impl Whole {
    async fn append(&mut self, data: &[u8]) -> Result<(), IntakeError> {
        let needed = self.bytes.len() + data.len();
        if needed > self.most {
            return Err(IntakeError::TooLarge(self.most));
        }
        if needed > self.bytes.capacity() {
            // Doubles the capacity, up to the announced length.
            let capacity = (self.bytes.capacity() * 2)
                .clamp(UNIT.min(self.expected), self.expected)
                .max(needed);
            self.reserve(capacity).await?;
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    async fn reserve(&mut self, capacity: usize) -> Result<(), IntakeError> {
        let until = Instant::now() + ROOM;
        for (units, held) in &mut self.memory {
            let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let wanted = capacity.div_ceil(UNIT).saturating_sub(has);
            if wanted == 0 {
                continue;
            }
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let taken = timeout_at(until, Arc::clone(units).acquire_many_owned(wanted)).await;
            let Ok(Ok(taken)) = taken else { return Err(IntakeError::NoMemory) };
            match held {
                Some(held) => held.merge(taken),
                None => *held = Some(taken),
            }
        }
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }
}
