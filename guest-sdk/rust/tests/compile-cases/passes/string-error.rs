#![deny(warnings, unsafe_code, missing_docs)]
//! A string as an error.

use keynet_inference_sdk::{JsonSchema, keynet_function, schemars};
use serde::{Deserialize, Serialize};

/// Both.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Text {
    text: String,
}

#[keynet_function(name = "string", description = "Fails with a string.")]
fn action(Text { text }: Text) -> Result<Text, String> {
    Err(text)
}

fn main() {}
