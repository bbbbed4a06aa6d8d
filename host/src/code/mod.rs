//! The code of an action as OpenWhisk sends it, classified by its first bytes: the flags beside it
//! are guesses of OpenWhisk.

pub(crate) mod archive;
pub mod pulling;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::StatusCode;

use archive::{ArchiveError, Unpacked};
use keynet_artifact::{CapabilityRequest, CapabilityRequestError};
use keynet_base::quote::{quoted, shown};

/// Prefix of a reference to a registry.
const REFERENCE: &str = "oci://";

/// Number of base64 digits that are decoded at a time if there is white space among them.
const PART: usize = 4 << 10;

/// The code, in the form in which it came with the request.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived {
    /// No code: the component in the image is used.
    Nothing,
    /// A component, or bytes that claim to be one, and the capability request beside it.
    Component {
        /// The component.
        bytes: Vec<u8>,
        /// The `keynet.toml` of the archive it came in; `None` if there was none.
        request: Option<CapabilityRequest>,
    },
    /// Reference of the component: `oci://registry/namespace/name@sha256:…`.
    Reference(String),
}

/// Error of code that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// A binary file was sent as if it were text.
    #[error(
        "the code is a binary file that was sent as text, which destroys it: `wsk` does so with \
            every file but .zip, .jar and .balx. Put the component into a zip (`zip action.zip \
            action.wasm`) or encode it (`base64 -w0 action.wasm > action.b64`) and create the \
            action with that file"
    )]
    Mangled,
    /// The text is not base64.
    #[error(
        "the code is neither base64 of a component, a zip or a tar.gz nor a reference \
            `oci://registry/namespace/name@sha256:…`; it begins with {}",
        quoted(.0)
    )]
    NotBase64(String),
    /// The text is base64 of something else.
    #[error(
        "the code is neither a component nor a zip nor a tar.gz with one; it begins with the bytes \
            {0}"
    )]
    Unknown(String),
    /// The archive cannot be read, or does not hold exactly one component.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Its `keynet.toml` cannot be used.
    #[error(transparent)]
    CapabilityRequest(#[from] CapabilityRequestError),
}

impl CodeError {
    /// Returns the status of OpenWhisk's own runtimes: 400 for code that cannot be decoded and 502
    /// for code that cannot be started.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Mangled
            | Self::NotBase64(_)
            | Self::Unknown(_)
            | Self::Archive(ArchiveError::Damaged(..)) => StatusCode::BAD_REQUEST,
            Self::Archive(_) | Self::CapabilityRequest(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Error of a request that names another function than the component has.
#[derive(Debug, thiserror::Error)]
#[error("the action's function is `{is}`, and `{}` was asked for: leave `main` out, or say `{is}`",
    shown(.asked))]
pub struct WrongMain {
    asked: String,
    is: String,
}

