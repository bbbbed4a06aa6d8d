//! Fuzzing of components, references, manifests, layouts, keys and credentials; see
//! [`crate::fuzzing`].

use std::io::Cursor;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bytes::Bytes;

use super::component::{Facts, check_header};
use super::credential::CredentialSource as _;
use super::docker::DockerConfig;
use super::format::MANIFEST_TYPE;
use super::layout::Layout;
use super::reference::{ArtifactRef, Target, parse_tag};
pub use super::registry::fuzzing::{registry_answer, www_authenticate};
use super::sign::{PrivateKey, PublicKey, signed_image};
use super::store::{Blob, Content, RawManifest};
use super::{WasmConfig, pull};
use crate::CapabilityRequest;
use keynet_base::digest::Digest;
use keynet_base::fuzzing::{self, checked, in_folder, text};

/// Fuzz targets of this crate, each with the name of its file and of its corpus folders.
pub const TARGETS: &[(&str, fuzzing::Target)] = &[
    ("component", component),
    ("docker_config", docker_config),
    ("layout_index", layout_index),
    ("manifest", manifest),
    ("reference", reference),
    ("registry_answer", registry_answer),
    ("signature", signature),
    ("www_authenticate", www_authenticate),
];

/// Fuzzes the sections of a component. Checks that the request that is shown at a push is the one
/// that the host grants by.
pub fn component(data: &[u8]) {
    let ask = checked(CapabilityRequest::of(data));
    let of_file = checked(CapabilityRequest::of_file(Cursor::new(data)));
    let facts = checked(Facts::of(&Content::Bytes(Bytes::copy_from_slice(data))));
    let Some(ask) = ask.filter(|_| check_header(data).is_ok()) else { return };
    assert_eq!(of_file.as_ref(), Some(&ask), "read from a file it asks for something else");
    if let Some(facts) = facts {
        assert_eq!(
            facts.request.unwrap_or_default(),
            ask,
            "an artifact says that it asks for something else"
        );
    }
}

/// Fuzzes references, tags and digests.
pub fn reference(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Some(reference) = checked(text.parse::<ArtifactRef>()) {
        assert_eq!(
            reference.to_string().parse::<ArtifactRef>().ok().as_ref(),
            Some(&reference),
            "{reference}"
        );
    }
    checked(parse_tag(text));
    if let Some(digest) = checked(text.parse::<Digest>()) {
        assert_eq!(digest.to_string(), text);
    }
}

/// Fuzzes a manifest, and the config that belongs to it.
pub fn manifest(data: &[u8]) {
    let raw =
        RawManifest { media_type: MANIFEST_TYPE.to_owned(), bytes: Bytes::copy_from_slice(data) };
    let config = serde_json::from_slice::<WasmConfig>(data).ok();
    let component =
        checked(pull::parse(&raw)).and_then(|manifest| checked(pull::component_of(&manifest)));
    if let Some(config) = config {
        checked(pull::check_config(&config, &component.unwrap_or(Blob::of(data))));
    }
}

/// Fuzzes `index.json` of a layout. Checks that content read by a digest has that digest.
pub fn layout_index(data: &[u8]) {
    in_folder(|folder| {
        let write = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content);
        let blob = Blob::of(b"{}");
        assert!(
            write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).is_ok()
                && write("index.json", data).is_ok()
        );
        let blobs = folder.join("blobs/sha256");
        assert!(
            std::fs::create_dir_all(&blobs).is_ok()
                && std::fs::write(blobs.join(blob.digest.hex()), b"{}").is_ok()
        );
        let layout = Layout::new(folder);
        for target in checked(layout.tags())
            .into_iter()
            .flatten()
            .take(8)
            .map(Target::Tag)
            .chain([Target::digest(blob.digest)])
        {
            if let Some(manifest) = checked(layout.manifest(&target, 4 << 20)) {
                assert_eq!(manifest.digest(), blob.digest);
            }
        }
    });
}

/// Fuzzes Docker's `config.json`, without members that would run a credential helper.
pub fn docker_config(data: &[u8]) {
    if data.contains(&b'\\') || data.windows(4).any(|part| part == b"cred") {
        return;
    }
    in_folder(|folder| {
        let file = folder.join("config.json");
        assert!(std::fs::write(&file, data).is_ok());
        let source = DockerConfig { file: Some(file) };
        for host in ["registry.example.com", "docker.io"] {
            checked(source.find(host, "team/name"));
        }
    });
}

/// Fuzzes signatures, their payloads, and key files. Checks that a key verifies only what it
/// signed.
pub fn signature(data: &[u8]) {
    in_folder(|folder| {
        let file = folder.join("key.pem");
        assert!(write_privately(&file, data).is_ok());
        checked(PublicKey::read(&file));
        if let Some(key) = checked(PrivateKey::read(&file)) {
            assert!(key.public().verifies(data, &key.sign(data)));
        }
    });
    let (payload, der) = data.split_at(data.len() / 2);
    checked(signed_image(payload).ok_or("no signature of an image"));
    checked(signed_image(data).ok_or("no signature of an image"));
    thread_local!(static KEY: PublicKey = PrivateKey::generate().public());
    assert!(KEY.with(|key| !key.verifies(payload, der)));
}

fn write_privately(file: &Path, data: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    std::io::Write::write_all(&mut file, data)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_target_holds_for_the_corpus_and_for_what_was_found_before() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"));
        keynet_base::fuzzing::check_corpus(folder, super::TARGETS);
    }
}
