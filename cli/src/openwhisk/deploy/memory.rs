//! Memory that a container needs to compile a component.
//!
//! It is measured, not estimated: the component is compiled here as in the container, in a child
//! process with the limit on its address space that the runtime sets in a container of that memory.

use std::sync::Arc;

use keynet_host::{ActionError, Host};

use crate::component::Component;
use crate::errors::{ExpectedError, NotAnAction};

const MB: u64 = 1 << 20;

/// Memory that the runtime itself uses while it waits for the compiler.
const RUNTIME: u64 = 24 * MB;

/// Memory that the runtime withholds from the compiler.
const KEPT_FREE: u64 = 16 * MB;

/// Margin for a machine with more cores, on which more is compiled at the same time.
const MARGIN_PERCENT: u64 = 15;

/// Step of the memory that is requested, so that it is a round number.
const STEP_MB: u64 = 64;

/// A component and the compiler to measure it with.
pub struct Compiling {
    host: Arc<Host>,
    component: Component,
}

impl Compiling {
    /// Creates the measurement; compiles nothing yet.
    pub fn new(host: Arc<Host>, component: Component) -> Self {
        Self { host, component }
    }

    /// Reports whether the component can be compiled in a container of `mb`.
    ///
    /// # Errors
    /// The component cannot be compiled at all.
    pub async fn fits(&self, mb: u64) -> Result<bool, ExpectedError> {
        let bytes = &self.component.bytes;
        // The component is in the request as base64, in the runtime's memory and in a memfd.
        let held = RUNTIME + 4 * bytes.len() as u64;
        let compiler = (mb * MB).saturating_sub(held + KEPT_FREE) * 100 / (100 + MARGIN_PERCENT);
        let tried = self.host.engine().compiles_within(bytes, compiler).await;
        let failed = |source| NotAnAction {
            path: self.component.path.clone(),
            source: ActionError::Load(source),
        };
        // The code is written before the compiler frees its memory.
        Ok(tried.map_err(failed)?.is_some_and(|code| held + compiler + code <= mb * MB))
    }

    /// Returns the smallest memory in which the component can be compiled, in steps above `mb`, up
    /// to `most`; `None` if there is none.
    ///
    /// # Errors
    /// The component cannot be compiled at all.
    pub async fn enough(&self, mb: u64, most: u64) -> Result<Option<u64>, ExpectedError> {
        let mut tried = mb;
        while tried < most {
            tried = ((tried / STEP_MB + 1) * STEP_MB).min(most);
            if self.fits(tried).await? {
                return Ok(Some(tried));
            }
        }
        Ok(None)
    }
}
