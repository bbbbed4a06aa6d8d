//! Parity of the SDKs, in Rust: `do` names the part. `tests/parity/README.md` describes the result
//! of each part.

mod errors;
mod machine;
mod tensors;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// The part.
    r#do: String,
    whole: Option<i64>,
    fraction: Option<f64>,
    flag: Option<bool>,
    text: Option<String>,
}

/// Result that is JSON, or one that cannot be converted to JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Output {
    Json(Value),
    NotJson(HashMap<(i32, i32), i32>),
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[keynet_function(name = "parity-rust", description = "Does what every SDK must do alike.")]
fn main(args: Args) -> Result<Output> {
    let result = match args.r#do.as_str() {
        "echo" => Value::Object(UserInput::all()?),
        "kinds" => kinds()?,
        "defaults" => json!({
            "sent": UserInput::get("sent")?.unwrap_or(0.5),
            "missing": UserInput::get("missing")?.unwrap_or(0.5),
            "flag": UserInput::get("flag")?.unwrap_or(false),
            "text": UserInput::get("text")?.unwrap_or_else(|| "none".to_owned()),
        }),
        "typed" => {
            json!({ "whole": args.whole, "fraction": args.fraction, "flag": args.flag, "text": args.text })
        }
        "array" => json!([1, "two", { "three": 3 }]),
        "not-json" => return Ok(Output::NotJson(HashMap::from([((1, 2), 3)]))),
        "crash" => panic!("the box is empty: 상자"), // crashes here
        "raise" => {
            return Err(errors::of_kind(
                &UserInput::require::<String>("kind")?,
                &UserInput::require::<String>("message")?,
            ));
        }
        "catch" => errors::catch(&UserInput::require::<String>("call")?)?,
        "tensor" => tensors::through()?,
        "big-tensor" => tensors::big()?,
        "log" => log_everything(),
        "environment" => environment()?,
        "fresh" => machine::fresh()?,
        "runs" => json!({ "runs": RUNS.fetch_add(1, Ordering::Relaxed) + 1 }),
        "files" => machine::files(),
        "allocate" => machine::allocate(),
        "compute" => machine::compute(),
        "sleep" => machine::sleep(),
        "recurse" => json!({ "depth": machine::recurse(0) }),
        "exit" => std::process::exit(3),
        other => bail!(invalid, "there is no part `{other}`"),
    };
    Ok(Output::Json(result))
}

/// Returns the JSON type of each parameter, as it arrives.
fn kinds() -> Result<Value> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let all = UserInput::all()?;
    Ok(Value::Object(
        all.iter()
            .filter(|(name, _)| *name != "do")
            .map(|(name, value)| (name.clone(), kind(value).into()))
            .collect(),
    ))
}

fn log_everything() -> Value {
    println!("to standard output");
    eprintln!("to standard error");
    println!("한국어, ü and \u{1f600}");
    log::debug!("finely");
    log::info!("informed");
    log::warn!("warned");
    log::error!("wrong");
    print!("without an end");
    json!({})
}

fn environment() -> Result<Value> {
    let names: Vec<String> = UserInput::require("names")?;
    Ok(Value::Object(
        names.into_iter().map(|name| (name.clone(), std::env::var(&name).ok().into())).collect(),
    ))
}
