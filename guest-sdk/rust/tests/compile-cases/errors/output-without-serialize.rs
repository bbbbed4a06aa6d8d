use keynet_inference_sdk::prelude::*;

struct Output {
    name: String,
}

#[keynet_function(name = "hello", description = "Greets.")]
fn hello(args: Value) -> Result<Output> {
    Ok(Output { name: args.to_string() })
}

fn main() {}
