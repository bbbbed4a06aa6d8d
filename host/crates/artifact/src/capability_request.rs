//! Capabilities that an action requests.

use std::io::{self, Read, Seek, SeekFrom};

use serde::Deserialize;

use keynet_base::limits;
use keynet_base::patterns::Patterns;
use keynet_base::quote::bounded;

const SECTION: &str = CapabilityRequest::SECTION;

/// Length of the header of a component, and the id of a custom section (component model binary
/// format).
const HEADER: u64 = 8;
const CUSTOM: u8 = 0;

/// Most bytes of a custom section that are read: its name and a `keynet.toml`.
const MAX_SECTION: u64 = limits::CAPABILITY_REQUEST as u64 + 64;

/// Maximum length, in characters, of an error that quotes the line it is about.
pub const LONGEST_TOLD: usize = 1024;

/// Parsed `keynet.toml`: the capabilities that an action requests. A capability that is left out is
/// requested as far as the policy grants it, except `api-key`.
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
pub struct CapabilityRequest {
    /// Names of models.
    pub models: Option<Patterns>,
    /// `__OW_API_KEY`, the caller's API key.
    pub api_key: bool,
    /// Object storage.
    pub storage: StorageRequest,
    /// URLs.
    pub http: HostsRequest,
}

/// Locations of objects to read and write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageRequest {
    /// Locations to read and to list.
    pub read: Option<Patterns>,
    /// Locations to write and to delete.
    pub write: Option<Patterns>,
}

/// Hosts whose URLs the action reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostsRequest {
    /// Host names.
    pub hosts: Option<Patterns>,
}

/// Error of a `keynet.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("keynet.toml: {0}")]
pub struct CapabilityRequestError(String);

impl CapabilityRequest {
    /// Name of the component's custom section that holds `keynet.toml`.
    pub const SECTION: &str = "keynet-ask";

    /// Reads the text of a `keynet.toml`.
    ///
    /// # Errors
    /// It is longer than [`limits::CAPABILITY_REQUEST`], is not TOML, or has an unknown key.
    pub fn parse(text: &str) -> Result<Self, CapabilityRequestError> {
        if text.len() > limits::CAPABILITY_REQUEST {
            return Err(CapabilityRequestError(format!(
                "it has {} bytes, more than the {} it can have",
                text.len(),
                limits::CAPABILITY_REQUEST
            )));
        }
        // The error quotes the line that it is about.
        toml::from_str(text).map_err(|error| CapabilityRequestError(bounded(error, LONGEST_TOLD)))
    }

    /// Returns the request of `component`: its last section of this name, or the default, which
    /// requests everything except `api-key`, if it has none. Other sections are skipped by their
    /// lengths.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn of(component: &[u8]) -> Result<Self, CapabilityRequestError> {
        Self::of_file(io::Cursor::new(component))
    }

    /// Same as [`CapabilityRequest::of`], for a component that is read piece by piece and never
    /// held in memory whole. Blocks.
    ///
    /// # Errors
    /// As [`CapabilityRequest::of`].
    pub fn of_file(mut component: impl Read + Seek) -> Result<Self, CapabilityRequestError> {
        let damaged = |error: &dyn std::fmt::Display| {
            CapabilityRequestError(format!("the component's section {SECTION} is damaged: {error}"))
        };
        let mut ask = Self::default();
        component.seek(SeekFrom::Start(HEADER)).map_err(|error| damaged(&error))?;
        let mut sections = 0;
        while let Some((id, length)) = section(&mut component).map_err(|error| damaged(&error))? {
            sections += 1;
            if sections > limits::SECTIONS {
                return Err(CapabilityRequestError(format!(
                    "the component has more than {} sections",
                    limits::SECTIONS
                )));
            }
            let mut data = Vec::new();
            if id == CUSTOM {
                let read = (&mut component).take(length.min(MAX_SECTION)).read_to_end(&mut data);
                read.map_err(|error| damaged(&error))?;
            }
            let rest = i64::try_from(length - data.len() as u64).unwrap_or(i64::MAX);
            component.seek_relative(rest).map_err(|error| damaged(&error))?;
            let section =
                wasmparser::CustomSectionReader::new(wasmparser::BinaryReader::new(&data, 0));
            let Some(section) =
                section.ok().filter(|section| id == CUSTOM && section.name() == SECTION)
            else {
                continue;
            };
            if rest > 0 {
                return Err(damaged(&"it is too large"));
            }
            ask =
                Self::parse(std::str::from_utf8(section.data()).map_err(|error| damaged(&error))?)?;
        }
        Ok(ask)
    }

    /// Returns `component` with a section that holds `text`, a `keynet.toml`.
    ///
    /// # Errors
    /// As [`CapabilityRequest::parse`].
    pub fn put_into(text: &str, mut component: Vec<u8>) -> Result<Vec<u8>, CapabilityRequestError> {
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

/// Reads the id and the length of the section that begins here; `None` at the end.
fn section(component: &mut impl Read) -> io::Result<Option<(u8, u64)>> {
    let mut id = [0];
    if component.read(&mut id)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    for shift in [0, 7, 14, 21, 28] {
        let mut byte = [0];
        component.read_exact(&mut byte)?;
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(Some((id[0], length)));
        }
    }
    Err(io::Error::other("the length of a section cannot be read"))
}

