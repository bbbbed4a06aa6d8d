//! Encoding of a request in the protocol.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::models::Served;
use super::proto::infer_parameter::ParameterChoice;
use super::proto::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use super::proto::{InferParameter, ModelInferRequest};
use super::shared_memory::{Placed, Span};
use crate::inference::InferenceRequest;
use keynet_base::error::{Error, Result};

/// Parameter that makes a request part of a sequence, whose state its model keeps.
const SEQUENCE: &str = "sequence_id";

/// Encodes everything except the tensors' bytes, and returns the bytes to send with it. For tensors
/// in shared memory only their position is encoded.
///
/// # Errors
/// `invalid`: a parameter is a number that the protocol cannot represent.
pub(super) fn encode(
    served: &Served,
    request: &InferenceRequest,
    placed: Option<&Placed>,
) -> Result<(ModelInferRequest, Vec<Bytes>)> {
    let mut tensors = Vec::with_capacity(request.inputs.len());
    let inputs = request.inputs.iter().map(|given| {
        let shared = placed.and_then(|placed| Some((placed, placed.input(&given.name)?)));
        if shared.is_none() {
            tensors.push(given.tensor.data().clone());
        }
        InferInputTensor {
            name: given.name.clone(),
            datatype: given.tensor.data_type().name().to_owned(),
            shape: given.tensor.shape().dimensions().to_vec(),
            parameters: shared
                .map(|(placed, span)| in_region(placed.region(), span))
                .unwrap_or_default(),
        }
    });
    let inputs = inputs.collect();
    let output = |name: &String| {
        let shared =
            placed.and_then(|placed| Some(in_region(placed.region(), placed.output(name)?)));
        InferRequestedOutputTensor { name: name.clone(), parameters: shared.unwrap_or_default() }
    };
    let wanted = placed.map_or(&request.outputs, |placed| &placed.wanted);
    let head = ModelInferRequest {
        model_name: served.name.clone(),
        model_version: served.version_text(),
        id: String::new(),
        parameters: parameters(&request.parameters)?,
        inputs,
        outputs: wanted.iter().map(output).collect(),
        raw_input_contents: Vec::new(),
    };
    Ok((head, tensors))
}

/// Reports whether the request may be repeated without changing the result.
pub(super) fn is_repeatable(request: &InferenceRequest) -> bool {
    !request.parameters.contains_key(SEQUENCE)
}

/// Returns the parameters of a tensor's position in Triton's shared memory extension.
fn in_region(region: &str, span: Span) -> BTreeMap<String, InferParameter> {
    let number = |number: u64| {
        parameter(ParameterChoice::Int64Param(i64::try_from(number).unwrap_or(i64::MAX)))
    };
    BTreeMap::from([
        (
            "shared_memory_region".to_owned(),
            parameter(ParameterChoice::StringParam(region.to_owned())),
        ),
        ("shared_memory_offset".to_owned(), number(span.offset)),
        ("shared_memory_byte_size".to_owned(), number(span.bytes)),
    ])
}

fn parameter(choice: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}

/// Converts parameters. Integers are sent as int64, those above its range as uint64; Triton
/// requires `priority` as uint64.
fn parameters(given: &serde_json::Map<String, Value>) -> Result<BTreeMap<String, InferParameter>> {
    let choice = |name: &str, value: &Value| {
        let wrong = |why: &str| Error::invalid(format!("request parameter {name:?} {why}"));
        Ok(match value {
            Value::Bool(flag) => ParameterChoice::BoolParam(*flag),
            Value::String(text) => ParameterChoice::StringParam(text.clone()),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) if name == "priority" => ParameterChoice::Uint64Param(number),
                (_, Some(number), _) => ParameterChoice::Int64Param(number),
                (Some(number), _, _) => ParameterChoice::Uint64Param(number),
                (_, _, Some(number)) => ParameterChoice::DoubleParam(number),
                _ => return Err(wrong("is a number that cannot be sent")),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(wrong("is not a string, number or boolean"));
            }
        })
    };
    given.iter().map(|(name, value)| Ok((name.clone(), parameter(choice(name, value)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_what_triton_expects() {
        let given = serde_json::json!({
            "priority": 1, "timeout": 5, "sequence_id": "a", "sequence_start": true, "below": -1, "huge": u64::MAX, "half": 0.5,
        });
        let sent = parameters(given.as_object().unwrap()).unwrap();
        let sent: Vec<_> =
            sent.into_iter().map(|(name, sent)| (name, sent.parameter_choice.unwrap())).collect();
        let expected = [
            ("below", ParameterChoice::Int64Param(-1)),
            ("half", ParameterChoice::DoubleParam(0.5)),
            ("huge", ParameterChoice::Uint64Param(u64::MAX)),
            ("priority", ParameterChoice::Uint64Param(1)),
            ("sequence_id", ParameterChoice::StringParam("a".to_owned())),
            ("sequence_start", ParameterChoice::BoolParam(true)),
            ("timeout", ParameterChoice::Int64Param(5)),
        ];
        assert_eq!(sent, expected.map(|(name, choice)| (name.to_owned(), choice)));
    }
}
