//! Dependencies of the product: licences compatible with MIT, one registry, no banned crates. Works
//! without a network.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, missing_docs)]

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};
use serde::Deserialize;

/// The part of `deny.toml` that these tests check.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    /// Licences that may stand in an expression; one alternative of each `OR` is made of these.
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

fn deny() -> Deny {
    let text = std::fs::read_to_string(keynet_tests::root().join("deny.toml")).expect("deny.toml");
    toml::from_str(&text).expect("deny.toml")
}

fn metadata() -> Metadata {
    let manifest = keynet_tests::root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .features(CargoOpt::AllFeatures)
        .exec()
        .expect("cargo metadata")
}

fn allowed(allow: &[String], expression: &str) -> bool {
    let term = |term: &str| {
        term.split(" AND ").all(|licence| {
            allow.iter().any(|allowed| allowed == licence.trim_matches(['(', ')', ' ']))
        })
    };
    // `(MIT OR Apache-2.0) AND Unicode-3.0`: every part of the conjunction needs an alternative.
    let conjunction = expression.split(") AND ").flat_map(|part| part.split(" AND ("));
    conjunction.into_iter().all(|part| part.replace('/', " OR ").split(" OR ").any(term))
}

#[test]
fn licences_are_permissive() {
    let allow = deny().licenses.allow;
    let refused: Vec<_> = metadata()
        .packages
        .into_iter()
        .filter(|package| {
            !package.license.as_deref().is_some_and(|licence| allowed(&allow, licence))
        })
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "licences to look at: {refused:#?}");
}

#[test]
fn everything_comes_from_the_registry_of_crates() {
    let elsewhere: Vec<_> = metadata()
        .packages
        .into_iter()
        .filter(|package| package.source.as_ref().is_some_and(|source| !source.is_crates_io()))
        .map(|p| p.id)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn nothing_banned_is_used() {
    let metadata = metadata();
    for Ban { name, reason } in deny().bans.deny {
        assert!(
            !metadata.packages.iter().any(|package| package.name.as_str() == name),
            "{name} is used: {reason}"
        );
    }
}

#[test]
fn there_is_one_wasmtime() {
    let versions: Vec<_> = metadata()
        .packages
        .iter()
        .filter(|package| package.name.as_str() == "wasmtime")
        .map(|p| p.version.to_string())
        .collect();
    assert!(matches!(versions.as_slice(), [one] if one.starts_with("48.0.")), "{versions:?}");
}

#[test]
fn alternatives_and_conjunctions_are_read() {
    let allow = deny().licenses.allow;
    let allowed = |expression| allowed(&allow, expression);
    assert!(
        allowed("MIT OR GPL-3.0")
            && allowed("(MIT OR Apache-2.0) AND Unicode-3.0")
            && allowed("Unlicense/MIT")
    );
    assert!(
        !allowed("GPL-3.0")
            && !allowed("(MIT OR Apache-2.0) AND GPL-3.0")
            && !allowed("MIT AND MPL-2.0")
    );
}
