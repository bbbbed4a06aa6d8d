#![deny(warnings, unsafe_code, missing_docs)]
//! Errors that are not the SDK's.

use keynet_inference_sdk::{JsonSchema, keynet_function, schemars};
use serde::{Deserialize, Serialize};

/// Both.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Text {
    text: String,
}

#[keynet_function(name = "text", description = "Fails with a boxed error.")]
fn action(args: Text) -> Result<Text, Box<dyn std::error::Error>> {
    args.text.parse::<u8>()?;
    Ok(args)
}

fn main() {}
