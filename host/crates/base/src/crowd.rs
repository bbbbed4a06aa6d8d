//! Tasks that do the same thing within a moment of each other, and could do it together.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::{Id, try_id};

/// Tasks that follow each other within this time belong together.
const CROWD: Duration = Duration::from_millis(1);

/// The last task that did something. A task that is not alone yields once, so that those that are
/// ready share its system call or transaction; one that is alone does not wait.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<Option<(Option<Id>, Instant)>>);

impl Crowd {
    /// Records that the current task does it now. If another task did it a moment ago, lets those that
    /// are ready come first, and returns true.
    pub async fn others_first(&self) -> bool {
        let are_others = self.join();
        if are_others {
            come_last().await;
        }
        are_others
    }

    /// Returns true if another task did it a moment ago.
    fn join(&self) -> bool {
        let own = try_id();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let previous = last.replace((own, now));
        previous.is_some_and(|(task, time)| task != own && now - time < CROWD)
    }
}

/// Lets the tasks that are ready come first. It is woken at once, where `tokio::task::yield_now` waits
/// until its worker has nothing else to do.
pub async fn come_last() {
    let mut was_polled = false;
    poll_fn(|context| {
        if std::mem::replace(&mut was_polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_comes_again_and_again_is_alone_until_another_comes() {
        let crowd = std::sync::Arc::new(Crowd::default());
        let join = |times: usize| {
            let crowd = crowd.clone();
            tokio::spawn(async move { (0..times).map(|_| crowd.join()).collect::<Vec<_>>() })
        };
        assert_eq!(join(3).await.unwrap(), [false; 3]);
        assert_eq!(join(2).await.unwrap(), [true, false]);
        tokio::time::sleep(CROWD * 3).await;
        assert_eq!(join(1).await.unwrap(), [false]);
    }
}
