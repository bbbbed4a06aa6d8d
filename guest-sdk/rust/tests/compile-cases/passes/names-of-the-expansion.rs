use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Action {
    name: String,
}

#[keynet_function(name = "hello", description = "Greets.")]
fn args(args: Action) -> Result<Value> {
    Ok(json!({ "name": args.name }))
}

fn main() {}
