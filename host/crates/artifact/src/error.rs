//! Errors of working with artifacts, one variant for each remedy.

use std::io;
use std::path::{Path, PathBuf};

use keynet_base::digest::Digest;

/// Result of an operation on artifacts.
pub type Result<T, E = ArtifactError> = std::result::Result<T, E>;

/// Error of pushing, pulling, inspecting, signing or verifying an artifact. No message contains a
/// secret; text of a server is cut to one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The text is not a reference to an artifact.
    #[error("{text:?} is no reference to an artifact: {why}")]
    Reference {
        /// Text that was given.
        text: String,
        /// Description of the problem and of what to write instead.
        why: String,
    },
    /// The tag, digest, repository, blob or layout does not exist.
    #[error("{place} has no {what}")]
    NotFound {
        /// Name of what is missing.
        what: String,
        /// Repository of the registry, or the layout.
        place: String,
    },
    /// The tag does not exist; others do.
    #[error("{place} has no tag {tag}: {}", listed(.tags))]
    NoTag {
        /// Tag that is missing.
        tag: String,
        /// Repository of the registry, or the layout.
        place: String,
        /// Tags that exist, sorted.
        tags: Vec<String>,
    },
    /// The registry requires credentials, or rejects those that were sent.
    #[error(
        "{host} does not let {} {action}: {said}; run `keynet-inference login --registry {host}`",
        if sent_any(.sent) { "these credentials" } else { "anonymous callers" }
    )]
    Unauthorized {
        /// Host of the registry.
        host: String,
        /// Operation that failed, such as `pull team/name`.
        action: String,
        /// True if credentials were known and sent.
        sent: bool,
        /// Message of the registry.
        said: String,
    },
    /// The registry accepts the credentials but does not permit the operation.
    #[error(
        "{host} does not allow to {action}: {said}; {}",
        if sent_any(.sent) { "log in as someone who may" } else { "no credentials were sent: run \
            `keynet-inference login --registry` with this host" }
    )]
    Denied {
        /// Host of the registry.
        host: String,
        /// Operation that failed, such as `push team/name`.
        action: String,
        /// True if credentials were known and sent.
        sent: bool,
        /// Message of the registry.
        said: String,
    },
    /// The registry refers to a token server that must not receive the registry's credentials.
    #[error(
        "{host} asks for tokens of {realm}, {why}: nothing was sent there; list {realm_host} as a \
            token realm if it is right"
    )]
    Realm {
        /// Host of the registry.
        host: String,
        /// URL of the token server, without its query.
        realm: String,
        /// Host of the token server, as the operator would list it.
        realm_host: String,
        /// Reason why it is not trusted.
        why: &'static str,
    },
    /// The operator's policy does not allow the host or its address.
    #[error("{host} may not be contacted: {why}")]
    Host {
        /// Host that was to be contacted.
        host: String,
        /// Reason of the policy.
        why: String,
    },
    /// The TLS connection failed: its certificate or its encryption.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// Host that was contacted.
        host: String,
        /// Description of the problem and of what to do.
        why: String,
    },
    /// The host does not answer, or the connection broke at every attempt.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Host that was contacted.
        host: String,
        /// Description of what happened.
        why: String,
    },
    /// The registry rate-limited the requests until all attempts were used.
    #[error("{host} wants fewer requests (429): {said}; try again later")]
    TooManyRequests {
        /// Host of the registry.
        host: String,
        /// Message of the registry.
        said: String,
    },
    /// The registry failed (5xx).
    #[error("{host} failed ({status}): {said}")]
    Server {
        /// Host of the registry.
        host: String,
        /// HTTP status.
        status: u16,
        /// Message of the registry.
        said: String,
    },
    /// The registry rejected the request (4xx).
    #[error("{host} rejected the request to {action}: {said} ({status})")]
    Refused {
        /// Host of the registry.
        host: String,
        /// Operation that failed, such as `push team/name`.
        action: String,
        /// HTTP status.
        status: u16,
        /// Message of the registry.
        said: String,
    },
    /// The registry's answer does not conform to the protocol.
    #[error("{host} rejected the request to {action}: {said}")]
    Protocol {
        /// Host of the registry.
        host: String,
        /// Operation that failed, such as `push team/name`.
        action: String,
        /// Description of what is wrong with the answer.
        said: String,
    },
    /// The bytes do not have the expected digest.
    #[error(
        "{what} has the digest {got}, not {expected}: it was changed or damaged on the way, \
            nothing was kept"
    )]
    WrongDigest {
        /// Name of what was read.
        what: String,
        /// Digest that was requested.
        expected: Digest,
        /// Digest of the bytes that were received.
        got: Digest,
    },
    /// There are more or fewer bytes than expected.
    #[error("{what} has {got} bytes, not {expected}: nothing was kept")]
    WrongSize {
        /// Name of what was read.
        what: String,
        /// Size that was expected, in bytes.
        expected: u64,
        /// Size that was received, in bytes, or a lower bound of it.
        got: u64,
    },
    /// There are more bytes than the limit allows.
    #[error("{what} has {size} bytes: at most {limit} are allowed")]
    TooLarge {
        /// Name of what was read.
        what: String,
        /// Size in bytes.
        size: u64,
        /// Largest size that is allowed, in bytes.
        limit: u64,
    },
    /// The artifact is not of the kind that holds an action.
    #[error("{reference} {why}")]
    NotAnAction {
        /// Reference of the artifact.
        reference: String,
        /// Description of what it is instead.
        why: String,
    },
    /// The file to be pushed is not a component.
    #[error("{path}: {why}")]
    NotAComponent {
        /// Path of the file.
        path: String,
        /// Description of what it is instead.
        why: String,
    },
    /// Credentials exist but cannot be read.
    #[error("the credentials for {host}: {why}")]
    Credentials {
        /// Host of the registry.
        host: String,
        /// Description of the problem.
        why: String,
    },
    /// The local layout is damaged, or the folder is not a layout.
    #[error("{path}: {why}")]
    Layout {
        /// Path of the file or folder.
        path: PathBuf,
        /// Description of the problem.
        why: String,
    },
    /// The artifact has no signature.
    #[error("{reference} is not signed")]
    NotSigned {
        /// Reference of the artifact.
        reference: String,
    },
    /// The artifact has only signatures of a kind that a public key does not verify.
    #[error("{reference} has no signature that a key verifies, but {what}")]
    OtherSignature {
        /// Reference of the artifact.
        reference: String,
        /// Description of the signature that exists, and how to check it.
        what: String,
    },
    /// The artifact is signed only with other keys.
    #[error("{reference} has {signatures} signature(s), none of them by this key")]
    OtherKey {
        /// Reference of the artifact.
        reference: String,
        /// Number of signatures.
        signatures: usize,
    },
    /// The key signed another artifact, and that signature was copied to this one.
    #[error(
        "{reference} has a signature by this key that is for another artifact ({signed}): somebody \
            moved it"
    )]
    OtherArtifact {
        /// Reference of the artifact.
        reference: String,
        /// Digest of the artifact that was signed.
        signed: String,
    },
    /// The key cannot be used.
    #[error("the key {path}: {why}")]
    Key {
        /// Path of the key's file.
        path: PathBuf,
        /// Description of the problem.
        why: String,
    },
    /// An operation on a local file or folder failed.
    #[error("cannot {doing} {path}: {answered}")]
    Io {
        /// Operation that failed, such as `open`.
        doing: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the operating system. It is part of the message, and therefore not a `source`.
        answered: io::Error,
    },
}

