//! Resources behind a guest's handles, with the memory that they hold in the host.

use std::ops::{Deref, DerefMut};

use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::Result;

/// Bytes that a handle counts besides its value: its entries in the tables of the host and of the
/// component, its object, its shape and other state that it needs.
pub(super) const HANDLE: u64 = 1024;

/// A resource of the guest. Its memory is released when the guest drops it.
#[derive(Debug)]
pub struct Held<T> {
    value: T,
    held: Reservation,
}

/// Memory of a handle that does not exist yet.
pub(super) struct Place(Reservation);

impl Place {
    /// Reserves the memory of a handle, before any work for it.
    ///
    /// # Errors
    /// `too-large`: the memory is not available.
    pub(super) fn take(memory: &MemoryBudget, what: &str) -> Result<Self> {
        Ok(Self(memory.reserve(HANDLE, what)?))
    }

    /// Adds `more` bytes to the reservation, for texts that came from outside.
    ///
    /// # Errors
    /// `too-large`: the memory is not available.
    pub(super) fn grow(&mut self, more: u64, what: &str) -> Result<()> {
        self.0.resize(HANDLE.saturating_add(more), what)
    }

    pub(super) fn holds<T>(self, value: T) -> Held<T> {
        Held { value, held: self.0 }
    }
}

impl<T> Held<T> {
    /// Returns the bytes that count for the handle.
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
