//! What a guest's handle stands for, with the memory that it holds in the host.

use std::ops::{Deref, DerefMut};

use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::Result;

/// Bytes that a handle is counted as besides what it stands for: its entries in the tables of the
/// host and of the component, its object, its shape or what else it needs to be used.
pub(super) const HANDLE: u64 = 1024;

/// A resource of the guest. Its memory is given back when the guest drops it.
#[derive(Debug)]
pub struct Held<T> {
    value: T,
    held: Reservation,
}

/// The memory of a handle that is not there yet.
pub(super) struct Place(Reservation);

impl Place {
    /// Takes the memory of a handle, before anything is done for it.
    ///
    /// # Errors
    /// `too-large`.
    pub(super) fn take(memory: &MemoryBudget, what: &str) -> Result<Self> {
        Ok(Self(memory.reserve(HANDLE, what)?))
    }

    /// Takes `more` bytes: those of texts that came from outside.
    ///
    /// # Errors
    /// `too-large`.
    pub(super) fn grow(&mut self, more: u64, what: &str) -> Result<()> {
        self.0.resize(HANDLE.saturating_add(more), what)
    }

    pub(super) fn holds<T>(self, value: T) -> Held<T> {
        Held { value, held: self.0 }
    }
}

impl<T> Held<T> {
    /// Bytes that are counted for the handle.
    pub fn bytes(&self) -> u64 {
        self.held.bytes()
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
