//! Requests that are being answered, each of which has one of the node's connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A namespace has as many requests under way as it leaves connections to others.
#[derive(Debug, thiserror::Error)]
#[error("Too many concurrent requests in flight (count: {count}, allowed: {allowed}).")]
pub struct TooManyRequests {
    count: usize,
    allowed: usize,
}

/// Numbers of requests that are being answered.
pub(super) struct Requests {
    /// Connections that there can be.
    most: usize,
    /// Whether there is anybody to leave connections to.
    leave_room: AtomicBool,
    all: AtomicUsize,
    /// Those of callers without a key.
    strangers: AtomicUsize,
}

/// Place of a request. Dropping it ends the request.
#[derive(Debug)]
pub struct RequestPlace<'a> {
    all: &'a AtomicUsize,
    own: &'a AtomicUsize,
}

impl Requests {
    pub(super) fn new(most: usize) -> Self {
        let (all, strangers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { most, leave_room: AtomicBool::new(false), all, strangers }
    }

    pub(super) fn set_leave_room(&self, leave_room: bool) {
        self.leave_room.store(leave_room, Ordering::Relaxed);
    }

    /// Takes a place for a request that is counted in `own`; `None` for a caller without a key.
    pub(super) fn place<'a>(
        &'a self,
        own: Option<&'a AtomicUsize>,
    ) -> Result<RequestPlace<'a>, TooManyRequests> {
        let may_have_all = own.is_some() && !self.leave_room.load(Ordering::Relaxed);
        let own = own.unwrap_or(&self.strangers);
        let all = self.all.fetch_add(1, Ordering::Relaxed);
        let before = own.fetch_add(1, Ordering::Relaxed);
        let place = RequestPlace { all: &self.all, own };
        let free = self.most.saturating_sub(all);
        if before >= free && !may_have_all {
            return Err(TooManyRequests { count: before, allowed: free });
        }
        Ok(place)
    }
}

impl Drop for RequestPlace<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        self.own.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes places until one is refused.
    fn fill<'a>(requests: &'a Requests, own: Option<&'a AtomicUsize>) -> Vec<RequestPlace<'a>> {
        (0..1000).map_while(|_| requests.place(own).ok()).collect()
    }

    #[test]
    fn one_that_has_all_the_requests_it_may_have_leaves_some_to_others() {
        let requests = Requests::new(90);
        requests.set_leave_room(true);
        let (one, other) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let places = fill(&requests, Some(&one));
        assert_eq!(places.len(), 45);
        let strangers = fill(&requests, None);
        assert_eq!(strangers.len(), 23);
        assert_eq!(fill(&requests, Some(&other)).len(), 11);
        drop((places, strangers));
        assert_eq!(fill(&requests, Some(&other)).len(), 45);
        assert_eq!(requests.all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_only_namespace_leaves_connections_to_strangers_only() {
        let (requests, one) = (Requests::new(90), AtomicUsize::new(0));
        assert_eq!(fill(&requests, None).len(), 45);
        assert_eq!(fill(&requests, Some(&one)).len(), 1000);
    }
}
