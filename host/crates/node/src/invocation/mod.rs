//! Invocations: from an accepted request to the record of its activation.
//!
//! ```text
//! start → rate and queue of the namespace → a task of its own → slot → load → run → record → answer
//! ```
//!
//! A caller that disconnects changes nothing: the activation ends, and its record is kept. What
//! was acknowledged, the id of an invocation that is not awaited or a result, is in the database
//! before the caller learns of it.

mod component;
mod detached;
mod environment;
mod facts;
mod json;
mod logs;
pub mod parameters;
mod record;
mod sequence;
mod span;

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::poll;
use keynet_base::budget::Reservation;
use keynet_base::trace_context::TraceContext;
use tokio::sync::oneshot;
use uuid::Uuid;
use uuid::fmt::Simple;

use detached::Detached;
pub use facts::UnreadableRecord;
pub use json::RecordJson;
pub use record::{Ended, interrupted};

use crate::entities::{Action, Exec, now_ms};
use crate::fairness::{self, Slot};
use crate::node::Node;
use crate::records::RecordsError;
use crate::resolution::Inherited;
use crate::tenants::Namespace;

/// Time that a blocking request waits for its activation.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// Time that an activation may wait for a slot.
const MAX_QUEUED: Duration = Duration::from_secs(600);

/// Reason why an invocation is not started, in OpenWhisk's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Too many activations in this minute.
    #[error("Too many requests in the last minute (count: {count}, allowed: {allowed}).")]
    Rate {
        /// Activations in this minute.
        count: u32,
        /// Quota.
        allowed: u32,
    },
    /// As many activations wait as the namespace may have.
    #[error("Too many concurrent requests in flight (count: {count}, allowed: {allowed}).")]
    Concurrent {
        /// Activations that run or wait.
        count: usize,
        /// Quota of both.
        allowed: usize,
    },
    /// Its acceptance cannot be stored.
    #[error("the activation cannot be recorded: {0}")]
    Records(#[from] RecordsError),
}

/// Request to run an action.
pub struct Invocation {
    /// Namespace that the activation runs in: its backends, its quotas, its records.
    pub namespace: Arc<Namespace>,
    /// Action.
    pub action: Arc<Action>,
    /// Default parameters of the action's package and its binding.
    pub inherited: Inherited,
    /// Parameters of the caller, a JSON object.
    pub parameters: String,
    /// Memory of the namespace that the parameters take, also while the activation waits.
    pub _held: Reservation,
    /// Id of the request, as in its response.
    pub transaction: String,
    /// Span of the caller; `None` without one, or if traces are off.
    pub caller: Option<TraceContext>,
}

/// Result of an invocation.
pub enum Invoked {
    /// The activation has ended.
    Ended(Ended),
    /// The activation runs, under this id.
    Accepted(String),
}

/// Future of a slot.
type Waiting = Pin<Box<dyn Future<Output = Result<Slot, fairness::Refused>> + Send>>;

/// A slot, or the place in its queue.
enum Admission {
    Ready(Slot),
    Waiting(Waiting),
}

/// Returns a new activation id: 48 bits of time, so that ids of records that are stored together
/// lie together, and 80 random bits.
fn new_id() -> String {
    let mut id = *Uuid::new_v4().as_bytes();
    let [_, _, time @ ..] = now_ms().to_be_bytes();
    for (byte, time) in id.iter_mut().zip(time) {
        *byte = time;
    }
    let mut text = [0; Simple::LENGTH];
    Uuid::from_bytes(id).simple().encode_lower(&mut text).to_owned()
}

/// Starts an activation; waits for its end if the request is `blocking`, at most [`MAX_WAIT`].
///
/// # Errors
/// The namespace's quotas do not permit it now.
pub async fn invoke(
    node: &Arc<Node>,
    invocation: Invocation,
    blocking: bool,
) -> Result<Invoked, Refused> {
    let namespace = Arc::clone(&invocation.namespace);
    if !namespace.rate.try_take() {
        let (count, allowed) = (namespace.rate.count(), namespace.rate.limit());
        return Err(Refused::Rate { count, allowed });
    }
    let is_sequence = matches!(invocation.action.exec, Exec::Sequence { .. });
    // A sequence holds no slot itself: its actions do, one after another.
    let admission = if is_sequence { None } else { Some(admit(&namespace).await?) };
    let id = new_id();
    let invocation = Arc::new(invocation);
    let under_way = node.under_way.begin();
    let (on, of, own) = (Arc::clone(node), Arc::clone(&invocation), id.clone());
    let running = async move {
        let _under_way = under_way;
        match admission {
            Some(admission) => component::run(&on, &of, own, admission, None).await,
            None => sequence::run(&on, &of, own).await,
        }
    };
    if !blocking {
        let acceptance = record::accepted(&id, &invocation);
        let (stored, storing) = oneshot::channel();
        let accepting = Arc::clone(node);
        // In a task, since a caller that disconnects ends its own: what is accepted is run.
        let accepted = async move {
            let outcome = accepting.records.accept(&acceptance).await;
            let is_stored = outcome.is_ok();
            let _ = stored.send(outcome);
            if is_stored {
                running.await;
            }
        };
        namespace.lane.spawn(accepted);
        // Without an answer the task panicked or was cancelled with the runtime.
        storing.await.unwrap_or(Ok(()))?;
        return Ok(Invoked::Accepted(id));
    }
    match tokio::time::timeout(MAX_WAIT, Detached::new(&namespace.lane, running)).await {
        Ok(ended) => Ok(Invoked::Ended(ended)),
        Err(_) => {
            // If it ends at this moment, the record is there and the acceptance is refused.
            let _ = node.records.accept(&record::accepted(&id, &invocation)).await;
            Ok(Invoked::Accepted(id))
        }
    }
}

/// Takes a slot, or a place in the queue of the namespace.
async fn admit(namespace: &Arc<Namespace>) -> Result<Admission, Refused> {
    let lane = Arc::clone(&namespace.lane);
    let deadline = Instant::now() + MAX_QUEUED;
    let mut waiting: Waiting = Box::pin(async move { lane.slot(Some(deadline)).await });
    match poll!(&mut waiting) {
        Poll::Ready(Ok(slot)) => Ok(Admission::Ready(slot)),
        Poll::Ready(Err(_)) => {
            let quotas = namespace.quotas();
            let count = namespace.lane.running() + namespace.lane.waiting();
            Err(Refused::Concurrent { count, allowed: quotas.concurrent + quotas.queue })
        }
        Poll::Pending => Ok(Admission::Waiting(waiting)),
    }
}
