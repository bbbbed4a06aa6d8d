//! Errors: those raised by the action, and those of the host, caught by kind.

use std::time::Duration;

use keynet_inference_sdk::ErrorKind;
use keynet_inference_sdk::prelude::*;

pub fn of_kind(kind: &str, message: &str) -> Error {
    let kind = match kind {
        "invalid" => ErrorKind::Invalid,
        "not-found" => ErrorKind::NotFound,
        "denied" => ErrorKind::Denied,
        "precondition-failed" => ErrorKind::PreconditionFailed,
        "too-large" => ErrorKind::TooLarge,
        "timeout" => ErrorKind::Timeout,
        "unavailable" => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, message)
}

/// Makes a call that fails, and returns how the error was caught.
pub fn catch(call: &str) -> Result<Value> {
    let storage = Storage::new()?;
    let two = || Tensor::from_slice(&[1, 2], &[1.5_f32, -2.0]);
    let failed = match call {
        "missing-object" => storage.get("parity/missing").err(),
        "bad-location" => storage.get("ftp://host/key").err(),
        "other-bucket" => storage.get("s3://parity-elsewhere/key").err(),
        "write-twice" => {
            let options = || keynet_inference_sdk::PutOptions::at("parity/once").if_absent();
            let _ = storage.put_with(b"1", &options());
            storage.put_with(b"2", &options()).err()
        }
        "read-too-much" => {
            storage.put_at("parity/large", vec![0; 4096], None)?;
            storage.get("parity/large").err()
        }
        "missing-model" => Triton::with_model("nobody")?.predict([("in", &two()?)]).err(),
        "wrong-input" => Triton::with_model("identity_fp32")?.predict([("nothing", &two()?)]).err(),
        "no-registry" => {
            Triton::with_model("models:/identity_fp32@best")?.predict([("in", &two()?)]).err()
        }
        "no-time" => Triton::with_model("identity_fp32")?
            .request([("in", &two()?)])
            .timeout(Duration::ZERO)
            .predict()
            .err(),
        other => bail!(invalid, "there is no call `{other}`"),
    };
    let error = failed.context("the call did not fail")?;
    let caught = match error.kind() {
        ErrorKind::Invalid => "invalid",
        ErrorKind::NotFound => "not-found",
        ErrorKind::Denied => "denied",
        ErrorKind::PreconditionFailed => "precondition-failed",
        ErrorKind::TooLarge => "too-large",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Unavailable => "unavailable",
        _ => "internal",
    };
    println!("{}", error.message());
    Ok(json!({ "caught": caught }))
}
