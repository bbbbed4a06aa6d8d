//! Quota of a folder: the most bytes that its objects and its unfinished writes take.
//!
//! The objects are counted when the first one is written, and again now and then: other processes, and
//! people, may change the folder, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tree::{Fault, Tree};
use super::walk::each_file;

/// Bytes that an object takes beside its content.
const ENTRY: u64 = 4 << 10;

/// Time after which objects are counted again before a write, and the least multiple of the time that
/// counting took.
const AGE: Duration = Duration::from_secs(60);
const COUNTING: u32 = 100;

/// Quota of a folder, shared by its writes.
#[derive(Debug)]
pub(super) struct Quota {
    most: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: u64,
    unfinished: u64,
    /// Bytes of the objects that were published since the last count began.
    published: u64,
    /// When objects are counted again; `None` before the first time.
    due: Option<Instant>,
    is_counting: bool,
}

impl Quota {
    pub(super) fn new(most: u64) -> Self {
        Self { most, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `bytes` of an unfinished write.
    fn take(&self, tree: &Tree, bytes: u64) -> Result<(), Fault> {
        self.count(tree);
        let mut state = self.state();
        let used = state.objects.saturating_add(state.unfinished);
        if used.saturating_add(bytes) > self.most {
            return Err(Fault::Full { used, most: self.most });
        }
        state.unfinished += bytes;
        Ok(())
    }

    /// Counts the objects if that is due, and nobody does it. Others use the last number meanwhile.
    fn count(&self, tree: &Tree) {
        let begun = Instant::now();
        {
            let mut state = self.state();
            if state.is_counting || state.due.is_some_and(|due| begun < due) {
                return;
            }
            (state.is_counting, state.published) = (true, 0);
        }
        let counted = count(tree);
        let mut state = self.state();
        state.is_counting = false;
        // Some of those that were published meanwhile are counted twice, until the next time.
        state.objects = counted.saturating_add(state.published);
        state.due = Some(Instant::now() + AGE.max(begun.elapsed() * COUNTING));
    }

    /// Counts an object that was removed, of `size` bytes.
    pub(super) fn removed(&self, size: u64) {
        let mut state = self.state();
        state.objects = state.objects.saturating_sub(size + ENTRY);
    }
}

/// Returns the bytes of all objects.
fn count(tree: &Tree) -> u64 {
    let mut bytes = 0;
    each_file(tree, |size| bytes += size + ENTRY);
    bytes
}

/// What an unfinished write takes of the quota; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    quota: Option<Arc<Quota>>,
    bytes: u64,
}

impl Share {
    /// Returns the share of a write that has no content yet.
    pub(super) fn new(quota: Option<&Arc<Quota>>) -> Self {
        Self { quota: quota.cloned(), bytes: 0 }
    }

    /// Takes `bytes` more, and those of the object itself the first time.
    pub(super) fn grow(&mut self, tree: &Tree, bytes: u64) -> Result<(), Fault> {
        let Some(quota) = &self.quota else { return Ok(()) };
        let bytes = if self.bytes == 0 { bytes + ENTRY } else { bytes };
        quota.take(tree, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// The write became an object, in the place of one of `replaced` bytes.
    pub(super) fn publish(&mut self, replaced: Option<u64>) {
        let Some(quota) = &self.quota else { return };
        let bytes = std::mem::take(&mut self.bytes);
        let mut state = quota.state();
        state.unfinished -= bytes;
        state.objects += bytes;
        state.published += bytes;
        drop(state);
        if let Some(size) = replaced {
            quota.removed(size);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(quota) = &self.quota {
            quota.state().unfinished -= self.bytes;
        }
    }
}
