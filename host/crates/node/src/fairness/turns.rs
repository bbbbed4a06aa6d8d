//! Turns: whose activation is polled next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;

use super::seat::Seat;
use super::threads::Threads;

/// Time after which a guest that computes yields: the host's epoch tick.
const TICK: Duration = Duration::from_millis(5);

/// Time after the last turn of a brief lane for which a processor is kept free of long polls.
const KEPT: Duration = Duration::from_millis(10);

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

/// A seat is in a queue only while all turns are taken.
#[derive(Debug)]
pub(super) struct State {
    computing: usize,
    taken: usize,
    /// Turns that lanes with long polls have.
    long: usize,
    /// Time that such lanes still have to compute before they may have all processors.
    kept: Duration,
    /// Virtual time of the lane that took the last turn. A lane that was idle continues from here.
    clock: u128,
    tickets: u64,
    lanes: Slab<LaneTurns>,
    /// Lanes with waiting seats, in the order of service.
    waiting: BTreeSet<Order>,
}

/// Order of a lane among those that wait: virtual time, ticket of its first seat, the lane.
type Order = (u128, u64, usize);

#[derive(Debug)]
struct LaneTurns {
    weight: u32,
    /// Virtual time: nanoseconds in polls by weight, and those that passed while the lane was idle.
    elapsed: u128,
    /// Nanoseconds in polls.
    computed: u64,
    /// Moving average of a poll, in nanoseconds.
    poll: u64,
    taken: usize,
    /// Activations that threads poll, since they compute for long.
    moved: usize,
    queue: BTreeMap<u64, Arc<Seat>>,
    /// The lane's entry in `waiting`.
    order: Option<Order>,
    /// `true` if tasks poll its futures whatever they take.
    #[cfg(test)]
    stays_here: bool,
}

impl LaneTurns {
    /// Virtual time for a time in polls.
    fn weigh(&self, time: Duration) -> u128 {
        (time.as_nanos() << 16) / u128::from(self.weight.max(1))
    }

    fn has_short_polls(&self) -> bool {
        self.moved == 0 && !is_long(Duration::from_nanos(self.poll))
    }

    fn is_idle(&self) -> bool {
        self.taken == 0 && self.queue.is_empty()
    }

    /// Returns how many of the turns that it has are long.
    fn long(&self) -> usize {
        if self.has_short_polls() { 0 } else { self.taken }
    }
}

impl Turns {
    pub(super) fn new(computing: usize) -> Self {
        let state = State {
            computing: computing.max(1),
            taken: 0,
            long: 0,
            kept: Duration::ZERO,
            clock: 0,
            tickets: 0,
            lanes: Slab::new(),
            waiting: BTreeSet::new(),
        };
        // One more for a lane that is brief and has such polls now and then.
        Self { threads: Threads::new(state.computing + 1), state: Mutex::new(state) }
    }

    pub(super) fn threads(&self) -> &Threads {
        &self.threads
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn taken(&self) -> usize {
        self.state().taken
    }

    pub(super) fn add(&self, weight: u32) -> usize {
        let mut state = self.state();
        let elapsed = state.clock;
        let queue = BTreeMap::new();
        let lane = LaneTurns {
            weight,
            elapsed,
            computed: 0,
            poll: 0,
            taken: 0,
            moved: 0,
            queue,
            order: None,
            #[cfg(test)]
            stays_here: false,
        };
        state.lanes.insert(lane)
    }

    /// Removes a lane, which has no seats.
    pub(super) fn remove(&self, lane: usize) {
        self.state().lanes.try_remove(lane);
    }

    pub(super) fn set_weight(&self, lane: usize, weight: u32) {
        if let Some(lane) = self.state().lanes.get_mut(lane) {
            lane.weight = weight;
        }
    }

    pub(super) fn computed(&self, lane: usize) -> Duration {
        Duration::from_nanos(self.state().lanes.get(lane).map_or(0, |lane| lane.computed))
    }

    #[cfg(test)]
    pub(super) fn has_short_polls(&self, lane: usize) -> bool {
        self.state().lanes.get(lane).is_some_and(LaneTurns::has_short_polls)
    }

    pub(super) fn waiting(&self, lane: usize) -> usize {
        self.state().lanes.get(lane).map_or(0, |lane| lane.queue.len())
    }
}

impl State {
    /// Returns whether a lane may take a turn that is free, and nobody waits for one.
    pub(super) fn is_free(&self, key: usize) -> bool {
        self.waiting.is_empty() && self.has_free(key)
    }

