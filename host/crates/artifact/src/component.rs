//! Facts that are read from a component's file without compiling it or holding it in memory: only
//! the relevant sections are read.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};

use wasmparser::{BinaryReader, ComponentExportSectionReader, ComponentImportSectionReader};

use super::error::{ArtifactError, Result};
use super::format::Interfaces;
use super::store::Content;
use crate::CapabilityRequest;

/// `\0asm`, the version and the layer of the component model's binary format.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
/// Size limit of the sections that are read: none of these is large.
const SECTION_LIMIT: u64 = 1 << 20;

const CUSTOM: u8 = 0;
const IMPORT: u8 = 10;
const EXPORT: u8 = 11;

/// Custom sections about the origin of a component (tool conventions: `wasm-metadata`).
const METADATA: &[&str] = &[
    "authors",
    "description",
    "homepage",
    "licenses",
    "registry-metadata",
    "revision",
    "source",
    "version",
];

/// Facts about a component, read from its file.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) interfaces: Interfaces,
    /// The custom sections of [`METADATA`].
    pub(super) metadata: BTreeMap<String, String>,
    /// Capabilities that it requests; `None` if it requests nothing in particular.
    pub(super) request: Option<CapabilityRequest>,
}

impl Facts {
    /// Reads the facts from `content`. Blocks.
    ///
    /// # Errors
    /// `NotAComponent`, with what the content is instead.
    pub(super) fn of(content: &Content) -> Result<Self> {
        let wrong = |why: String| ArtifactError::NotAComponent { path: content.name(), why };
        match content {
            Content::Bytes(bytes) => read(Cursor::new(bytes), bytes.len() as u64).map_err(wrong),
            Content::File(file) => {
                let size = file.size().map_err(ArtifactError::io("read", file.path()))?;
                read(BufReader::new(file.reader()), size).map_err(wrong)
            }
        }
    }
}

/// Checks that the bytes begin as a component does.
///
/// # Errors
/// A description of what the bytes are instead.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), String> {
    let header: Option<&[u8; 8]> = bytes.first_chunk();
    match header {
        Some(&COMPONENT) => Ok(()),
        Some(&CORE_MODULE) => {
            Err("is a core module, not a component: build it for wasm32-wasip2, or with `cargo \
                component build`"
                .to_owned())
        }
        Some([0, b'a', b's', b'm', version, ..]) => Err(format!(
            "has version {version} of WebAssembly's binary format, which is not known here"
        )),
        _ => Err("is not WebAssembly".to_owned()),
    }
}

fn read(mut input: impl Read + Seek, size: u64) -> Result<Facts, String> {
    let mut header = Vec::new();
    (&mut input).take(8).read_to_end(&mut header).map_err(|error| error.to_string())?;
    check_header(&header).map_err(|why| format!("it {why}"))?;
    let mut facts = Facts::default();
    let mut at = 8;
    while at < size {
        let (id, length, head) = section(&mut input)?;
        let end = at + head + length;
        if end > size {
            return Err("it is cut off".to_owned());
        }
        if matches!(id, CUSTOM | IMPORT | EXPORT) && length <= SECTION_LIMIT {
            let mut data = Vec::new();
            (&mut input).take(length).read_to_end(&mut data).map_err(|error| error.to_string())?;
            facts
                .take(id, &data)
                .map_err(|why| format!("its section {id} at {at} cannot be read: {why}"))?;
        }
        at = end;
        input.seek(SeekFrom::Start(at)).map_err(|error| error.to_string())?;
    }
    facts.finish();
    Ok(facts)
}

/// Reads the head of a section: returns the section's id, the length of its content, and the length
/// of its head.
fn section(input: &mut impl Read) -> Result<(u8, u64, u64), String> {
    let mut byte = || {
        let mut byte = [0];
        input.read_exact(&mut byte).map(|()| byte[0]).map_err(|_| "it is cut off".to_owned())
    };
    let id = byte()?;
    let mut length = 0;
    for index in 0..5 {
        let next = byte()?;
        length |= u64::from(next & 0x7f) << (7 * index);
        if next & 0x80 == 0 {
            return Ok((id, length, index + 2));
        }
    }
    Err("the length of a section cannot be read".to_owned())
}

