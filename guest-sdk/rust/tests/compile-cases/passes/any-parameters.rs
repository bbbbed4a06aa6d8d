use keynet_inference_sdk::{Result, keynet_function, serde_json};

#[keynet_function(name = "echo", description = "Returns what it got.",)]
fn action(args: serde_json::Map<String, serde_json::Value>) -> Result<Vec<serde_json::Value>> {
    Ok(args.into_iter().map(|(_, value)| value).collect())
}

fn main() {
    assert!(action(Default::default()).is_ok());
}