    /// Returns whether a turn is free for a lane. Those with long polls leave one of several
    /// processors to the others for a while after each turn of a brief lane.
    fn has_free(&self, key: usize) -> bool {
        let is_long = || self.lanes.get(key).is_some_and(|lane| !lane.has_short_polls());
        let keeps_last = !self.kept.is_zero() && self.long + 1 == self.computing;
        self.taken < self.computing && !(keeps_last && is_long())
    }

    /// Returns whether a lane that wants to compute need not queue: a turn is free, or the lane is
    /// brief and may have the one beyond `computing`.
    pub(super) fn has_turn(&self, lane: usize) -> bool {
        self.has_free(lane)
            || self.taken == self.computing
                && self.lanes.get(lane).is_some_and(|lane| self.is_brief(lane))
    }

    /// Counts an activation of a lane that threads poll from now on.
    pub(super) fn move_one(&mut self, key: usize) {
        self.change(key, |lane| lane.moved += 1);
    }

    /// Counts the end of such an activation.
    pub(super) fn end_moved(&mut self, key: usize) {
        self.change(key, |lane| lane.moved -= 1);
    }

    /// Returns whether the polls of a lane are long: most of them, or those of an activation that
    /// threads poll.
    pub(super) fn is_long(&self, key: usize) -> bool {
        #[cfg(test)]
        if self.lanes.get(key).is_some_and(|lane| lane.stays_here) {
            return false;
        }
        self.lanes.get(key).is_some_and(|lane| !lane.has_short_polls())
    }

    /// A lane is brief if it was idle, its polls take less than half a tick, and it is no more than
    /// a tick ahead of the clock, which does not count the polls that run.
    fn is_brief(&self, lane: &LaneTurns) -> bool {
        lane.is_idle() && lane.has_short_polls() && lane.elapsed <= self.clock + lane.weigh(TICK)
    }

    /// Takes a turn for a lane that need not queue.
    pub(super) fn take(&mut self, key: usize) {
        let is_free = self.taken < self.computing;
        if self.lanes.get(key).is_some_and(|lane| self.is_brief(lane)) {
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
        let before = self.long;
        self.change(key, |lane| {
            let nanoseconds = spent.as_nanos() as u64;
            lane.taken -= 1;
            lane.elapsed += lane.weigh(spent);
            lane.computed += nanoseconds;
            lane.poll = (lane.poll * 7 + nanoseconds) / 8;
        });
        if self.long < before {
            self.kept = self.kept.saturating_sub(spent);
        }
        if self.lanes.get(key).is_some_and(|lane| lane.order.is_some()) {
            self.order(key);
        }
    }

    /// Changes a lane, and with it the number of long turns.
    fn change(&mut self, key: usize, change: impl FnOnce(&mut LaneTurns)) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let before = lane.long();
        change(lane);
        self.long = self.long + lane.long() - before;
    }

    /// Appends a seat to its lane's queue; returns its ticket.
    pub(super) fn queue(&mut self, key: usize, seat: Arc<Seat>) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        self.wake(key);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.queue.insert(ticket, seat);
            self.order(key);
        }
        ticket
    }

    /// Removes a seat from its lane's queue.
    pub(super) fn unqueue(&mut self, key: usize, ticket: u64) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.queue.remove(&ticket);
            self.order(key);
        }
    }

    /// Takes a free turn for the seat that is next; `None` if no turn is free or none waits.
    pub(super) fn grant(&mut self) -> Option<Arc<Seat>> {
        if self.taken >= self.computing {
            return None;
        }
        let &(_, _, key) = self.waiting.iter().find(|(_, _, key)| self.has_free(*key))?;
        let lane = self.lanes.get_mut(key)?;
        let (_, seat) = lane.queue.pop_first()?;
        self.clock = self.clock.max(lane.elapsed);
        self.taken += 1;
        self.change(key, |lane| lane.taken += 1);
        self.order(key);
        Some(seat)
    }

    /// Puts a lane that has changed where it belongs in `waiting`.
    fn order(&mut self, key: usize) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let first = lane.queue.first_key_value();
        let order = first.map(|(ticket, _)| (lane.elapsed, *ticket, key));
        if order != lane.order {
            if let Some(old) = std::mem::replace(&mut lane.order, order) {
                self.waiting.remove(&old);
            }
            self.waiting.extend(order);
        }
    }
}

