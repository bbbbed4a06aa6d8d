//! Reference to an artifact in a registry or in a local OCI image layout.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use oci_distribution::Reference;

use super::error::ArtifactError;
use keynet_base::digest::Digest;
use keynet_base::quote::{bounded, quoted};

const LAYOUT: &str = "oci-layout:";
const DEFAULT_TAG: &str = "latest";

/// Maximum length, in characters, of the description of an invalid reference, which quotes parts of
/// it.
const LONGEST_REASON: usize = 512;

/// Reference to an artifact as a user writes it:
///
/// * `registry.example.com/team/name:1.0`; the tag defaults to `:latest`;
/// * `registry.example.com/team/name@sha256:…`, with or without a tag before the digest;
/// * `oci-layout:PATH[:tag]`, `oci-layout:PATH@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArtifactRef {
    /// Artifact in a registry.
    Registry(RegistryRef),
    /// Artifact in a folder.
    Layout(LayoutRef),
}

/// Reference to an artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryRef {
    /// `host` or `host:port`.
    pub host: String,
    /// `team/name`.
    pub repository: String,
    /// Tag or digest of the manifest.
    pub target: Target,
}

/// Reference to an artifact in an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayoutRef {
    /// Folder that contains `oci-layout`; the first push creates it.
    pub path: PathBuf,
    /// Tag or digest of the manifest.
    pub target: Target,
}

/// Tag or digest of a manifest in a repository or a layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The manifest that has this tag now.
    Tag(String),
    /// The manifest with this digest.
    Digest {
        /// Digest; it alone identifies the manifest.
        digest: Digest,
        /// Tag that was written before the digest, for people to read.
        tag: Option<String>,
    },
}

impl Target {
    /// Returns the target with this digest and no tag.
    pub fn digest(digest: Digest) -> Self {
        Self::Digest { digest, tag: None }
    }

    /// Returns the digest; `None` for a mere tag.
    pub fn pinned(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest { digest, .. } => Some(digest),
        }
    }

    /// Returns the tag; `None` for a mere digest.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(tag) | Self::Digest { tag: Some(tag), .. } => Some(tag),
            Self::Digest { tag: None, .. } => None,
        }
    }
}

impl ArtifactRef {
    /// Returns the tag or digest of the manifest.
    pub fn target(&self) -> &Target {
        match self {
            Self::Registry(registry) => &registry.target,
            Self::Layout(layout) => &layout.target,
        }
    }

    /// Returns a reference to another manifest in the same repository or layout.
    #[must_use]
    pub fn with_target(&self, target: Target) -> Self {
        match self {
            Self::Registry(registry) => Self::Registry(RegistryRef { target, ..registry.clone() }),
            Self::Layout(layout) => Self::Layout(LayoutRef { target, ..layout.clone() }),
        }
    }

    /// Returns a reference to the manifest with `digest`, keeping the tag for people to read.
    #[must_use]
    pub fn pinned_to(&self, digest: Digest) -> Self {
        self.with_target(Target::Digest { digest, tag: self.target().tag().map(str::to_owned) })
    }
}

impl FromStr for ArtifactRef {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        let wrong = |why: String| ArtifactError::Reference {
            text: shown(text),
            why: bounded(why, LONGEST_REASON),
        };
        match text.strip_prefix(LAYOUT) {
            Some(rest) => layout(rest).map(Self::Layout).map_err(wrong),
            None => registry(text).map(Self::Registry).map_err(wrong),
        }
    }
}

/// Returns the text in a form that may be shown: if a user name and a password precede the host,
/// they are replaced.
fn shown(text: &str) -> String {
    let text = match text.split_once('@') {
        Some((_, host)) if !host.starts_with("sha256:") => format!("…@{host}"),
        _ => text.to_owned(),
    };
    text.chars().take(200).collect()
}

fn layout(text: &str) -> Result<LayoutRef, String> {
    let (rest, digest) = split_digest(text)?;
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(check_tag(tag)?)),
        _ => (rest, None),
    };
    if path.is_empty() {
        return Err(
            "a folder is needed after `oci-layout:`, such as oci-layout:./artifacts:latest"
                .to_owned(),
        );
    }
    Ok(LayoutRef { path: path.into(), target: target(tag, digest) })
}

