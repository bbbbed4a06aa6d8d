//! Cache of the registry's responses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use crate::inference::ModelRef;
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, ErrorKind, Result};

/// Maximum number of entries, since names come from actions. With the maximum size of one version,
/// the cache takes at most 64 MiB.
const MAX_ENTRIES: usize = 256;

/// Time that an error is cached. Activations do not each query a server that is down, and a server
/// that recovered is noticed soon.
const ERROR: Duration = Duration::from_secs(2);

/// Time to wait for a new response if an old one is known, or none is needed.
const PATIENCE: Duration = Duration::from_secs(1);

type Fetch<V> = Shared<BoxFuture<'static, Result<V>>>;

/// Cache of responses by model name. Concurrent lookups of a name share one request; an entry older
/// than half of its time to live is refreshed in the background.
pub(super) struct Cache<V> {
    ttl: Duration,
    stale: Duration,
    entries: Mutex<HashMap<ModelRef, Arc<Entry<V>>>>,
}

struct Entry<V>(Mutex<State<V>>);

struct State<V> {
    /// The last successful response, and the time of its request.
    known: Option<(V, Instant)>,
    /// The error of a later request.
    failed: Option<(Error, Instant)>,
    /// The request in progress, and its start.
    fetch: Option<(Fetch<V>, Instant)>,
}

impl<V> std::fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    /// Creates a cache whose entries are valid for `ttl`, and for `stale` while the registry is
    /// unavailable.
    pub(super) fn new(ttl: Duration, stale: Duration) -> Self {
        Self { ttl, stale, entries: Mutex::default() }
    }

    /// Returns the value for `model`: the cached one, or the result of `fetch`. The request
    /// continues after the caller stops waiting.
    ///
    /// # Errors
    /// The errors of `fetch`; `timeout`: no result by the deadline.
    pub(super) async fn get<F>(
        &self,
        model: &ModelRef,
        budget: &CallBudget,
        fetch: impl FnOnce() -> F,
    ) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let entry = self.entry(model);
        let now = Instant::now();
        let (old, fetching, since) = {
            let mut state = entry.state();
            if let Some((error, at)) = &state.failed
                && now.duration_since(*at) < ERROR.min(self.ttl)
            {
                return state.stale(self.stale, now, error);
            }
            let age = state.known.as_ref().map(|(_, asked)| now.duration_since(*asked));
            let fresh = age.is_some_and(|age| age < self.ttl);
            let fetching = match &state.fetch {
                Some((fetching, since)) => Some((fetching.clone(), *since)),
                None if fresh && age < Some(self.ttl / 2) => None,
                None => Some((entry.begin(&mut state, fetch(), now), now)),
            };
            match (&state.known, fetching) {
                (Some((known, _)), _) if fresh => return Ok(known.clone()),
                (known, Some((fetching, since))) => (known.is_some(), fetching, since),
                (_, None) => return Err(Error::internal("the registry's answers are in disorder")),
            }
        };
        let mut patient = budget.clone();
        if old || model.number().is_some() {
            patient.deadline = budget.deadline.min(since + PATIENCE);
        }
        match patient.within("MLflow", fetching).await {
            Err(error) if old => entry.state().stale(self.stale, now, &error),
            answer => answer,
        }
    }

    /// Reports whether there never was a successful response for `model`.
    pub(super) fn is_unknown(&self, model: &ModelRef) -> bool {
        self.entry(model).state().known.is_none()
    }

    fn entry(&self, model: &ModelRef) -> Arc<Entry<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(model) {
            return Arc::clone(entry);
        }
        if entries.len() >= MAX_ENTRIES {
            let worth_keeping = |entry: &Arc<Entry<V>>| {
                entry.state().known.as_ref().is_some_and(|(_, asked)| asked.elapsed() < self.ttl)
            };
            entries.retain(|_, entry| worth_keeping(entry));
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        let entry = Arc::new(Entry(Mutex::new(State { known: None, failed: None, fetch: None })));
        entries.insert(model.clone(), Arc::clone(&entry));
        entry
    }
}

impl<V: Clone + Send + Sync + 'static> Entry<V> {
    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts `fetch` in a task of its own, whose result all waiting callers share.
    fn begin(
        self: &Arc<Self>,
        state: &mut State<V>,
        fetch: impl Future<Output = Result<V>> + Send + 'static,
        now: Instant,
    ) -> Fetch<V> {
        let entry = Arc::clone(self);
        let task = tokio::spawn(async move {
            let answer = fetch.await;
            let mut state = entry.state();
            state.fetch = None;
            match &answer {
                Ok(known) => (state.known, state.failed) = (Some((known.clone(), now)), None),
                Err(error) => state.failed = Some((error.clone(), Instant::now())),
            }
            drop(state);
            answer
        });
        let fetching = task
            .map(|ended| ended.unwrap_or_else(|_| Err(Error::internal("asking MLflow panicked"))))
            .boxed()
            .shared();
        state.fetch = Some((fetching.clone(), now));
        fetching
    }
}