#[cfg(test)]
impl State {
    /// Makes a lane one that is not brief, whose futures are polled by their tasks all the same.
    pub(super) fn assume_long_polls(&mut self, lane: usize) {
        let lane = self.lanes.get_mut(lane).unwrap();
        (lane.poll, lane.stays_here) = (u64::MAX / 16, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fairness::seat::Start;

    /// Turns of lanes in virtual time: each turn takes a tick.
    struct Simulation {
        turns: Arc<Turns>,
        running: Vec<usize>,
    }

    impl Simulation {
        fn new(computing: usize) -> Self {
            Self { turns: Arc::new(Turns::new(computing)), running: Vec::new() }
        }

        fn lane(&self, weight: u32) -> usize {
            self.turns.add(weight)
        }

        /// An activation of the lane wants to compute; takes a turn if it need not queue.
        fn want(&mut self, lane: usize) {
            let mut state = self.turns.state();
            if state.has_turn(lane) {
                state.take(lane);
                self.running.push(lane);
            } else {
                state.queue(lane, seat(&self.turns, lane));
            }
        }

        /// Ends the turn that has lasted longest. Its activation queues again if it `loops`.
        /// Returns the lanes that have turns next.
        fn turn(&mut self, spent: Duration, loops: bool) -> Vec<usize> {
            let lane = self.running.remove(0);
            let mut state = self.turns.state();
            state.give_back(lane, spent);
            if loops {
                state.queue(lane, seat(&self.turns, lane));
            }
            let next = [state.grant(), state.grant()].into_iter().flatten();
            let next: Vec<_> = next.map(|seat| seat.lane()).collect();
            self.running.extend(&next);
            next
        }

        /// A short activation of the lane, which has the turn that is there for brief lanes.
        fn short(&mut self, lane: usize) {
            self.want(lane);
            self.running.rotate_right(1);
            self.turn(Duration::from_micros(50), false);
        }

        /// The lanes of the next turns, when every activation loops.
        fn turns(&mut self, count: usize) -> Vec<usize> {
            let mut lanes = Vec::new();
            while lanes.len() < count {
                lanes.extend(self.turn(TICK, true)); // after the turn for brief lanes none is next
            }
            lanes
        }
    }

    fn seat(turns: &Arc<Turns>, lane: usize) -> Arc<Seat> {
        Arc::new(Seat::new(Arc::clone(turns), lane, Start::Task))
    }

    fn count(turns: &[usize], lane: usize) -> usize {
        turns.iter().filter(|turn| **turn == lane).count()
    }

    #[test]
    fn processor_time_is_shared_by_weight_and_not_by_the_number_of_loops() {
        for (weights, loops, expected) in [
            ([1, 1], [1, 1], [200, 200]),
            ([1, 1], [1, 1000], [200, 200]),
            ([3, 1], [1, 1000], [300, 100]),
            ([1, 7], [1000, 1], [50, 350]),
        ] {
            let mut simulation = Simulation::new(1);
            let lanes = weights.map(|weight| simulation.lane(weight));
            for (lane, loops) in lanes.into_iter().zip(loops) {
                (0..loops).for_each(|_| simulation.want(lane));
            }
            simulation.turns(20); // the turns that were taken before the second lane came
            let turns = simulation.turns(400);
            for (lane, expected) in lanes.into_iter().zip(expected) {
                let difference = count(&turns, lane).abs_diff(expected);
                assert!(difference <= 2, "{weights:?} {loops:?}: {difference} turns off");
            }
        }
    }

    #[test]
    fn a_lane_that_was_idle_gets_no_credit_for_it() {
        let mut simulation = Simulation::new(1);
        let (busy, idle) = (simulation.lane(1), simulation.lane(1));
        simulation.want(busy);
        simulation.turns(1000);
        (0..20).for_each(|_| simulation.want(idle));
        let turns = simulation.turns(20);
        assert!((9..=11).contains(&count(&turns, idle)), "{turns:?}");
    }

    #[test]
    fn a_short_activation_is_next_beside_a_thousand_loops() {
        let mut simulation = Simulation::new(2);
        let (busy, quiet) = (simulation.lane(1), simulation.lane(1));
        (0..1000).for_each(|_| simulation.want(busy));
        for _ in 0..100 {
            simulation.turns(12);
            // Two at a time: the first has the turn that is there for brief lanes.
            simulation.want(quiet);
            assert_eq!(simulation.running.pop(), Some(quiet));
            simulation.want(quiet);
            assert_eq!(simulation.running, [busy, busy]);
            simulation.running.insert(0, quiet);
            assert!(simulation.turn(Duration::from_micros(50), false).is_empty());
            assert_eq!(simulation.turn(TICK, true), [quiet]);
            assert!(simulation.turns.has_short_polls(quiet));
            assert!(!simulation.turns.has_short_polls(busy));
            simulation.running.rotate_right(1);
            // One processor stays free for what comes next.
            assert!(simulation.turn(Duration::from_micros(50), false).is_empty());
            assert_eq!(simulation.turn(TICK, true), [busy, busy]);
        }
    }

    #[test]
    fn loops_have_all_processors_but_one_while_short_activations_come_and_all_afterwards() {
        let mut simulation = Simulation::new(4);
        let (busy, quiet) = (simulation.lane(1), simulation.lane(1));
        (0..1000).for_each(|_| simulation.want(busy));
        simulation.turns(40);
        assert_eq!(simulation.running, [busy; 4]);
        for _ in 0..100 {
            simulation.short(quiet);
            simulation.turn(TICK, true);
            assert_eq!(simulation.running, [busy; 3]);
        }
        let kept = KEPT.as_micros().div_ceil(TICK.as_micros()) as usize;
        simulation.turns(kept * 3);
        assert_eq!(simulation.running, [busy; 4]);
    }

    #[test]
    fn activations_that_end_soon_do_not_take_the_processor_that_is_kept_for_short_ones() {
        let mut simulation = Simulation::new(2);
        let (busy, quiet) = (simulation.lane(1), simulation.lane(1));
        (0..1000).for_each(|_| simulation.want(busy));
        simulation.turns(40);
        simulation.turns.state().move_one(busy); // one of them computes for long
        simulation.short(quiet);
        simulation.turn(TICK, false);
        assert_eq!(simulation.running, [busy]);
        for _ in 0..40 {
            assert_eq!(simulation.turn(Duration::from_micros(100), false), [busy]);
        }
        assert_eq!(simulation.turn(TICK, false), [busy, busy]);
    }

    #[test]
    fn the_turn_for_brief_lanes_is_not_for_loops() {
        let mut simulation = Simulation::new(1);
        let lanes: Vec<_> = (0..4).map(|_| simulation.lane(1)).collect();
        simulation.want(lanes[0]);
        simulation.turns(10);
        for &lane in &lanes[1..] {
            // A loop of a new lane may have it once.
            simulation.want(lane);
            assert_eq!(simulation.running.len(), 2);
            simulation.running.rotate_right(1);
            simulation.turn(TICK, true);
            assert_eq!(simulation.running.len(), 1);
        }
        let turns = simulation.turns(400);
        assert!(lanes.iter().all(|lane| count(&turns, *lane).abs_diff(100) <= 2), "{turns:?}");
        // One that comes and goes with long polls waits like the others.
        let visitor = simulation.lane(1);
        for _ in 0..20 {
            simulation.want(visitor);
            while simulation.running.contains(&visitor) {
                let loops = simulation.running[0] != visitor;
                simulation.turn(TICK, loops);
            }
            simulation.turns(8);
        }
        simulation.want(visitor);
        assert_eq!(simulation.running.len(), 1);
    }

    #[test]
    fn a_weight_that_changes_applies_to_the_time_from_then_on() {
        let mut simulation = Simulation::new(1);
        let lanes = [simulation.lane(1), simulation.lane(1)];
        lanes.iter().for_each(|lane| simulation.want(*lane));
        simulation.turns(100);
        simulation.turns.set_weight(lanes[0], 4);
        let turns = simulation.turns(100);
        assert!(count(&turns, lanes[0]).abs_diff(80) <= 2, "{turns:?}");
    }
}
