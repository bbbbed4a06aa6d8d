//! A loaded action: its component compiled, its imports checked, its description known, ready to make activations.

mod description;
mod imports;

use std::sync::Arc;

pub use description::{Description, DescriptionError};
pub use imports::{ImportError, Imports};

use crate::activation::{self, ActivationRequest, Failure, Outcome, State};
use crate::capabilities::Backend;
use crate::capabilities::bindings::ActionPre;
use crate::digest::Digest;
use crate::engine::LoadError;
use crate::error::Error;
use crate::host::Host;
use crate::inference::InferenceBackend;
use crate::object_storage::ObjectStorage;
use crate::policy::{Ask, AskError, Grants};

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
        "the action cannot describe itself, for which it has 1 s and 64 MiB (128 with a language's runtime) whatever the other limits are: {0}"
    )]
    Describe(Failure),
    /// What it says about itself is not allowed.
    #[error(transparent)]
    Description(#[from] DescriptionError),
}

/// What an action works with, resolved when it is loaded: what it may do, and the backends that it imports.
pub(crate) struct Means {
    pub(crate) grants: Arc<Grants>,
    pub(crate) inference: Backend<dyn InferenceBackend>,
    pub(crate) storage: Backend<ObjectStorage>,
}

impl Means {
    fn new(host: &Host, grants: Grants, imports: &Imports) -> Self {
        let storage = if imports.has("storage") { host.storage() } else { Err(Error::internal("the action does not import storage")) };
        Self { grants: Arc::new(grants), inference: host.inference(), storage }
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
    /// Loads a component: compiles it or takes it from the cache, checks its imports and asks what it is.
    ///
    /// # Errors
    /// Whatever is wrong with it, in the words of whoever made it.
    pub async fn load(host: Arc<Host>, component: &[u8]) -> Result<Self, ActionError> {
        let digest = Digest::of(component);
        let ask = Ask::of(component);
        let code = host.engine().load(component, &digest).await?;
        let imports = Imports::check(&code, host.engine().wasmtime())?;
        let linked = host.linker().instantiate_pre(&code).and_then(ActionPre::new);
        let pre = linked.map_err(|error| ImportError::Mismatch(format!("{error:#}")))?;
        let means = Means::new(&host, host.policy().grants(&ask?), &imports);
        let described = activation::describe(&host, &pre, &means, component.len()).await.map_err(ActionError::Describe)?;
        let description = Description::check(described.name, described.description, described.input_schema)?;
        Ok(Self { component: pre, digest, description, imports, means, host })
    }

    /// Runs it once. Waits while as many activations run as the host has room for.
    pub async fn run(&self, request: ActivationRequest) -> Outcome {
        activation::run(&self.host, &self.component, &self.means, request).await
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
