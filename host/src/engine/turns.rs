//! Turns of compilations: which component is compiled next.
//!
//! A few are compiled at a time. The next is one of the owner that compiled least recently, for its
//! weight. A compilation that takes longer than [`SLICE`] is long, and so is each of an owner that
//! has used up its share. Long ones never hold all places while a short one waits: one of them is
//! stopped then, and begun again when a place for long ones is free.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::CodeOwner;

/// Time after which a compilation is long. Most take a tenth of it on an idle machine.
const SLICE: Duration = Duration::from_secs(2);

/// Places for compilations.
#[derive(Debug)]
pub(super) struct CompileTurns {
    places: usize,
    slice: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of requests so far, which orders them.
    tickets: u64,
    waiting: BTreeMap<u64, Waiting>,
    running: BTreeMap<u64, Running>,
}

#[derive(Debug)]
struct Waiting {
    owner: Arc<CodeOwner>,
    is_long: bool,
    /// Takes the receiver that reports when the compilation has to stop.
    granted: oneshot::Sender<oneshot::Receiver<()>>,
}

#[derive(Debug)]
struct Running {
    owner: Arc<CodeOwner>,
    is_long: bool,
    started: Instant,
    /// `None` once it has been asked to stop.
    stop: Option<oneshot::Sender<()>>,
}

impl CompileTurns {
    /// Creates `places`, of which long compilations take one less if there are several.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), slice: SLICE, state: Mutex::default() }
    }

    /// Waits for a turn of `owner` and runs `compile`, whose argument reports whether it waited. If
    /// the place is needed for a short one, the future that `compile` returned is dropped, and
    /// `compile` is called again later.
    pub(super) async fn run<F: Future>(
        &self,
        owner: &Arc<CodeOwner>,
        compile: impl Fn(bool) -> F,
    ) -> F::Output {
        let mut was_stopped = false;
        loop {
            let mut turn = self.turn(owner, was_stopped).await;
            // The future is dropped before the turn.
            tokio::select! {
                compiled = compile(turn.has_waited) => return compiled,
                Ok(()) = &mut turn.stop => was_stopped = true,
            }
        }
    }

    async fn turn(&self, owner: &Arc<CodeOwner>, was_stopped: bool) -> Turn<'_> {
        let (granted, mut turn) = oneshot::channel();
        let ticket = {
            let mut state = self.state();
            state.tickets += 1;
            let ticket = state.tickets;
            let is_long = was_stopped || owner.is_over_its_share(Instant::now());
            state.waiting.insert(ticket, Waiting { owner: Arc::clone(owner), is_long, granted });
            ticket
        };
        let place = Place { turns: self, ticket };
        let mut look = self.grant(Instant::now());
        if let Ok(stop) = turn.try_recv() {
            return Turn { _place: place, stop, has_waited: false };
        }
        loop {
            let stop = match look {
                Some(at) => match tokio::time::timeout_at(at.into(), &mut turn).await {
                    Ok(stop) => stop,
                    Err(_) => {
                        look = self.grant(Instant::now());
                        continue;
                    }
                },
                None => (&mut turn).await,
            };
            if let Ok(stop) = stop {
                return Turn { _place: place, stop, has_waited: true };
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants the places that are free, and asks a long compilation to stop if a short one waits
    /// for its place. Returns the next moment at which that may change by itself.
    fn grant(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        while state.running.len() < self.places
            && let Some(ticket) = state.next(self, now)
            && let Some(Waiting { owner, is_long, granted }) = state.waiting.remove(&ticket)
        {
            let (stop, stopped) = oneshot::channel();
            // A request that is gone leaves when its place is dropped.
            let _ = granted.send(stopped);
            let running = Running { owner, is_long, started: now, stop: Some(stop) };
            state.running.insert(ticket, running);
        }
        let a_short_one_waits = state.waiting.values().any(|waiting| !waiting.is_long);
        if self.places < 2 || !a_short_one_waits || state.running.len() < self.places {
            return None;
        }
        let short = state.running.values().filter(|running| !running.is_long(self, now));
        if let Some(first) = short.map(|running| running.started).min() {
            return Some(first + self.slice);
        }
        state.stop_one(now);
        None
    }

    fn leave(&self, ticket: u64) {
        let now = Instant::now();
        let mut state = self.state();
        state.waiting.remove(&ticket);
        if let Some(Running { owner, started, .. }) = state.running.remove(&ticket) {
            owner.charge(now.saturating_duration_since(started), now);
        }
        drop(state);
        self.grant(now);
    }
}

impl State {
    /// Returns the request that is served next, if a place that it may take is free.
    fn next(&self, turns: &CompileTurns, now: Instant) -> Option<u64> {
        let long = self.running.values().filter(|running| running.is_long(turns, now)).count();
        let full = turns.places > 1 && long >= turns.places - 1;
        let candidates = self.waiting.iter().filter(|(_, waiting)| !(full && waiting.is_long));
        let order = |waiting: &Waiting| {
            let own = self.running.values().filter(|it| Arc::ptr_eq(&it.owner, &waiting.owner));
            let (count, time) = own.fold((0_usize, Duration::ZERO), |(count, time), it| {
                (count + 1, time + now.saturating_duration_since(it.started))
            });
            (count, waiting.owner.load(time, now))
        };
        let mut first: Option<(u64, (usize, f64))> = None;
        for (ticket, waiting) in candidates {
            let (count, load) = order(waiting);
            // Of equal ones, the one that waits longest.
            if first.is_none_or(|(_, (least, lowest))| {
                count < least || (count == least && load < lowest)
            }) {
                first = Some((*ticket, (count, load)));
            }
        }
        first.map(|(ticket, _)| ticket)
    }

    /// Asks the compilation of the owner that compiled most to stop, unless one is stopping.
    fn stop_one(&mut self, now: Instant) {
        if self.running.values().any(|running| running.stop.is_none()) {
            return;
        }
        let most = self.running.values_mut().max_by(|one, other| {
            one.load(now).total_cmp(&other.load(now)).then(other.started.cmp(&one.started))
        });
        if let Some(stop) = most.and_then(|running| running.stop.take()) {
            // A compilation that has just ended leaves its place anyway.
            let _ = stop.send(());
        }
    }
}

impl Running {
    fn is_long(&self, turns: &CompileTurns, now: Instant) -> bool {
        self.is_long || now.saturating_duration_since(self.started) >= turns.slice
    }

    fn load(&self, now: Instant) -> f64 {
        self.owner.load(now.saturating_duration_since(self.started), now)
    }
}

/// Place in the queue, or the one that it was exchanged for.
struct Place<'a> {
    turns: &'a CompileTurns,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.leave(self.ticket);
    }
}

