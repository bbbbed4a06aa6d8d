use keynet_inference_sdk::prelude::*;

struct Mistake;

#[keynet_function(name = "hello", description = "Greets.")]
fn hello(_args: Value) -> Result<Value, Mistake> {
    Err(Mistake)
}

fn main() {}
