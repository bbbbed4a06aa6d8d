//! A loaded action: its component compiled, its imports checked, its description known, ready to
//! make activations.

mod description;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod imports;

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Component;

pub use description::{Description, DescriptionError};
pub use imports::{ImportError, Imports};

use crate::activation::{self, ActivationRequest, Failure, LogSink, Outcome, State};
use crate::capabilities::Backend;
use crate::capabilities::bindings::ActionPre;
use crate::engine::LoadError;
use crate::host::{Backends, Host};
use crate::policy::Grants;
use keynet_artifact::{Ask, AskError};
use keynet_base::digest::Digest;
use keynet_base::error::Error;
use keynet_base::quote::bounded;
use keynet_models::inference::InferenceBackend;
use keynet_object_storage::{ObjectStorage, UrlRules};

/// The characters that are repeated of why types do not fit: they name what the component imports
/// and exports.
const MAX_MISMATCH: usize = 1_000;

/// Why a component cannot be used as an action.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// It is no component, or cannot be compiled.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It imports what the world does not have, or does not export what it must.
    #[error(transparent)]
    Imports(#[from] ImportError),
    /// What it asks for cannot be read.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It cannot say what it is.
    #[error(
        "the action cannot describe itself, for which it has {} s and {} MiB ({} with a language's \
            runtime) whatever the other limits are: {}",
        activation::DESCRIBE_TIME.as_secs(),
        activation::DESCRIBE_MEMORY >> 20,
        activation::DESCRIBE_MEMORY_OF_RUNTIME >> 20,
        .0
    )]
    Describe(Failure),
    /// What it says about itself is not allowed.
    #[error(transparent)]
    Description(#[from] DescriptionError),
}

/// What an action works with, resolved when it is loaded: what it may do, and the backends that it
/// imports.
pub(crate) struct Means {
    pub(crate) grants: Arc<Grants>,
    pub(crate) inference: Backend<dyn InferenceBackend>,
    pub(crate) storage: Backend<ObjectStorage>,
    pub(crate) default_model: Option<Arc<str>>,
}

impl Means {
    fn new(backends: &Backends, grants: Arc<Grants>, imports: &Imports) -> Self {
        let storage = if imports.has("storage") {
            backends.storage()
        } else {
            Err(Error::internal("the action does not import storage"))
        };
        let urls = UrlRules {
            hosts: Some(grants.hosts.clone()),
            private_addresses: grants.private_addresses,
        };
        let storage = storage.map(|storage| Arc::new(storage.with_url_rules(urls)));
        Self {
            grants,
            inference: backends.inference(),
            storage,
            default_model: backends.default_model(),
        }
    }
}

/// What is said beside a component when it is loaded.
#[derive(Default)]
pub struct LoadOptions {
    /// What the action asks for, in place of what its component says.
    pub ask: Option<Ask>,
    /// Where what it says while it describes itself goes; none to drop it.
    pub logs: Option<Arc<dyn LogSink>>,
}

/// What is known of a component before its code is.
struct Read {
    digest: Digest,
    size: usize,
    ask: Result<Ask, AskError>,
}

impl Read {
    /// Of one in a file. Blocks.
    fn file(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let (digest, size) = Digest::of_reader(&file)?;
        file.rewind()?;
        Ok(Self {
            digest,
            size: usize::try_from(size).unwrap_or(usize::MAX),
            ask: Ask::of_file(std::io::BufReader::new(file)),
        })
    }
}

/// A component that was loaded: it can be activated any number of times, also at once.
pub struct Action {
    host: Arc<Host>,
    component: ActionPre<State>,
    digest: Digest,
    description: Description,
    imports: Imports,
    means: Means,
}

impl Action {
    /// Loads a component: compiles it or takes it from the cache, checks its imports and asks what
    /// it is.
    ///
    /// # Errors
    /// Whatever is wrong with it, in the words of whoever made it.
    pub async fn load(host: Arc<Host>, component: &[u8]) -> Result<Self, ActionError> {
        Self::load_with(host, component, LoadOptions::default()).await
    }

    /// As [`Action::load`], with more said.
    ///
    /// # Errors
    /// As [`Action::load`].
    pub async fn load_with(
        host: Arc<Host>,
        component: &[u8],
        options: LoadOptions,
    ) -> Result<Self, ActionError> {
        let digest = Digest::of(component);
        let ask = options.ask.map_or_else(|| Ask::of(component), Ok);
        let code = host.engine().load(component, &digest).await?;
        Self::of_code(host, &code, Read { digest, size: component.len(), ask }, options.logs).await
    }

    /// As [`Action::load`], for the component in the file at `path`. It is not held whole in this
    /// process.
    ///
    /// # Errors
    /// As [`Action::load`], and that the file cannot be read.
    pub async fn load_file(host: Arc<Host>, path: &Path) -> Result<Self, ActionError> {
        let file = path.to_owned();
        let read = tokio::task::spawn_blocking(move || Read::file(&file)).await;
        let read = read
            .map_err(|error| LoadError::Io(std::io::Error::other(error)))?
            .map_err(LoadError::Io)?;
        let code = host.engine().load_file(path, &read.digest).await?;
        Self::of_code(host, &code, read, None).await
    }

    async fn of_code(
        host: Arc<Host>,
        code: &Component,
        read: Read,
        logs: Option<Arc<dyn LogSink>>,
    ) -> Result<Self, ActionError> {
        let Read { digest, size, ask } = read;
        let imports = Imports::check(code, host.engine().wasmtime())?;
        let linked = host.linker().instantiate_pre(code).and_then(ActionPre::new);
        let pre = linked
            .map_err(|error| imports.mismatch(bounded(format_args!("{error:#}"), MAX_MISMATCH)))?;
        let means = Means::new(host.backends(), Arc::new(host.policy().grants(&ask?)), &imports);
        let described = activation::describe(&host, &pre, &means, size, logs)
            .await
            .map_err(ActionError::Describe)?;
        let description =
            Description::check(described.name, described.description, described.input_schema)?;
        Ok(Self { component: pre, digest, description, imports, means, host })
    }

    /// Runs it once. Waits while as many activations run as the host has room for.
    pub async fn run(&self, request: ActivationRequest) -> Outcome {
        activation::run(&self.host, &self.component, &self.means, request).await
    }

    /// What it works with where its caller brings `backends` of his own.
    pub(crate) fn means_with(&self, backends: &Backends) -> Means {
        Means::new(backends, Arc::clone(&self.means.grants), &self.imports)
    }

    /// As [`Action::run`], with other means.
    pub(crate) async fn run_with(&self, means: &Means, request: ActivationRequest) -> Outcome {
        activation::run(&self.host, &self.component, means, request).await
    }

    /// What it says about itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The interfaces it imports.
    pub fn imports(&self) -> &Imports {
        &self.imports
    }

    /// What it may do here.
    pub fn grants(&self) -> &Grants {
        &self.means.grants
    }

    /// The digest of its component.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The host it runs on.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }
}
