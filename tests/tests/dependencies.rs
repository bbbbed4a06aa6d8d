//! Dependencies of the product: licences compatible with MIT, one registry, no banned crates. Works
//! without a network.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, missing_docs)]

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

/// Licences that are allowed in an expression; one alternative of each `OR` must consist of these.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Banned crates, each with the reason.
const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "TLS is rustls: no C library to find on the user's machine"),
    ("native-tls", "TLS is rustls"),
    ("wasmtime-cache", "compiled code is cached by engine::cache, authenticated"),
];

fn metadata() -> Metadata {
    let manifest = keynet_tests::root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .features(CargoOpt::AllFeatures)
        .exec()
        .expect("cargo metadata")
}

fn allowed(expression: &str) -> bool {
    let term = |term: &str| {
        term.split(" AND ").all(|licence| ALLOWED.contains(&licence.trim_matches(['(', ')', ' '])))
    };
    // `(MIT OR Apache-2.0) AND Unicode-3.0`: every part of the conjunction needs an alternative.
    let conjunction = expression.split(") AND ").flat_map(|part| part.split(" AND ("));
    conjunction.into_iter().all(|part| part.replace('/', " OR ").split(" OR ").any(term))
}

#[test]
fn licences_are_permissive() {
    let refused: Vec<_> = metadata()
        .packages
        .into_iter()
        .filter(|package| !package.license.as_deref().is_some_and(allowed))
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
    for (name, reason) in BANNED {
        assert!(
            !metadata.packages.iter().any(|package| package.name.as_str() == *name),
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
