use keynet_inference_sdk::prelude::*;

#[keynet_function(name = "hello", description = "Greets.")]
fn main(args: Value) -> Result<Value> {
    Ok(args)
}
