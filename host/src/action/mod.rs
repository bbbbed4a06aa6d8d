//! A loaded action: its component is compiled, its imports are checked, its description is known,
//! and it is ready for activations.

mod describe;
mod description;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod imports;

use std::io::BufReader;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::Component;

pub use description::{Description, DescriptionError};
pub use imports::{ImportError, Imports};

use crate::activation::{
    self, ActivationRequest, Failure, InstanceSource, LogSink, Means, Outcome, Sandbox, Slot,
    Surroundings, TenantShare,
};
use crate::backends::Backends;
use crate::capabilities::bindings::ActionPre;
use crate::engine::{CodeOwner, LoadError};
use crate::policy::{Grants, Limits, Policy};
use keynet_artifact::{CapabilityRequest, CapabilityRequestError};
use keynet_base::OpenFile;
use keynet_base::digest::Digest;
use keynet_base::quote::bounded;

/// Maximum characters of a type mismatch's reason: it contains names that the component chose.
const MAX_MISMATCH: usize = 1_000;

/// Reason why a component cannot be used as an action.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The file is not a component, or cannot be compiled.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The component imports something that the world lacks, or lacks a required export.
    #[error(transparent)]
    Imports(#[from] ImportError),
    /// The component's capability request cannot be read.
    #[error(transparent)]
    CapabilityRequest(#[from] CapabilityRequestError),
    /// The call of `describe` failed.
    #[error(
        "the action cannot describe itself, for which it has {} s and {} MiB ({} with a language's \
            runtime) whatever the other limits are: {}",
        describe::DESCRIBE_TIME.as_secs(),
        describe::DESCRIBE_MEMORY >> 20,
        describe::DESCRIBE_MEMORY_OF_RUNTIME >> 20,
        .0
    )]
    Describe(Failure),
    /// The component's description is not allowed.
    #[error(transparent)]
    Description(#[from] DescriptionError),
}

/// Options beside a component when it is loaded.
#[derive(Default)]
pub struct LoadOptions {
    /// Capabilities that the action requests, in place of its component's own request.
    pub request: Option<CapabilityRequest>,
    /// Sink for its logs while it describes itself; `None` to drop them.
    pub logs: Option<Arc<dyn LogSink>>,
}

/// Owner of actions: their policy and their backends.
pub struct Tenant {
    /// Policy that the actions are under.
    pub policy: Policy,
    /// Backends of the actions.
    pub backends: Arc<Backends>,
    /// What its activations have together.
    pub share: TenantShare,
    /// Owner of its components among the compilations, the compiled code and the spares of the
    /// sandbox; `None` if there is one tenant.
    pub owner: Option<Arc<CodeOwner>>,
}

impl Tenant {
    /// Returns the number of its owner.
    fn number(&self) -> u64 {
        self.owner.as_ref().map_or(0, |owner| owner.number())
    }
}

/// Facts about a component before it is compiled.
struct Read {
    digest: Digest,
    size: usize,
    request: Result<CapabilityRequest, CapabilityRequestError>,
    own_request: bool,
}

impl Read {
    fn component(component: &[u8], digest: Digest, request: Option<CapabilityRequest>) -> Self {
        let own_request = request.is_none();
        let request = request.map_or_else(|| CapabilityRequest::of(component), Ok);
        Self { digest, size: component.len(), request, own_request }
    }

    /// Reads the facts of a component in a file. Blocks.
    fn file(file: &OpenFile) -> std::io::Result<Self> {
        let (digest, size) = file.digest()?;
        Ok(Self {
            digest,
            size: usize::try_from(size).unwrap_or(usize::MAX),
            request: CapabilityRequest::of_file(BufReader::new(file.reader())),
            own_request: true,
        })
    }
}

/// A compiled component, not yet checked to be an action.
pub struct Compiled {
    code: Component,
    read: Read,
}

