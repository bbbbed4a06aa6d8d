use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Args {
    name: String,
}

#[derive(Serialize)]
struct Output {
    greeting: String,
}

#[keynet_function(name = "hello", description = "Greets.")]
fn hello(args: &Args) -> Result<Output> {
    Ok(Output { greeting: args.name.clone() })
}

fn main() {}
