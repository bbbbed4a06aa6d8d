//! A component in a zip or a tar.gz, optionally with a `keynet.toml`.
//!
//! Nothing is unpacked to the disk: the first bytes of each file decide, and only a component and a
//! `keynet.toml` are read further. Archives are untrusted, so the size of their content, the number
//! of their entries, and their names are limited.

mod targz;
mod zipped;

use std::io::{self, Read};

pub(crate) use targz::ungzip;
pub(crate) use zipped::unzip;

use keynet_base::quote::{bounded, quoted, shown};

/// Maximum size of a component, and of the unpacked content of an archive, in bytes.
const MAX_COMPONENT: u64 = 128 << 20;
const MAX_EXPANDED: u64 = 2 * MAX_COMPONENT;

/// Maximum size of a `keynet.toml` in bytes.
const MAX_ASK: u64 = 64 << 10;

/// Maximum number of files and folders in an archive, which needs only a component and its
/// `keynet.toml`.
const MAX_ENTRIES: usize = 1000;

/// Maximum length in bytes of an entry's name.
const MAX_NAME: usize = 1 << 10;

/// Number of names that an error shows.
const SHOWN: usize = 5;

const MAGIC: &[u8] = b"\0asm";

/// Content of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) component: Vec<u8>,
    /// Text of its `keynet.toml`.
    pub(crate) request: Option<String>,
}

/// Error of an archive that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive cannot be read.
    #[error("the {0} cannot be read: {why}", why = bounded(.1, 512))]
    Damaged(&'static str, io::Error),
    /// The archive holds no component.
    #[error("the archive has no component in it, only {}: put the .wasm file that \
        `keynet-inference build` makes into it", bounded(.0, 512))]
    Nothing(String),
    /// The archive holds more than one component.
    #[error("the archive has several components in it ({}): put one action into one archive", bounded(.0, 512))]
    Several(String),
    /// A name leads out of the archive.
    #[error("the archive has a file {}: names must not begin with / or contain ..", quoted(.0))]
    Name(String),
    /// Names or other headers are too long.
    #[error(
        "the archive has a file whose name or headers are too long: a name may have {MAX_NAME} \
            bytes"
    )]
    LongName,
    /// An entry is a link or a device.
    #[error("the archive's entry {} is a link or a special file: put the file itself into it", quoted(.0))]
    Special(String),
    /// The unpacked content is too large.
    #[error("the archive's {} is larger than {} KiB unpacked", shown(.what), .limit >> 10)]
    TooLarge {
        /// Name of the file, or `content` for all files together.
        what: String,
        /// Limit in bytes.
        limit: u64,
    },
    /// The archive has too many entries.
    #[error(
        "the archive has more than {MAX_ENTRIES} files and folders: put only the component and its \
            keynet.toml into it"
    )]
    TooMany,
    /// Its `keynet.toml` is not text.
    #[error("the archive's keynet.toml is not UTF-8 text")]
    AskText,
}

/// State while the entries of an archive are read.
struct ArchivedComponent {
    kind: &'static str,
    entries: usize,
    /// First names of files, as errors show them.
    names: Vec<String>,
    components: Vec<Vec<u8>>,
    /// First names of components, as errors show them.
    component_names: Vec<String>,
    modules: Vec<Vec<u8>>,
    request: Option<String>,
}

impl ArchivedComponent {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            entries: 0,
            names: Vec::new(),
            components: Vec::new(),
            component_names: Vec::new(),
            modules: Vec::new(),
            request: None,
        }
    }

    fn count(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES { Err(ArchiveError::TooMany) } else { Ok(()) }
    }

    /// Counts an entry and checks its name.
    fn entry(&mut self, name: &str) -> Result<(), ArchiveError> {
        self.count()?;
        if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..") {
            return Err(ArchiveError::Name(name.to_owned()));
        }
        Ok(())
    }

    fn file(&mut self, name: &str, content: &mut impl Read) -> Result<(), ArchiveError> {
        self.entry(name)?;
        remember(&mut self.names, name);
        let mut start = Vec::new();
        self.read(content, &mut start, 8)?;
        if start.starts_with(MAGIC) {
            let is_component = start.get(6) == Some(&1);
            let mut bytes = start;
            if is_component {
                self.modules = Vec::new();
            }
            // A second component is an error in any case; without a component, the first core
            // module counts.
            if self.components.is_empty() && (is_component || self.modules.is_empty()) {
                self.read(content, &mut bytes, MAX_COMPONENT + 1)?;
            }
            if bytes.len() as u64 > MAX_COMPONENT {
                return Err(ArchiveError::TooLarge { what: name.to_owned(), limit: MAX_COMPONENT });
            }
            match is_component {
                true => {
                    remember(&mut self.component_names, name);
                    self.components.push(bytes);
                }
                false if self.components.is_empty() && self.modules.is_empty() => {
                    self.modules.push(bytes)
                }
                false => {}
            }
        } else if name.rsplit('/').next() == Some("keynet.toml") && self.request.is_none() {
            let mut bytes = start;
            self.read(content, &mut bytes, MAX_ASK + 1)?;
            if bytes.len() as u64 > MAX_ASK {
                return Err(ArchiveError::TooLarge { what: name.to_owned(), limit: MAX_ASK });
            }
            self.request = Some(String::from_utf8(bytes).map_err(|_| ArchiveError::AskText)?);
        }
        Ok(())
    }

    fn read(
        &self,
        content: &mut impl Read,
        into: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), ArchiveError> {
        let read = content.take(limit).read_to_end(into);
        read.map(drop).map_err(|error| ArchiveError::Damaged(self.kind, error))
    }

    fn finish(mut self) -> Result<Unpacked, ArchiveError> {
        let component = match self.components.len() {
            0 => self.modules.pop(), // the engine reports how to convert it to a component
            1 => self.components.pop(),
            _ => return Err(ArchiveError::Several(self.component_names.join(", "))),
        };
        let Some(component) = component else {
            let names = self.names.join(", ");
            return Err(ArchiveError::Nothing(if names.is_empty() {
                "nothing".to_owned()
            } else {
                names
            }));
        };
        Ok(Unpacked { component, request: self.request })
    }
}

