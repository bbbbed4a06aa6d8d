use keynet_inference_sdk::prelude::*;

#[keynet_function(name = "now", description = "Takes nothing.")]
fn action() -> Result<Value> {
    Ok(json!({}))
}

fn main() {
    assert!(action().is_ok());
}