impl ArtifactError {
    /// Returns a function for `map_err` that adds the operation and the path to an I/O error.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |answered| Self::Io { doing, path, answered }
    }
}

/// Largest number of tags that an error lists.
const TAGS_LISTED: usize = 20;

/// Returns the tags that exist for a message: the last ones in their order if there are many, since
/// versions count upwards.
fn listed(tags: &[String]) -> String {
    let hidden = tags.len().saturating_sub(TAGS_LISTED);
    let shown = tags.get(hidden..).unwrap_or_default().join(", ");
    match hidden {
        0 => format!("there is {shown}"),
        hidden => format!("there is {shown}, and {hidden} more"),
    }
}

fn sent_any(sent: &bool) -> bool {
    *sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tag_lists_those_that_there_are() {
        let told = |tags: Vec<String>| {
            let place = "oci-layout:artifacts".to_owned();
            ArtifactError::NoTag { tag: "my-acton".to_owned(), place, tags }.to_string()
        };
        assert_eq!(
            told(vec!["my-action".to_owned(), "stable".to_owned()]),
            "oci-layout:artifacts has no tag my-acton: there is my-action, stable"
        );
        let many = told((100..130).map(|tag| tag.to_string()).collect());
        assert!(many.ends_with("129, and 10 more") && !many.contains("109"), "{many}");
    }
}
