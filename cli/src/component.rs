//! Reading and loading the component that a command names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keynet_host::{Action, Host};

use crate::errors::ExpectedError;

/// A component's bytes and where they came from.
#[derive(Debug)]
pub struct Component {
    /// Its file.
    pub path: PathBuf,
    /// The file's content.
    pub bytes: Vec<u8>,
}

impl Component {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<Self, ExpectedError> {
        let bytes = std::fs::read(path).map_err(ExpectedError::io("read", path))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// Loads it.
    ///
    /// # Errors
    /// It is not an action.
    pub async fn load(&self, host: Arc<Host>) -> Result<Action, ExpectedError> {
        Action::load(host, &self.bytes).await.map_err(|source| ExpectedError::Action { path: self.path.clone(), source })
    }
}
