//! Small calls that are made at the same time, sent at the same time.
//!
//! When a batch of answers comes, as many activations go on, and soon some of them ask again. Sent
//! one by one, each request would wake the connection and be a packet of its own, and the server's
//! batcher would find a few of them at a time. So the first to ask lets those run that are ready
//! to, and then hands everything over that was asked by then: one write, one read, one batch. A
//! caller that is alone waits for nobody.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use http::{Request, Response};
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::Channel;

/// The answer to what was handed over.
type Answering = <Channel as GrpcService<Body>>::Future;

/// Requests of one connection that are about to be sent.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Vec<Letter>>);

struct Letter {
    /// It has said that it is ready.
    channel: Channel,
    request: Request<Body>,
    sent: oneshot::Sender<Answering>,
}

/// Whoever has it sends everything, also when its own caller has gone meanwhile.
struct Turn<'a>(&'a Outbox);

impl Outbox {
    /// Sends a request on a channel that is ready, with those that others are about to send, and
    /// waits for the answer. None: it was not sent.
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
            others_first().await;
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

/// Goes to the end of the queue of what is ready to run.
async fn others_first() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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
