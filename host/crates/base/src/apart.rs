//! Work that is not to wait for the next poll of its caller.
//!
//! A future of one tenant may be polled late: its tenant has used up its share of the processors. If
//! it holds meanwhile what others wait for, as a place in a semaphore, they wait for it, too. So what
//! is shared between tenants is taken, used and given back in a task of its own.

use std::panic::resume_unwind;

use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// Runs `future` as a task of its own, which is dropped with the future that this returns.
pub async fn apart<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    match joined(AbortOnDropHandle::new(tokio::spawn(future)).await) {
        Some(output) => output,
        None => std::future::pending().await, // nobody waits any more
    }
}

/// Returns the output of a task that was not aborted, and goes on with its panic; `None` if the
/// runtime is being shut down.
pub fn joined<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(output) => Some(output),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_place_is_given_back_though_its_user_is_not_polled() {
        let places = Arc::new(Semaphore::new(1));
        let held = places.acquire().await.unwrap();
        let own = Arc::clone(&places);
        let mut user = Box::pin(apart(async move {
            let _place = own.acquire().await.unwrap();
            7
        }));
        assert!(user.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        drop(held);
        let place = tokio::time::timeout(Duration::from_secs(10), places.acquire()).await;
        drop(place.expect("the place is given back").unwrap());
        assert_eq!(user.await, 7);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends() {
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        let waiting = apart(async move {
            let _inside = inside;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(Duration::from_millis(10), waiting).await.is_err());
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
