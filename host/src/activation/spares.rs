//! Spares: instances that were made before an activation asks for them.
//!
//! Each recently used action has at most one. A spare is never used twice: it becomes the instance
//! of one activation, with that activation's own contexts, and is dropped after it. Spares count in
//! the memory of all activations together, hold at most a part of it, and are dropped when an
//! activation needs the memory or the place: the least recently used first, of the tenant that has
//! the largest part.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::function::Function;
use super::store::Fresh;

/// Divisor of the memory of all activations that gives the maximum of all spares together.
const PART: u64 = 4;

/// An instance that no activation has used, in its store.
pub(crate) struct Spare {
    pub(super) function: Function,
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
    /// Number of its tenant.
    owner: u64,
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

    /// Begins to make a spare of about `bytes` for `source` of the tenant `owner`, and drops others
    /// for that. `None` if there is one already, or no room for one.
    pub(super) fn begin(self: &Arc<Self>, source: u64, owner: u64, bytes: u64) -> Option<Making> {
        let mut dropped = Vec::new();
        let mut entries = self.lock();
        if self.most == 0
            || bytes > self.memory
            || entries.iter().any(|entry| entry.source == source)
        {
            return None;
        }
        while entries.len() >= self.most || held(&entries).saturating_add(bytes) > self.memory {
            let at = self.next_to_drop(&entries)?;
            dropped.push(entries.remove(at));
        }
        let state = EntryState::Making { waiting: None };
        entries.push(Entry { owner, source, bytes, state });
        drop(entries);
        Some(Making { spares: Arc::clone(self), source, has_ended: false })
    }

    /// Ends what [`Spares::begin`] began, with the spare or without it.
    fn end(&self, source: u64, made: Option<Spare>) {
        let mut entries = self.lock();
        let Some(at) = entries.iter().position(|entry| entry.source == source) else { return };
        let Entry { owner, state, .. } = entries.remove(at);
        let (Some(spare), EntryState::Making { waiting }) = (made, state) else { return };
        // An activation that waited may have ended.
        let Some(spare) = hand_over(waiting, spare) else { return };
        let bytes = spare.fresh.store.data().memory.bytes();
        if held(&entries).saturating_add(bytes) <= self.memory {
            let state = EntryState::Ready(Box::new(spare));
            entries.push(Entry { owner, source, bytes, state });
        } else {
            drop(entries);
            drop(spare);
        }
    }

    /// Drops a spare; `false` if there is none.
    pub(super) fn drop_one(&self) -> bool {
        let mut entries = self.lock();
        let dropped = self.next_to_drop(&entries).map(|at| entries.remove(at));
        drop(entries);
        dropped.is_some()
    }

    /// Returns the position of the least recently used spare that is ready, of the tenant with the
    /// largest part of the places or of the memory among those that have one.
    fn next_to_drop(&self, entries: &[Entry]) -> Option<usize> {
        let part = |owner: u64| {
            let own = entries.iter().filter(|entry| entry.owner == owner);
            let (count, bytes) = own.fold((0_usize, 0_u64), |(count, bytes), entry| {
                (count + 1, bytes.saturating_add(entry.bytes))
            });
            let memory = u128::from(bytes) * self.most as u128 / u128::from(self.memory.max(1));
            memory.max(count as u128)
        };
        let ready = entries.iter().enumerate();
        let ready = ready.filter(|(_, entry)| matches!(entry.state, EntryState::Ready(_)));
        // The first one of those with the largest part.
        ready.rev().max_by_key(|(_, entry)| part(entry.owner)).map(|(at, _)| at)
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
    /// Reports whether an activation waits for the spare.
    pub(super) fn is_awaited(&self) -> bool {
        let entries = self.spares.lock();
        let own = entries.iter().find(|entry| entry.source == self.source);
        own.is_some_and(|entry| {
            matches!(&entry.state, EntryState::Making { waiting: Some(waiting) } if !waiting.is_closed())
        })
    }

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
