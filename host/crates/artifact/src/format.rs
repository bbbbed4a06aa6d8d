//! Format of an artifact: the CNCF's layout for WebAssembly in OCI registries.
//!
//! An artifact is one image manifest. Its config marks it as WebAssembly and lists the imports and
//! exports of the component; its only layer is the component itself. The same component gives the
//! same bytes, independent of who pushes it and when.
//! <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>

use std::collections::BTreeMap;

use oci_distribution::annotations as oci;
use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::component::Facts;
use super::nulls::null_is_default;
use super::store::{Blob, RawManifest};
use crate::CapabilityRequest;
use keynet_base::patterns::Patterns;

/// Media type of an artifact's manifest.
pub const MANIFEST_TYPE: &str = oci_distribution::manifest::OCI_IMAGE_MEDIA_TYPE;
/// Media type of its config.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Media type of its layer.
pub const LAYER_TYPE: &str = "application/wasm";
/// Prefix of the annotations for the capabilities that the action requests; each value is a JSON
/// list of names, or `true`.
pub const ASKS: &str = "io.keynet.inference.asks";

pub(super) const ARCHITECTURE: &str = "wasm";
pub(super) const OS: &str = "wasip2";
/// Maximum length of an annotation, in bytes; the rest is cut off.
const ANNOTATION: usize = 4 << 10;

/// Config of an artifact: facts about the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmConfig {
    /// Time of creation: `SOURCE_DATE_EPOCH`, or the start of 1970. Other tools cannot read a
    /// config without it.
    #[serde(default)]
    pub created: Option<String>,
    /// Author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `wasm`.
    pub architecture: String,
    /// `wasip2`.
    pub os: String,
    /// Digest of the layer.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layer_digests: Vec<String>,
    /// Imports and exports; older tools leave this out.
    #[serde(default)]
    pub component: Option<Interfaces>,
}

/// Imports and exports of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interfaces {
    /// Exports, such as `keynet:inference/function@0.1.0`; sorted in artifacts made here.
    #[serde(default, deserialize_with = "null_is_default")]
    pub exports: Vec<String>,
    /// Imports, such as `keynet:inference/storage@0.1.0`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub imports: Vec<String>,
    /// World that the component was built for, such as `keynet:inference/action@0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Annotations of the manifest besides those that are taken from the component's sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the function: `org.opencontainers.image.title`.
    pub name: Option<String>,
    /// Description of the function: `org.opencontainers.image.description`.
    pub description: Option<String>,
    /// Time of creation in seconds since 1970, from `SOURCE_DATE_EPOCH`; `None` so that the
    /// artifact does not depend on it.
    pub created: Option<u32>,
    /// Annotations that override all others.
    pub annotations: BTreeMap<String, String>,
}

/// Manifest and config of a component.
#[derive(Debug)]
pub(super) struct Artifact {
    pub(super) manifest: RawManifest,
    pub(super) config: Vec<u8>,
}

/// Builds the artifact of `component`.
///
/// # Errors
/// Those of the JSON writer, which cannot occur for these types.
pub(super) fn artifact(
    component: &Blob,
    facts: Facts,
    about: &About,
) -> serde_json::Result<Artifact> {
    let config = WasmConfig {
        created: Some(date(about.created.unwrap_or(0))),
        author: None,
        architecture: ARCHITECTURE.to_owned(),
        os: OS.to_owned(),
        layer_digests: vec![component.digest.to_string()],
        component: Some(facts.interfaces.clone()),
    };
    let config = serde_json::to_vec(&config)?;
    let manifest = OciImageManifest {
        schema_version: 2,
        media_type: Some(MANIFEST_TYPE.to_owned()),
        config: descriptor(CONFIG_TYPE, &Blob::of(&config)),
        layers: vec![descriptor(LAYER_TYPE, component)],
        subject: None,
        artifact_type: None,
        annotations: Some(annotations(&facts, about)).filter(|annotations| !annotations.is_empty()),
    };
    let manifest = RawManifest {
        media_type: MANIFEST_TYPE.to_owned(),
        bytes: serde_json::to_vec(&manifest)?.into(),
    };
    Ok(Artifact { manifest, config })
}

pub(super) fn descriptor(media_type: &str, blob: &Blob) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: blob.digest.to_string(),
        size: i64::try_from(blob.size).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

fn annotations(facts: &Facts, about: &About) -> BTreeMap<String, String> {
    let section = |name: &str| facts.metadata.get(name).cloned();
    let older: Value = section("registry-metadata")
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let text = |name: &str| older.get(name).and_then(Value::as_str).map(str::to_owned);
    let link = |kind: &str| {
        let links = older.get("links").and_then(Value::as_array)?;
        let link =
            links.iter().find(|link| link.get("ty").and_then(Value::as_str) == Some(kind))?;
        link.get("value").and_then(Value::as_str).map(str::to_owned)
    };
    let said = [
        (oci::ORG_OPENCONTAINERS_IMAGE_TITLE, about.name.clone()),
        (
            oci::ORG_OPENCONTAINERS_IMAGE_DESCRIPTION,
            about
                .description
                .clone()
                .or_else(|| section("description"))
                .or_else(|| text("description")),
        ),
        (oci::ORG_OPENCONTAINERS_IMAGE_VERSION, section("version")),
        (oci::ORG_OPENCONTAINERS_IMAGE_SOURCE, section("source").or_else(|| link("Repository"))),
        (oci::ORG_OPENCONTAINERS_IMAGE_URL, section("homepage").or_else(|| link("Homepage"))),
        (oci::ORG_OPENCONTAINERS_IMAGE_LICENSES, section("licenses").or_else(|| text("license"))),
        (oci::ORG_OPENCONTAINERS_IMAGE_REVISION, section("revision")),
        (oci::ORG_OPENCONTAINERS_IMAGE_AUTHORS, section("authors")),
        (oci::ORG_OPENCONTAINERS_IMAGE_CREATED, about.created.map(date)),
    ];
    let said = said
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), tidy(&value?))))
        .filter(|(_, value)| !value.is_empty());
    let mut annotations: BTreeMap<_, _> = said.collect();
    annotations.extend(asks(facts.request.as_ref()));
    annotations.extend(about.annotations.clone());
    annotations
}

