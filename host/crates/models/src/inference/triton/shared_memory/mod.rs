//! Large tensors through memory that Triton and this host both see: Triton's system shared memory
//! extension.
//!
//! `KEYNET_TRITON_SHM=auto`. The host owns the regions: files in `/dev/shm` of its own making,
//! registered with the server, reused from call to call, used by one call at a time. What a tensor
//! costs is one copy into the file and one out of it; nothing of it goes through a socket. Files
//! are written and read, not mapped, so that whatever becomes of them is an error and no signal.
//! Names of regions are global to a server, and everyone who may ask it may name a region in a
//! request: for one tenant only.
//!
//! * **Proof.** Before anything is sent this way, a region of a random 128-bit name is registered:
//!   that succeeds only where the server opens the very file that was made here. Then every
//!   connection must know it (behind them there may be several servers), and a name for which there
//!   is no file must be refused. Where that fails, tensors go through gRPC and nobody is told:
//!   `auto` is a wish. It is tried again after a minute.
//! * **Fallback.** A call whose region the server does not know (it was started anew) or finds too
//!   small is made again through gRPC.
//! * **Nothing is reused that may still be written to.** A call that did not end with the server's
//!   answer leaves its region in quarantine, untouched. After a minute the server is asked to
//!   forget it; one that still uses it refuses that (as of Triton 2.51).
//! * **Nothing leaks.** A region's name says whose it is, and its file is locked by its owner for
//!   as long as that lives. Whoever starts next removes files whose lock is free, and regions of
//!   the server whose file is gone ([`leftovers`]).
//! * **Limits.** All regions together hold no more than `KEYNET_TRITON_SHM_BYTES`; their files are
//!   allocated whole, so that a full `/dev/shm` is seen here and not by the server. What finds no
//!   place goes through gRPC.
//!
//! Outputs go this way where their size is known before the call: every dimension declared, or the
//! batch of the inputs. BYTES, and answers of prediction streams, always go through gRPC, as do
//! requests of sequences, which cannot be made again.

mod leftovers;
mod plan;
mod pool;
mod region;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Mutex as Turn;

pub(super) use plan::{Plan, Span};
use pool::{Lent, Pool};

use super::answer::{Outputs, Shared};
use super::failure::{Again, Failure};
use super::models::Model;
use super::request;
use super::server::Server;
use crate::inference::signature::Bound;
use crate::inference::{DataType, InferenceRequest, NamedTensor, Shape};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, ErrorKind, Result};

/// When what could not be shared is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// What Triton says of a region that it does not know, and of one that an output does not fit.
const UNKNOWN: &str = "Unable to find shared memory region";
const TOO_SMALL: &str = "shared memory size specified";
/// From how many bytes on copying is done on a thread of its own.
const LARGE: u64 = 256 << 10;

/// Shared memory with one server.
#[derive(Debug)]
pub(super) struct SharedMemory {
    pool: Arc<Pool>,
    threshold: u64,
    proof: Turn<Proof>,
}

#[derive(Debug, Clone, Copy)]
enum Proof {
    /// Not asked for yet.
    None,
    Shared,
    NotShared(Instant),
}

/// A request's tensors in a region. The call that made it says when the server is done with it;
/// otherwise the region is not used again.
#[derive(Debug)]
pub(super) struct Placed {
    plan: Plan,
    /// The outputs to ask for: all of them by name, since some are named with a region.
    pub wanted: Vec<String>,
    region: Lent,
}

impl SharedMemory {
    /// None unless it is configured.
    pub fn new(server: &Server) -> Option<Self> {
        let link = &server.link;
        let pool = Arc::new(Pool::new(link.shared_memory_bytes));
        link.shared_memory.then(|| Self {
            pool,
            threshold: link.shared_memory_threshold.max(1),
            proof: Turn::new(Proof::None),
        })
    }

    /// Puts what is large enough into a region; none where nothing is, or where there is no shared
    /// memory.
    pub async fn place(
        &self,
        server: &Arc<Server>,
        model: &Model,
        bound: &Bound,
        request: &InferenceRequest,
    ) -> Option<Placed> {
        let plan = Plan::new(&model.signature, bound, request, self.threshold)?;
        if !request::is_repeatable(request) || !self.is_shared(server).await {
            return None;
        }
        match self.fill(server, plan, model, bound, request).await {
            Ok(placed) => Some(placed),
            Err(error) => {
                tracing::debug!(%error, "a request goes through gRPC instead of shared memory");
                None
            }
        }
    }

