//! Transfer of large tensors through memory that Triton and this host share: Triton's system shared
//! memory extension.
//!
//! `KEYNET_TRITON_SHM=auto`. The host owns the regions: files that it creates in `/dev/shm`,
//! registered with the server, reused from call to call, used by one call at a time. A tensor costs
//! one copy into the file and one out of it, and does not pass through a socket. Files are written
//! and read, not mapped, so that a fault in the file is an error and not a signal. Names of regions
//! are global to a server, and every client of the server may use any region in a request: suitable
//! for one tenant only.
//!
//! * **Proof.** Before shared memory is used, a region with a random 128-bit name is registered,
//!   which succeeds only if the server opens the same file. Then every connection must know the
//!   region (there may be several servers behind them), and a name without a file must be rejected.
//!   If any of this fails, tensors are sent through gRPC without an error, because `auto` is a
//!   preference. The proof is repeated after a minute.
//! * **Fallback.** A call whose region is unknown to the server (it was restarted) or too small is
//!   repeated through gRPC.
//! * **Quarantine.** A region is not reused while it may still be written to. If a call did not end
//!   with the server's response, its region stays untouched for a minute. Then the server is asked
//!   to unregister it, which it refuses while it still uses the region (as of Triton 2.51).
//! * **Cleanup.** A region's name identifies its owner, and the owner locks the file for as long as
//!   it lives. The next process that starts removes files whose lock is free, and regions of the
//!   server whose file does not exist ([`leftovers`]).
//! * **Limits.** All regions together take at most `KEYNET_TRITON_SHM_BYTES`; their files are fully
//!   allocated, so that a full `/dev/shm` is detected here and not by the server. Tensors that do
//!   not fit are sent through gRPC.
//!
//! Outputs use shared memory if their size is known before the call: every dimension is declared,
//! or is the batch of the inputs. BYTES, and responses of prediction streams, always use gRPC, and
//! so do requests of sequences, which cannot be repeated.

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

/// Time after which a failed proof is repeated.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// Triton's messages for a region that it does not know, and for one that is too small for an
/// output.
const UNKNOWN: &str = "Unable to find shared memory region";
const TOO_SMALL: &str = "shared memory size specified";
/// Size in bytes from which copying runs on the blocking pool.
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
    /// Not attempted yet.
    None,
    Shared,
    NotShared(Instant),
}

/// A request's tensors in a region. The caller reports when the server has finished with the
/// region; otherwise the region is not reused.
#[derive(Debug)]
pub(super) struct Placed {
    plan: Plan,
    /// Outputs to request: all of them by name, because those in the region have to be named.
    pub wanted: Vec<String>,
    region: Lent,
}

impl SharedMemory {
    /// Creates the shared memory; `None` if it is not configured.
    pub fn new(server: &Server) -> Option<Self> {
        let link = &server.link;
        let pool = Arc::new(Pool::new(link.shared_memory_bytes));
        link.shared_memory.then(|| Self {
            pool,
            threshold: link.shared_memory_threshold.max(1),
            proof: Turn::new(Proof::None),
        })
    }

    /// Writes the tensors that are large enough into a region; `None` if there are none, or if
    /// memory is not shared with the server.
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

    /// Reports whether memory is shared with the server. Returns false while another call carries
    /// out the proof, instead of waiting for it.
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

    /// Decides the use of a request's region after its call failed: keeps it for the next attempt
    /// if the model has not received the request, otherwise returns it to the pool when the server
    /// has finished with it.
    pub async fn after(&self, placed: Placed, failure: &Failure) -> Option<Placed> {
        if failure.error.message.contains(UNKNOWN) {
            // It is another server, or it was restarted.
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
    /// Returns the region's name.
    pub fn region(&self) -> &str {
        self.region.name()
    }

    /// Returns the position of an input, if it is in the region.
    pub fn input(&self, name: &str) -> Option<Span> {
        self.plan.inputs.get(name).copied()
    }

    /// Returns the position reserved for an output, if it is in the region.
    pub fn output(&self, name: &str) -> Option<Span> {
        self.plan.outputs.get(name).copied()
    }

    /// Reads the outputs from the region after the server has responded, and releases the region
    /// for other calls.
    ///
    /// # Errors
    /// `too-large`: the activation's memory. `internal`: the described outputs do not fit in the
    /// region.
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

    /// Releases the region for other calls: the server has finished with it.
    pub fn done(self) {
        self.region.done();
    }
}

/// Reports whether a call failed because of its region, so that it may succeed without.
pub(super) fn is_at_fault(failure: &Failure) -> bool {
    failure.again == Again::No
        && (failure.error.message.contains(UNKNOWN) || failure.error.message.contains(TOO_SMALL))
}

/// Copies large data on the blocking pool, so that other tasks are not delayed.
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
