//! Calls that the SDK prevents, or permits only in part, as a guest in another language can make
//! them.

use keynet_inference_sdk::__private::bindings::keynet::inference as host;
use keynet_inference_sdk::prelude::*;

use host::storage;
use host::triton_predict::{self as triton, DataType as Wire};
use host::types::{Error as HostError, ErrorKind as Kind};

/// Returns the type and the shape of a tensor as reported by the host, not by the SDK.
pub fn type_and_shape(data_type: DataType, data: &[u8]) -> (DataType, Vec<i64>) {
    match triton::Tensor::create(data_type.into(), &[2, 3], data) {
        Ok(tensor) => (tensor.data_type().into(), tensor.shape()),
        Err(error) => panic!("{error:?}"),
    }
}

fn kind<T>(result: std::result::Result<T, HostError>) -> &'static str {
    match result.map_err(|error| error.kind) {
        Ok(_) => "it was not refused",
        Err(Kind::Invalid) => "invalid",
        Err(Kind::NotFound) => "not-found",
        Err(Kind::Denied) => "denied",
        Err(Kind::PreconditionFailed) => "precondition-failed",
        Err(Kind::TooLarge) => "too-large",
        Err(Kind::Timeout) => "timeout",
        Err(Kind::Unavailable) => "unavailable",
        Err(Kind::Internal) => "internal",
    }
}

/// Reads the pages of a listing with more than 1,000 objects.
pub fn pages(prefix: &str) -> Result<Value> {
    let first = storage::list(prefix, None)?;
    let cursor = first.next.unwrap_or_default();
    let second = storage::list(prefix, Some(&cursor))?;
    Ok(json!({
        "objects": [first.objects.len(), second.objects.len()],
        "ends": second.next.is_none(),
        "nonsense": kind(storage::list(prefix, Some("nonsense"))),
        "of another listing": kind(storage::list("other/", Some(&cursor))),
    }))
}

pub fn contract() -> Result<Value> {
    let small = storage::put(b"one", Some("small"), None, None, None)?;
    let put = |if_match: Option<&str>, if_none_match: Option<&str>| {
        kind(storage::put(b"two", Some("small"), None, if_match, if_none_match))
    };
    let etag = small.etag.unwrap_or_default();

    let finished = storage::create_upload(Some("finished"), None)?;
    finished.write(b"content")?;
    finished.finish()?;
    let finished = [
        kind(finished.finish()),
        kind(finished.write(b"more")),
        kind(finished.abort()),
        kind(finished.abort()),
    ];
    let aborted = storage::create_upload(Some("aborted"), None)?;
    aborted.abort()?;
    let aborted = [kind(aborted.finish()), kind(aborted.write(b"more")), kind(aborted.abort())];

    let tensor = triton::Tensor::create(Wire::Fp32, &[1, 3], &[0; 12])?;
    let request = |model: &str, parameters: &str| triton::Request {
        model: model.to_owned(),
        inputs: vec![triton::Input { name: "x".to_owned(), tensor: &tensor }],
        outputs: Vec::new(),
        timeout_ms: None,
        parameters: parameters.to_owned(),
    };
    let stream = triton::predict_stream(&request("linear", ""))?;
    let stream = [stream.next()?.is_some(), stream.next()?.is_some(), stream.next()?.is_some()];
    let twice =
        triton::Request { outputs: vec!["y".to_owned(), "y".to_owned()], ..request("linear", "") };
    let same = triton::Request {
        inputs: ["x", "x"]
            .map(|name| triton::Input { name: name.to_owned(), tensor: &tensor })
            .into(),
        ..request("linear", "")
    };
    Ok(json!({
        "conditions": [put(Some("*"), None), put(None, Some(&etag)), put(Some(&etag), Some("*")), put(Some(""), None)],
        "if-none-match of a get": [kind(storage::get("small", Some(&etag))), kind(storage::get("small", Some("other"))), kind(storage::get("small", Some("a, b")))],
        "finished": finished,
        "aborted": aborted,
        "negative shape": kind(triton::Tensor::create(Wire::Fp32, &[-1], &[])),
        "shape beyond counting": kind(triton::Tensor::create(Wire::Uint8, &[i64::MAX, i64::MAX], &[])),
        "parameters that are no JSON": kind(triton::predict(&request("linear", "{"))),
        "parameters that are a list": kind(triton::predict(&request("linear", "[1]"))),
        "parameters": kind(triton::predict(&request("linear", r#"{"priority": 1, "note": "x", "fast": true}"#))),
        "an output twice": kind(triton::predict(&twice)),
        "an input twice": kind(triton::predict(&same)),
        "stream": stream,
        "raw text": host::user_input::get("text"),
        "raw null": host::user_input::get("null"),
        "raw missing": host::user_input::get("missing").is_none(),
        "raw all": host::user_input::all(),
    }))
}
