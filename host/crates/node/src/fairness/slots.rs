//! Slots: which activation of which lane starts next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::sync::oneshot;

use super::lane::{Lane, Share};

/// Reason why an activation gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// As many activations of the lane wait as its share permits.
    #[error("the namespace's queue is full")]
    QueueIsFull,
    /// No slot became free before the deadline.
    #[error("no slot became free before the deadline")]
    Late,
}

/// Divisor of the slots that gives the last part of them. In the last part, one of several lanes
/// runs no more activations than it leaves slots free, and leaves one to each lane that runs none.
const LAST_PART: usize = 4;

/// Slot of a running activation; it is released when it is dropped.
#[derive(Debug)]
pub struct Slot {
    lane: Arc<Lane>,
    queued: Duration,
}

impl Slot {
    /// Returns the time from the request to the slot.
    pub fn queued(&self) -> Duration {
        self.queued
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.lane.slots().release(self.lane.slots_key());
    }
}

impl Lane {
    /// Waits for a slot. It is immediate if a slot is free, the lane runs fewer activations than its
    /// share permits and none of its own waits. The slot goes to another request if the future is
    /// dropped.
    ///
    /// # Errors
    /// The lane's queue is full, or no slot became free by `deadline`.
    pub async fn slot(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Slot, Refused> {
        let requested = Instant::now();
        let slot = |queued| Slot { lane: Arc::clone(self), queued };
        let (ticket, granted) = match self.slots().request(self.slots_key())? {
            Request::Granted => return Ok(slot(Duration::ZERO)),
            Request::Queued(ticket, granted) => (ticket, granted),
        };
        let place = Place { lane: self, ticket };
        let granted = match deadline {
            None => granted.await.is_ok(),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), granted)
                .await
                .is_ok_and(|sent| sent.is_ok()),
        };
        if !granted {
            return Err(Refused::Late);
        }
        std::mem::forget(place); // the slot takes over what it would release
        Ok(slot(requested.elapsed()))
    }
}

/// Place in a lane's queue, or the slot that it was exchanged for.
struct Place<'a> {
    lane: &'a Lane,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.lane.slots().leave(self.lane.slots_key(), self.ticket);
    }
}

enum Request {
    Granted,
    Queued(u64, oneshot::Receiver<()>),
}

/// Slots of all lanes.
#[derive(Debug)]
pub(super) struct Slots {
    state: Mutex<State>,
}

/// No slot is free that a lane in `entitled` may take.
#[derive(Debug, Default)]
struct State {
    slots: usize,
    free: usize,
    /// `true` if each lane leaves room for others.
    leave_room: bool,
    /// Number of slots granted and places given, which orders both.
    tickets: u64,
    lanes: Slab<LaneSlots>,
    /// Lanes that have waiting requests and run fewer than they may, in the order of service.
    entitled: BTreeSet<Turn>,
}

/// Order of a lane among those that wait: the slots for its weight, the grant before, the lane.
type Turn = (u64, u64, usize);

#[derive(Debug)]
struct LaneSlots {
    share: Share,
    running: usize,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    /// Ticket of the lane's last grant.
    served: u64,
    /// The lane's entry in `entitled`.
    turn: Option<Turn>,
}

impl LaneSlots {
    fn turn(&self, key: usize) -> Option<Turn> {
        if self.waiting.is_empty() || self.running >= self.share.concurrent {
            return None;
        }
        let load = (self.running as u64) << 32; // a fixed point number
        Some((load / u64::from(self.share.weight.max(1)), self.served, key))
    }
}

