//! A future that its caller's end does not end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

use crate::fairness::Lane;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that is polled by the task that holds it, and by a task of its lane if it is dropped
/// before it has ended. A caller that waits for it to the end pays for no second task.
pub(super) struct Detached<T: Send + 'static> {
    lane: Arc<Lane>,
    /// `None` once it has ended.
    future: Option<Boxed<T>>,
}

impl<T: Send + 'static> Detached<T> {
    #[inline(always)] // so that a large future is not copied before it is in its box
    pub(super) fn new(lane: &Arc<Lane>, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { lane: Arc::clone(lane), future: Some(Box::pin(future)) }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let ended = ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(ended)
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // Outside of the runtime the process ends.
        if let Some(future) = self.future.take()
            && Handle::try_current().is_ok()
        {
            self.lane.spawn(async { drop(future.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::fairness::{Fairness, Share};

    #[tokio::test]
    async fn what_nobody_waits_for_ends_too() {
        let lane = Fairness::new(1, 1).lane("a", Share { weight: 1, concurrent: 1, queue: 1 });
        assert_eq!(Detached::new(&lane, async { 1 }).await, 1);
        let (ended, waiting) = oneshot::channel();
        let mut running = Detached::new(&lane, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            ended.send(2)
        });
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut running).await.is_err());
        drop(running);
        assert_eq!(waiting.await, Ok(2));
    }
}