/// Returns annotations with the requested capabilities, for people and registries to read; the host
/// reads the request from the component itself.
fn asks(ask: Option<&CapabilityRequest>) -> BTreeMap<String, String> {
    let Some(ask) = ask else { return BTreeMap::new() };
    let names = |patterns: &Option<Patterns>| {
        patterns.as_ref().and_then(|patterns| serde_json::to_string(patterns).ok())
    };
    let asks = [
        ("models", names(&ask.models)),
        ("storage.read", names(&ask.storage.read)),
        ("storage.write", names(&ask.storage.write)),
        ("http.hosts", names(&ask.http.hosts)),
        ("api-key", ask.api_key.then(|| "true".to_owned())),
    ];
    asks.into_iter().filter_map(|(what, names)| Some((format!("{ASKS}.{what}"), names?))).collect()
}

fn date(seconds: u32) -> String {
    chrono::DateTime::from_timestamp(i64::from(seconds), 0)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Returns the text without control characters except line ends, cut to the length of an
/// annotation.
fn tidy(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= ANNOTATION)
        .last()
        .unwrap_or(0);
    text.get(..end).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let interfaces = Interfaces {
            exports: vec!["keynet:inference/function@0.1.0".to_owned()],
            imports: vec![
                "keynet:inference/storage@0.1.0".to_owned(),
                "wasi:cli/stdout@0.2.6".to_owned(),
            ],
            target: Some("keynet:inference/action@0.1.0".to_owned()),
        };
        let metadata = [
            ("version", "1.2.3"),
            ("source", "https://example.com/repo"),
            ("licenses", "MIT\u{0}"),
            ("description", "from Cargo.toml"),
        ];
        let metadata =
            metadata.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let ask = CapabilityRequest::parse(
            "models = ['detector', 'team-*']\napi-key = true\n[storage]\nread = []",
        )
        .unwrap();
        Facts { interfaces, metadata, request: Some(ask) }
    }

    fn about() -> About {
        About {
            name: Some("hello".to_owned()),
            description: Some("Says hello.".to_owned()),
            ..About::default()
        }
    }

    #[test]
    fn the_same_component_makes_the_same_artifact() {
        let artifact = artifact(&Blob::of(b"component"), facts(), &about()).unwrap();
        let config = String::from_utf8(artifact.config).unwrap();
        assert_eq!(
            config,
            concat!(
                r#"{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","#,
                r#""layerDigests":["sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa"],"#,
                r#""component":{"exports":["keynet:inference/function@0.1.0"],"#,
                r#""imports":["keynet:inference/storage@0.1.0","wasi:cli/stdout@0.2.6"],"target":"keynet:inference/action@0.1.0"}}"#,
            )
        );
        // Change this digest only deliberately: the same component would then get another digest
        // than before.
        assert_eq!(
            artifact.manifest.digest().to_string(),
            "sha256:a867cf9657fad3f244f7c11cf399c15359f23f88d77a1fd2857eac719ec8b689"
        );
    }

    #[test]
    fn annotations_come_from_the_function_and_its_component() {
        let annotations = annotations(&facts(), &about());
        let expected = [
            ("io.keynet.inference.asks.api-key", "true"),
            ("io.keynet.inference.asks.models", r#"["detector","team-*"]"#),
            ("io.keynet.inference.asks.storage.read", "[]"),
            ("org.opencontainers.image.description", "Says hello."),
            ("org.opencontainers.image.licenses", "MIT"),
            ("org.opencontainers.image.source", "https://example.com/repo"),
            ("org.opencontainers.image.title", "hello"),
            ("org.opencontainers.image.version", "1.2.3"),
        ];
        assert_eq!(
            annotations
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn what_older_tools_write_is_read_too() {
        let metadata = r#"{"description":"d","license":"Apache-2.0","links":[{"ty":"Repository","value":"https://example.com/r"}]}"#;
        let facts = Facts {
            metadata: BTreeMap::from([("registry-metadata".to_owned(), metadata.to_owned())]),
            ..Facts::default()
        };
        let annotations = annotations(&facts, &About { created: Some(1), ..About::default() });
        assert_eq!(annotations["org.opencontainers.image.licenses"], "Apache-2.0");
        assert_eq!(annotations["org.opencontainers.image.source"], "https://example.com/r");
        assert_eq!(annotations["org.opencontainers.image.created"], "1970-01-01T00:00:01Z");
    }

    #[test]
    fn an_annotation_has_an_end() {
        assert_eq!(tidy(&"é".repeat(5000)).len(), ANNOTATION);
        assert_eq!(tidy(" a\u{1b}[31m\nb\r "), "a[31m\nb");
    }
}
