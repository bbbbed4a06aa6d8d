//! Numbers and booleans that a web action gets as text: OpenWhisk hands over the query `?threshold=0.3` as `{"threshold": "0.3"}`.

use schemars::Schema;
use serde_json::Value;

/// Returns `parameters` with the numbers and booleans that `schema` declares read from text; text that is none stays as it came.
pub(crate) fn read(mut parameters: Value, schema: &Schema) -> Value {
    let Some(sent) = parameters.as_object_mut() else { return parameters };
    for (name, value) in sent {
        let declared = schema.get("properties").and_then(|properties| properties.get(name)?.get("type"));
        let Some(declared) = declared else { continue };
        if let Some(reading) = readings(value).into_iter().find(|reading| suits(reading, declared)) {
            *value = reading;
        }
    }
    parameters
}

/// Returns what `value` may mean if it is text: a number, a boolean.
pub(crate) fn readings(value: &Value) -> Vec<Value> {
    let Some(text) = value.as_str().map(str::trim) else { return Vec::new() };
    let boolean = match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(Value::Bool(true)),
        "false" | "0" => Some(Value::Bool(false)),
        _ => None,
    };
    let number = serde_json::from_str(text).ok().filter(Value::is_number);
    number.into_iter().chain(boolean).collect()
}

/// Whether the `type` of a JSON Schema, one name or several, allows `reading`.
fn suits(reading: &Value, declared: &Value) -> bool {
    let allows = |name: &Value| match name.as_str() {
        Some("integer") => reading.is_i64() || reading.is_u64(),
        Some("number") => reading.is_number(),
        Some("boolean") => reading.is_boolean(),
        _ => false,
    };
    let is_text = |name: &Value| name.as_str() == Some("string");
    match declared {
        Value::Array(names) => !names.iter().any(is_text) && names.iter().any(allows),
        name => allows(name),
    }
}
