//! Links the component with a heap that is there from the start.

/// As much as a small run takes, in bytes: each growth of its memory would cost as much as the rest
/// of it.
const HEAP: u32 = 1 << 20;

fn main() {
    if std::env::var_os("CARGO_CFG_TARGET_ARCH").is_some_and(|target| target == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=--initial-heap={HEAP}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
