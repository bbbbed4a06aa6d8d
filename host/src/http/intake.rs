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

/// As [`MAX_TOGETHER`], for the bodies of many tenants.
const MAX_OF_MANY: u64 = 256 << 20;

/// Divisor of the memory for bodies that gives the last part of it. In the last part, a tenant holds
/// no more than it leaves free.
const LAST_PART: usize = 4;

/// Time between two looks whether others have left enough.
const LOOK: Duration = Duration::from_millis(10);

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

/// Memory that the bodies of one tenant may hold of [`Intake`]'s, and at least one whole body.
#[derive(Debug, Clone)]
pub struct IntakeShare(Units);

impl Default for IntakeShare {
    fn default() -> Self {
        Self(Units::of(MAX_TOGETHER / 2))
    }
}

/// Units of memory for bodies.
#[derive(Debug, Clone)]
struct Units {
    free: Arc<Semaphore>,
    total: usize,
}

impl Units {
    /// Returns units for `bytes`, and for at least one whole body.
    fn of(bytes: u64) -> Self {
        let total = usize::try_from(bytes).unwrap_or(MAX_BODY).max(MAX_BODY) / UNIT;
        Self { free: Arc::new(Semaphore::new(total)), total }
    }

    fn used(&self) -> usize {
        self.total.saturating_sub(self.free.available_permits())
    }

    /// Takes units for a tenant that has taken them from its share, if it leaves enough to others.
    fn try_take(&self, wanted: u32, share: &Self) -> Option<OwnedSemaphorePermit> {
        let left = self.free.available_permits().checked_sub(wanted as usize)?;
        let held = share.used();
        let holds_all = self.used() + wanted as usize == held;
        let leaves_room = holds_all || left >= self.total / LAST_PART || held <= left;
        if leaves_room { Arc::clone(&self.free).try_acquire_many_owned(wanted).ok() } else { None }
    }
}

/// Memory of all bodies.
pub struct Intake {
    units: Units,
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
        Self { units: Units::of(MAX_TOGETHER.min(memory / 4)) }
    }

    /// Creates the limit as [`Intake::of`], for the bodies of many tenants, each with its share.
    pub fn of_many(memory: u64) -> Self {
        Self { units: Units::of(MAX_OF_MANY.min(memory / 4)) }
    }

    /// Reads a whole body; see [`Intake::read_up_to`].
    ///
    /// # Errors
    /// As [`Intake::read_up_to`].
    pub async fn read(&self, body: Incoming) -> Result<RequestBody, IntakeError> {
        self.read_up_to(MAX_BODY, None, body).await
    }

    /// Reads a whole body of at most `most` bytes, with memory of `share`. Does not copy a body that
    /// came in one piece, as nearly all do. Reserves memory as the data arrives, not by the
    /// announced length.
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
        let share = share.map(|share| share.0.clone());
        let (units, held) = (self.units.clone(), Vec::new());
        let mut whole = Whole { bytes: Vec::new(), share, units, held, most, expected };
        whole.append(&first).await?;
        drop(first);
        loop {
            let left = due.saturating_duration_since(Instant::now()).min(PAUSE);
            match frame(&mut body, left).await? {
                None => {
                    return Ok(RequestBody { bytes: whole.bytes.into(), _held: whole.held });
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
    /// Share of its tenant.
    share: Option<Units>,
    units: Units,
    held: Vec<OwnedSemaphorePermit>,
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
        let wanted = capacity.div_ceil(UNIT) - self.bytes.capacity().div_ceil(UNIT);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let taking = async {
            // The share first: a tenant that waits for its own does not hold what others wait for.
            if let Some(share) = &self.share {
                let own = Arc::clone(&share.free).acquire_many_owned(wanted).await.ok();
                loop {
                    if let Some(taken) = self.units.try_take(wanted, share) {
                        return [own, Some(taken)];
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
            [Arc::clone(&self.units.free).acquire_many_owned(wanted).await.ok(), None]
        };
        let taken = timeout_at(until, taking).await.map_err(|_| IntakeError::NoMemory)?;
        self.held.extend(taken.into_iter().flatten());
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_tenants_send_slowly_there_is_room_for_another_body() {
        let units = Units::of(MAX_OF_MANY);
        let mut held = Vec::new();
        for _ in 0..6 {
            let share = Units::of(MAX_TOGETHER / 2);
            while let Ok(own) = Arc::clone(&share.free).try_acquire_many_owned(1) {
                match units.try_take(1, &share) {
                    Some(taken) => held.extend([own, taken]),
                    None => break,
                }
            }
        }
        assert!(units.free.available_permits() >= 8, "{units:?}");
        let (small, share) = (Units::of(0), Units::of(0));
        let own = Arc::clone(&share.free).try_acquire_many_owned(50);
        assert!(own.is_ok() && small.try_take(50, &share).is_some(), "one whole body, alone");
    }
}
