use keynet_inference_sdk::{Result, keynet_function, serde_json};

#[keynet_function(name = "echo", description = "Returns what it got.",)]
fn action(args: serde_json::Map<String, serde_json::Value>) -> Result<Vec<serde_json::Value>> {
    Ok(args.into_iter().map(|(_, value)| value).collect())
}

mod inner {
    #[keynet_inference_sdk::keynet_function(name = "0-x", description = "Another form.")]
    pub(crate) fn action(mut args: keynet_inference_sdk::serde_json::Value) -> keynet_inference_sdk::Result<impl serde::Serialize> {
        args.take();
        Ok([1, 2])
    }
}

fn main() {
    assert!(action(Default::default()).is_ok());
    assert!(inner::action(Default::default()).is_ok());
}