fn remember(names: &mut Vec<String>, name: &str) {
    if names.len() < SHOWN {
        names.push(shown(name).to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0 and so on";

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn gzip_of(content: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content).unwrap();
        gzip.finish().unwrap()
    }

    /// Writes names without the builder's check, which rejects those that lead out.
    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, *content).unwrap();
        }
        gzip_of(&tar.into_inner().unwrap())
    }

    /// Unpacks both kinds of archive, which must have the same result.
    fn both(files: &[(&str, &[u8])]) -> Result<Unpacked, String> {
        let text = |error: ArchiveError| error.to_string();
        let (zip, tar) =
            (unzip(&zip_of(files)).map_err(text), ungzip(&tar_of(files)).map_err(text));
        assert_eq!(zip, tar);
        zip
    }

    #[test]
    fn a_component_is_found_wherever_it_is_and_whatever_it_is_called() {
        let request = Some("models = []".to_owned());
        let found = both(&[
            ("README", b"x"),
            ("a/b/detector.bin", COMPONENT),
            ("a/keynet.toml", b"models = []"),
        ])
        .unwrap();
        assert_eq!(found, Unpacked { component: COMPONENT.to_vec(), request });
        assert_eq!(ungzip(&gzip_of(COMPONENT)).unwrap().component, COMPONENT);
    }

    #[test]
    fn a_component_stands_above_core_modules() {
        assert_eq!(
            both(&[("core.wasm", MODULE), ("action.wasm", COMPONENT)]).unwrap().component,
            COMPONENT
        );
        assert_eq!(both(&[("core.wasm", MODULE)]).unwrap().component, MODULE);
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        assert!(both(&[("main.py", b"print()")]).unwrap_err().contains("only main.py"));
        assert!(both(&[]).unwrap_err().contains("only nothing"));
        assert!(
            both(&[("a.wasm", COMPONENT), ("b.wasm", COMPONENT)])
                .unwrap_err()
                .contains("a.wasm, b.wasm")
        );
        let many: Vec<_> = (0..=MAX_ENTRIES).map(|index| index.to_string()).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        assert!(both(&many).unwrap_err().contains("more than 1000"));
    }

    #[test]
    fn names_that_lead_out_and_links_are_refused() {
        for name in ["../action.wasm", "/action.wasm", "a/../../action.wasm", "..\\action.wasm"] {
            assert!(
                both(&[(name, COMPONENT)]).unwrap_err().contains("must not begin with /"),
                "{name}"
            );
        }
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "action.wasm", "/etc/passwd").unwrap();
        let error = ungzip(&gzip_of(&tar.into_inner().unwrap())).unwrap_err();
        assert!(matches!(error, ArchiveError::Special(_)), "{error}");
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("action.wasm", "/etc/passwd", zip::write::SimpleFileOptions::default())
            .unwrap();
        let error = unzip(&zip.finish().unwrap().into_inner()).unwrap_err();
        assert!(matches!(error, ArchiveError::Special(_)), "{error}");
    }

    #[test]
    fn a_bomb_is_refused_before_it_has_unfolded() {
        let mut bomb = COMPONENT.to_vec();
        bomb.resize(usize::try_from(MAX_COMPONENT).unwrap() + 1, 0);
        for error in [
            unzip(&zip_of(&[("action.wasm", &bomb)])),
            ungzip(&gzip_of(&bomb)),
            ungzip(&tar_of(&[("action.wasm", &bomb)])),
        ] {
            assert!(
                matches!(&error, Err(ArchiveError::TooLarge { limit: MAX_COMPONENT, .. })),
                "{error:?}"
            );
        }
        // Skipped content is decompressed too, since the files follow one another in a stream.
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        let mut header = tar::Header::new_ustar();
        header.set_path("padding").unwrap();
        header.set_size(MAX_EXPANDED + 512);
        header.set_cksum();
        packed.write_all(header.as_bytes()).unwrap();
        for _ in 0..=MAX_EXPANDED >> 20 {
            packed.write_all(&vec![1; 1 << 20]).unwrap();
        }
        let error = ungzip(&packed.finish().unwrap()).unwrap_err();
        assert!(matches!(error, ArchiveError::TooLarge { limit: MAX_EXPANDED, .. }), "{error:?}");
        let wishes = vec![b'#'; 65_537];
        assert!(
            both(&[("action.wasm", COMPONENT), ("keynet.toml", &wishes)])
                .unwrap_err()
                .contains("keynet.toml")
        );
    }

    /// Returns a tar with `headers`, each with its data, before a component.
    fn tar_with(headers: &[(tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (kind, data) in headers {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(data.len() as u64);
            header.set_path("././@LongLink").unwrap();
            header.set_cksum();
            tar.append(&header, *data).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(COMPONENT.len() as u64);
        header.set_path("action.wasm").unwrap();
        header.set_cksum();
        tar.append(&header, COMPONENT).unwrap();
        gzip_of(&tar.into_inner().unwrap())
    }

    #[test]
    fn long_names_are_refused_before_they_are_read() {
        use tar::EntryType;
        let long = vec![b'a'; 1 << 20];
        let record = [b"1048590 path=".as_slice(), &long, b"\n"].concat();
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let data = if kind == EntryType::XHeader { &record } else { &long };
            let error = ungzip(&tar_with(&[(kind, data)])).unwrap_err();
            assert!(matches!(error, ArchiveError::LongName), "{kind:?}: {error}");
        }
        let error =
            ungzip(&tar_with(&[(EntryType::GNULongName, &long[..MAX_NAME + 1])])).unwrap_err();
        assert!(matches!(error, ArchiveError::LongName), "{error}");
        for headers in [
            &[(EntryType::GNULongName, &long[..300])][..],
            &[(EntryType::XGlobalHeader, b"20 comment=whatever\n")],
        ] {
            assert_eq!(ungzip(&tar_with(headers)).unwrap().component, COMPONENT);
        }
        let name = "a".repeat(60_000);
        let error = unzip(&zip_of(&[(&name, COMPONENT)])).unwrap_err();
        assert!(
            matches!(error, ArchiveError::LongName) && error.to_string().len() < 200,
            "{error}"
        );
        let names: Vec<_> = (0..100).map(|index| format!("{index}{name}")).collect();
        let error = unzip(&zip_of(
            &names.iter().map(|name| (name.as_str(), COMPONENT)).collect::<Vec<_>>(),
        ))
        .unwrap_err();
        assert!(matches!(error, ArchiveError::LongName), "{error}");
    }

    #[test]
    fn folders_are_counted_too() {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let mut tar = tar::Builder::new(Vec::new());
        for index in 0..=MAX_ENTRIES {
            let name = format!("{index}/");
            zip.add_directory(&name, zip::write::SimpleFileOptions::default()).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            tar.append_data(&mut header, &name, io::empty()).unwrap();
        }
        let of_zip = unzip(&zip.finish().unwrap().into_inner()).unwrap_err();
        let of_tar = ungzip(&gzip_of(&tar.into_inner().unwrap())).unwrap_err();
        assert!(
            matches!((&of_zip, &of_tar), (ArchiveError::TooMany, ArchiveError::TooMany)),
            "{of_zip}, {of_tar}"
        );
        // A directory that would be held several times over is rejected before it is read.
        let header = [b"PK\x01\x02".as_slice(), &[0; 42]].concat();
        let many = header.repeat(2 * MAX_ENTRIES + 1);
        assert!(matches!(unzip(&many), Err(ArchiveError::TooMany)));
    }

    #[test]
    fn names_in_errors_are_cut_and_escaped() {
        let name = format!("../\u{1b}[31m{}", "a".repeat(90));
        let error = both(&[(&name, COMPONENT)]).unwrap_err();
        assert!(error.contains(r"\u{1b}[31m") && !error.contains('\u{1b}'), "{error}");
        let names: Vec<_> =
            (0..500).map(|index| format!("{index}{}", "n".repeat(MAX_NAME - 10))).collect();
        let error = unzip(&zip_of(
            &names.iter().map(|name| (name.as_str(), &b"text"[..])).collect::<Vec<_>>(),
        ))
        .unwrap_err();
        assert!(error.to_string().len() < 2000, "{error}");
    }

    #[test]
    fn the_holes_of_a_sparse_file_count() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_path("holes").unwrap();
        header.set_size(0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 40);
        gnu.sparse[0].set_offset(1 << 40);
        gnu.sparse[0].set_length(0);
        header.set_cksum();
        let error =
            ungzip(&gzip_of(&[header.as_bytes().as_slice(), &[0; 1024]].concat())).unwrap_err();
        assert!(matches!(error, ArchiveError::TooLarge { limit: MAX_EXPANDED, .. }), "{error}");
    }

    #[test]
    fn a_damaged_archive_is_no_panic() {
        for whole in [zip_of(&[("action.wasm", COMPONENT)]), tar_of(&[("action.wasm", COMPONENT)])]
        {
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 0xff;
                let _ = (unzip(&damaged), ungzip(&damaged));
                let _ = (unzip(&whole[..at]), ungzip(&whole[..at]));
            }
        }
    }
}
