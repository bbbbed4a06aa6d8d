//! Makes every call of the contract and returns the results: `do` names the part.
//!
//! Values that differ from run to run (etags, new keys, URLs) are compared here, and the result of
//! the comparison is returned.

mod contract;
mod models;
mod objects;
mod triton;

use std::time::Duration;

use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// The part.
    r#do: Part,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Part {
    /// Fails with an error: `kind`, `message`.
    Fail,
    /// Sleeps for `ms`.
    Sleep,
    /// Returns the parameters, read in every way.
    Parameters,
    /// Creates tensors of every element type, and invalid ones.
    Tensors,
    /// Uses models in every way.
    Predict,
    PredictMany,
    PredictStream,
    Metadata,
    /// Uses `model`, or the default model.
    Ask,
    /// Uses models of a real Triton: those of `tests/servers/triton/models`.
    Triton,
    /// Sends one small request to `add_sub`, and one large one to `detector`: those of the
    /// benchmarks.
    AddSub,
    Detect,
    /// Uses `add_sub` by the name `model`, and returns the version that answered.
    Version,
    /// Has a picture mirrored by the model `mirror`, which takes `ms` for it.
    Mirror,
    /// Uses objects, in every way.
    Objects,
    Conditions,
    Parts,
    Uploads,
    Listing,
    Presigned,
    /// Makes one call with the parameters `location`, `content`, `ttl`, `prefix`.
    Get,
    Put,
    Delete,
    List,
    Presign,
    PresignPut,
    /// Makes calls that the SDK does not permit.
    Contract,
}

#[keynet_function(name = "capable", description = "Makes every call of the contract.")]
fn main(args: Args) -> Result<Value> {
    match args.r#do {
        Part::Fail => Err(failure(
            &UserInput::require::<String>("kind")?,
            &UserInput::require::<String>("message")?,
        )),
        Part::Sleep => {
            let ms = UserInput::require("ms")?;
            println!("sleeping {ms} ms");
            std::thread::sleep(Duration::from_millis(ms));
            Ok(json!({ "slept": ms }))
        }
        Part::Parameters => parameters(),
        Part::Tensors => models::tensors(),
        Part::Predict => models::predict(),
        Part::PredictMany => models::predict_many(),
        Part::PredictStream => models::predict_stream(),
        Part::Metadata => models::metadata(),
        Part::Ask => models::ask(&UserInput::get::<String>("model")?.unwrap_or_default()),
        Part::Triton => triton::triton(),
        Part::AddSub => triton::add_sub(),
        Part::Detect => triton::detect(),
        Part::Version => triton::version(&UserInput::require::<String>("model")?),
        Part::Mirror => triton::mirror(UserInput::get("ms")?.unwrap_or(0)),
        Part::Objects => objects::objects(),
        Part::Conditions => objects::conditions(),
        Part::Parts => objects::parts(),
        Part::Uploads => objects::uploads(),
        Part::Listing => objects::listing(),
        Part::Presigned => objects::presigned(),
        Part::Get => objects::get(),
        Part::Put => objects::put(),
        Part::Delete => objects::delete(),
        Part::List => objects::list(),
        Part::Presign => objects::presign(),
        Part::PresignPut => objects::presign_put(),
        Part::Contract => contract::contract(),
    }
}

fn failure(kind: &str, message: &str) -> Error {
    match kind {
        "invalid" => Error::invalid(message),
        "not-found" => Error::not_found(message),
        "denied" => Error::denied(message),
        "precondition-failed" => Error::precondition_failed(message),
        "too-large" => Error::too_large(message),
        "timeout" => Error::timeout(message),
        "unavailable" => Error::unavailable(message),
        _ => Error::internal(message),
    }
}

fn parameters() -> Result<Value> {
    Ok(json!({
        "names": UserInput::names()?,
        "all": Value::Object(UserInput::all()?).to_string(),
        "text": UserInput::get::<String>("text")?,
        "number": UserInput::get::<f64>("number")?,
        "null is none": UserInput::get::<String>("null")?.is_none(),
        "missing is none": UserInput::get::<String>("missing")?.is_none(),
        "configuration is none": UserInput::get::<String>("TRITON_URL")?.is_none(),
        "of another type": refusal(UserInput::get::<f64>("text")),
    }))
}

/// Returns the kind and the message of an expected error.
fn refusal<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "it was not refused".to_owned(),
        Err(error) => format!("{}: {}", error.kind(), error.message()),
    }
}

/// Returns only the kind, for errors whose message varies.
fn kind<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "it was not refused".to_owned(),
        Err(error) => error.kind().to_string(),
    }
}