impl Slots {
    pub(super) fn new(slots: usize) -> Self {
        Self { state: Mutex::new(State { slots, free: slots, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn free(&self) -> usize {
        self.state().free
    }

    pub(super) fn add(&self, share: Share) -> usize {
        let waiting = BTreeMap::new();
        let lane = LaneSlots { share, running: 0, waiting, served: 0, turn: None };
        self.state().lanes.insert(lane)
    }

    /// Removes a lane, which has neither slots nor waiting requests.
    pub(super) fn remove(&self, lane: usize) {
        self.state().lanes.try_remove(lane);
    }

    pub(super) fn set_share(&self, lane: usize, share: Share) {
        self.change(lane, |_, lane| lane.share = share);
    }

    /// Sets whether each lane leaves room for others.
    pub(super) fn set_leave_room(&self, leave_room: bool) {
        self.state().leave_room = leave_room;
        self.grant_free();
    }

    pub(super) fn running(&self, lane: usize) -> usize {
        self.state().lanes.get(lane).map_or(0, |lane| lane.running)
    }

    pub(super) fn waiting(&self, lane: usize) -> usize {
        self.state().lanes.get(lane).map_or(0, |lane| lane.waiting.len())
    }

    fn request(&self, key: usize) -> Result<Request, Refused> {
        let mut state = self.state();
        let leaves_room = state.leaves_room(key);
        let State { free, tickets, lanes, .. } = &mut *state;
        let lane = lanes.get_mut(key).ok_or(Refused::QueueIsFull)?;
        *tickets += 1;
        let may_run = lane.waiting.is_empty() && lane.running < lane.share.concurrent;
        if *free > 0 && may_run && leaves_room {
            *free -= 1;
            lane.running += 1;
            lane.served = *tickets;
            return Ok(Request::Granted);
        }
        if lane.waiting.len() >= lane.share.queue {
            return Err(Refused::QueueIsFull);
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = *tickets;
        lane.waiting.insert(ticket, sender);
        state.order(key);
        Ok(Request::Queued(ticket, receiver))
    }

    fn release(&self, lane: usize) {
        self.change(lane, |free, lane| {
            *free += 1;
            lane.running -= 1;
        });
    }

    /// Gives up the place `ticket`, or the slot if it has been granted.
    fn leave(&self, lane: usize, ticket: u64) {
        self.change(lane, |free, lane| {
            if lane.waiting.remove(&ticket).is_none() {
                *free += 1;
                lane.running -= 1;
            }
        });
    }

    /// Changes a lane, and grants the slots that this makes available.
    fn change(&self, key: usize, change: impl FnOnce(&mut usize, &mut LaneSlots)) {
        let mut state = self.state();
        let State { free, lanes, .. } = &mut *state;
        if let Some(lane) = lanes.get_mut(key) {
            change(free, lane);
        }
        state.order(key);
        drop(state);
        self.grant_free();
    }

    /// Grants the slots that waiting lanes may take.
    fn grant_free(&self) {
        let mut state = self.state();
        while let Some(granted) = state.grant() {
            drop(state); // a waker is foreign code
            // A request that is gone gives the slot back when its place is dropped.
            let _ = granted.send(());
            state = self.state();
        }
    }
}

impl State {
    /// Reports whether a lane leaves enough to the others if it takes a slot.
    fn leaves_room(&self, key: usize) -> bool {
        let left = self.free.saturating_sub(1);
        if !self.leave_room || left >= self.slots / LAST_PART {
            return true;
        }
        let running = self.lanes.get(key).map_or(0, |lane| lane.running);
        let is_idle = |lane: &LaneSlots| lane.running == 0 && lane.share.concurrent > 0;
        let idle = self.lanes.iter().filter(|(_, lane)| is_idle(lane)).count();
        running == 0 || (running < left && idle.min(self.slots / LAST_PART) <= left)
    }

    /// Puts a lane that has changed where it belongs in `entitled`.
    fn order(&mut self, key: usize) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let turn = lane.turn(key);
        if turn != lane.turn {
            if let Some(old) = std::mem::replace(&mut lane.turn, turn) {
                self.entitled.remove(&old);
            }
            self.entitled.extend(turn);
        }
    }

    fn grant(&mut self) -> Option<oneshot::Sender<()>> {
        if self.free == 0 {
            return None;
        }
        let mut keys = self.entitled.iter().map(|turn| turn.2);
        let key = keys.find(|key| self.leaves_room(*key))?;
        let lane = self.lanes.get_mut(key)?;
        let (_, granted) = lane.waiting.pop_first()?;
        self.free -= 1;
        self.tickets += 1;
        lane.running += 1;
        lane.served = self.tickets;
        self.order(key);
        Some(granted)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::fairness::Fairness;

    const SHARE: Share = Share { weight: 1, concurrent: 100, queue: 100 };

    type Waiting = Pin<Box<dyn Future<Output = Result<Slot, Refused>>>>;

    fn request(lane: &Arc<Lane>) -> Waiting {
        let lane = Arc::clone(lane);
        let mut waiting: Waiting = Box::pin(async move { lane.slot(None).await });
        assert!(poll(&mut waiting).is_none(), "a slot was free");
        waiting
    }

    fn poll(waiting: &mut Waiting) -> Option<Result<Slot, Refused>> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    async fn take(lane: &Arc<Lane>, count: usize) -> Vec<Slot> {
        let mut slots = Vec::new();
        for _ in 0..count {
            slots.push(lane.slot(None).await.unwrap());
        }
        slots
    }

    #[tokio::test]
    async fn a_lane_has_its_share_and_its_queue_and_no_more() {
        let fairness = Fairness::new(10, 1);
        let lane = fairness.lane("a", Share { weight: 1, concurrent: 2, queue: 1 });
        let mut slots = take(&lane, 2).await;
        let mut waiting = request(&lane);
        assert_eq!((lane.running(), lane.waiting(), fairness.free_slots()), (2, 1, 8));
        assert_eq!(lane.slot(None).await.unwrap_err(), Refused::QueueIsFull);
        slots.pop();
        let slot = poll(&mut waiting).unwrap().unwrap();
        assert_eq!((lane.running(), lane.waiting()), (2, 0));
        drop((slot, slots));
        assert_eq!((lane.running(), fairness.free_slots()), (0, 10));
    }

    #[tokio::test]
    async fn requests_of_a_lane_are_served_in_order() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let mut slots = take(&lane, 1).await;
        let mut waiting: Vec<_> = (0..3).map(|_| request(&lane)).collect();
        while !waiting.is_empty() {
            slots.clear();
            assert!(waiting.iter_mut().skip(1).all(|later| poll(later).is_none()));
            slots.push(poll(&mut waiting.remove(0)).unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn slots_are_shared_by_weight_while_all_lanes_wait() {
        for (weights, expected) in [
            ([1, 1, 1], [4, 4, 4]),
            ([4, 1, 1], [8, 2, 2]),
            ([1, 2, 3], [2, 4, 6]),
            ([0, 1, 1], [4, 4, 4]), // 0 counts as 1
        ] {
            let fairness = Fairness::new(12, 1);
            let lane = |(index, weight): (usize, u32)| {
                fairness.lane(&index.to_string(), Share { weight, ..SHARE })
            };
            let lanes: Vec<_> = weights.into_iter().enumerate().map(lane).collect();
            let mut slots = take(&lanes[0], 12).await; // one lane has flooded the node
            let mut waiting: Vec<_> = (0..60).map(|index| request(&lanes[index % 3])).collect();
            for _ in 0..12 {
                slots.remove(0);
                waiting.retain_mut(|waiting| match poll(waiting) {
                    Some(slot) => {
                        slots.push(slot.unwrap());
                        false
                    }
                    None => true,
                });
            }
            let running: Vec<_> = lanes.iter().map(|lane| lane.running()).collect();
            assert_eq!(running, expected, "{weights:?}");
        }
    }

    #[tokio::test]
    async fn what_a_lane_may_not_use_goes_to_the_others() {
        let fairness = Fairness::new(4, 1);
        let narrow = fairness.lane("narrow", Share { concurrent: 1, weight: 100, ..SHARE });
        let wide = fairness.lane("wide", SHARE);
        let _first = take(&narrow, 1).await;
        let _second = request(&narrow);
        let _slots = take(&wide, 3).await; // a lane at its limit holds no slot back
        assert_eq!((narrow.running(), narrow.waiting(), wide.running()), (1, 1, 3));
    }

    #[tokio::test]
    async fn however_many_lanes_hold_what_they_can_there_is_a_slot_for_another_one() {
        let fairness = Fairness::new(100, 1);
        fairness.set_leave_room(true);
        let share = Share { queue: 1000, ..SHARE };
        let quiet = fairness.lane("quiet", share);
        let greedy = |number| fairness.lane(&format!("greedy-{number}"), share);
        let lanes: Vec<_> = (0..20).map(greedy).collect();
        let (mut slots, mut waiting) = (Vec::new(), Vec::new());
        for greedy in &lanes {
            for _ in 0..100 {
                let lane = Arc::clone(greedy);
                let mut request: Waiting = Box::pin(async move { lane.slot(None).await });
                match poll(&mut request) {
                    Some(slot) => slots.push(slot.unwrap()),
                    None => waiting.push(request),
                }
            }
        }
        let running: Vec<_> = lanes.iter().map(|lane| lane.running()).collect();
        assert_eq!(running[..3], [75, 6, 1], "{running:?}");
        assert!(running.iter().all(|running| *running > 0), "{running:?}");
        drop(take(&quiet, 1).await);
        // What is given back goes to those that wait, and a slot stays for the lane without one.
        slots.drain(..40);
        waiting.iter_mut().for_each(|request| slots.extend(poll(request).map(Result::unwrap)));
        drop(take(&quiet, 1).await);
        drop((slots, waiting));
        assert_eq!(fairness.free_slots(), 100);
    }

    #[tokio::test]
    async fn the_only_slot_is_not_left_to_others() {
        let fairness = Fairness::new(1, 1);
        fairness.set_leave_room(true);
        drop(take(&fairness.lane("a", SHARE), 1).await);
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_gives_its_place_and_its_slot_to_the_next() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let slot = take(&lane, 1).await;
        let mut waiting: Vec<_> = (0..3).map(|_| request(&lane)).collect();
        drop(waiting.remove(0));
        assert_eq!(lane.waiting(), 2);
        drop(slot); // granted to the next, which never learns of it
        assert_eq!((lane.running(), lane.waiting()), (1, 1));
        drop(waiting.remove(0));
        assert!(poll(&mut waiting[0]).is_some_and(|slot| slot.is_ok()));
        assert_eq!((lane.running(), lane.waiting(), fairness.free_slots()), (0, 0, 1));
    }

    #[tokio::test]
    async fn a_request_is_refused_at_its_deadline() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let past = Some(Instant::now());
        let slot = lane.slot(past).await.expect("a free slot has no wait");
        assert_eq!(lane.slot(past).await.unwrap_err(), Refused::Late);
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(lane.slot(Some(soon)).await.unwrap_err(), Refused::Late);
        assert!(soon <= Instant::now());
        drop(slot);
        assert_eq!((lane.running(), lane.waiting(), fairness.free_slots()), (0, 0, 1));
    }

    #[tokio::test]
    async fn a_share_that_grows_starts_those_that_wait() {
        let fairness = Fairness::new(4, 1);
        let lane = fairness.lane("a", Share { concurrent: 0, ..SHARE });
        let mut waiting: Vec<_> = (0..3).map(|_| request(&lane)).collect();
        lane.set_share(Share { concurrent: 2, ..SHARE });
        let slots: Vec<_> = waiting.iter_mut().map(poll).collect();
        assert!(matches!(slots.as_slice(), [Some(Ok(_)), Some(Ok(_)), None]));
    }

    #[tokio::test]
    async fn a_lane_of_the_same_name_is_the_same_lane_until_its_last_user_is_gone() {
        let fairness = Fairness::new(4, 1);
        let lane = fairness.lane("a", SHARE);
        let slot = take(&lane, 1).await;
        drop(lane);
        assert_eq!(fairness.lane("a", SHARE).running(), 1);
        drop(slot);
        assert_eq!(fairness.lane("a", SHARE).running(), 0);
    }
}
