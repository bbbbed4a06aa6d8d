//! How much memory a container needs to compile a component.
//!
//! It is tried, not guessed: the component is compiled here as the container does it, in a child
//! process with the limit on its address space that the runtime sets in a container of that memory.

use std::sync::Arc;

use keynet_host::{ActionError, Host};

use crate::component::Component;
use crate::errors::{ExpectedError, NotAnAction};

const MB: u64 = 1 << 20;

/// What the runtime itself takes while it waits for the compiler.
const RUNTIME: u64 = 24 * MB;

/// What the runtime keeps from the compiler.
const KEPT_FREE: u64 = 16 * MB;

/// A part is left for a machine with more cores, on which more is compiled at once.
const MARGIN_PERCENT: u64 = 15;

/// Memory is asked for in steps of this, as people do.
const STEP_MB: u64 = 64;

/// A component and the compiler to try it with.
pub struct Compiling {
    host: Arc<Host>,
    component: Component,
}

impl Compiling {
    /// Nothing is tried yet.
    pub fn new(host: Arc<Host>, component: Component) -> Self {
        Self { host, component }
    }

    /// Whether it works out in a container of `mb`.
    ///
    /// # Errors
    /// It cannot be compiled at all.
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
        // The code is written before the compiler gives back what it holds.
        Ok(tried.map_err(failed)?.is_some_and(|code| held + compiler + code <= mb * MB))
    }

    /// The least memory in which it works out, in round numbers above `mb`, up to `most`.
    ///
    /// # Errors
    /// It cannot be compiled at all.
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