fn registry(text: &str) -> Result<RegistryRef, String> {
    for scheme in ["https://", "http://", "oci://", "docker://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return Err(format!("a reference has no `{scheme}`: write {rest}"));
        }
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(stray) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("it has the character {stray:?} in it"));
    }
    let (rest, digest) = split_digest(text)?;
    let (host, path) =
        rest.split_once('/').filter(|(host, _)| is_host(host)).ok_or_else(|| no_host(rest))?;
    let (repository, tag) = match path.rsplit_once(':') {
        Some((repository, tag)) => (repository, Some(check_tag(tag)?)),
        None => (path, None),
    };
    if repository.is_empty() {
        return Err(format!("a repository is needed after the host, such as {host}/team/name:1.0"));
    }
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!(
            "a repository is written in lower case: {host}/{}",
            path.to_ascii_lowercase()
        ));
    }
    let grammar = "a repository is made of a-z, 0-9 and single `.`, `_`, `-` between them, with \
        `/` between its parts";
    // Host names are DNS names and case-insensitive; the library recognises Docker Hub only in
    // lower case.
    let host = host.to_ascii_lowercase();
    // The library does not accept IPv6 addresses: its grammar checks only the part after the host.
    let v6 = host.starts_with('[');
    if v6 && !is_v6(&host) {
        return Err(format!(
            "{} is not a host: an address of IPv6 is written as [2001:db8::1] or \
                [2001:db8::1]:5000",
            quoted(&host)
        ));
    }
    let known = if v6 { "v6.invalid" } else { &host };
    let parsed = Reference::try_from(format!("{known}/{path}")).map_err(|_| grammar.to_owned())?;
    // Docker Hub's official images are in `library/`.
    let official = parsed.repository() == format!("library/{repository}");
    if parsed.registry() != known || !(official || parsed.repository() == repository) {
        return Err(grammar.to_owned());
    }
    Ok(RegistryRef {
        host,
        repository: parsed.repository().to_owned(),
        target: target(tag, digest),
    })
}

fn no_host(text: &str) -> String {
    let (first, path) = text.split_once('/').unwrap_or(("", text));
    if first.chars().any(|c| c.is_ascii_uppercase()) && path.contains('/') {
        return format!(
            "{first:?} is no host of a registry: write it in lower case, with a dot or a port"
        );
    }
    format!(
        "a registry's host is needed before it, such as registry.example.com/{text}, or \
            `oci-layout:PATH` for a local folder"
    )
}

/// Reports whether the first part of a reference is a host, by Docker's rule: it contains a dot or
/// a port, or is `localhost`.
fn is_host(text: &str) -> bool {
    let named = text.contains('.') || text.contains(':') || text == "localhost";
    named && !text.starts_with(['.', ':', '-']) && !text.ends_with([':', '.'])
}

/// Reports whether a host is an IPv6 address in brackets, with or without a port.
fn is_v6(host: &str) -> bool {
    let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return false;
    };
    let port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    address.parse::<Ipv6Addr>().is_ok() && port
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), String> {
    match text.split_once('@') {
        Some((rest, digest)) => {
            Ok((rest, Some(digest.parse().map_err(|error| format!("{error}"))?)))
        }
        None => Ok((text, None)),
    }
}

fn check_tag(tag: &str) -> Result<String, String> {
    if tag.is_empty() {
        return Err(
            "the tag after `:` is empty: name one, or leave the colon out for `latest`".to_owned()
        );
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(allowed) {
        return Err(format!(
            "the tag {tag:?} is not allowed: 1 to 128 of letters, digits, `_`, `.` and `-`, not \
                beginning with `.` or `-`"
        ));
    }
    Ok(tag.to_owned())
}

fn target(tag: Option<String>, digest: Option<Digest>) -> Target {
    match digest {
        Some(digest) => Target::Digest { digest, tag },
        None => Target::Tag(tag.unwrap_or_else(|| DEFAULT_TAG.to_owned())),
    }
}

/// Checks a tag by the rules of the OCI distribution specification, and returns it.
///
/// # Errors
/// [`ArtifactError::Reference`].
pub fn parse_tag(tag: &str) -> Result<String, ArtifactError> {
    let wrong = |why: String| ArtifactError::Reference {
        text: tag.chars().take(200).collect(),
        why: bounded(why, LONGEST_REASON),
    };
    check_tag(tag).map_err(wrong)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest { digest, tag: Some(tag) } => write!(f, ":{tag}@{digest}"),
            Self::Digest { digest, tag: None } => write!(f, "@{digest}"),
        }
    }
}

