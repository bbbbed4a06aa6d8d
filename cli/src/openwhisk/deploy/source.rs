//! The component or image to deploy, and its form for the container.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keynet_artifact::{ArtifactRef, Target};
use keynet_host::{Action, Host};

use super::memory::Compiling;
use super::request::DeployRequest;
use crate::component::{self, Component};
use crate::errors::ExpectedError;
use crate::flags::HostArgs;
use crate::openwhisk::error::OpenWhiskError;
use crate::ui::console::Console;
use crate::ui::progress::Steps;
use crate::{reference, settings};

/// Maximum size of the code that OpenWhisk stores: of the text, so of base64.
const MAX_CODE: usize = 48 << 20;

/// A component or an image to deploy.
pub enum DeploySource {
    /// A component, sent to the container or referred to by digest.
    Component(Box<Parts>),
    /// An image that holds the action, compiled ahead if `image build` built it.
    Image,
}

/// A component with its description.
pub struct Parts {
    /// `code` of the action: base64 of the component, or `oci://…@sha256:…`.
    pub code: String,
    /// Reference with the named tag; `None` for a file.
    pub reference: Option<String>,
    /// The loaded action.
    pub action: Action,
    /// `true` if the component requests the caller's key.
    pub asks_for_key: bool,
    /// Measurement of the memory that compiling needs; `None` if the check is disabled.
    pub compiling: Option<Compiling>,
}

impl DeploySource {
    /// Reads or pulls the component that `request` names and loads its description.
    ///
    /// # Errors
    /// The component does not exist, is not an action, or is too large to send.
    pub async fn find(request: &DeployRequest, console: Console) -> Result<Self, ExpectedError> {
        let Some(name) = &request.action else { return Ok(Self::Image) };
        let config = settings::read(&HostArgs::default())?;
        let (component, code, reference) = match reference::ComponentSource::parse(name)?
            .built(&config, Steps::new(false, console))?
        {
            reference::ComponentSource::File(path) => {
                let component = Component::read(&path)?;
                let code = encode(&component.bytes, name)?;
                (component, code, None)
            }
            reference::ComponentSource::Published(named) => {
                let found = component::find(&named, &request.registry, &config, console).await?;
                let component = found.fetch(&config).await?;
                let pinned = named.pinned_to(found.look.digest);
                let code = match &pinned {
                    ArtifactRef::Registry(_) => format!("oci://{}", without_tag(&pinned)),
                    // A folder of this machine: the container cannot read it.
                    ArtifactRef::Layout(_) => encode(&component.bytes, name)?,
                };
                (component, code, Some(pinned.to_string()))
            }
        };
        let host = Arc::new(Host::builder(&config).describing().build()?);
        let asks_for_key =
            keynet_artifact::CapabilityRequest::of(&component.bytes).is_ok_and(|ask| ask.api_key);
        let action = component.load(&host).await?;
        let compiling = request.check_memory.then(|| Compiling::new(host, component));
        Ok(Self::Component(Box::new(Parts { code, reference, action, asks_for_key, compiling })))
    }
}

fn without_tag(pinned: &ArtifactRef) -> ArtifactRef {
    match pinned.target().pinned() {
        Some(digest) => pinned.with_target(Target::digest(*digest)),
        None => pinned.clone(),
    }
}

fn encode(component: &[u8], name: &str) -> Result<String, ExpectedError> {
    let length = component.len().div_ceil(3) * 4;
    if length > MAX_CODE {
        let (mb, most) = (component.len() >> 20, (MAX_CODE / 4 * 3) >> 20);
        return Err(OpenWhiskError::Deploy(format!(
            "{name} has {mb} MB; OpenWhisk stores at most 48 MB of base64, which is {most} MB: \
                publish it with `keynet-inference push {name} REF` and deploy REF"
        ))
        .into());
    }
    Ok(STANDARD.encode(component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_component_is_advised_to_be_pushed() {
        let largest = MAX_CODE / 4 * 3;
        assert_eq!(encode(&vec![0; largest], "a.wasm").unwrap().len(), MAX_CODE);
        let error = encode(&vec![0; largest + 1], "a.wasm").unwrap_err().one_line();
        assert!(error.contains("36 MB") && error.contains("push a.wasm"), "{error}");
    }

    #[test]
    fn the_container_is_told_the_digest_alone() {
        let named: ArtifactRef = "127.0.0.1:5000/team/hello:1".parse().unwrap();
        let pinned = named.pinned_to(keynet_base::Digest::of(b""));
        let code = without_tag(&pinned).to_string();
        assert_eq!(
            code,
            "127.0.0.1:5000/team/hello@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
