//! JSON of requests: names and values that are counted as they are read.
//!
//! A value stays text until it is known to be needed, so that a body costs no more memory than its
//! length. Errors quote nothing of a body: a message with a value of many megabytes would be held
//! again.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde_json::value::RawValue;

/// A name in an object, not copied if it has no escapes.
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Limits of the variables of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Name of the variables in errors.
    pub(super) what: &'static str,
    /// Maximum number of variables.
    pub(super) count: usize,
    /// Maximum size in bytes of all names and values together.
    pub(super) text: usize,
}

/// Maximum size in bytes of a variable's name.
const MAX_NAME: usize = 1 << 10;

impl Limits {
    /// Counts one more variable; `count` and `text` are the totals so far.
    ///
    /// # Errors
    /// The variable exceeds a limit, which the error names.
    pub(super) fn admit<E: serde::de::Error>(
        &self,
        count: usize,
        text: &mut usize,
        name: &str,
        value: &str,
    ) -> Result<(), E> {
        let Self { what, count: most, text: longest } = self;
        if count >= *most {
            return Err(E::custom(format_args!("it has more than {most} {what}")));
        }
        if name.len() > MAX_NAME {
            return Err(E::custom(format_args!(
                "one of the {what} has a name of {} bytes: {MAX_NAME} are allowed",
                name.len()
            )));
        }
        *text = text.saturating_add(name.len() + value.len());
        if *text > *longest {
            return Err(E::custom(format_args!("the {what} have more than {longest} bytes")));
        }
        Ok(())
    }
}

/// Returns the text of an object; `None` for null.
///
/// # Errors
/// The value is of another type.
pub(super) fn object<'a>(
    value: &'a RawValue,
    what: &str,
) -> Result<Option<&'a str>, serde_json::Error> {
    match value.get().as_bytes().first() {
        Some(b'{') => Ok(Some(value.get())),
        Some(b'n') => Ok(None),
        _ => Err(serde_json::Error::custom(format_args!("{what} is not an object"))),
    }
}

/// Returns the value of a JSON string, not copied if it has no escapes; `None` for null.
///
/// # Errors
/// The value is of another type.
pub(super) fn string<'a>(
    value: &'a RawValue,
    what: &str,
) -> Result<Option<Cow<'a, str>>, serde_json::Error> {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => Ok(Some(serde_json::from_str::<Name<'a>>(json)?.0)),
        _ => Err(serde_json::Error::custom(format_args!("{what} is not a string"))),
    }
}
