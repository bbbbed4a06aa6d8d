//! Fairness between the tenants of a node: which activation may start, which task may compute now,
//! and how many a namespace may invoke in a minute.
//!
//! Every namespace has a [`Lane`] with a [`Share`].
//!
//! - [`Lane::slot`] admits an activation. A free slot goes to the waiting lane that has the fewest
//!   for its weight, and requests of one lane are served in order.
//! - [`Lane::spawn`] runs a task in the lane's turns: a connection with its requests and the
//!   activations that they wait for, or an activation that nobody waits for. A turn is one poll; a
//!   guest that computes ends its poll at the epoch tick. The next turn goes to the waiting lane
//!   that used the least processor time for its weight, so a short request of a quiet lane is
//!   next however much others ask for. While such ones come, lanes that compute for long, or have more
//!   than their share of the processors, leave one of several free, and threads of their own poll them.
//! - [`Rate`] counts activations per minute.
//!
//! | file | purpose |
//! |---|---|
//! | `lane` | the lanes of a node |
//! | `slots` | which activation of which lane starts next |
//! | `turns` | which task of which lane is polled next, and where |
//! | `task` | a task: it waits, has a turn, is polled |
//! | `threads` | the threads for those who compute for long |
//! | `rate` | activations per minute |
//!
//! Nothing here knows what an activation is.

mod lane;
mod rate;
mod slots;
#[cfg(test)]
mod stress;
mod task;
mod threads;
mod turns;

pub use lane::{Fairness, Lane, Share};
pub use rate::Rate;
pub use slots::{Refused, Slot};
pub use task::{for_long, make_way};
