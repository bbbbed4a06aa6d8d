use keynet_inference_sdk::prelude::*;

#[derive(Deserialize)]
struct Args {
    name: String,
}

#[keynet_function(name = "hello", description = "Greets.")]
fn hello(args: Args) -> Result<Value> {
    Ok(json!({ "name": args.name }))
}

fn main() {}
