//! Parameters of the command line that the action's schema does not know.

use keynet_host::Action;
use serde_json::{Map, Value};

use crate::input::parameters::{Input, Param};
use crate::ui::console::{Console, printable};

/// Smallest similarity (Jaro-Winkler, 0 to 1) of a name that is proposed.
const SIMILAR: f64 = 0.8;

/// Keywords of JSON Schema with which an object can have more properties than `properties` lists.
const OPEN: [&str; 7] =
    ["$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "unevaluatedProperties"];

/// Returns the names that `--param` and `--input` set.
pub fn named(params: &[Param], inputs: &[Input]) -> Vec<String> {
    let params = params.iter().map(Param::key);
    params.chain(inputs.iter().map(|input| input.key.as_str())).map(str::to_owned).collect()
}

/// Reports each name that the action's schema does not know, with the known one that is closest.
pub fn tell<'a>(action: &Action, names: impl Iterator<Item = &'a str>, console: Console) {
    let Some(schema) = &action.description().input_schema else { return };
    for note in notes(schema, names) {
        console.note(printable(&note));
    }
}

fn notes<'a>(schema: &Value, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let Some(properties) = closed(schema) else { return Vec::new() };
    let is_unknown =
        |name: &&str| !properties.contains_key(*name) && !keynet_base::config::is_reserved(name);
    names.filter(is_unknown).map(|name| note(name, properties)).collect()
}

/// Returns the properties of an object that has no others; `None` if it may have others. Without
/// `additionalProperties` JSON Schema allows them, but the schema does not describe any.
fn closed(schema: &Value) -> Option<&Map<String, Value>> {
    let is_closed = matches!(schema.get("additionalProperties"), None | Some(Value::Bool(false)));
    let is_open = OPEN.iter().any(|keyword| schema.get(keyword).is_some());
    (is_closed && !is_open).then(|| schema.get("properties")?.as_object()).flatten()
}

fn note(name: &str, properties: &Map<String, Value>) -> String {
    if properties.is_empty() {
        return format!("the action's schema has no parameter {name}: it has none");
    }
    let similarity = |known: &String| strsim::jaro_winkler(name, known);
    let closest = properties.keys().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    let known = properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match closest.filter(|known| similarity(known) >= SIMILAR) {
        Some(meant) => {
            format!(
                "the action's schema has no parameter {name}; did you mean {meant}? It knows {known}"
            )
        }
        None => format!("the action's schema has no parameter {name}: it knows {known}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: &Value, names: &[&str]) -> Vec<String> {
        notes(schema, names.iter().copied())
    }

    #[test]
    fn an_unknown_name_is_noticed_with_the_closest_one() {
        let mut schema = json!({ "properties": { "name": {}, "threshold": {} } });
        assert_eq!(
            told(&schema, &["nam", "threshold", "TRITON_URL"]),
            [
                "the action's schema has no parameter nam; did you mean name? It knows name, threshold"
            ]
        );
        assert_eq!(
            told(&schema, &["zzz"]),
            ["the action's schema has no parameter zzz: it knows name, threshold"]
        );
        schema["additionalProperties"] = json!(false);
        assert_eq!(told(&schema, &["nam"]).len(), 1);
        assert_eq!(
            told(&json!({ "properties": {} }), &["x"]),
            ["the action's schema has no parameter x: it has none"]
        );
    }

    #[test]
    fn a_schema_that_allows_other_names_is_silent() {
        let open = [
            ("additionalProperties", json!(true)),
            ("additionalProperties", json!({ "type": "string" })),
            ("patternProperties", json!({ "^x-": {} })),
            ("allOf", json!([{ "$ref": "#/$defs/More" }])),
        ];
        for (keyword, value) in open {
            let mut schema = json!({ "properties": { "name": {} } });
            schema[keyword] = value;
            assert_eq!(told(&schema, &["nam"]), [""; 0], "{keyword}");
        }
        for schema in [json!({}), json!(true), json!({ "type": "object" })] {
            assert_eq!(told(&schema, &["nam"]), [""; 0], "{schema}");
        }
    }
}
