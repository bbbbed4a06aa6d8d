use super::*;
use crate::fairness::{Fairness, Lane};

const SHARE: Share = Share { weight: 1, concurrent: 1, queue: 1 };

/// Turns of lanes in virtual time: each turn takes a tick.
struct Simulation {
    fairness: Fairness,
    turns: Arc<Turns>,
    lanes: Vec<Arc<Lane>>,
    running: Vec<usize>,
    now: Instant,
}

impl Simulation {
    fn new(computing: usize) -> Self {
        let fairness = Fairness::new(1, computing);
        let turns = Arc::clone(fairness.lane("", SHARE).turns());
        Self { fairness, turns, lanes: Vec::new(), running: Vec::new(), now: Instant::now() }
    }

    fn lane(&mut self, weight: u32) -> usize {
        let name = self.lanes.len().to_string();
        self.lanes.push(self.fairness.lane(&name, Share { weight, ..SHARE }));
        self.lanes.last().unwrap().turns_key()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.turns.state_at(self.now)
    }

    fn task(&self, lane: usize) -> Arc<Task> {
        let lane = self.lanes.iter().find(|it| it.turns_key() == lane).unwrap();
        Arc::new(Task::new(Arc::clone(lane), Box::pin(std::future::pending())))
    }

    /// A task of the lane wants to compute; takes a turn if it need not queue.
    fn want(&mut self, lane: usize) {
        let mut state = self.state();
        if state.has_turn(lane) {
            state.take(lane);
            drop(state);
            self.running.push(lane);
        } else {
            state.queue(lane, self.task(lane), false);
        }
    }

    /// Ends the turn that has lasted longest. Its task queues again if it `loops`.
    /// Returns the lanes that have turns next.
    fn turn(&mut self, spent: Duration, loops: bool) -> Vec<usize> {
        self.now += spent / self.running.len() as u32;
        let lane = self.running.remove(0);
        let mut state = self.state();
        state.give_back(lane, spent);
        if loops {
            state.queue(lane, self.task(lane), false);
        }
        let next = [state.grant(), state.grant()].into_iter().flatten();
        let next: Vec<_> = next.map(|task| task.lane()).collect();
        drop(state);
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
    simulation.state().count_long(busy, false, true); // one of them computes for long
    simulation.short(quiet);
    simulation.turn(TICK, false);
    assert_eq!(simulation.running, [busy]);
    for _ in 0..40 {
        assert_eq!(simulation.turn(Duration::from_micros(100), false), [busy]);
    }
    assert_eq!(simulation.turn(TICK, false), [busy, busy]);
}

#[test]
fn a_flood_of_short_requests_leaves_a_processor_and_the_workers_to_a_quiet_lane() {
    let short = Duration::from_micros(50);
    let mut simulation = Simulation::new(2);
    let (flood, quiet) = (simulation.lane(1), simulation.lane(1));
    (0..64).for_each(|_| simulation.want(flood));
    let flow = |simulation: &mut Simulation, turns| {
        for _ in 0..turns {
            simulation.turn(short, true);
        }
    };
    flow(&mut simulation, 400);
    assert_eq!(simulation.running, [flood; 2]);
    assert_eq!(simulation.state().place(flood, false), Place::Worker, "it is alone");
    for _ in 0..20 {
        simulation.short(quiet);
        assert_eq!(simulation.state().place(flood, false), Place::Threads);
        assert_eq!(simulation.state().place(quiet, false), Place::Worker);
        flow(&mut simulation, 20);
        assert_eq!(simulation.running, [flood]);
    }
    flow(&mut simulation, 400);
    assert_eq!(simulation.running, [flood; 2]);
    assert_eq!(simulation.state().place(flood, false), Place::Worker);
    // When it has less to do, it is a lane as any other.
    while !simulation.running.is_empty() {
        simulation.turn(short, false);
    }
    simulation.now += MOST_BUSY * SHARE_OF;
    simulation.want(flood);
    assert!(simulation.turns.has_short_polls(flood));
}

#[test]
fn no_processor_is_kept_for_callers_without_a_namespace() {
    let mut simulation = Simulation::new(2);
    let (busy, strangers) = (simulation.lane(1), simulation.lane(1));
    simulation.turns.set_share(strangers, Share { concurrent: 0, ..SHARE });
    (0..10).for_each(|_| simulation.want(busy));
    simulation.turns(40);
    simulation.short(strangers);
    simulation.turn(TICK, true);
    assert_eq!(simulation.running, [busy; 2]);
}

#[test]
fn a_brief_lane_that_yields_keeps_the_turn_for_brief_lanes() {
    let mut simulation = Simulation::new(2);
    let (busy, quiet) = (simulation.lane(1), simulation.lane(1));
    (0..10).for_each(|_| simulation.want(busy));
    simulation.turns(40);
    simulation.want(quiet);
    let mut state = simulation.state();
    state.give_back(quiet, Duration::from_micros(50));
    assert!(state.may_go_on(quiet) && !state.may_go_on(busy));
}

#[test]
fn quick_tasks_of_a_lane_do_not_wait_for_all_of_its_loops() {
    let mut simulation = Simulation::new(1);
    let lane = simulation.lane(1);
    let (long, quick) = (simulation.task(lane), simulation.task(lane));
    let mut state = simulation.state();
    for _ in 0..100 {
        state.queue(lane, Arc::clone(&long), true);
    }
    for _ in 0..2 {
        state.queue(lane, Arc::clone(&quick), false);
    }
    let mut next = || {
        let task = state.grant().unwrap();
        state.give_back(lane, TICK);
        Arc::ptr_eq(&task, &quick)
    };
    assert_eq!([next(), next(), next(), next(), next()], [false, true, false, true, false]);
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
    simulation.turns.set_share(lanes[0], Share { weight: 4, ..SHARE });
    let turns = simulation.turns(100);
    assert!(count(&turns, lanes[0]).abs_diff(80) <= 2, "{turns:?}");
}
