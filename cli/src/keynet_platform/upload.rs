//! What is put into the platform's registry for a function.

use keynet_artifact::{About, ArtifactRef, Content, PrivateKey, RegistryOptions};
use keynet_base::{Digest, OpenFile};

use crate::errors::ExpectedError;

/// What goes to the reference that the platform gives.
pub enum Upload {
    /// The component as an artifact.
    Artifact {
        /// The component.
        component: OpenFile,
        /// The function.
        about: About,
        /// Signs it.
        key: Option<PrivateKey>,
    },
}

/// What is there now.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// Where, by digest.
    pub reference: ArtifactRef,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The digest and the size of the component's layer.
    pub layer: keynet_artifact::store::Blob,
    /// The digest of the signature's manifest.
    pub signature: Option<Digest>,
}

impl Upload {
    /// What it is, for a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Artifact { key: None, .. } => "the component as an OCI artifact".to_owned(),
            Self::Artifact { key: Some(_), .. } => {
                "the component as an OCI artifact, signed".to_owned()
            }
        }
    }

    /// Puts it there. What is there already is not sent.
    ///
    /// # Errors
    /// The registry's.
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
