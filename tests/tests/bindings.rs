//! The Rust SDK's bindings, which are committed so that a user's build needs no generator: they are
//! what the generator makes of `wit/`. `guest-sdk/rust/regenerate` writes them.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::{env, fs};

use keynet_tests::root;
use wit_bindgen_core::wit_parser::{PackageId, Resolve};
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::Opts;

const BINDINGS: &str = "guest-sdk/rust/src/host/component/bindings.rs";

fn generated() -> String {
    let mut resolve = Resolve::default();
    let (package, _): (PackageId, _) = resolve.push_dir(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("action")).unwrap();
    let options = Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some("export_action".to_owned()),
        default_bindings_module: Some("::keynet_inference_sdk::__private::bindings".to_owned()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    let (_, text) = files.iter().next().expect("one file");
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn the_bindings_of_the_rust_sdk_are_those_of_the_contract() {
    let (path, text) = (root().join(BINDINGS), generated());
    if env::var_os("KEYNET_UPDATE_BINDINGS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "{BINDINGS} is not what wit/ makes: run guest-sdk/rust/regenerate"
    );
}
