//! Turns: which task of which lane is polled next, and where.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;

use super::lane::Share;
use super::task::Task;
use super::threads::Threads;

/// Time after which a guest that computes yields: the host's epoch tick.
const TICK: Duration = Duration::from_millis(5);

/// Time after the last turn of a brief lane for which a processor is kept free of long polls.
const KEPT: Duration = Duration::from_millis(10);

/// Processor time beyond its share of which a lane is busy, and the most that counts: a lane that asks for
/// much in bursts stays busy between them. One that changes between the workers and the threads with each
/// burst delays others on both.
const BUSY: Duration = TICK;
const MOST_BUSY: Duration = Duration::from_millis(200);

/// Part of the processors that a lane uses all the time before it is busy.
const SHARE_OF: u32 = 4;

/// Who polls a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A worker of the runtime.
    Worker,
    /// The threads for lanes that compute for long.
    Threads,
}

/// Reports whether a poll that takes that time is long: it delays others.
pub(super) fn is_long(poll: Duration) -> bool {
    poll >= TICK / 2
}

/// Turns of all lanes.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    /// Threads for the polls of those who compute for long.
    threads: Threads,
}

/// A task is in a queue only while all turns are taken.
#[derive(Debug)]
pub(super) struct State {
    now: Instant,
    computing: usize,
    taken: usize,
    /// Turns that lanes which compute for long have.
    long: usize,
    /// Time that such lanes still have to compute before they may have all processors.
    kept: Duration,
    /// Virtual time of the lane that took the last turn. A lane that was idle continues from here.
    clock: u128,
    tickets: u64,
    lanes: Slab<LaneTurns>,
    /// Lanes with waiting tasks, in the order of service.
    waiting: BTreeSet<Order>,
}

/// Order of a lane among those that wait: virtual time, ticket of its first task, the lane.
type Order = (u128, u64, usize);

#[derive(Debug)]
struct LaneTurns {
    weight: u32,
    /// `true` if a processor is kept for it while it is brief.
    keeps: bool,
    /// Virtual time: nanoseconds in polls by weight, and those that passed while the lane was idle.
    elapsed: u128,
    /// Nanoseconds in polls.
    computed: u64,
    /// Moving average of a poll, in nanoseconds.
    poll: u64,
    /// Processor time beyond its share, as of `seen`.
    excess: Duration,
    seen: Instant,
    is_busy: bool,
    taken: usize,
    /// Tasks whose polls are long.
    long_tasks: usize,
    /// Tasks that wait, those whose polls are long apart.
    quick: Queue,
    long: Queue,
    /// `true` if the last one that was given a turn has long polls.
    was_long: bool,
    /// The lane's entry in `waiting`.
    order: Option<Order>,
}

/// Tasks by their tickets.
type Queue = BTreeMap<u64, Arc<Task>>;

impl LaneTurns {
    /// Virtual time for a time in polls.
    fn weigh(&self, time: Duration) -> u128 {
        (time.as_nanos() << 16) / u128::from(self.weight.max(1))
    }

    fn has_long_polls(&self) -> bool {
        self.long_tasks > 0 || is_long(Duration::from_nanos(self.poll))
    }

    /// A lane computes for long if its polls are long, or together take more than its share.
    fn is_long(&self) -> bool {
        self.is_busy || self.has_long_polls()
    }

    fn is_idle(&self) -> bool {
        self.taken == 0 && self.waiting() == 0
    }

    fn waiting(&self) -> usize {
        self.quick.len() + self.long.len()
    }

    /// Returns how many of the turns that it has are long.
    fn long_turns(&self) -> usize {
        if self.is_long() { self.taken } else { 0 }
    }

    /// Returns the ticket that was drawn first.
    fn first(&self) -> Option<u64> {
        let firsts = [&self.quick, &self.long].map(BTreeMap::first_key_value);
        firsts.into_iter().flatten().map(|(ticket, _)| *ticket).min()
    }

    /// Takes the next task from the queues: one with long polls and one of the others alternately.
    fn next(&mut self) -> Option<Arc<Task>> {
        self.was_long = self.quick.is_empty() || !self.was_long && !self.long.is_empty();
        let queue = if self.was_long { &mut self.long } else { &mut self.quick };
        queue.pop_first().map(|(_, task)| task)
    }
}

