//! What an action asks for.

use serde::Deserialize;

use super::Patterns;

/// The name of the component's custom section that holds `keynet.toml`.
const SECTION: &str = "keynet-ask";

/// A `keynet.toml`: what an action wants to use. What is left out is asked for as the policy grants it, but for `api-key`.
///
/// ```toml
/// models = ["detector"]
/// api-key = false
///
/// [storage]
/// read = ["*"]
/// write = ["*"]
///
/// [http]
/// hosts = ["images.example.com"]
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ask {
    /// Models.
    pub models: Option<Patterns>,
    /// `__OW_API_KEY`, the caller's key.
    pub api_key: bool,
    /// Objects.
    pub storage: StorageAsk,
    /// URLs.
    pub http: HttpAsk,
}

/// Objects to read and write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageAsk {
    /// Locations to read and list.
    pub read: Option<Patterns>,
    /// Locations to write and delete.
    pub write: Option<Patterns>,
}

/// Hosts to read URLs of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpAsk {
    /// Host names.
    pub hosts: Option<Patterns>,
}

/// A `keynet.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("keynet.toml: {0}")]
pub struct AskError(String);

impl Ask {
    /// Reads the text of a `keynet.toml`.
    ///
    /// # Errors
    /// It is not TOML, or names something that is not known.
    pub fn parse(text: &str) -> Result<Self, AskError> {
        toml::from_str(text).map_err(|error| AskError(error.to_string()))
    }

    /// What `component` asks for: its last section of this kind; everything, where it has none.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn of(component: &[u8]) -> Result<Self, AskError> {
        let damaged = |error: &dyn std::fmt::Display| AskError(format!("the component's section {SECTION} is damaged: {error}"));
        let mut ask = Self::default();
        let mut depth = 0_u32;
        for part in wasmparser::Parser::new(0).parse_all(component) {
            match part.map_err(|error| damaged(&error))? {
                wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => depth += 1,
                wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
                wasmparser::Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                    ask = Self::parse(std::str::from_utf8(section.data()).map_err(|error| damaged(&error))?)?;
                }
                _ => {}
            }
        }
        Ok(ask)
    }

    /// `component` with a section that asks for what `text`, a `keynet.toml`, says.
    ///
    /// # Errors
    /// As [`Ask::parse`].
    pub fn put_into(text: &str, mut component: Vec<u8>) -> Result<Vec<u8>, AskError> {
        Self::parse(text)?;
        let mut section = leb128(SECTION.len());
        section.extend_from_slice(SECTION.as_bytes());
        section.extend_from_slice(text.as_bytes());
        component.push(0); // a custom section: Core specification 5.5.3
        component.extend(leb128(section.len()));
        component.extend(section);
        Ok(component)
    }
}

/// An unsigned number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_put_into_a_component_is_read_back() {
        let text = format!("models = ['detector']\n# {}\n", "x".repeat(300));
        let component = Ask::put_into(&text, EMPTY.to_vec()).unwrap();
        let ask = Ask::of(&component).unwrap();
        assert!(ask.models.unwrap().matches("detector"));
        assert_eq!(Ask::of(EMPTY).unwrap(), Ask::default());
    }

    #[test]
    fn the_last_section_counts() {
        let once = Ask::put_into("models = ['a']", EMPTY.to_vec()).unwrap();
        let twice = Ask::put_into("models = ['b']", once).unwrap();
        assert!(!Ask::of(&twice).unwrap().models.unwrap().matches("a"));
    }

    #[test]
    fn a_misspelt_wish_is_refused_by_name() {
        let error = Ask::put_into("[storage]\nreed = ['*']", EMPTY.to_vec()).unwrap_err();
        assert!(error.to_string().contains("reed"), "{error}");
    }
}