    async fn fill(
        &self,
        server: &Arc<Server>,
        plan: Plan,
        model: &Model,
        bound: &Bound,
        request: &InferenceRequest,
    ) -> Result<Placed> {
        let output = |index: &usize| Some(model.signature.outputs.get(*index)?.name.clone());
        let wanted = match request.outputs.is_empty() && plan.outputs.is_empty() {
            true => Vec::new(),
            false => bound.outputs.iter().filter_map(output).collect(),
        };
        let region = self.pool.take(server, plan.bytes).await?;
        let mut placed = Placed { plan, wanted, region };
        let Some(memory) = placed.region.memory() else {
            return Err(Error::internal("a region is gone"));
        };
        let write = |given: &NamedTensor| {
            Some((placed.input(&given.name)?.offset, given.tensor.data().clone()))
        };
        let writes: Vec<(u64, Bytes)> = request.inputs.iter().filter_map(write).collect();
        let size = writes.iter().map(|(_, data)| data.len() as u64).sum();
        off_thread(size, move || {
            writes.iter().try_for_each(|(offset, data)| memory.write(*offset, data))
        })
        .await?;
        Ok(placed)
    }

    /// Whether the server sees our memory. Whoever comes while that is being found out does not
    /// wait for it.
    async fn is_shared(&self, server: &Server) -> bool {
        let Ok(mut proof) = self.proof.try_lock() else { return false };
        match *proof {
            Proof::Shared => return true,
            Proof::NotShared(since) if since.elapsed() < TRY_AGAIN => return false,
            Proof::None | Proof::NotShared(_) => {}
        }
        *proof = match region::prove(server).await {
            Ok(()) => {
                leftovers::remove(server).await;
                Proof::Shared
            }
            Err(error) => {
                tracing::debug!(%error, "no shared memory with Triton");
                Proof::NotShared(Instant::now())
            }
        };
        matches!(*proof, Proof::Shared)
    }

    /// What becomes of a request's region when its call failed: kept for the next attempt if the
    /// model has not seen it, else given back when the server is done with it.
    pub async fn after(&self, placed: Placed, failure: &Failure) -> Option<Placed> {
        if failure.error.message.contains(UNKNOWN) {
            // The server is another one, or was started anew.
            *self.proof.lock().await = Proof::None;
            drop(placed);
            self.pool.forget();
            return None;
        }
        match (failure.again, failure.error.kind) {
            (Again::Unsent | Again::Unseen, _) => return Some(placed),
            (Again::Unknown, _) | (_, ErrorKind::Timeout | ErrorKind::Unavailable) => drop(placed),
            _ => placed.done(),
        }
        None
    }

    /// Unregisters and removes every region, within a few seconds.
    pub async fn close(&self, server: &Server) {
        self.pool.close(server).await;
    }
}

impl Placed {
    /// The region's name.
    pub fn region(&self) -> &str {
        self.region.name()
    }

    /// Where an input lies, if it does.
    pub fn input(&self, name: &str) -> Option<Span> {
        self.plan.inputs.get(name).copied()
    }

    /// Where an output is to be put, if it is.
    pub fn output(&self, name: &str) -> Option<Span> {
        self.plan.outputs.get(name).copied()
    }

    /// The server has answered: takes the outputs out of the region, which is then free for other
    /// calls.
    ///
    /// # Errors
    /// `too-large`: the activation's memory. `internal`: what the server says is not in the region.
    pub async fn finish(
        mut self,
        subject: &str,
        outputs: &Outputs,
        budget: &CallBudget,
    ) -> Result<Shared> {
        let shared = self.read(subject, outputs, budget).await;
        self.done();
        shared
    }

    async fn read(
        &mut self,
        subject: &str,
        outputs: &Outputs,
        budget: &CallBudget,
    ) -> Result<Shared> {
        let mut shared = Shared::new();
        let Some(memory) = self.region.memory() else { return Ok(shared) };
        for (name, span) in &self.plan.outputs {
            let Some(described) = outputs.elsewhere(name) else { continue };
            let size = DataType::named(&described.datatype).and_then(DataType::size);
            let elements = Shape::new(described.shape.clone())?.elements();
            let bytes = size
                .and_then(|size| size.checked_mul(elements))
                .filter(|bytes| *bytes <= span.bytes);
            let bytes = bytes.ok_or_else(|| {
                Error::internal(format!(
                    "{subject}: output {name} does not fit where the server put it"
                ))
            })?;
            let reserved = budget.memory.reserve(bytes, "an answer of Triton")?;
            let (offset, memory) = (span.offset, memory.clone());
            let data = off_thread(bytes, move || memory.read(offset, bytes)).await?;
            shared.insert(name.clone(), (data, Arc::new(reserved)));
        }
        Ok(shared)
    }

    /// The server is done with the region: it is free for other calls.
    pub fn done(self) {
        self.region.done();
    }
}

/// Whether a call failed for its region, and would not have without.
pub(super) fn is_at_fault(failure: &Failure) -> bool {
    failure.again == Again::No
        && (failure.error.message.contains(UNKNOWN) || failure.error.message.contains(TOO_SMALL))
}

/// Copies where it does not keep others waiting.
async fn off_thread<T: Send + 'static>(
    bytes: u64,
    copy: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if bytes < LARGE {
        return copy();
    }
    tokio::task::spawn_blocking(copy)
        .await
        .map_err(|error| Error::internal(format!("copying to shared memory: {error}")))?
}