impl<V: Clone> State<V> {
    /// Returns the cached value in place of `error`, if it may still be used.
    fn stale(&self, stale: Duration, now: Instant, error: &Error) -> Result<V> {
        let down =
            matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Internal);
        match &self.known {
            Some((known, asked)) if down && now.duration_since(*asked) < stale => {
                tracing::warn!(%error, age = ?now.duration_since(*asked), "MLflow does not answer; \
                    what it said before counts on");
                Ok(known.clone())
            }
            _ => Err(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use keynet_base::budget::MemoryBudget;

    fn budget(time: Duration) -> CallBudget {
        CallBudget { memory: MemoryBudget::process(1 << 20), deadline: Instant::now() + time }
    }

    fn model() -> ModelRef {
        "models:/detector@champion".parse().unwrap()
    }

    /// Reads from the cache, with a registry that responds `answer` after `wait`, and counts the
    /// requests.
    async fn get(
        cache: &Cache<u32>,
        asked: &Arc<AtomicU32>,
        wait: Duration,
        answer: Result<u32>,
    ) -> Result<u32> {
        let asked = Arc::clone(asked);
        let fetch = || async move {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(wait).await;
            answer
        };
        cache.get(&model(), &budget(Duration::from_secs(20)), fetch).await
    }

    const AT_ONCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn many_who_ask_at_once_cost_one_call() {
        let cache = Cache::new(Duration::from_secs(60), Duration::from_secs(60));
        let asked = Arc::default();
        let all = (0..100).map(|_| get(&cache, &asked, Duration::from_millis(20), Ok(1)));
        assert!(futures::future::join_all(all).await.iter().all(|answer| *answer == Ok(1)));
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(2)).await, Ok(1));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_new_answer_is_known_within_the_time_and_nobody_waits_for_it() {
        let cache = Cache::new(Duration::from_millis(400), Duration::from_secs(60));
        let asked = Arc::default();
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(1)).await, Ok(1));
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(2)).await, Ok(1)); // and refreshes
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(3)).await, Ok(2));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_was_known_counts_on_while_the_registry_is_down_but_not_for_ever() {
        let cache = Cache::new(Duration::from_millis(10), Duration::from_millis(500));
        let (asked, began) = (Arc::default(), Instant::now());
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(1)).await, Ok(1));
        let down = || Err(Error::unavailable("down"));
        while began.elapsed() < Duration::from_millis(300) {
            assert_eq!(get(&cache, &asked, AT_ONCE, down()).await, Ok(1));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(
            get(&cache, &asked, AT_ONCE, down()).await.unwrap_err().kind,
            ErrorKind::Unavailable
        );
    }

    #[tokio::test]
    async fn an_alias_that_was_taken_away_is_gone() {
        let cache = Cache::new(Duration::from_millis(10), Duration::from_secs(60));
        let asked = Arc::default();
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(1)).await, Ok(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let gone = Err(Error::not_found("gone"));
        assert_eq!(get(&cache, &asked, AT_ONCE, gone).await.unwrap_err().kind, ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn an_old_answer_is_better_than_a_long_wait() {
        let cache = Cache::new(Duration::from_millis(1), Duration::from_secs(60));
        let asked = Arc::default();
        assert_eq!(get(&cache, &asked, AT_ONCE, Ok(1)).await, Ok(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(get(&cache, &asked, Duration::from_secs(15), Ok(2)).await, Ok(1));
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "only the first waits, and not for long"
        );
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_not_asked_by_everyone() {
        let cache = Cache::new(Duration::from_secs(60), Duration::from_secs(60));
        let asked = Arc::default();
        for _ in 0..10 {
            assert!(get(&cache, &asked, AT_ONCE, Err(Error::unavailable("down"))).await.is_err());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn names_do_not_fill_the_memory() {
        let cache = Cache::new(Duration::from_secs(60), Duration::from_secs(60));
        for number in 1..3000_u32 {
            let model = format!("models:/detector/{number}").parse().unwrap();
            let known = cache
                .get(&model, &budget(Duration::from_secs(20)), || async move { Ok(number) })
                .await;
            assert_eq!(known, Ok(number));
        }
        assert!(cache.entries.lock().unwrap().len() <= MAX_ENTRIES);
    }
}
