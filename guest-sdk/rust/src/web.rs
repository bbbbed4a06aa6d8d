//! Parameters of web actions: OpenWhisk sends those of a query or a form as text, `?threshold=0.3`
//! as `"0.3"`.
//!
//! If a type requires a number or a boolean and the caller is a web action, which the parameter
//! `__ow_method` indicates, the text is parsed: numbers in Rust's notation, booleans from `true`,
//! `false`, `1` and `0`. Any other text stays text, and is rejected as such. The Python SDK has the
//! same rules.

use schemars::Schema;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

/// Parameter that only web actions have.
pub(crate) const METHOD: &str = "__ow_method";

/// Type that a property requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Number,
    Integer,
    Boolean,
}

/// Parses texts in a web action's parameters as the numbers and booleans that `schema` requires.
/// Other parameters are not changed.
pub(crate) fn read_texts(parameters: &mut Value, schema: &Schema) {
    let Some(parameters) =
        parameters.as_object_mut().filter(|parameters| parameters.contains_key(METHOD))
    else {
        return;
    };
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, value) in parameters {
        let wanted = properties.get(name).and_then(wanted);
        if let Some(read) = wanted.zip(value.as_str()).and_then(|(wanted, text)| read(wanted, text))
        {
            *value = read;
        }
    }
}

/// Parses the text of one parameter as a number or a boolean, depending on `T`.
pub(crate) fn read_one<T: DeserializeOwned>(value: &Value) -> Option<T> {
    let text = value.as_str()?;
    let mut read = [Wanted::Integer, Wanted::Number, Wanted::Boolean]
        .into_iter()
        .filter_map(|wanted| read(wanted, text));
    read.find_map(|value| serde_json::from_value(value).ok())
}

/// Returns the type of a property that accepts a number or a boolean, and no text. It may accept
/// null.
fn wanted(property: &Value) -> Option<Wanted> {
    let kinds: Vec<&str> = match property.get("type")? {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
        }
        kind => kind.as_str().into_iter().collect(),
    };
    match kinds.as_slice() {
        ["number"] => Some(Wanted::Number),
        ["integer"] => Some(Wanted::Integer),
        ["boolean"] => Some(Wanted::Boolean),
        _ => None,
    }
}

fn read(wanted: Wanted, text: &str) -> Option<Value> {
    let text = text.trim();
    match wanted {
        Wanted::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(Value::Bool(true)),
            "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        Wanted::Integer => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .ok(),
        // JSON has neither infinity nor NaN.
        Wanted::Number => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};
    use serde::Deserialize;
    use serde_json::json;

    use crate::parameters::parse;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Args {
        #[serde(default)]
        threshold: f64,
        limit: Option<u32>,
        #[serde(default)]
        draw: bool,
        name: Option<String>,
    }

    fn read(parameters: &serde_json::Value) -> Result<Args, String> {
        parse::<Args>(&parameters.to_string()).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_query_of_a_web_action_has_numbers_and_booleans() {
        let args = json!({ "threshold": "0.3", "limit": " 5 ", "draw": "TRUE", "name": "7", "__ow_method": "get", "__ow_path": "" });
        let expected =
            Args { threshold: 0.3, limit: Some(5), draw: true, name: Some("7".to_owned()) };
        assert_eq!(read(&args), Ok(expected));
        let args = json!({ "threshold": 1, "limit": null, "draw": "0", "__ow_method": "post" });
        assert_eq!(read(&args), Ok(Args { threshold: 1.0, limit: None, draw: false, name: None }));
    }

    #[test]
    fn text_stays_text_where_it_is_no_number_or_the_caller_is_no_web_action() {
        for (threshold, method) in
            [("0.3", None), ("high", Some("get")), ("inf", Some("get")), ("", Some("get"))]
        {
            let mut args = json!({ "threshold": threshold });
            if let Some(method) = method {
                args["__ow_method"] = method.into();
            }
            let expected = format!(
                "the parameter `threshold`: expected a number, came string \"{threshold}\""
            );
            assert_eq!(read(&args), Err(expected));
        }
        let error = read(&json!({ "limit": "0.5", "__ow_method": "get" })).unwrap_err();
        assert!(error.contains("`limit`") && error.contains("whole number"), "{error}");
    }

    #[test]
    fn what_a_schema_asks_for_is_told_by_its_type() {
        let schema = schema_for!(Args);
        let wanted = |name: &str| super::wanted(&schema.get("properties").unwrap()[name]);
        assert_eq!(wanted("limit"), Some(super::Wanted::Integer));
        assert_eq!((wanted("draw"), wanted("name")), (Some(super::Wanted::Boolean), None));
    }
}
