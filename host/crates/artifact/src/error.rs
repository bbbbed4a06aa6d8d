//! What can go wrong with an artifact, told apart so that each has its own way out.

use std::io;
use std::path::{Path, PathBuf};

use keynet_base::digest::Digest;

/// The result of working with artifacts.
pub type Result<T, E = ArtifactError> = std::result::Result<T, E>;

/// Why an artifact could not be pushed, pulled, looked at, signed or verified. No message holds a
/// secret; what a server said is cut to one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The text names no artifact.
    #[error("{text:?} is no reference to an artifact: {why}")]
    Reference {
        /// What was written.
        text: String,
        /// What to write instead.
        why: String,
    },
    /// There is no such thing: a tag, a digest, a repository, a blob or a layout.
    #[error("{place} has no {what}")]
    NotFound {
        /// The thing.
        what: String,
        /// The registry's repository or the layout.
        place: String,
    },
    /// The registry wants to know who asks, or does not believe it.
    #[error(
        "{host} does not let {} {action}: {said}; run `keynet-inference login --registry {host}`",
        if sent_any(.sent) { "these credentials" } else { "anonymous callers" }
    )]
    Unauthorized {
        /// The registry.
        host: String,
        /// What was tried, such as `pull team/name`.
        action: String,
        /// Whether credentials were known and sent.
        sent: bool,
        /// The registry's own words.
        said: String,
    },
    /// The registry knows who asks and does not allow it.
    #[error(
        "{host} does not allow to {action}: {said}; {}",
        if sent_any(.sent) { "log in as someone who may" } else { "no credentials were sent: run \
            `keynet-inference login --registry` with this host" }
    )]
    Denied {
        /// The registry.
        host: String,
        /// What was tried.
        action: String,
        /// Whether credentials were known and sent.
        sent: bool,
        /// The registry's own words.
        said: String,
    },
    /// The registry sends callers to a token server that must not see its credentials.
    #[error(
        "{host} asks for tokens of {realm}, {why}: nothing was sent there; list {realm_host} as a \
            token realm if it is right"
    )]
    Realm {
        /// The registry.
        host: String,
        /// The token server's URL, without its query.
        realm: String,
        /// Its host, to be listed.
        realm_host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A host that the operator does not allow, or at an address that is not allowed.
    #[error("{host} may not be contacted: {why}")]
    Host {
        /// The host.
        host: String,
        /// Why not.
        why: String,
    },
    /// The certificate or the connection's encryption.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Nobody answers, or the connection broke each time.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// What happened.
        why: String,
    },
    /// The registry asked for fewer requests until patience ended.
    #[error("{host} wants fewer requests (429): {said}; try again later")]
    TooManyRequests {
        /// The registry.
        host: String,
        /// Its own words.
        said: String,
    },
    /// The registry failed.
    #[error("{host} failed ({status}): {said}")]
    Server {
        /// The registry.
        host: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        said: String,
    },
    /// The registry refused the request (4xx).
    #[error("{host} rejected the request to {action}: {said} ({status})")]
    Refused {
        /// The registry.
        host: String,
        /// What was tried.
        action: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        said: String,
    },
    /// The registry answered what the protocol does not have.
    #[error("{host} did not accept to {action}: {said}")]
    Protocol {
        /// The registry.
        host: String,
        /// What was tried.
        action: String,
        /// What is wrong with the answer.
        said: String,
    },
    /// The bytes are not those that were named.
    #[error(
        "{what} has the digest {got}, not {expected}: it was changed or damaged on the way, \
            nothing was kept"
    )]
    WrongDigest {
        /// The thing.
        what: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// More or fewer bytes than were named.
    #[error("{what} has {got} bytes, not {expected}: nothing was kept")]
    WrongSize {
        /// The thing.
        what: String,
        /// What was asked for.
        expected: u64,
        /// What came, or at least came.
        got: u64,
    },
    /// More bytes than are allowed here.
    #[error("{what} has {size} bytes: at most {limit} are allowed")]
    TooLarge {
        /// The thing.
        what: String,
        /// Its bytes.
        size: u64,
        /// The most that are allowed.
        limit: u64,
    },
    /// It is an artifact, but not of the kind that holds an action.
    #[error("{reference} {why}")]
    NotAnAction {
        /// Its reference.
        reference: String,
        /// What it is instead.
        why: String,
    },
    /// A file that is to be pushed is no component.
    #[error("{path}: {why}")]
    NotAComponent {
        /// The file.
        path: String,
        /// What it is instead.
        why: String,
    },
    /// Credentials that are there but cannot be read.
    #[error("the credentials for {host}: {why}")]
    Credentials {
        /// The registry.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// A local layout that is damaged or is something else.
    #[error("{path}: {why}")]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Nobody signed it.
    #[error("{reference} is not signed")]
    NotSigned {
        /// Its reference.
        reference: String,
    },
    /// What is kept beside it is of a kind that a public key does not verify.
    #[error("{reference} has no signature that a key verifies, but {what}")]
    OtherSignature {
        /// Its reference.
        reference: String,
        /// What is there, and how to check it.
        what: String,
    },
    /// Somebody else signed it.
    #[error("{reference} has {signatures} signature(s), none of them by this key")]
    OtherKey {
        /// Its reference.
        reference: String,
        /// How many there are.
        signatures: usize,
    },
    /// The key signed something else, and the signature was put here.
    #[error(
        "{reference} has a signature by this key that is for another artifact ({signed}): somebody \
            moved it"
    )]
    OtherArtifact {
        /// Its reference.
        reference: String,
        /// What was signed.
        signed: String,
    },
    /// A key that cannot be used.
    #[error("the key {path}: {why}")]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file or folder of this machine.
    #[error("cannot {doing} {path}: {answered}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system answered. It is told with the rest, so it is no source.
        answered: io::Error,
    },
}

impl ArtifactError {
    /// For `map_err`: what was tried with which file.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |answered| Self::Io { doing, path, answered }
    }
}

fn sent_any(sent: &bool) -> bool {
    *sent
}
