mod inner {
    #[keynet_inference_sdk::keynet_function(name = "0-x", description = "Another form.")]
    pub(crate) fn action(mut args: keynet_inference_sdk::serde_json::Value) -> keynet_inference_sdk::Result<impl serde::Serialize> {
        args.take();
        Ok([1, 2])
    }
}

fn main() {
    assert!(inner::action(Default::default()).is_ok());
}
