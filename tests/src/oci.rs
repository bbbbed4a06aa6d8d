//! OCI image layouts and artifacts as other tools write them, and checks of those that this project
//! writes.
//!
//! Implemented from the OCI image specification 1.1 and the CNCF's page on Wasm artifacts, not with
//! the host's code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a Wasm artifact's config.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of its layer.
pub const WASM: &str = "application/wasm";

/// Returns `sha256:` and the hexadecimal digest.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Returns `component` with a custom section of `size` bytes that do not compress, different for
/// each `seed`.
pub fn padded(component: &[u8], size: usize, seed: u64) -> Vec<u8> {
    let mut section = b"\x07padding".to_vec();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while section.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        section.extend_from_slice(&state.to_le_bytes());
    }
    let (mut component, mut length) = (component.to_vec(), section.len());
    component.push(0);
    while length > 0x7f {
        component.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).expect("seven bits"));
    component.extend(section);
    component
}

/// OCI image layout written by the test.
pub struct Layout(PathBuf);

impl Layout {
    /// Creates an empty layout.
    pub fn create(folder: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder");
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("a file");
        std::fs::write(folder.join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#)
            .expect("a file");
        Self(folder)
    }

    /// Adds a blob, and returns its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        std::fs::write(blob_path(&self.0, &digest), bytes).expect("a file");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Adds a manifest with a tag, and returns its digest.
    pub fn manifest(&self, tag: &str, manifest: &Value) -> String {
        let mut descriptor = self.blob(MANIFEST, manifest.to_string().as_bytes());
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let digest = descriptor["digest"].as_str().expect("text").to_owned();
        let mut index = read_json(&self.0.join("index.json"));
        index["manifests"].as_array_mut().expect("a list").push(descriptor);
        std::fs::write(self.0.join("index.json"), index.to_string()).expect("a file");
        digest
    }

    /// Adds a component as the CNCF's page describes, with the order of keys, the time and the
    /// author that `wkg` writes, and returns its digest.
    pub fn artifact(
        &self,
        tag: &str,
        component: &[u8],
        imports: &[&str],
        exports: &[&str],
    ) -> String {
        let layer = self.blob(WASM, component);
        let config = json!({
            "created": "2026-01-31T12:34:56.789012345Z",
            "author": "Ada",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer["digest"]],
            "component": { "exports": exports, "imports": imports, "target": null },
        });
        let config = self.blob(WASM_CONFIG, config.to_string().as_bytes());
        self.manifest(tag, &json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] }))
    }

    /// Returns `oci-layout:PATH:TAG`.
    pub fn reference(&self, tag: &str) -> String {
        format!("oci-layout:{}:{tag}", self.0.display())
    }

    /// Returns `oci:PATH:TAG`, the notation of skopeo.
    pub fn for_skopeo(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.0.display())
    }
}

/// Returns the path of a blob in a layout.
pub fn blob_path(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// Reads a JSON file.
pub fn read_json(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()))
}

/// Checks that a layout is complete: everything that its index refers to exists, and everything
/// that these refer to, each with the size and the digest of its descriptor. Returns the tags, and
/// the files that do not belong to the layout (other than lock files).
pub fn check_layout(layout: &Path) -> (BTreeSet<String>, BTreeSet<PathBuf>) {
    assert_eq!(read_json(&layout.join("oci-layout")), json!({ "imageLayoutVersion": "1.0.0" }));
    let index = read_json(&layout.join("index.json"));
    assert_eq!(index["schemaVersion"], 2, "{index}");
    let mut tags = BTreeSet::new();
    for descriptor in index["manifests"].as_array().expect("a list") {
        if let Some(tag) = descriptor["annotations"]["org.opencontainers.image.ref.name"].as_str() {
            assert!(tags.insert(tag.to_owned()), "{tag} is there twice: {index}");
        }
        let manifest: Value =
            serde_json::from_slice(&check_blob(layout, descriptor)).expect("a manifest");
        check_blob(layout, &manifest["config"]);
        for layer in manifest["layers"].as_array().expect("a list") {
            check_blob(layout, layer);
        }
    }
    let mut strangers = BTreeSet::new();
    for path in files_in(layout) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.parent() == Some(&layout.join("blobs/sha256")) && name.len() == 64 {
            let bytes = std::fs::read(&path).expect("a blob");
            assert_eq!(
                sha256(&bytes),
                format!("sha256:{name}"),
                "a blob of {} bytes has another digest than its name",
                bytes.len()
            );
        } else if path.parent() != Some(layout)
            || !["oci-layout", "index.json", ".index.lock"].contains(&name)
        {
            strangers.insert(path);
        }
    }
    (tags, strangers)
}

fn check_blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest =
        descriptor["digest"].as_str().unwrap_or_else(|| panic!("no descriptor: {descriptor}"));
    let bytes = std::fs::read(blob_path(layout, digest))
        .unwrap_or_else(|error| panic!("{descriptor}: {error}"));
    assert_eq!(
        (descriptor["size"].as_u64(), sha256(&bytes).as_str()),
        (Some(bytes.len() as u64), digest),
        "{descriptor}"
    );
    bytes
}

/// Returns all files below a folder.
pub fn files_in(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        match entry.path() {
            path if path.is_dir() => files.extend(files_in(&path)),
            path => files.extend([path]),
        }
    }
    files
}