/// Checks the field `main`; OpenWhisk's clients send `main` if the user named no function.
///
/// # Errors
/// It is neither empty, nor `main`, nor `is`, the name of the component's function.
pub fn check_main(asked: Option<&str>, is: &str) -> Result<(), WrongMain> {
    match asked {
        Some(asked) if !asked.is_empty() && asked != "main" && asked != is => {
            Err(WrongMain { asked: asked.chars().take(200).collect(), is: is.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Reads the field `code`.
///
/// # Errors
/// The text cannot hold a component.
pub fn read(code: &str) -> Result<Arrived, CodeError> {
    let code = code.trim();
    if code.is_empty() {
        return Ok(Arrived::Nothing);
    }
    if code.starts_with(REFERENCE) {
        return Ok(Arrived::Reference(code.to_owned()));
    }
    if ["\0asm", "PK\u{3}\u{4}", "\u{1f}"].iter().any(|magic| code.starts_with(magic)) {
        return Err(CodeError::Mangled);
    }
    open(decode(code)?)
}

fn decode(text: &str) -> Result<Vec<u8>, CodeError> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoder = GeneralPurpose::new(&STANDARD, config);
    let wrong = |_| CodeError::NotBase64(text.chars().take(40).collect());
    // A file that `base64` wrapped; because of its newlines OpenWhisk does not consider it binary.
    if !text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return decoder.decode(text).map_err(wrong);
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    loop {
        // Whole groups of four; only the last may be padded.
        let part: Vec<u8> = digits.by_ref().take(PART).collect();
        decoder.decode_vec(&part, &mut bytes).map_err(wrong)?;
        if part.len() < PART {
            return Ok(bytes);
        }
        if part.ends_with(b"=") && digits.next().is_some() {
            return Err(CodeError::NotBase64(text.chars().take(40).collect()));
        }
    }
}

fn open(bytes: Vec<u8>) -> Result<Arrived, CodeError> {
    let unpacked = match bytes.as_slice() {
        [0, b'a', b's', b'm', ..] => return Ok(Arrived::Component { bytes, request: None }),
        [b'P', b'K', 3, 4, ..] => archive::unzip(&bytes)?,
        [0x1f, 0x8b, ..] => archive::ungzip(&bytes)?,
        text if text.starts_with(REFERENCE.as_bytes()) => {
            return Ok(Arrived::Reference(String::from_utf8_lossy(text).trim().to_owned()));
        }
        other => return Err(CodeError::Unknown(hex::encode(other.get(..8).unwrap_or(other)))),
    };
    let Unpacked { component, request } = unpacked;
    Ok(Arrived::Component {
        bytes: component,
        request: request.map(|text| CapabilityRequest::parse(&text)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn main_is_the_function_or_the_platforms_word_for_it() {
        for asked in [None, Some(""), Some("main"), Some("detector")] {
            assert!(check_main(asked, "detector").is_ok(), "{asked:?}");
        }
        assert_eq!(
            check_main(Some("niam"), "detector").unwrap_err().to_string(),
            "the action's function is `detector`, and `niam` was asked for: leave `main` out, or \
                say `detector`"
        );
    }

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on, for more than one line of seventy-six \
        characters of base64";

    fn component(code: &str) -> Vec<u8> {
        match read(code) {
            Ok(Arrived::Component { bytes, request: None }) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn base64_comes_in_any_layout() {
        let text = BASE64_STANDARD.encode(COMPONENT);
        let wrapped: String = text
            .as_bytes()
            .chunks(76)
            .map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap()))
            .collect();
        for code in [
            text.clone(),
            format!("{text}\n"),
            wrapped,
            format!(" {text} "),
            text.trim_end_matches('=').to_owned(),
        ] {
            assert_eq!(component(&code), COMPONENT, "{code}");
        }
    }

    #[test]
    fn a_long_file_that_was_wrapped_is_decoded_in_parts() {
        for length in [3 * PART / 4 - 1, 3 * PART / 4, 3 * PART / 4 + 1, 3 * PART] {
            let long: Vec<u8> = COMPONENT.iter().copied().cycle().take(length).collect();
            let text = BASE64_STANDARD.encode(&long);
            let (first, last) = text.split_at(77);
            assert_eq!(component(&format!("{first}\n{last}\n")), long, "{length}");
            assert!(read(&format!("{first}\n{last}=\n{text}")).is_err(), "{length}");
        }
    }

    #[test]
    fn a_reference_is_text_or_base64_of_it() {
        let reference = "oci://registry.example.com/team/detector@sha256:00";
        for code in [
            reference.to_owned(),
            format!("{reference}\n"),
            BASE64_STANDARD.encode(format!("{reference}\n")),
        ] {
            assert_eq!(read(&code).unwrap(), Arrived::Reference(reference.to_owned()));
        }
    }

    #[test]
    fn wishes_come_beside_the_component_in_an_archive() {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("action.wasm", options).unwrap();
        zip.write_all(COMPONENT).unwrap();
        zip.start_file("keynet.toml", options).unwrap();
        zip.write_all(b"models = ['detector']").unwrap();
        let code = BASE64_STANDARD.encode(zip.finish().unwrap().into_inner());
        let Arrived::Component { bytes, request: Some(request) } = read(&code).unwrap() else {
            panic!("no wishes")
        };
        assert_eq!(bytes, COMPONENT);
        assert!(request.models.unwrap().matches("detector"));
    }

    #[test]
    fn no_code_is_told_from_wrong_code() {
        assert_eq!(read("").unwrap(), Arrived::Nothing);
        assert_eq!(read(" \n").unwrap(), Arrived::Nothing);
        let status = |code: &str| read(code).unwrap_err().status().as_u16();
        assert_eq!(status("function main() { return {}; }"), 400);
        assert_eq!(status(&BASE64_STANDARD.encode("plain text")), 400);
        assert_eq!(status(&BASE64_STANDARD.encode(b"PK\x03\x04 but no zip")), 400);
    }

    #[test]
    fn a_file_that_was_sent_as_text_is_recognised() {
        let mangled = String::from_utf8_lossy(b"\0asm\x0d\0\x01\0\xff\xfe").into_owned();
        for code in [&mangled, "PK\u{3}\u{4}\u{fffd}", "\u{1f}\u{fffd}\u{8}"] {
            let error = read(code).unwrap_err();
            assert!(matches!(error, CodeError::Mangled), "{error}");
            assert!(error.to_string().contains("base64 -w0"), "{error}");
        }
    }
}