impl Compiled {
    /// Compiles a component, whose digest is `digest`, that was not [found](Self::find). `owner` as in
    /// [`Tenant`]; `request` as in [`LoadOptions`].
    ///
    /// # Errors
    /// The component cannot be compiled.
    pub async fn compile(
        sandbox: &Sandbox,
        component: &[u8],
        digest: Digest,
        request: Option<CapabilityRequest>,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Result<Self, ActionError> {
        let code = sandbox.engine().compile(component, &digest, owner).await?;
        Ok(Self { code, read: Read::component(component, digest, request) })
    }

    /// Takes the code from the image or the cache; `None` if it would have to be compiled.
    pub fn find(
        sandbox: &Sandbox,
        component: &[u8],
        digest: Digest,
        request: Option<CapabilityRequest>,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Option<Self> {
        let code = sandbox.engine().find(&digest, owner)?;
        Some(Self { code, read: Read::component(component, digest, request) })
    }
}

/// A loaded component; it can be activated any number of times, also concurrently.
pub struct Action {
    sandbox: Arc<Sandbox>,
    source: Arc<InstanceSource>,
    digest: Digest,
    description: Description,
    imports: Imports,
    request: CapabilityRequest,
    /// `true` if the request is the component's own.
    own_request: bool,
    means: Means,
}

impl Action {
    /// Loads a component: compiles it or takes it from the cache, checks its imports and calls its
    /// `describe`.
    ///
    /// # Errors
    /// The component is not an action, cannot be compiled, or requests something unknown.
    pub async fn load(
        sandbox: Arc<Sandbox>,
        tenant: &Tenant,
        component: &[u8],
        options: LoadOptions,
    ) -> Result<Self, ActionError> {
        let (digest, owner) = (Digest::of(component), tenant.owner.as_ref());
        let code = sandbox.engine().load(component, &digest, owner).await?;
        let compiled = Compiled { code, read: Read::component(component, digest, options.request) };
        Self::describe(sandbox, tenant, compiled, options.logs).await
    }

    /// Loads the component in `file`, as [`Action::load`], without holding all of it in this
    /// process's memory.
    ///
    /// # Errors
    /// As [`Action::load`], or the file cannot be read.
    pub async fn load_file(
        sandbox: Arc<Sandbox>,
        tenant: &Tenant,
        file: &OpenFile,
    ) -> Result<Self, ActionError> {
        let opened = file.clone();
        let read = tokio::task::spawn_blocking(move || Read::file(&opened)).await;
        let read = read
            .map_err(|error| LoadError::Io(std::io::Error::other(error)))?
            .map_err(LoadError::Io)?;
        let owner = tenant.owner.as_ref();
        let code = sandbox.engine().load_file(file, &read.digest, owner).await?;
        Self::describe(sandbox, tenant, Compiled { code, read }, None).await
    }

    /// Checks the imports of a compiled component and calls its `describe`. `logs` as in
    /// [`LoadOptions`].
    ///
    /// # Errors
    /// The component is not an action, or requests something unknown.
    pub async fn describe(
        sandbox: Arc<Sandbox>,
        tenant: &Tenant,
        compiled: Compiled,
        logs: Option<Arc<dyn LogSink>>,
    ) -> Result<Self, ActionError> {
        let Compiled { code, read: Read { digest, size, request, own_request } } = compiled;
        let imports = Imports::check(&code, sandbox.engine().wasmtime())?;
        let linked = sandbox.linker().instantiate_pre(&code).and_then(ActionPre::new);
        let component = linked
            .map_err(|error| imports.mismatch(bounded(format_args!("{error:#}"), MAX_MISMATCH)))?;
        let request = request?;
        let grants = Arc::new(tenant.policy.grants(&request));
        let means = means(grants, &tenant.backends, tenant.share.clone(), &imports);
        let described = describe::describe(&sandbox, &component, &means, size, logs)
            .await
            .map_err(ActionError::Describe)?;
        let description =
            Description::check(described.name, described.description, described.input_schema)?;
        let limits = tenant.policy.limits.clone();
        let owner = tenant.number();
        let source = Arc::new(InstanceSource::new(&sandbox, owner, component, limits, &means));
        Ok(Self { sandbox, source, digest, description, imports, request, own_request, means })
    }

    /// Returns the same action for another tenant, with the same compiled code.
    #[must_use]
    pub fn for_tenant(&self, tenant: &Tenant) -> Self {
        let grants = Arc::new(tenant.policy.grants(&self.request));
        let means = means(grants, &tenant.backends, tenant.share.clone(), &self.imports);
        let component = self.source.component().clone();
        let source = Arc::new(InstanceSource::new(
            &self.sandbox,
            tenant.number(),
            component,
            tenant.policy.limits.clone(),
            &means,
        ));
        Self {
            sandbox: Arc::clone(&self.sandbox),
            source,
            digest: self.digest,
            description: self.description.clone(),
            imports: self.imports.clone(),
            request: self.request.clone(),
            own_request: self.own_request,
            means,
        }
    }

    /// Runs the action once. Waits for a slot until the request's deadline.
    pub async fn run(&self, request: ActivationRequest) -> Outcome {
        let requested = Instant::now();
        match self.reserve(request.deadline).await {
            Some(slot) => self.run_in(&slot, None, request).await,
            None => Outcome::without_a_slot(requested),
        }
    }

    /// Runs the action once, as [`Action::run`], with `surroundings` between it and its backends.
    pub async fn run_within(
        &self,
        surroundings: &dyn Surroundings,
        request: ActivationRequest,
    ) -> Outcome {
        let requested = Instant::now();
        let means = self.means.within(surroundings);
        match self.reserve(request.deadline).await {
            Some(slot) => self.run_in(&slot, Some(&means), request).await,
            None => Outcome::without_a_slot(requested),
        }
    }

    /// Waits for a slot of its sandbox; `None` if no slot becomes free in time to respond by
    /// `deadline`.
    pub(crate) async fn reserve(&self, deadline: Option<Instant>) -> Option<Slot<'_>> {
        self.sandbox.reserve(deadline).await
    }

    /// Returns a slot of its sandbox; `None` if none is free now.
    pub(crate) fn try_reserve(&self) -> Option<Slot<'_>> {
        self.sandbox.try_reserve()
    }

