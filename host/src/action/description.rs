//! An action's description of itself, validated.

use serde_json::Value;

const MAX_NAME: usize = 63;
const MAX_DESCRIPTION: usize = 1 << 10;
const MAX_SCHEMA: usize = 64 << 10;

/// A name, a description and an optional schema of the parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Name that callers invoke: `[a-z0-9][a-z0-9-]{0,62}`.
    pub name: String,
    /// Text for a person, at most 1 KiB.
    pub description: String,
    /// The JSON Schema of its parameters.
    pub input_schema: Option<Value>,
}

/// Error of an action's description of itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// The name is not allowed.
    #[error(
        "the action's name {0:?} is not allowed: 1 to 63 of a-z, 0-9 and `-`, not beginning with \
            `-`"
    )]
    Name(String),
    /// The description is too long.
    #[error("the action's description has {0} bytes: at most {MAX_DESCRIPTION} are allowed")]
    TooLong(usize),
    /// The schema is too large.
    #[error(
        "the schema of the action's parameters has {0} bytes: at most {MAX_SCHEMA} are allowed"
    )]
    SchemaTooLong(usize),
    /// The schema is not a JSON object.
    #[error("the schema of the action's parameters is not a JSON object: {0}")]
    Schema(String),
}

impl Description {
    /// Validates the result of `describe`.
    pub(super) fn check(
        name: String,
        description: String,
        input_schema: Option<String>,
    ) -> Result<Self, DescriptionError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty()
            || name.len() > MAX_NAME
            || name.starts_with('-')
            || !name.chars().all(allowed)
        {
            return Err(DescriptionError::Name(name.chars().take(80).collect()));
        }
        if description.len() > MAX_DESCRIPTION {
            return Err(DescriptionError::TooLong(description.len()));
        }
        let schema = |text: String| {
            if text.len() > MAX_SCHEMA {
                return Err(DescriptionError::SchemaTooLong(text.len()));
            }
            match serde_json::from_str(&text) {
                Ok(Value::Object(schema)) => Ok(Value::Object(schema)),
                Ok(_) => Err(DescriptionError::Schema("it is another kind of value".to_owned())),
                Err(error) => Err(DescriptionError::Schema(error.to_string())),
            }
        };
        Ok(Self { name, description, input_schema: input_schema.map(schema).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        name: &str,
        description: &str,
        schema: Option<&str>,
    ) -> Result<Description, DescriptionError> {
        Description::check(name.to_owned(), description.to_owned(), schema.map(str::to_owned))
    }

    #[test]
    fn names_are_those_of_the_registry() {
        for name in ["a", "0", "image-detection", &"x".repeat(63)] {
            assert!(check(name, "", None).is_ok(), "{name}");
        }
        for name in ["", "-a", "A", "a_b", "a/b", "é", &"x".repeat(64)] {
            assert!(matches!(check(name, "", None), Err(DescriptionError::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_schema_is_an_object_of_bounded_size() {
        assert!(check("a", "", Some(r#"{"type": "object"}"#)).unwrap().input_schema.is_some());
        assert!(matches!(check("a", "", Some("[]")), Err(DescriptionError::Schema(_))));
        assert!(matches!(check("a", "", Some("{")), Err(DescriptionError::Schema(_))));
        assert!(matches!(
            check("a", "", Some(&" ".repeat(65_537))),
            Err(DescriptionError::SchemaTooLong(65_537))
        ));
        assert!(matches!(
            check("a", &"x".repeat(1025), None),
            Err(DescriptionError::TooLong(1025))
        ));
    }
}
