//! Spares: instances that were made before an activation asks for them.
//!
//! Each recently used action has at most one. A spare is never used twice: it becomes the instance
//! of one activation, with that activation's own contexts, and is dropped after it. Spares count in
//! the memory of all activations together, hold at most a part of it, and are dropped, the least
//! recently used first, when an activation needs the memory or the place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::store::Fresh;
use crate::capabilities::bindings::Action as Instance;

/// Divisor of the memory of all activations that gives the maximum of all spares together.
const PART: u64 = 4;

/// An instance that no activation has used, in its store.
pub(crate) struct Spare {
    pub(super) instance: Instance,
    pub(super) fresh: Fresh,
}

/// Spares of all actions of a sandbox.
pub(super) struct Spares {
    /// Maximum number.
    most: usize,
    /// Maximum of their linear memories and tables together, in bytes.
    memory: u64,
    /// The least recently used first.
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    /// Number of the [`InstanceSource`](super::source::InstanceSource) that it is made from.
    source: u64,
    bytes: u64,
    state: EntryState,
}

enum EntryState {
    /// Being made. The activation that waits for it gets it directly.
    Making {
        waiting: Option<oneshot::Sender<Spare>>,
    },
    Ready(Box<Spare>),
}

/// Result of [`Spares::take`].
pub(super) enum Taken {
    Ready(Box<Spare>),
    /// It is being made; nothing is received if that fails.
    Soon(oneshot::Receiver<Spare>),
    None,
}

impl Spares {
    /// Creates a place for `most` spares, with a part of the `memory` of all activations in bytes.
    pub(super) fn new(most: u32, memory: u64) -> Self {
        Self { most: most as usize, memory: memory / PART, entries: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the spare of `source`.
    pub(super) fn take(&self, source: u64) -> Taken {
        let mut entries = self.lock();
        let Some(at) = entries.iter().position(|entry| entry.source == source) else {
            return Taken::None;
        };
        if let Some(Entry { state: EntryState::Making { waiting }, .. }) = entries.get_mut(at) {
            return match waiting {
                Some(sender) if !sender.is_closed() => Taken::None,
                _ => {
                    let (sender, receiver) = oneshot::channel();
                    *waiting = Some(sender);
                    Taken::Soon(receiver)
                }
            };
        }
        match entries.remove(at).state {
            EntryState::Ready(spare) => Taken::Ready(spare),
            EntryState::Making { .. } => Taken::None,
        }
    }

    /// Begins to make a spare of about `bytes` for `source`, and drops those of actions that were
    /// used before it for that. `None` if there is one already, or no room for one.
    pub(super) fn begin(self: &Arc<Self>, source: u64, bytes: u64) -> Option<Making> {
        let mut dropped = Vec::new();
        let mut entries = self.lock();
        if self.most == 0
            || bytes > self.memory
            || entries.iter().any(|entry| entry.source == source)
        {
            return None;
        }
        while entries.len() >= self.most || held(&entries).saturating_add(bytes) > self.memory {
            let at = oldest(&entries)?;
            dropped.push(entries.remove(at));
        }
        entries.push(Entry { source, bytes, state: EntryState::Making { waiting: None } });
        drop(entries);
        Some(Making { spares: Arc::clone(self), source, has_ended: false })
    }

    /// Ends what [`Spares::begin`] began, with the spare or without it.
    fn end(&self, source: u64, made: Option<Spare>) {
        let mut entries = self.lock();
        let Some(at) = entries.iter().position(|entry| entry.source == source) else { return };
        let entry = entries.remove(at);
        let (Some(spare), EntryState::Making { waiting }) = (made, entry.state) else { return };
        // An activation that waited may have ended.
        let Some(spare) = hand_over(waiting, spare) else { return };
        let bytes = spare.fresh.store.data().memory.bytes();
        if held(&entries).saturating_add(bytes) <= self.memory {
            let state = EntryState::Ready(Box::new(spare));
            entries.push(Entry { source, bytes, state });
        } else {
            drop(entries);
            drop(spare);
        }
    }

    /// Drops the least recently used spare; `false` if there is none.
    pub(super) fn drop_oldest(&self) -> bool {
        let mut entries = self.lock();
        let dropped = oldest(&entries).map(|at| entries.remove(at));
        drop(entries);
        dropped.is_some()
    }

    /// Drops the spare of an action that is dropped.
    pub(super) fn forget(&self, source: u64) {
        let mut entries = self.lock();
        let at = entries.iter().position(|entry| entry.source == source);
        let dropped = at.map(|at| entries.remove(at));
        drop(entries);
        drop(dropped);
    }
}

/// A spare that is being made. If that is cut off, nothing waits for it any more.
pub(super) struct Making {
    spares: Arc<Spares>,
    source: u64,
    has_ended: bool,
}

impl Making {
    /// Keeps the spare that was made, or gives it to the activation that waits for it.
    pub(super) fn finish(mut self, spare: Option<Spare>) {
        self.has_ended = true;
        self.spares.end(self.source, spare);
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.has_ended {
            self.spares.end(self.source, None);
        }
    }
}

/// Gives `spare` to the activation that waits for it; returns it if there is none.
fn hand_over(waiting: Option<oneshot::Sender<Spare>>, spare: Spare) -> Option<Spare> {
    match waiting {
        Some(waiting) => waiting.send(spare).err(),
        None => Some(spare),
    }
}

fn held(entries: &[Entry]) -> u64 {
    entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
}

/// Returns the position of the least recently used spare that is ready.
fn oldest(entries: &[Entry]) -> Option<usize> {
    entries.iter().position(|entry| matches!(entry.state, EntryState::Ready(_)))
}