    /// Runs the action once in a slot of its sandbox, with `means` in place of its own.
    pub(crate) async fn run_in(
        &self,
        slot: &Slot<'_>,
        means: Option<&Means>,
        request: ActivationRequest,
    ) -> Outcome {
        let means = means.unwrap_or(&self.means);
        let mut outcome = activation::run(&self.sandbox, slot, &self.source, means, request).await;
        outcome.receipt.component = Some(self.digest);
        outcome
    }

    /// Returns its grants with other backends, such as a caller's own.
    pub(crate) fn means_with(&self, backends: &Backends) -> Means {
        let (grants, share) = (Arc::clone(&self.means.grants), self.means.share.clone());
        means(grants, backends, share, &self.imports)
    }

    /// Reports whether its capability request is the one inside its component.
    pub fn has_own_request(&self) -> bool {
        self.own_request
    }

    /// Returns its description of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Returns the interfaces that it imports.
    pub fn imports(&self) -> &Imports {
        &self.imports
    }

    /// Returns its grants.
    pub fn grants(&self) -> &Grants {
        &self.means.grants
    }

    /// Returns the limits of each of its activations.
    pub fn limits(&self) -> &Limits {
        self.source.limits()
    }

    /// Returns the size of its compiled code in bytes, which is in memory as long as the action is
    /// loaded, once for all tenants.
    pub fn code_bytes(&self) -> u64 {
        let code = self.source.component().instance_pre().component().image_range();
        (code.end as usize).saturating_sub(code.start as usize) as u64
    }

    /// Returns the digest of its component.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

fn means(grants: Arc<Grants>, backends: &Backends, share: TenantShare, imports: &Imports) -> Means {
    let storage = imports.has("storage").then(|| backends.storage());
    Means::new(grants, backends.inference(), storage, backends.default_model(), share)
}
