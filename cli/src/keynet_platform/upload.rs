//! Upload of a function's content to the Keynet platform's registry.

use keynet_artifact::{About, ArtifactRef, Content, PrivateKey, RegistryOptions};
use keynet_base::{Digest, OpenFile};

use crate::errors::ExpectedError;

/// Content to put at the reference that the Keynet platform gives.
pub enum Upload {
    /// The component as an OCI artifact.
    Artifact {
        /// File of the component.
        component: OpenFile,
        /// Metadata of the function.
        about: About,
        /// Key to sign the artifact with.
        key: Option<PrivateKey>,
    },
}

/// Result of an upload.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// Reference by digest.
    pub reference: ArtifactRef,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Digest and size of the component's layer.
    pub layer: keynet_artifact::store::Blob,
    /// Digest of the signature's manifest.
    pub signature: Option<Digest>,
}

impl Upload {
    /// Describes the content for a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Artifact { key: None, .. } => "the component as an OCI artifact".to_owned(),
            Self::Artifact { key: Some(_), .. } => {
                "the component as an OCI artifact, signed".to_owned()
            }
        }
    }

    /// Uploads the content. Blobs that the registry already has are not sent.
    ///
    /// # Errors
    /// The registry reports an error.
    pub async fn put(
        &self,
        reference: &ArtifactRef,
        options: &RegistryOptions,
    ) -> Result<Uploaded, ExpectedError> {
        match self {
            Self::Artifact { component, about, key } => {
                let pushed = keynet_artifact::push(
                    &Content::File(component.clone()),
                    about,
                    reference,
                    options,
                )
                .await?;
                let signature = match key {
                    Some(key) => {
                        Some(keynet_artifact::sign(&pushed.reference, key, options).await?)
                    }
                    None => None,
                };
                Ok(Uploaded {
                    reference: pushed.reference,
                    digest: pushed.digest,
                    layer: pushed.component,
                    signature,
                })
            }
        }
    }
}
