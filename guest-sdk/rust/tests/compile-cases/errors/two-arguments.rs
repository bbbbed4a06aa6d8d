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
fn hello(name: String, word: String) -> Result<Output> {
    Ok(Output { greeting: format!("{word}, {name}") })
}

fn main() {}