impl Turns {
    pub(super) fn new(computing: usize) -> Self {
        let state = State {
            now: Instant::now(),
            computing: computing.max(1),
            taken: 0,
            long: 0,
            kept: Duration::ZERO,
            clock: 0,
            tickets: 0,
            lanes: Slab::new(),
            waiting: BTreeSet::new(),
        };
        // One thread more for a lane that is brief and has such polls now and then.
        Self { threads: Threads::new(state.computing), state: Mutex::new(state) }
    }

    pub(super) fn threads(&self) -> &Threads {
        &self.threads
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state at that time, or later if it was seen later.
    pub(super) fn state_at(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.now = state.now.max(now);
        state
    }

    pub(super) fn taken(&self) -> usize {
        self.state().taken
    }

    pub(super) fn add(&self, share: Share) -> usize {
        let mut state = self.state();
        let lane = LaneTurns {
            weight: share.weight,
            keeps: share.concurrent > 0,
            elapsed: state.clock,
            computed: 0,
            poll: 0,
            excess: Duration::ZERO,
            seen: state.now,
            is_busy: false,
            taken: 0,
            long_tasks: 0,
            quick: Queue::new(),
            long: Queue::new(),
            was_long: false,
            order: None,
        };
        state.lanes.insert(lane)
    }

    /// Removes a lane, which has no tasks.
    pub(super) fn remove(&self, lane: usize) {
        self.state().lanes.try_remove(lane);
    }

    pub(super) fn set_share(&self, lane: usize, share: Share) {
        if let Some(lane) = self.state().lanes.get_mut(lane) {
            (lane.weight, lane.keeps) = (share.weight, share.concurrent > 0);
        }
    }

    pub(super) fn computed(&self, lane: usize) -> Duration {
        Duration::from_nanos(self.state().lanes.get(lane).map_or(0, |lane| lane.computed))
    }

    #[cfg(test)]
    pub(super) fn has_short_polls(&self, lane: usize) -> bool {
        self.state().lanes.get(lane).is_some_and(|lane| !lane.is_long())
    }

    pub(super) fn waiting(&self, lane: usize) -> usize {
        self.state().lanes.get(lane).map_or(0, LaneTurns::waiting)
    }
}

impl State {
    /// Returns whether a lane whose turn has ended may have another one at once: one is free and
    /// nobody waits for it, or it may have the one beyond `computing`.
    pub(super) fn may_go_on(&self, key: usize) -> bool {
        self.waiting.is_empty() && self.has_free(key) || self.has_extra(key)
    }

    fn has_extra(&self, key: usize) -> bool {
        self.taken == self.computing && self.lanes.get(key).is_some_and(|lane| self.is_brief(lane))
    }

    /// Returns whether a turn is free for a lane. Those that compute for long leave one of several
    /// processors to the others for a while after each turn of a brief lane.
    fn has_free(&self, key: usize) -> bool {
        let keeps_last = !self.kept.is_zero() && self.long + 1 == self.computing;
        self.taken < self.computing && !(keeps_last && self.is_long(key))
    }

    fn is_long(&self, key: usize) -> bool {
        self.lanes.get(key).is_some_and(LaneTurns::is_long)
    }

    /// Returns whether a lane that wants to compute need not queue: a turn is free, or the lane is
    /// brief and may have the one beyond `computing`.
    pub(super) fn has_turn(&mut self, key: usize) -> bool {
        self.look(key, Duration::ZERO);
        self.has_free(key) || self.has_extra(key)
    }

    /// Returns who polls a task of the lane that was given a turn: the threads if its polls, or most
    /// of the lane, are long, or if the lane is busy while others are brief.
    pub(super) fn place(&self, key: usize, is_long: bool) -> Place {
        let on_threads = |lane: &LaneTurns| {
            is_long || lane.has_long_polls() || lane.is_busy && !self.kept.is_zero()
        };
        if self.lanes.get(key).is_some_and(on_threads) { Place::Threads } else { Place::Worker }
    }

    /// Counts that the polls of a task of the lane became long, or are so no longer.
    pub(super) fn count_long(&mut self, key: usize, before: bool, after: bool) {
        if before != after {
            self.change(key, |lane| {
                lane.long_tasks = lane.long_tasks + usize::from(after) - usize::from(before);
            });
        }
    }

