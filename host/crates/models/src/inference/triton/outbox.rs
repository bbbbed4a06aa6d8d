//! Sends small concurrent calls together.
//!
//! When a batch of responses arrives, many activations continue, and soon some of them send the
//! next request. Sent one by one, each request would wake the connection and take a packet of its
//! own, and the server's batcher would receive them a few at a time. Therefore the first sender
//! yields to the tasks that are ready to run, and then sends all requests that have accumulated:
//! one write, one read, one batch. A single caller is not delayed.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Request, Response};
use keynet_base::counters;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::Channel;

/// Future of the response to a sent request.
type Answering = <Channel as GrpcService<Body>>::Future;

/// Requests of one connection that are about to be sent.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Vec<Letter>>);

struct Letter {
    /// Channel that has reported to be ready.
    channel: Channel,
    request: Request<Body>,
    sent: oneshot::Sender<Answering>,
}

/// Duty to send all requests, which is done on drop too, in case the task that holds it is
/// cancelled.
struct Turn<'a>(&'a Outbox);

impl Outbox {
    /// Sends a request on a ready channel, together with those of concurrent callers, and waits for
    /// the response. `None`: it was not sent.
    pub(super) async fn send(
        &self,
        channel: Channel,
        request: Request<Body>,
    ) -> Option<Result<Response<Body>, tonic::transport::Error>> {
        let (sent, answering) = oneshot::channel();
        let first = {
            let mut letters = self.letters();
            letters.push(Letter { channel, request, sent });
            letters.len() == 1
        };
        if first {
            let turn = Turn(self);
            tokio::task::yield_now().await;
            drop(turn);
        }
        Some(answering.await.ok()?.await)
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let letters = std::mem::take(&mut *self.0.letters());
        counters::TRITON_GROUPS.add(1);
        counters::TRITON_GROUPED.add(letters.len() as u64);
        for Letter { mut channel, request, sent } in letters {
            if !sent.is_closed() {
                let _ = sent.send(channel.call(request));
            }
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tonic::transport::Endpoint;

    use super::*;

    async fn ready(channel: &Channel) -> Channel {
        let mut channel = channel.clone();
        std::future::poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context))
            .await
            .unwrap();
        channel
    }

    #[tokio::test]
    async fn what_others_handed_over_is_sent_though_the_first_has_gone() {
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let outbox = Outbox::default();
        let mut first = Box::pin(outbox.send(ready(&channel).await, Request::new(Body::empty())));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(outbox.send(ready(&channel).await, Request::new(Body::empty())));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(outbox.letters().len(), 2);
        drop(first);
        assert!(outbox.letters().is_empty());
        assert!(second.await.unwrap().is_err(), "nobody listens there");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_sent() {
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let outbox = Outbox::default();
        let mut only = Box::pin(outbox.send(ready(&channel).await, Request::new(Body::empty())));
        assert!(poll!(&mut only).is_pending());
        let letter = outbox.letters().pop().unwrap();
        drop(only);
        assert!(letter.sent.is_closed());
    }
}
