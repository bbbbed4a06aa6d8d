//! Finding and loading the component that a command names: a file, or a published component.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keynet_artifact::{ArtifactRef, Look, RegistryOptions};
use keynet_base::Config;
use keynet_host::action::Imports;
use keynet_host::policy::Policy;
use keynet_host::{Action, ActionError, Host};

use crate::errors::{ExpectedError, NotAnAction};
use crate::flags::RegistryArgs;
use crate::pulled::PulledComponents;
use crate::reference::ComponentSource;
use crate::registry;
use crate::ui::console::Console;
use crate::ui::progress::{Transfer, Way};

/// A component's bytes and their origin.
#[derive(Debug)]
pub struct Component {
    /// Its file, or its reference.
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    /// `true` if the component comes from a registry or a layout, where a third party may have
    /// published it. A file is the developer's own.
    pub published: bool,
}

/// A published component, found but not fetched.
pub struct PublishedComponent {
    /// Facts from its manifest.
    pub look: Look,
    /// Options for the connection to its registry.
    pub options: RegistryOptions,
}

impl Component {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self, ExpectedError> {
        let bytes = std::fs::read(path).map_err(ExpectedError::io("read", path))?;
        Ok(Self { path: path.to_owned(), bytes, published: false })
    }

    /// Reads a file, or fetches a published component.
    ///
    /// # Errors
    /// The component cannot be read or fetched, or its manifest shows that it does not fit this
    /// host.
    pub async fn of(
        source: &ComponentSource,
        args: &RegistryArgs,
        config: &Config,
        console: Console,
    ) -> Result<Self, ExpectedError> {
        match source {
            ComponentSource::File(path) => Self::read(path),
            ComponentSource::Published(reference) => {
                find(reference, args, config, console).await?.fetch(config).await
            }
        }
    }

    /// Returns the policy for the component if the environment names none: the local policy for the
    /// developer's own component or with `trusted`, else the stricter policy for published
    /// components.
    pub fn policy(&self, trusted: bool) -> fn() -> Policy {
        if self.published && !trusted { Policy::published } else { Policy::local }
    }

    /// Loads the component.
    ///
    /// # Errors
    /// The component is not an action.
    pub async fn load(&self, host: &Host) -> Result<Action, ExpectedError> {
        host.load(&self.bytes)
            .await
            .map_err(|source| NotAnAction { path: self.path.clone(), source }.into())
    }
}

/// Reads the manifest of a published component and checks the imports that it lists, so that a
/// component that does not fit is not fetched.
///
/// # Errors
/// The reference does not exist, is not an action, or does not fit this host.
pub async fn find(
    reference: &ArtifactRef,
    args: &RegistryArgs,
    config: &Config,
    console: Console,
) -> Result<PublishedComponent, ExpectedError> {
    let transfer = Arc::new(Transfer::new(Way::Pull, !console.watcher, console));
    let options = registry::options(reference, args, config, transfer, console)?;
    let look = keynet_artifact::look(reference, &options).await?;
    // Older tools leave the list out: the imports are checked when the component is loaded.
    if let Some(interfaces) = &look.config.component {
        let exports = interfaces.exports.iter().map(String::as_str);
        Imports::check_names(interfaces.imports.clone(), exports).map_err(|error| NotAnAction {
            path: reference.to_string().into(),
            source: ActionError::Imports(error),
        })?;
    }
    Ok(PublishedComponent { look, options })
}

impl PublishedComponent {
    /// Returns the component, from the cache if it was fetched before.
    ///
    /// # Errors
    /// The component is incomplete.
    pub async fn fetch(&self, config: &Config) -> Result<Component, ExpectedError> {
        let Self { look, options } = self;
        let cache = PulledComponents::new(config);
        let bytes = match cache.get(&look.component) {
            Some(bytes) => bytes,
            None => {
                let pulled = keynet_artifact::pull(&look.reference, options).await?;
                cache.put(&look.component, &pulled.bytes);
                pulled.bytes
            }
        };
        Ok(Component { path: look.reference.to_string().into(), bytes, published: true })
    }
}
