//! Actions in Go: the Go toolchain makes a core module of the program, which becomes a component.

mod component;
mod error;
mod sources;
mod toolchain;

pub use component::build;
pub use error::GoError;
pub use sources::{GoProject, is_go};

/// Module of the SDK, whose packages a program imports.
const SDK_MODULE: &str = "github.com/keynet/keynet-inference/guest-sdk/go";

#[cfg(test)]
mod tests {
    use crate::project::embedded::GO_SDK;

    #[test]
    fn the_sdk_is_carried_whole_and_without_its_tests() {
        let paths: Vec<_> = GO_SDK.iter().map(|file| file.path).collect();
        for path in [
            "LICENSE",
            "go.mod",
            "keynet/function.go",
            "keynettest/keynettest.go",
            "internal/bindings/LICENSE",
            "internal/bindings/exports/wit_exports/wit_exports.go",
        ] {
            assert!(paths.contains(&path), "{path}");
        }
        assert!(!paths.iter().any(|path| path.ends_with("_test.go")), "{paths:?}");
    }
}
