use keynet_inference_sdk::prelude::*;

#[keynet_function(name = "hello", description = "Greets.")]
fn hello(args: Value) -> Result<Value> {
    Ok(args)
}

mod other {
    use keynet_inference_sdk::prelude::*;

    #[keynet_function(name = "goodbye", description = "Says goodbye.")]
    fn goodbye(args: Value) -> Result<Value> {
        Ok(args)
    }
}

fn main() {}
