//! Pulling of a component that `/init` names from a registry.
//!
//! The action's owner chooses the reference, the operator everything else: the permitted hosts, the
//! credentials, the trusted certificates. A tag may name another component tomorrow, so a digest is
//! required unless the operator allows tags.

use std::sync::Arc;

use keynet_artifact::credential::FirstOf;
use keynet_artifact::{
    ArtifactError, ArtifactRef, Credential, CredentialSource, DockerConfig, Given, PublicKey,
    RegistryOptions,
};
use keynet_base::config::RegistryConfig;
use keynet_base::counters;
use keynet_base::digest::Digest;
use keynet_base::outbound::AddressPolicy;

/// Maximum size in bytes of a component that is pulled.
const MAX_COMPONENT: u64 = 128 << 20;

/// Reason why the component cannot be pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    #[error(transparent)]
    /// The reference or the registry cannot be used.
    Artifact(#[from] ArtifactError),
    /// The reference names no registry, but for instance a folder of this machine.
    #[error(
        "the code is {0:?}: a component is pulled from a registry, as \
            oci://registry/namespace/name@sha256:…"
    )]
    NoRegistry(String),
    /// The reference has a tag where a digest is required.
    #[error(
        "the code is {0:?}, which names an artifact by a tag: name it by its digest \
            (`keynet-inference deploy` does so, `push` prints it), or set KEYNET_ALLOW_TAGS=true \
            in the container, or `allow-tags = true` for the namespace of a node"
    )]
    Tag(String),
}

/// Pulls the component of `code`, a text `oci://…`.
///
/// # Errors
/// The text is not a reference, the reference is not allowed, or the registry reports an error.
pub async fn pull(
    code: &str,
    registry: &RegistryConfig,
    allow_tags: bool,
) -> Result<Vec<u8>, PullError> {
    Ok(pull_signed(code, registry, allow_tags, &[]).await?.bytes)
}

/// Component that was pulled.
#[derive(Debug)]
pub struct SignedComponent {
    /// Component.
    pub bytes: Vec<u8>,
    /// Fingerprint of the key that signed it; `None` if none was required.
    pub signer: Option<String>,
}

/// Pulls the component of `code`, a text `oci://…`, which one of `signers` must have signed; none
/// to accept any component. Exactly the manifest that was verified is pulled.
///
/// # Errors
/// As [`pull`], or no signature verifies.
pub async fn pull_signed(
    code: &str,
    registry: &RegistryConfig,
    allow_tags: bool,
    signers: &[PublicKey],
) -> Result<SignedComponent, PullError> {
    let reference = reference(code, allow_tags)?;
    let options = options(&reference, registry);
    let (reference, signer) = match verified(&reference, signers, &options).await? {
        Some((digest, signer)) => (reference.pinned_to(digest), Some(signer.fingerprint())),
        None => (reference, None),
    };
    let bytes = keynet_artifact::pull(&reference, &options).await?.bytes;
    counters::ARTIFACTS_PULLED.add(1);
    counters::ARTIFACT_BYTES.add(bytes.len() as u64);
    Ok(SignedComponent { bytes, signer })
}

/// Returns the digest of the manifest that the first matching signer signed, and the signer; `None`
/// without signers.
async fn verified<'a>(
    reference: &ArtifactRef,
    signers: &'a [PublicKey],
    options: &RegistryOptions,
) -> Result<Option<(Digest, &'a PublicKey)>, PullError> {
    let mut last = None;
    for signer in signers {
        match keynet_artifact::verify(reference, signer, options).await {
            Ok(digest) => return Ok(Some((digest, signer))),
            Err(error) => last = Some(error),
        }
    }
    last.map_or(Ok(None), |error| Err(error.into()))
}

fn reference(code: &str, allow_tags: bool) -> Result<ArtifactRef, PullError> {
    let shown = || code.chars().take(200).collect();
    let reference: ArtifactRef = code.trim_start_matches("oci://").parse()?;
    match &reference {
        ArtifactRef::Registry(_) if allow_tags || reference.target().pinned().is_some() => {
            Ok(reference)
        }
        ArtifactRef::Registry(_) => Err(PullError::Tag(shown())),
        ArtifactRef::Layout(_) => Err(PullError::NoRegistry(shown())),
    }
}

fn options(reference: &ArtifactRef, registry: &RegistryConfig) -> RegistryOptions {
    let mut credentials: Vec<Arc<dyn CredentialSource>> = Vec::new();
    if let Some(login) = &registry.login {
        let credential = Credential::Basic {
            username: login.username.clone(),
            password: login.password.clone(),
        };
        credentials.push(Arc::new(Given { prefix: login.prefix.clone(), credential }));
    }
    credentials.push(Arc::new(DockerConfig { file: registry.docker_config.clone() }));
    RegistryOptions {
        insecure: matches!(reference, ArtifactRef::Registry(named) if registry.is_insecure(&named.host)),
        ca_files: registry.ca.iter().cloned().collect(),
        credentials: Arc::new(FirstOf(credentials)),
        token_realms: registry.token_realms.clone(),
        addresses: registry.hosts.clone().map_or(AddressPolicy::public(), AddressPolicy::Only),
        max_component: MAX_COMPONENT,
        ..RegistryOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use keynet_base::config::{Config, Origin};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn config(pairs: &[(&str, &str)]) -> RegistryConfig {
        let environment: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_origins(vec![(Origin::Container, environment)]).unwrap().registry
    }

    #[test]
    fn a_tag_is_refused_unless_the_operator_allows_it() {
        assert!(reference(&format!("oci://r.example.com/team/a@{DIGEST}"), false).is_ok());
        assert!(reference(&format!("oci://r.example.com/team/a:1.0@{DIGEST}"), false).is_ok());
        let error = reference("oci://r.example.com/team/a:1.0", false).unwrap_err();
        assert!(error.to_string().contains("KEYNET_ALLOW_TAGS"), "{error}");
        assert!(reference("oci://r.example.com/team/a:1.0", true).is_ok());
    }

    #[test]
    fn a_folder_of_the_container_cannot_be_meant() {
        for code in [
            format!("oci://oci-layout:/etc@{DIGEST}"),
            format!("oci://oci://oci-layout:/etc@{DIGEST}"),
        ] {
            assert!(
                matches!(
                    reference(&code, true),
                    Err(PullError::NoRegistry(_) | PullError::Artifact(_))
                ),
                "{code}"
            );
        }
    }

    #[test]
    fn only_the_operators_hosts_are_contacted_where_he_lists_some() {
        let reference = reference(&format!("oci://localhost:5000/a@{DIGEST}"), false).unwrap();
        assert_eq!(options(&reference, &config(&[])).addresses, AddressPolicy::public());
        let listed = options(&reference, &config(&[("KEYNET_REGISTRY_HOSTS", "localhost:5000")]));
        assert_eq!(
            (listed.addresses, listed.insecure),
            (AddressPolicy::Only(vec!["localhost:5000".to_owned()]), false)
        );
        assert!(
            options(&reference, &config(&[("KEYNET_REGISTRY_INSECURE", "localhost:5000")]))
                .insecure
        );
    }
}
