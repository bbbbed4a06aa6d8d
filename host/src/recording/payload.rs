//! Data of a call: within the document if it is short, else in a file of its own.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keynet_base::digest::Digest;
use keynet_base::quote::quoted;
use serde::{Deserialize, Serialize};

/// Longest text within the document, in bytes.
const TEXT: usize = 1024;

/// Longest other data within the document, in bytes.
const BYTES: usize = 192;

/// Data of a call. The form depends on the data alone, so that equal data is an equal payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Payload {
    /// Printable text.
    Text(String),
    /// Short data.
    Base64(String),
    /// File in `payloads/`.
    File(PayloadFile),
}

/// Name and size of a file in `payloads/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayloadFile {
    /// Digest of the data, 64 hexadecimal digits: the name of the file.
    pub(super) sha256: String,
    /// Size of the data in bytes.
    pub(super) bytes: u64,
}

impl Payload {
    /// Returns the payload of `data`; its file, if it has one, is written by the caller.
    pub(super) fn of(data: &[u8]) -> Self {
        let printable = |text: &&str| {
            text.len() <= TEXT && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
        };
        match std::str::from_utf8(data).ok().filter(printable) {
            Some(text) => Self::Text(text.to_owned()),
            None if data.len() <= BYTES => Self::Base64(BASE64_STANDARD.encode(data)),
            None => {
                Self::File(PayloadFile { sha256: Digest::of(data).hex(), bytes: data.len() as u64 })
            }
        }
    }

    /// Returns the empty payload.
    pub(super) fn empty() -> Self {
        Self::Text(String::new())
    }

    /// Returns the data, if it is within the document: `Some(Err(why))` if it cannot be read.
    pub(super) fn inline(&self) -> Option<Result<Vec<u8>, String>> {
        match self {
            Self::Text(text) => Some(Ok(text.clone().into_bytes())),
            Self::Base64(text) => Some(
                BASE64_STANDARD.decode(text).map_err(|error| format!("base64 of a call: {error}")),
            ),
            Self::File(_) => None,
        }
    }

    /// Returns the size of the data in bytes; that of base64 is exact up to its padding.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Base64(text) => {
                let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
                (text.len() / 4 * 3).saturating_sub(padding) as u64
            }
            Self::File(file) => file.bytes,
        }
    }

    pub(super) fn file(&self) -> Option<&PayloadFile> {
        match self {
            Self::File(file) => Some(file),
            _ => None,
        }
    }
}

impl PayloadFile {
    /// Returns the digest.
    ///
    /// # Errors
    /// The name is not 64 hexadecimal digits in lower case.
    pub(super) fn digest(&self) -> Result<Digest, String> {
        format!("sha256:{}", self.sha256)
            .parse()
            .map_err(|_| format!("a payload is named {}, which is no digest", quoted(&self.sha256)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_data_can_be_read_in_the_document() {
        assert_eq!(Payload::of(b"two\nlines"), Payload::Text("two\nlines".to_owned()));
        assert_eq!(Payload::of(&[0, 1, 255]), Payload::Base64("AAH/".to_owned()));
        for data in [vec![], b"text".to_vec(), vec![0; 3], vec![7; 192], vec![0; 191]] {
            let payload = Payload::of(&data);
            assert_eq!(payload.size(), data.len() as u64);
            assert_eq!(payload.inline().unwrap().unwrap(), data);
        }
        let large = Payload::of(&[0; 193]);
        assert_eq!(large.size(), 193);
        assert_eq!(large.file().unwrap().digest(), Ok(Digest::of(&[0; 193])));
    }
}
