//! Conversion from JSON text to Rust types, with errors for callers: the parameter, the expected
//! type, and the given value.

use std::fmt::Display;

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::web;

/// Type that a `#[keynet_function]` can take: a type with `#[derive(Deserialize, JsonSchema)]`, or
/// `serde_json::Value` for any parameters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters of an inference function",
    label = "the parameters must be `Deserialize` (how to read them) and `JsonSchema` (how to \
        describe them to callers)",
    note = "put `#[derive(Deserialize, JsonSchema)]` on `{Self}`, and on the types of its fields; \
        `serde_json::Value` takes any parameters, without a description"
)]
pub trait Parameters: Sized {
    /// Parses the parameters from the text that `run` received.
    #[doc(hidden)]
    fn from_text(text: &str) -> Result<Self>;

    /// Returns the schema that callers see, `None` for any parameters.
    #[doc(hidden)]
    fn input_schema() -> Option<String>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Parameters for T {
    fn from_text(text: &str) -> Result<Self> {
        parse(text)
    }

    fn input_schema() -> Option<String> {
        published_schema::<Self>()
    }
}

/// Parses all parameters from the text that `run` received.
pub(crate) fn parse<A: DeserializeOwned + JsonSchema>(text: &str) -> Result<A> {
    // Serde reads structs also from an array, by position, which callers of an action do not
    // intend.
    if text.trim_start().starts_with('[') && schema_type(&schema_of::<A>()) == Some("object") {
        return Err(Error::invalid("the parameters: expected an object, came an array"));
    }
    let quick = serde_json::from_str(text);
    // Slow path: parse again to convert the text of a web action and to locate the error.
    quick.or_else(|error| {
        let mut value: Value = serde_json::from_str(text)
            .map_err(|unread| Error::invalid(why_unread("the parameters", &unread, &error)))?;
        web::read_texts(&mut value, &schema_of::<A>());
        serde_path_to_error::deserialize(&value).map_err(|wrong| explain::<A>(&value, wrong))
    })
}

/// Parses one parameter from its JSON text. `is_web` reports whether the caller is a web action,
/// which sends numbers as text.
pub(crate) fn parse_one<T: DeserializeOwned>(
    name: &str,
    text: &str,
    is_web: impl FnOnce() -> bool,
) -> Result<T> {
    let quick = serde_json::from_str(text);
    quick.or_else(|error| {
        let value: Value = serde_json::from_str(text).map_err(|unread| {
            Error::invalid(why_unread(&format!("the parameter `{name}`"), &unread, &error))
        })?;
        if let Some(read) = value.as_str().filter(|_| is_web()).and_then(|_| web::read_one(&value))
        {
            return Ok(read);
        }
        serde_path_to_error::deserialize(&value).map_err(|wrong| {
            let path = match inner_path(&wrong) {
                Some(path) if path.starts_with('[') => format!("{name}{path}"),
                Some(path) => format!("{name}.{path}"),
                None => name.to_owned(),
            };
            let text = wrong.inner().to_string();
            match field_of(&text, "missing field `") {
                Some(field) => missing(&join(Some(&path), field), None),
                None => mistaken(&path, &text),
            }
        })
    })
}

/// Explains why JSON that the host has accepted cannot be parsed here: it exceeds the limits of
/// Rust's types.
fn why_unread(what: &str, unread: &serde_json::Error, first: &serde_json::Error) -> String {
    let text = unread.to_string();
    if text.starts_with("recursion limit") {
        format!(
            "{what}: objects and arrays are nested more than 127 deep, which is more than this \
                action reads"
        )
    } else if text.starts_with("number out of range") {
        format!("{what}: a number is out of the range of a double, about 1.8e308")
    } else {
        format!("{what} cannot be read as JSON: {first}")
    }
}

/// Returns the error of a missing parameter.
pub(crate) fn missing(name: &str, expected: Option<String>) -> Error {
    match expected {
        Some(expected) => {
            Error::invalid(format_args!("the parameter `{name}` is missing: expected {expected}"))
        }
        None => Error::invalid(format_args!("the parameter `{name}` is missing")),
    }
}

fn mistaken(path: &str, serde: &str) -> Error {
    Error::invalid(format_args!("the parameter `{path}`: {}", in_callers_words(serde)))
}

fn explain<A: JsonSchema>(
    value: &Value,
    wrong: serde_path_to_error::Error<serde_json::Error>,
) -> Error {
    let text = wrong.inner().to_string();
    let path = inner_path(&wrong);
    if let Some(field) = field_of(&text, "missing field `") {
        // Only the outermost parameters are looked up, because nearly all mistakes are there.
        let expected = if path.is_none() { expected(&schema_of::<A>(), field) } else { None };
        return missing(&join(path.as_deref(), field), expected);
    }
    if let Some(field) = field_of(&text, "unknown field `") {
        let allowed =
            text.split_once(", ").map(|(_, allowed)| format!(": {allowed}")).unwrap_or_default();
        return Error::invalid(format_args!(
            "there is no parameter `{}`{allowed}",
            join_unknown(path.as_deref(), field)
        ));
    }
    match path {
        Some(path) => mistaken(&path, &text),
        None if value.is_object() => {
            Error::invalid(format_args!("the parameters: {}", in_callers_words(&text)))
        }
        None => Error::invalid(format_args!(
            "the parameters: expected an object, came {}",
            kind_of(value)
        )),
    }
}

/// Returns the path at which serde stopped; `None` at the outermost level.
fn inner_path(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<String> {
    let path = error.path().to_string();
    (path != "." && !path.is_empty()).then_some(path)
}

fn join(path: Option<&str>, field: &str) -> String {
    path.map_or_else(|| field.to_owned(), |path| format!("{path}.{field}"))
}

/// Joins a path and an unknown field. For an unknown field the path already ends with it.
fn join_unknown(path: Option<&str>, field: &str) -> String {
    match path {
        Some(path) if path == field || path.ends_with(&format!(".{field}")) => path.to_owned(),
        path => join(path, field),
    }
}

fn field_of<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    text.strip_prefix(start)?.split('`').next()
}

/// Rewrites serde's `invalid type: string "high", expected f64` as
/// `expected a number, came string "high"`.
fn in_callers_words(serde: &str) -> String {
    let starts = ["invalid type: ", "invalid value: ", "unknown variant "];
    let body = starts.iter().find_map(|start| serde.strip_prefix(start));
    match body.and_then(|body| body.rsplit_once(", expected ")) {
        Some((came, expected)) => format!("expected {}, came {}", name_of(expected), came_of(came)),
        None => serde.to_owned(),
    }
}

fn came_of(serde: &str) -> &str {
    match serde {
        "map" => "an object",
        "sequence" => "an array",
        other => other,
    }
}

fn name_of(rust: &str) -> String {
    match rust {
        "f32" | "f64" => "a number".to_owned(),
        "bool" => "true or false".to_owned(),
        "char" => "one character".to_owned(),
        "usize" | "u8" | "u16" | "u32" | "u64" => format!("a whole number, 0 or more ({rust})"),
        "isize" | "i8" | "i16" | "i32" | "i64" => format!("a whole number ({rust})"),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Describes one parameter by its schema: its type and its description.
fn expected(schema: &Schema, name: &str) -> Option<String> {
    let property = schema.get("properties")?.get(name)?;
    let kind = match property.get("type")?.as_str()? {
        "string" => "a string",
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "an object",
        _ => return None,
    };
    Some(match property.get("description").and_then(Value::as_str) {
        Some(description) => format!("{kind}, {}", Quoted(description)),
        None => kind.to_owned(),
    })
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.lines().next().unwrap_or_default())
    }
}

fn schema_type(schema: &Schema) -> Option<&str> {
    schema.get("type")?.as_str()
}

fn schema_of<A: JsonSchema>() -> Schema {
    schemars::schema_for!(A)
}

/// Returns the schema for `describe`; `None` if the type has no constraints (`serde_json::Value`).
fn published_schema<A: JsonSchema>() -> Option<String> {
    let mut schema = schema_of::<A>();
    // Schemars derives a title from the Rust type's name, which is of no use to a caller.
    if schema.get("title").and_then(Value::as_str) == Some(&*A::schema_name()) {
        schema.remove("title");
    }
    let says_something =
        schema.as_object().is_some_and(|object| object.keys().any(|key| key != "$schema"));
    says_something.then(|| schema.as_value().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_beyond_what_rust_reads_say_what_is_too_much() {
        let told = |text: &str| parse::<Value>(text).unwrap_err().message().to_owned();
        let deep = told(&format!("{{\"a\":{}{}}}", "[".repeat(130), "]".repeat(130)));
        assert!(deep.contains("nested more than 127 deep"), "{deep}");
        let large = told(r#"{"a": 1e400}"#);
        assert!(large.contains("out of the range of a double"), "{large}");
        assert!(told("{").contains("cannot be read as JSON"));
    }
}