/// Turn of one compilation.
struct Turn<'a> {
    _place: Place<'a>,
    /// Receives when it has to stop.
    stop: oneshot::Receiver<()>,
    has_waited: bool,
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    fn turns(places: usize) -> CompileTurns {
        CompileTurns { slice: Duration::from_millis(100), ..CompileTurns::new(places) }
    }

    fn owner(name: &str) -> Arc<CodeOwner> {
        Arc::new(CodeOwner::new(name, 1))
    }

    /// Polls `future` once, which must not be ready.
    async fn begin<T>(future: &mut (impl Future<Output = T> + Unpin)) {
        poll_fn(|context| {
            assert!(std::pin::Pin::new(&mut *future).poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_short_compilation_is_done_while_others_never_end() {
        let turns = turns(3);
        let hostile: Vec<_> = (0..6).map(|number| owner(&format!("evil-{number}"))).collect();
        let begun = AtomicUsize::new(0);
        let never = |_| async {
            begun.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        };
        let bombs = futures::future::join_all(hostile.iter().map(|evil| turns.run(evil, never)));
        let quiet = async {
            tokio::time::sleep(Duration::from_millis(20)).await; // all six came before
            for name in ["good", "good", "better"] {
                assert_eq!(turns.run(&owner(name), |_| async { name }).await, name);
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::select! {
                _ = bombs => false,
                () = quiet => true,
            }
        });
        assert_eq!(ended.await, Ok(true));
        assert!(begun.load(Ordering::Relaxed) > 3, "a bomb was stopped for another");
    }

    #[tokio::test]
    async fn what_was_stopped_is_begun_again_and_ends() {
        let turns = turns(2);
        let (one, two) = (owner("one"), owner("two"));
        let begun = AtomicUsize::new(0);
        let long = |_| async {
            begun.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(400)).await;
        };
        let short = async {
            tokio::time::sleep(Duration::from_millis(200)).await; // both are long by now
            turns.run(&owner("short"), |_| async {}).await;
            begun.load(Ordering::Relaxed)
        };
        let (_, _, before) = tokio::join!(turns.run(&one, long), turns.run(&two, long), short);
        assert_eq!((before, begun.load(Ordering::Relaxed)), (2, 3));
    }

    #[tokio::test]
    async fn the_owner_that_compiled_least_is_next() {
        let turns = turns(1);
        let (much, little) = (owner("much"), owner("little"));
        much.charge(Duration::from_secs(10), Instant::now());
        little.charge(Duration::from_secs(1), Instant::now());
        let order = Mutex::new(Vec::new());
        let noted = |name| {
            let order = &order;
            move |_| async move { order.lock().unwrap().push(name) }
        };
        let first = turns.turn(&much, false).await;
        let (mut second, mut third) =
            (pin!(turns.run(&much, noted("much"))), pin!(turns.run(&little, noted("little"))));
        begin(&mut second).await;
        begin(&mut third).await;
        drop(first);
        tokio::join!(second, third);
        assert_eq!(*order.lock().unwrap(), ["little", "much"]);
    }

    #[tokio::test]
    async fn an_owner_that_used_up_its_share_leaves_a_place_to_the_others() {
        let turns = turns(3);
        let greedy: Vec<_> = ["a", "b", "c"].map(owner).into();
        greedy.iter().for_each(|owner| owner.charge(Duration::from_secs(600), Instant::now()));
        let _first = turns.turn(&greedy[0], false).await;
        let _second = turns.turn(&greedy[1], false).await;
        let mut third = pin!(turns.turn(&greedy[2], false));
        begin(&mut third).await;
        let _short = turns.turn(&owner("quiet"), false).await;
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_leaves_its_place() {
        let turns = turns(1);
        let owner = owner("a");
        let first = turns.turn(&owner, false).await;
        {
            let mut gone = pin!(turns.turn(&owner, false));
            begin(&mut gone).await;
        }
        assert_eq!(turns.state().waiting.len(), 0);
        drop(first);
        let _next = turns.turn(&owner, false).await;
        assert_eq!(turns.state().running.len(), 1);
    }
}
