//! The lanes of a node, one for each namespace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::slots::Slots;
use super::turns::Turns;

/// Share of a lane in the slots and in the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Weight against other lanes, for slots and for processor time; 0 counts as 1.
    pub weight: u32,
    /// Most activations that hold a slot at a time; with 0 none ever starts, and no slot and no
    /// processor is left to the lane while it has nothing to do.
    pub concurrent: usize,
    /// Most activations that wait for a slot.
    pub queue: usize,
}

/// Admission of all activations of a node.
#[derive(Debug)]
pub struct Fairness {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: Arc<Slots>,
    turns: Arc<Turns>,
    lanes: Mutex<HashMap<Arc<str>, Weak<Lane>>>,
}

/// Queue of one namespace before the slots and before the processors. It is removed when its last
/// user drops it; its activations and tasks are users.
#[derive(Debug)]
pub struct Lane {
    name: Arc<str>,
    shared: Arc<Shared>,
    slots: usize,
    turns: usize,
}

impl Fairness {
    /// Creates the admission of `slots` concurrent activations, and of tasks of which `computing` are
    /// polled at a time: as many as there are processors. One more is polled while it belongs to a brief
    /// lane (see [`Lane::spawn`]).
    pub fn new(slots: usize, computing: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                slots: Arc::new(Slots::new(slots)),
                turns: Arc::new(Turns::new(computing)),
                lanes: Mutex::default(),
            }),
        }
    }

    /// Returns the lane `name` with that share; creates it unless it is in use.
    pub fn lane(&self, name: &str, share: Share) -> Arc<Lane> {
        let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.get(name).and_then(Weak::upgrade);
        let lane = lane.unwrap_or_else(|| {
            let lane = Arc::new(Lane {
                name: name.into(),
                shared: Arc::clone(&self.shared),
                slots: self.shared.slots.add(share),
                turns: self.shared.turns.add(share),
            });
            lanes.insert(Arc::clone(&lane.name), Arc::downgrade(&lane));
            lane
        });
        drop(lanes);
        lane.set_share(share);
        lane
    }

    /// Sets whether each lane leaves slots for others, as is right with several of them.
    pub fn set_leave_room(&self, leave_room: bool) {
        self.shared.slots.set_leave_room(leave_room);
    }

    /// Returns the number of slots that no activation holds.
    pub fn free_slots(&self) -> usize {
        self.shared.slots.free()
    }

    /// Returns the number of tasks that are being polled or were given the next turn.
    pub fn computing(&self) -> usize {
        self.shared.turns.taken()
    }
}

impl Lane {
    /// Returns the name of the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes the share. Activations that run or wait stay, even if they exceed the new one.
    pub fn set_share(&self, share: Share) {
        self.slots().set_share(self.slots, share);
        self.turns().set_share(self.turns, share);
    }

    /// Returns the number of activations that hold a slot.
    pub fn running(&self) -> usize {
        self.slots().running(self.slots)
    }

    /// Returns the number of activations that wait for a slot.
    pub fn waiting(&self) -> usize {
        self.slots().waiting(self.slots)
    }

    /// Returns the time that polls of the lane's tasks took since the lane was created.
    pub fn computed(&self) -> Duration {
        self.turns().computed(self.turns)
    }

    /// Returns the number of tasks that wait for a processor.
    pub fn waiting_to_compute(&self) -> usize {
        self.turns().waiting(self.turns)
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.shared.slots
    }

    pub(super) fn turns(&self) -> &Arc<Turns> {
        &self.shared.turns
    }

    /// Key of the lane among those of the slots.
    pub(super) fn slots_key(&self) -> usize {
        self.slots
    }

    /// Key of the lane among those of the turns.
    pub(super) fn turns_key(&self) -> usize {
        self.turns
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        // Another lane of this name may have been created since the last user left.
        if lanes.get(&self.name).is_some_and(|lane| std::ptr::eq(lane.as_ptr(), self)) {
            lanes.remove(&self.name);
        }
        drop(lanes);
        self.shared.slots.remove(self.slots);
        self.shared.turns.remove(self.turns);
    }
}
