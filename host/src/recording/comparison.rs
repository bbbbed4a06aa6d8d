//! Differences between a recording and a replay, in words for the author of the action.

use std::fmt::Write as _;

use bytes::Bytes;
use keynet_base::quote::shown;
use keynet_models::inference::DataType;
use serde_json::Value;

use super::calls::{ModelRequest, Question, TensorRecord};

/// Differences of two results that are reported.
const IN_A_RESULT: usize = 20;

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// Reports whether the recorded answer of `recorded` may answer `asked`, which differs from it in
/// data or conditions only.
pub(super) fn is_alike(recorded: &Question, asked: &Question) -> bool {
    if recorded.operation() != asked.operation() || recorded.subject() != asked.subject() {
        return false;
    }
    match (recorded, asked) {
        (Question::Predict(one), Question::Predict(other))
        | (Question::PredictStream(one), Question::PredictStream(other)) => {
            let signature = |input: &TensorRecord| {
                (input.name.clone(), input.r#type.clone(), input.shape.clone())
            };
            let same = one.inputs.iter().map(signature).eq(other.inputs.iter().map(signature));
            same && one.outputs == other.outputs
        }
        _ => asked.is_write(),
    }
}

/// Returns a call for a message: `triton-predict.predict of detector`.
pub(super) fn named(question: &Question) -> String {
    match (question.operation(), question.subject()) {
        (operation, "") => operation.to_owned(),
        (operation, subject) => format!("{operation} of {}", shown(subject)),
    }
}

/// Returns what `asked` differs in from `recorded`, both with their data in the order of their
/// payloads; empty data is not compared.
pub(super) fn differences(
    recorded: (&Question, &[Bytes]),
    asked: (&Question, &[Bytes]),
) -> Vec<String> {
    let (one, other) = (recorded.0, asked.0);
    if one.operation() != other.operation() || one.subject() != other.subject() {
        return vec![format!("it was {}, and is {}", named(one), named(other))];
    }
    let mut found = Vec::new();
    match (one, other) {
        (Question::Predict(before), Question::Predict(now))
        | (Question::PredictStream(before), Question::PredictStream(now)) => {
            requests((before, recorded.1), (now, asked.1), &mut found);
        }
        _ => {
            let (before, now) = (fields(one), fields(other));
            for (name, value) in &before {
                match now.get(name) {
                    Some(new) if new == value || name == "data" => {}
                    Some(new) => found.push(format!("`{name}` was {value}, and is {new}")),
                    None => found.push(format!("`{name}` was {value}, and is not given")),
                }
            }
            let added = now.iter().filter(|(name, _)| !before.contains_key(*name));
            found.extend(added.map(|(name, new)| format!("`{name}` was not given, and is {new}")));
            if let ([before], [now]) = (recorded.1, asked.1) {
                found.extend(data(before, now));
            }
        }
    }
    found
}

fn fields(question: &Question) -> serde_json::Map<String, Value> {
    match serde_json::to_value(question) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

fn requests(
    (before, data_before): (&ModelRequest, &[Bytes]),
    (now, data_now): (&ModelRequest, &[Bytes]),
    found: &mut Vec<String>,
) {
    for (at, input) in before.inputs.iter().enumerate() {
        let Some(place) = now.inputs.iter().position(|other| other.name == input.name) else {
            found.push(format!("the input {} is missing", shown(&input.name)));
            continue;
        };
        let Some(other) = now.inputs.get(place) else { continue };
        let (one, new) = (signature(input), signature(other));
        if one != new {
            found.push(format!("the input {} was {one}, and is {new}", shown(&input.name)));
        } else if let (Some(was), Some(is)) = (data_before.get(at), data_now.get(place))
            && let Some(difference) = elements(&input.r#type, was, is)
        {
            found.push(format!("the input {}: {difference}", shown(&input.name)));
        }
    }
    let known = |name: &String| before.inputs.iter().any(|input| input.name == *name);
    for input in now.inputs.iter().filter(|input| !known(&input.name)) {
        found.push(format!("the input {}, {}, is new", shown(&input.name), signature(input)));
    }
    if before.outputs != now.outputs {
        found.push(format!("the outputs were {:?}, and are {:?}", before.outputs, now.outputs));
    }
    if before.parameters != now.parameters {
        let json = |map| Value::Object(map).to_string();
        let (was, is) = (json(before.parameters.clone()), json(now.parameters.clone()));
        found.push(format!("the parameters were {}, and are {}", shown(&was), shown(&is)));
    }
}

fn signature(tensor: &TensorRecord) -> String {
    let sides: Vec<_> = tensor.shape.iter().map(ToString::to_string).collect();
    format!("{} [{}]", tensor.r#type, sides.join(","))
}

/// Returns the first element in which two tensors of one type differ.
fn elements(data_type: &str, before: &[u8], now: &[u8]) -> Option<String> {
    let Some(size) = DataType::named(data_type).and_then(DataType::size) else {
        return data(before, now);
    };
    let size = usize::try_from(size).ok()?;
    let pairs = || before.chunks(size).zip(now.chunks(size));
    let first = pairs().position(|(was, is)| was != is)?;
    let different = pairs().filter(|(was, is)| was != is).count();
    let (was, is) = pairs().nth(first)?;
    let all = before.len() / size;
    Some(format!(
        "element {first} was {}, and is {} ({different} of {all} elements differ)",
        element(data_type, was),
        element(data_type, is)
    ))
}

/// Returns the first byte in which data differs, or the lengths.
fn data(before: &[u8], now: &[u8]) -> Option<String> {
    let first = before.iter().zip(now).position(|(was, is)| was != is);
    let lengths = match before.len() == now.len() {
        true => String::new(),
        false => format!("it had {} bytes, and has {}", before.len(), now.len()),
    };
    match first {
        None if lengths.is_empty() => None,
        None => Some(format!("{lengths}; the shorter is the beginning of the longer")),
        Some(at) => {
            let byte = |data: &[u8]| data.get(at).copied().unwrap_or_default();
            let difference =
                format!("byte {at} was 0x{:02x}, and is 0x{:02x}", byte(before), byte(now));
            Some(if lengths.is_empty() { difference } else { format!("{lengths}; {difference}") })
        }
    }
}

/// Returns an element as a number, or as hexadecimal digits.
fn element(data_type: &str, bytes: &[u8]) -> String {
    macro_rules! number {
        ($type:ty) => {
            bytes.try_into().map(<$type>::from_le_bytes).map(|number| number.to_string()).ok()
        };
    }
    let number = match data_type {
        "BOOL" | "UINT8" => number!(u8),
        "UINT16" => number!(u16),
        "UINT32" => number!(u32),
        "UINT64" => number!(u64),
        "INT8" => number!(i8),
        "INT16" => number!(i16),
        "INT32" => number!(i32),
        "INT64" => number!(i64),
        "FP32" => number!(f32),
        "FP64" => number!(f64),
        _ => None,
    };
    number.unwrap_or_else(|| format!("0x{}", hex::encode(bytes)))
}

/// Returns where two results differ, each by its JSON path; the last line counts those that are left
/// out.
pub(super) fn results(before: &str, now: &str) -> Vec<String> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text);
    let (mut found, mut count) = (Vec::new(), 0);
    match (parsed(before), parsed(now)) {
        (Ok(before), Ok(now)) => {
            values(&mut "$".to_owned(), Some(&before), Some(&now), &mut found, &mut count);
        }
        _ if before == now => {}
        _ => found.push("the results differ, and are nested too deeply to say where".to_owned()),
    }
    if count > found.len() {
        found.push(format!("the result differs in {} further places", count - found.len()));
    }
    found
}

fn values(
    path: &mut String,
    before: Option<&Value>,
    now: Option<&Value>,
    found: &mut Vec<String>,
    count: &mut usize,
) {
    let length = path.len();
    match (before, now) {
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            let added = is.keys().filter(|name| !was.contains_key(*name));
            for name in was.keys().chain(added) {
                let _ = match is_plain(name) {
                    true => write!(path, ".{name}"),
                    false => write!(path, "[{}]", Value::from(name.as_str())),
                };
                values(path, was.get(name), is.get(name), found, count);
                path.truncate(length);
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) => {
            for at in 0..was.len().max(is.len()) {
                let _ = write!(path, "[{at}]");
                values(path, was.get(at), is.get(at), found, count);
                path.truncate(length);
            }
        }
        (was, is) if was == is => {}
        // JSON has one kind of numbers: `1.0` is `1`.
        (Some(Value::Number(was)), Some(Value::Number(is)))
            if (was.is_f64() || is.is_f64()) && was.as_f64() == is.as_f64() => {}
        (was, is) => {
            *count += 1;
            if found.len() < IN_A_RESULT {
                let place = shown(path);
                found.push(match (was, is) {
                    (Some(was), Some(is)) => {
                        format!("{place} was {}, and is {}", value(was), value(is))
                    }
                    (Some(was), None) => format!("{place} was {}, and is gone", value(was)),
                    (_, is) => {
                        format!("{place} is new: {}", is.map(value).unwrap_or_default())
                    }
                });
            }
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns the beginning of a value.
fn value(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => {
            format!("{}… ({} characters)", text.get(..at).unwrap_or_default(), text.chars().count())
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::Payload;
    use super::*;

    fn request(inputs: &[(&str, &[f32])]) -> (Question, Vec<Bytes>) {
        let data = |values: &[f32]| -> Bytes {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        let inputs_of = |(name, values): &(&str, &[f32])| TensorRecord {
            name: (*name).to_owned(),
            r#type: "FP32".to_owned(),
            shape: vec![values.len() as i64],
            data: Payload::of(&data(values)),
        };
        let question = Question::Predict(ModelRequest {
            model: "detector".to_owned(),
            inputs: inputs.iter().map(inputs_of).collect(),
            outputs: Vec::new(),
            parameters: serde_json::Map::new(),
        });
        (question, inputs.iter().map(|(_, values)| data(values)).collect())
    }

    fn compared(before: &[(&str, &[f32])], now: &[(&str, &[f32])]) -> (bool, Vec<String>) {
        let (before, now) = (request(before), request(now));
        let found = differences((&before.0, &before.1), (&now.0, &now.1));
        (is_alike(&before.0, &now.0), found)
    }

    #[test]
    fn a_request_that_differs_says_in_which_input_and_element() {
        let (alike, found) = compared(&[("x", &[1.0, 2.0, 3.0])], &[("x", &[1.0, 2.5, 4.0])]);
        assert!(alike);
        assert_eq!(found, ["the input x: element 1 was 2, and is 2.5 (2 of 3 elements differ)"]);
        let (alike, found) = compared(&[("x", &[1.0]), ("y", &[1.0])], &[("x", &[1.0, 2.0])]);
        assert!(!alike);
        assert_eq!(found, ["the input x was FP32 [1], and is FP32 [2]", "the input y is missing"]);
    }

    #[test]
    fn a_put_that_differs_says_in_which_byte_and_field() {
        let put = |content_type: Option<&str>, data: &[u8]| Question::Put {
            location: "a".to_owned(),
            content_type: content_type.map(str::to_owned),
            if_match: None,
            if_none_match: None,
            data: Payload::of(data),
        };
        let (before, now) = (put(Some("text/plain"), b"one"), put(None, b"once"));
        let data = [Bytes::from_static(b"one"), Bytes::from_static(b"once")];
        let found = differences((&before, &data[..1]), (&now, &data[1..]));
        assert_eq!(
            found,
            [
                "`content-type` was \"text/plain\", and is not given",
                "it had 3 bytes, and has 4; byte 2 was 0x65, and is 0x63"
            ]
        );
        assert!(is_alike(&before, &now));
        let get = Question::Get { location: "a".to_owned(), if_none_match: None };
        assert_eq!(
            differences((&before, &[]), (&get, &[])),
            ["it was storage.put of a, and is storage.get of a"]
        );
    }

    #[test]
    fn results_that_differ_are_told_by_their_path() {
        let before = r#"{"a": [1, {"b c": 2}], "gone": null, "same": "x"}"#;
        let now = r#"{"same": "x", "a": [1, {"b c": 2.5}, 3]}"#;
        assert_eq!(
            results(before, now),
            [
                "$.a[1][\"b c\"] was 2, and is 2.5",
                "$.a[2] is new: 3",
                "$.gone was null, and is gone"
            ]
        );
        assert!(results(before, before).is_empty());
        assert!(results("[358.0, 1e2]", "[358, 100]").is_empty());
        assert_eq!(results("[9007199254740993]", "[9007199254740992]").len(), 1);
        let (zeros, ones) = (format!("[{}0]", "0,".repeat(99)), format!("[{}1]", "1,".repeat(99)));
        let many = results(&zeros, &ones);
        assert_eq!(
            (many.len(), many.last().unwrap().as_str()),
            (21, "the result differs in 80 further places")
        );
    }
}