impl Facts {
    fn take(&mut self, id: u8, data: &[u8]) -> Result<(), String> {
        let reader = BinaryReader::new(data, 0);
        let text = |error: wasmparser::BinaryReaderError| error.message().to_owned();
        match id {
            IMPORT => {
                for import in ComponentImportSectionReader::new(reader).map_err(text)? {
                    self.interfaces.imports.push(import.map_err(text)?.name.name.to_owned());
                }
            }
            EXPORT => {
                for export in ComponentExportSectionReader::new(reader).map_err(text)? {
                    self.interfaces.exports.push(export.map_err(text)?.name.name.to_owned());
                }
            }
            _ => {
                let mut reader = reader;
                let name = reader.read_string().map_err(text)?;
                let content = data.get(reader.current_position()..).unwrap_or_default();
                if name == CapabilityRequest::SECTION {
                    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
                    self.request =
                        Some(CapabilityRequest::parse(text).map_err(|error| error.to_string())?);
                } else if METADATA.contains(&name) {
                    let content = String::from_utf8_lossy(content).into_owned();
                    self.metadata.insert(name.to_owned(), content);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        let Interfaces { imports, exports, target } = &mut self.interfaces;
        for names in [&mut *imports, &mut *exports] {
            names.sort();
            names.dedup();
        }
        let function =
            exports.iter().find_map(|export| export.strip_prefix("keynet:inference/function@"));
        *target = function.map(|version| format!("keynet:inference/action@{version}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(bytes: Vec<u8>) -> Result<Facts> {
        Facts::of(&Content::Bytes(bytes.into()))
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let mut data = vec![u8::try_from(name.len()).unwrap()];
        data.extend(name.as_bytes());
        data.extend(content);
        [&[CUSTOM, u8::try_from(data.len()).unwrap()][..], &data].concat()
    }

    #[test]
    fn what_is_no_component_says_what_it_is() {
        for (bytes, says) in [
            (CORE_MODULE.to_vec(), "core module"),
            (b"\0asm\x0e\0\x01\0".to_vec(), "version 14"),
            (b"#!/bin/sh".to_vec(), "not WebAssembly"),
            (b"\0as".to_vec(), "not WebAssembly"),
            ([&COMPONENT[..], &[1, 200]].concat(), "cut off"),
            ([&COMPONENT[..], &[1, 5, 0]].concat(), "cut off"),
            ([&COMPONENT[..], &[0, 0xff, 0xff, 0xff, 0xff, 0xff]].concat(), "length"),
            ([&COMPONENT[..], &[IMPORT, 1, 9]].concat(), "section 10"),
        ] {
            let error = facts(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn metadata_and_wishes_are_read_from_a_file_as_from_memory() {
        let mut bytes = COMPONENT.to_vec();
        bytes.extend([1, 200, 1]); // a core module of 200 bytes, which is skipped
        bytes.extend([0; 200]);
        bytes.extend(custom("version", b"1.2.3"));
        bytes.extend(custom("other", b"x"));
        let bytes = CapabilityRequest::put_into("models = ['detector']", bytes).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        for facts in
            [facts(bytes).unwrap(), Facts::of(&Content::open(file.path()).unwrap()).unwrap()]
        {
            assert_eq!(
                facts.metadata,
                BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())])
            );
            assert!(facts.request.unwrap().models.unwrap().matches("detector"));
        }
    }

    #[test]
    fn imports_and_exports_are_read_with_their_names() {
        let mut bytes = COMPONENT.to_vec();
        let name =
            |name: &str| [&[0, u8::try_from(name.len()).unwrap()][..], name.as_bytes()].concat();
        let item = |text: &str| [&name(text)[..], &[5, 0]].concat(); // an instance, of type 0
        let imports =
            [&[2][..], &item("wasi:cli/stdout@0.2.6"), &item("keynet:inference/storage@0.1.0")]
                .concat();
        let exports = [&[1][..], &name("keynet:inference/function@0.1.0"), &[5, 0, 0]].concat();
        for (id, section) in [(IMPORT, imports), (EXPORT, exports)] {
            bytes.extend([id, u8::try_from(section.len()).unwrap()]);
            bytes.extend(section);
        }
        let Interfaces { imports, exports, target } = facts(bytes).unwrap().interfaces;
        assert_eq!(imports, ["keynet:inference/storage@0.1.0", "wasi:cli/stdout@0.2.6"]);
        assert_eq!(exports, ["keynet:inference/function@0.1.0"]);
        assert_eq!(target.as_deref(), Some("keynet:inference/action@0.1.0"));
    }
}
