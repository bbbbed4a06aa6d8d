//! Generates the client of `proto/inference.proto`. `protoc` is not needed: protox parses the file.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    const PROTO: &str = "proto/inference.proto";
    println!("cargo:rerun-if-changed={PROTO}");
    let described = protox::compile([PROTO], ["proto"])?;
    // The bytes of tensors are shared, not copied.
    let raw = [
        ".inference.ModelInferRequest.raw_input_contents",
        ".inference.ModelInferResponse.raw_output_contents",
    ];
    let builder = tonic_prost_build::configure().build_server(false).btree_map(".");
    raw.into_iter().fold(builder, |builder, field| builder.bytes(field)).compile_fds(described)?;
    Ok(())
}
