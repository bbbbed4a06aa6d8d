//! An action's JSON Schema as text for a person.

use serde_json::{Map, Value};

/// Maximum number of choices that are shown.
const MAX_CHOICES: usize = 12;

/// Returns a line for each property; `None` if the schema does not describe an object with
/// properties.
pub fn lines(schema: &Value) -> Option<Vec<String>> {
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let required = schema.get("required").and_then(Value::as_array);
    let line = |(name, property): (&String, &Value)| {
        let needed = required.is_some_and(|names| names.iter().any(|required| required == name));
        let default = property.get("default").filter(|value| !value.is_null());
        let mut line = format!("{name} ({}", kind(property, schema));
        line.push_str(if needed { ", required" } else { "" });
        line.push_str(&default.map(|value| format!(", default {value}")).unwrap_or_default());
        line.push(')');
        if let Some(about) = property.get("description").and_then(Value::as_str) {
            line.push_str(": ");
            line.push_str(&about.replace('\n', " "));
        }
        line
    };
    Some(if properties.is_empty() {
        vec!["none".to_owned()]
    } else {
        properties.iter().map(line).collect()
    })
}

/// Returns the type of a property, as far as its schema states one.
fn kind(property: &Value, schema: &Value) -> String {
    let property = resolve(property, schema);
    if let Some(choices) = choices(property) {
        return choices;
    }
    match property.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => join(kinds.iter().filter_map(Value::as_str)),
        _ => alternatives(property, "anyOf")
            .map_or("any".to_owned(), |all| join(all.map(|one| kind_of_alternative(one, schema)))),
    }
}

/// Returns the type of an alternative. Goes no deeper than this: a schema may be recursive.
fn kind_of_alternative(alternative: &Value, schema: &Value) -> String {
    let alternative = resolve(alternative, schema);
    choices(alternative).unwrap_or_else(|| {
        alternative.get("type").and_then(Value::as_str).unwrap_or("any").to_owned()
    })
}

/// Returns the values of an `enum`, a `const`, or a `oneOf` of these.
fn choices(property: &Value) -> Option<String> {
    let choices: Vec<_> = match alternatives(property, "oneOf") {
        Some(all) => all.map(constants).collect::<Option<Vec<_>>>()?.concat(),
        None => constants(property)?,
    };
    let more = choices.len().saturating_sub(MAX_CHOICES);
    let shown = join(choices.into_iter().take(MAX_CHOICES));
    Some(if more > 0 { format!("{shown} or {more} more") } else { shown })
}

fn constants(property: &Value) -> Option<Vec<String>> {
    let one = property.get("const").map(|value| vec![value.to_string()]);
    one.or_else(|| Some(property.get("enum")?.as_array()?.iter().map(Value::to_string).collect()))
}

fn alternatives<'a>(property: &'a Value, keyword: &str) -> Option<std::slice::Iter<'a, Value>> {
    property.get(keyword).and_then(Value::as_array).map(|all| all.iter())
}

/// Returns the target of `{"$ref": "#/$defs/Name"}`, or the property itself.
fn resolve<'a>(property: &'a Value, schema: &'a Value) -> &'a Value {
    let definitions = || schema.get("$defs").and_then(Value::as_object);
    let named = |definitions: &'a Map<String, Value>| {
        definitions.get(property.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?)
    };
    definitions().and_then(named).unwrap_or(property)
}

fn join(words: impl IntoIterator<Item = impl Into<String>>) -> String {
    words.into_iter().map(Into::into).collect::<Vec<String>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_told_line_by_line() {
        let schema = json!({
            "type": "object",
            "required": ["image_url"],
            "properties": {
                "image_url": { "type": "string", "description": "Where the picture is.\nA URL." },
                "threshold": { "type": ["number", "null"], "default": 0.5 },
            },
        });
        let told = lines(&schema).unwrap();
        assert_eq!(
            told,
            [
                "image_url (string, required): Where the picture is. A URL.",
                "threshold (number or null, default 0.5)"
            ]
        );
        assert_eq!(lines(&json!({ "properties": {} })).unwrap(), ["none"]);
        assert_eq!(lines(&json!({ "type": "array" })), None);
    }

    #[test]
    fn choices_are_told() {
        let schema = json!({
            "$defs": { "Size": { "enum": ["small", "large"] }, "Self": { "anyOf": [{ "$ref": "#/$defs/Self" }] } },
            "properties": {
                "a": { "$ref": "#/$defs/Size" },
                "b": { "oneOf": [{ "enum": ["x"] }, { "const": "y", "description": "Y" }] },
                "c": { "anyOf": [{ "$ref": "#/$defs/Size" }, { "type": "null" }], "default": null },
                "d": { "$ref": "#/$defs/Self" },
                "e": true,
                "f": { "enum": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] },
            },
        });
        let told = lines(&schema).unwrap();
        assert_eq!(
            told,
            [
                r#"a ("small" or "large")"#,
                r#"b ("x" or "y")"#,
                r#"c ("small" or "large" or null)"#,
                "d (any)",
                "e (any)",
                "f (0 or 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10 or 11 or 2 more)",
            ]
        );
    }
}