    /// Brings the excess of a lane up to date, with the time that it `spent`.
    fn look(&mut self, key: usize, spent: Duration) {
        let (now, computing) = (self.now, self.computing as u32);
        self.change(key, |lane| {
            let share = (now - lane.seen) * computing / SHARE_OF;
            lane.excess = (lane.excess.saturating_sub(share) + spent).min(MOST_BUSY);
            lane.seen = now;
            lane.is_busy = lane.excess >= BUSY;
        });
    }

    /// A lane is brief if it was idle, does not compute for long, and is no more than a tick ahead of
    /// the clock, which does not count the polls that run.
    fn is_brief(&self, lane: &LaneTurns) -> bool {
        lane.is_idle() && !lane.is_long() && lane.elapsed <= self.clock + lane.weigh(TICK)
    }

    /// Takes a turn for a lane that need not queue.
    pub(super) fn take(&mut self, key: usize) {
        let is_free = self.taken < self.computing;
        if self.lanes.get(key).is_some_and(|lane| lane.keeps && self.is_brief(lane)) {
            self.kept = KEPT * (self.computing as u32 - 1);
        }
        self.wake(key);
        self.taken += 1;
        self.change(key, |lane| lane.taken += 1);
        let Some(lane) = self.lanes.get(key) else { return };
        // The turn beyond `computing` is not taken in order.
        if is_free {
            self.clock = self.clock.max(lane.elapsed);
        }
    }

    /// Brings the virtual time of a lane that was idle up to the clock, so that a lane has no credit
    /// for the time in which it wanted nothing.
    fn wake(&mut self, key: usize) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.is_idle() {
            lane.elapsed = lane.elapsed.max(self.clock);
        }
    }

    /// Ends a turn of a lane; `spent` is the time of the poll.
    pub(super) fn give_back(&mut self, key: usize, spent: Duration) {
        self.taken -= 1;
        self.look(key, spent);
        let is_long = self.is_long(key);
        self.change(key, |lane| {
            let nanoseconds = spent.as_nanos() as u64;
            lane.taken -= 1;
            lane.elapsed += lane.weigh(spent);
            lane.computed += nanoseconds;
            lane.poll = (lane.poll * 7 + nanoseconds) / 8;
        });
        if is_long {
            self.kept = self.kept.saturating_sub(spent);
        }
        if self.lanes.get(key).is_some_and(|lane| lane.order.is_some()) {
            self.order(key);
        }
    }

    /// Changes a lane, and with it the number of long turns.
    fn change(&mut self, key: usize, change: impl FnOnce(&mut LaneTurns)) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let before = lane.long_turns();
        change(lane);
        self.long = self.long + lane.long_turns() - before;
    }

    /// Appends a task, whose polls may be long, to its lane's queue; returns its ticket.
    pub(super) fn queue(&mut self, key: usize, task: Arc<Task>, is_long: bool) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        self.wake(key);
        if let Some(lane) = self.lanes.get_mut(key) {
            let queue = if is_long { &mut lane.long } else { &mut lane.quick };
            queue.insert(ticket, task);
            self.order(key);
        }
        ticket
    }

    /// Removes a task from its lane's queue.
    pub(super) fn unqueue(&mut self, key: usize, ticket: u64) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.quick.remove(&ticket).or_else(|| lane.long.remove(&ticket));
            self.order(key);
        }
    }

    /// Takes a free turn for the task that is next; `None` if no turn is free or none waits.
    pub(super) fn grant(&mut self) -> Option<Arc<Task>> {
        if self.taken >= self.computing {
            return None;
        }
        let &(_, _, key) = self.waiting.iter().find(|(_, _, key)| self.has_free(*key))?;
        let lane = self.lanes.get_mut(key)?;
        let task = lane.next()?;
        self.clock = self.clock.max(lane.elapsed);
        self.taken += 1;
        self.change(key, |lane| lane.taken += 1);
        self.order(key);
        Some(task)
    }

    /// Puts a lane that has changed where it belongs in `waiting`.
    fn order(&mut self, key: usize) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let order = lane.first().map(|ticket| (lane.elapsed, ticket, key));
        if order != lane.order {
            if let Some(old) = std::mem::replace(&mut lane.order, order) {
                self.waiting.remove(&old);
            }
            self.waiting.extend(order);
        }
    }
}