impl fmt::Display for ArtifactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(RegistryRef { host, repository, target }) => {
                write!(f, "{host}/{repository}{target}")
            }
            Self::Layout(LayoutRef { path, target }) => {
                write!(f, "{LAYOUT}{}{target}", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn references_are_written_as_they_are_read() {
        for text in [
            "registry.example.com/team/name:1.0",
            "localhost:5000/name:latest",
            "localhost/name:latest",
            "[::1]:5000/team/name:1",
            "[2001:db8::1]/name:latest",
            "127.0.0.1:5000/a/b/c-d__e.f:V_1.0-rc",
            &format!("registry.example.com/team/name@{D}"),
            &format!("registry.example.com/team/name:1.0@{D}"),
            "oci-layout:artifacts:1.0",
            "oci-layout:/var/lib/a:b/c:latest",
            &format!("oci-layout:./x@{D}"),
            &format!("oci-layout:./x:1@{D}"),
        ] {
            assert_eq!(text.parse::<ArtifactRef>().unwrap().to_string(), text);
        }
        assert_eq!(
            "localhost:5000/name".parse::<ArtifactRef>().unwrap().to_string(),
            "localhost:5000/name:latest"
        );
        assert_eq!(
            "Registry.Example.com/name".parse::<ArtifactRef>().unwrap().to_string(),
            "registry.example.com/name:latest"
        );
        for hub in ["docker.io/name", "Docker.IO/name"] {
            assert_eq!(
                hub.parse::<ArtifactRef>().unwrap().to_string(),
                "docker.io/library/name:latest"
            );
        }
        let ArtifactRef::Layout(layout) = "oci-layout:/a:b/c".parse().unwrap() else { panic!() };
        assert_eq!(
            (layout.path.to_str().unwrap(), layout.target),
            ("/a:b/c", Target::Tag("latest".to_owned()))
        );
    }

    #[test]
    fn what_is_no_reference_says_what_to_write() {
        for (text, says) in [
            ("", "empty"),
            ("name", "registry.example.com/name"),
            ("team/name:1.0", "a registry's host is needed"),
            ("https://registry.example.com/team/name", "write registry.example.com/team/name"),
            ("oci://localhost:5000/a", "write localhost:5000/a"),
            ("registry.example.com/Team/Name:1", "registry.example.com/team/name:1"),
            ("registry.example.com/team/name:", "the tag after `:` is empty"),
            ("registry.example.com/team/name:-x", "not beginning with"),
            ("registry.example.com/team/name@sha256:12", "is not a digest"),
            ("registry.example.com/team/name@md5:12", "is not a digest"),
            ("registry.example.com/", "a repository is needed"),
            ("[::1:5000/name", "is not a host"),
            ("[::g]/name", "is not a host"),
            ("[::1]:0/name", "is not a host"),
            ("[::1]:5000/", "a repository is needed"),
            ("[::1]/Name", "[::1]/name"),
            ("[::1]/a//b", "single"),
            ("registry.example.com/a//b", "single"),
            ("registry.example.com/a/../b", "single"),
            ("registry.example.com/a b", "' '"),
            ("registry.example.com/a?x=y", "made of"),
            ("user:secret@registry.example.com/a", "is not a digest"),
            ("oci-layout:", "a folder is needed"),
            ("oci-layout:x:", "the tag after `:` is empty"),
            ("oci-layout::x", "a folder is needed"),
        ] {
            let error = text.parse::<ArtifactRef>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_reference_is_not_shown() {
        let error =
            "ada:hunter22@registry.example.com/a".parse::<ArtifactRef>().unwrap_err().to_string();
        assert!(!error.contains("hunter22") && error.contains("registry.example.com"), "{error}");
    }

    #[test]
    fn a_pinned_reference_keeps_its_tag() {
        let reference: ArtifactRef = "localhost:5000/name:1".parse().unwrap();
        let digest: Digest = D.parse().unwrap();
        assert_eq!(reference.pinned_to(digest).to_string(), format!("localhost:5000/name:1@{D}"));
        assert_eq!(reference.pinned_to(digest).target().pinned(), Some(&digest));
    }
}