/// Encodes an unsigned number as LEB128, as WebAssembly does: seven bits a byte, lowest first.
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
        let component = CapabilityRequest::put_into(&text, EMPTY.to_vec()).unwrap();
        let ask = CapabilityRequest::of(&component).unwrap();
        assert!(ask.models.unwrap().matches("detector"));
        assert_eq!(CapabilityRequest::of(EMPTY).unwrap(), CapabilityRequest::default());
    }

    #[test]
    fn the_last_section_counts() {
        let once = CapabilityRequest::put_into("models = ['a']", EMPTY.to_vec()).unwrap();
        let twice = CapabilityRequest::put_into("models = ['b']", once).unwrap();
        assert!(!CapabilityRequest::of(&twice).unwrap().models.unwrap().matches("a"));
    }

    #[test]
    fn a_file_asks_for_what_its_bytes_ask_for() {
        let padded = |mut component: Vec<u8>| {
            component.push(CUSTOM);
            component.extend(leb128(3 << 20));
            component.extend(vec![1; 3 << 20]);
            component
        };
        let component =
            CapabilityRequest::put_into("models = ['a']", padded(EMPTY.to_vec())).unwrap();
        let component = padded(CapabilityRequest::put_into("models = ['b']", component).unwrap());
        let ask = CapabilityRequest::of_file(io::Cursor::new(&component)).unwrap();
        assert!(ask.models.unwrap().matches("b"));
        assert_eq!(
            CapabilityRequest::of_file(io::Cursor::new(EMPTY)).unwrap(),
            CapabilityRequest::default()
        );
        let mut damaged = EMPTY.to_vec();
        damaged.extend([0, 12, 10]);
        damaged.extend(b"keynet-ask!");
        assert!(
            CapabilityRequest::of_file(io::Cursor::new(&damaged)).is_err()
                && CapabilityRequest::of(&damaged).is_err()
        );
    }

    #[test]
    fn a_hostile_wish_is_refused_in_a_short_sentence() {
        let long_line = format!("models = ['a'] x{}", "y".repeat(50_000));
        let nested = format!("models = {}", "[".repeat(60_000));
        let keys = format!("{} = 1", ["a"; 30_000].join("."));
        for text in
            [format!("# {}", "x".repeat(limits::CAPABILITY_REQUEST)), long_line, nested, keys]
        {
            let error = CapabilityRequest::parse(&text).unwrap_err().to_string();
            assert!(error.len() < 2 * LONGEST_TOLD, "{} bytes", error.len());
            let mut component = EMPTY.to_vec();
            component.push(CUSTOM);
            component.extend(leb128(1 + SECTION.len() + text.len()));
            component.extend(leb128(SECTION.len()));
            component.extend(SECTION.as_bytes());
            component.extend(text.as_bytes());
            assert!(CapabilityRequest::of(&component).is_err());
        }
        let mut sections = EMPTY.to_vec();
        sections.extend([CUSTOM, 1, 0].repeat(limits::SECTIONS + 1));
        assert!(CapabilityRequest::of(&sections).unwrap_err().to_string().contains("sections"));
    }

    #[test]
    fn a_misspelt_wish_is_refused_by_name() {
        let error =
            CapabilityRequest::put_into("[storage]\nreed = ['*']", EMPTY.to_vec()).unwrap_err();
        assert!(error.to_string().contains("reed"), "{error}");
    }
}
