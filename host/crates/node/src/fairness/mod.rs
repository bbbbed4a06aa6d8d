//! Fairness between the tenants of a node: which activation may start, which may compute now, and
//! how many a namespace may invoke in a minute.
//!
//! Every namespace has a [`Lane`] with a [`Share`].
//!
//! - [`Lane::slot`] admits an activation. A free slot goes to the waiting lane that has the fewest
//!   for its weight, and requests of one lane are served in order.
//! - [`Lane::compute`] wraps the activation's future and admits its polls. A turn is one poll; a
//!   guest that computes ends its poll at the epoch tick. The next turn goes to the waiting lane
//!   that used the least processor time for its weight, so a short activation of a quiet lane is
//!   next however many activations of another lane compute. While such ones come, lanes that compute
//!   for long leave one of several processors free. Their polls happen on threads of their own.
//! - [`Rate`] counts activations per minute.
//!
//! | file | purpose |
//! |---|---|
//! | `lane` | the lanes of a node |
//! | `slots` | which activation of which lane starts next |
//! | `turns` | which activation of which lane is polled next |
//! | `seat` | an activation among the turns: it waits, has a turn, is polled |
//! | `compute` | the future that is polled in turns |
//! | `threads` | the threads for those who compute for long |
//! | `rate` | activations per minute |
//!
//! Nothing here knows what an activation is.

mod compute;
mod lane;
mod rate;
mod seat;
mod slots;
#[cfg(test)]
mod stress;
mod threads;
mod turns;

pub use lane::{Fairness, Lane, Share};
pub use rate::Rate;
pub use slots::{Refused, Slot};
