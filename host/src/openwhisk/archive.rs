//! A component in a zip or a tar.gz, perhaps with a `keynet.toml`.
//!
//! Nothing is unpacked to the disk: of each file the first bytes are looked at, and only a component and a `keynet.toml` are read on.
//! Archives come from strangers, so what they may unfold to is bounded.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::quote::{bounded, quoted, shown};

/// The largest component that is unpacked, and the most that a tar may unfold to.
const MAX_COMPONENT: u64 = 128 << 20;
const MAX_TAR: u64 = 2 * MAX_COMPONENT;

/// The largest `keynet.toml`.
const MAX_ASK: u64 = 64 << 10;

/// More files have no business beside a component.
const MAX_FILES: usize = 1000;

const MAGIC: &[u8] = b"\0asm";

/// What an archive held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) component: Vec<u8>,
    /// The text of its `keynet.toml`.
    pub(super) ask: Option<String>,
}

/// An archive that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ArchiveError {
    /// It cannot be read.
    #[error("the {0} cannot be read: {why}", why = bounded(.1, 512))]
    Damaged(&'static str, io::Error),
    /// It has none.
    #[error("the archive has no component in it, only {}: put the .wasm file that `keynet-inference build` makes into it", bounded(.0, 512))]
    Nothing(String),
    /// It has more than one.
    #[error("the archive has several components in it ({}): put one action into one archive", bounded(.0, 512))]
    Several(String),
    /// A name that leads out of the archive.
    #[error("the archive has a file {}: names must not begin with / or contain ..", quoted(.0))]
    Name(String),
    /// A link, a device.
    #[error("the archive's entry {} is a link or a special file: put the file itself into it", quoted(.0))]
    Special(String),
    /// It unfolds to more than is allowed.
    #[error("the archive's {} is larger than {} MiB unpacked", shown(.what), .limit >> 20)]
    TooLarge {
        /// Which part.
        what: String,
        /// Bytes.
        limit: u64,
    },
    /// It has too many files.
    #[error("the archive has more than {MAX_FILES} files: put only the component and its keynet.toml into it")]
    TooMany,
    /// Its `keynet.toml` is not text.
    #[error("the archive's keynet.toml is not UTF-8 text")]
    AskText,
}

/// The component in a zip.
pub(super) fn unzip(bytes: &[u8]) -> Result<Unpacked, ArchiveError> {
    let damaged = |error: zip::result::ZipError| ArchiveError::Damaged("zip", error.into());
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut found = Found::new("zip");
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).map_err(damaged)?;
        let name = file.name().map_err(damaged)?.into_owned();
        if file.is_symlink() {
            return Err(ArchiveError::Special(name));
        }
        if file.is_dir() {
            found.check_name(&name)?;
        } else {
            found.file(&name, &mut file)?;
        }
    }
    found.finish()
}

/// The component in a tar.gz, or one that was only compressed.
pub(super) fn ungzip(bytes: &[u8]) -> Result<Unpacked, ArchiveError> {
    const KIND: &str = "tar.gz";
    let damaged = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => ArchiveError::TooLarge { what: "content".to_owned(), limit: MAX_TAR },
        _ => ArchiveError::Damaged(KIND, error),
    };
    let mut found = Found::new(KIND);
    let mut start = [0; MAGIC.len()];
    if MultiGzDecoder::new(bytes).read_exact(&mut start).is_ok() && start == *MAGIC {
        found.file("action.wasm", &mut MultiGzDecoder::new(bytes))?;
        return found.finish();
    }
    let mut tar = tar::Archive::new(Bounded { inner: MultiGzDecoder::new(bytes), left: MAX_TAR });
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            found.check_name(&name)?;
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            found.file(&name, &mut entry)?;
        } else if !kind.is_pax_global_extensions() {
            return Err(ArchiveError::Special(name));
        }
    }
    found.finish()
}

/// Reads to an error, not to an end, after so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

/// What was seen so far.
struct Found {
    kind: &'static str,
    names: Vec<String>,
    components: Vec<(String, Vec<u8>)>,
    modules: Vec<Vec<u8>>,
    ask: Option<String>,
}

impl Found {
    fn new(kind: &'static str) -> Self {
        Self { kind, names: Vec::new(), components: Vec::new(), modules: Vec::new(), ask: None }
    }

    fn check_name(&self, name: &str) -> Result<(), ArchiveError> {
        if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..") {
            return Err(ArchiveError::Name(name.chars().take(200).collect()));
        }
        if self.names.len() >= MAX_FILES { Err(ArchiveError::TooMany) } else { Ok(()) }
    }

    fn file(&mut self, name: &str, content: &mut impl Read) -> Result<(), ArchiveError> {
        self.check_name(name)?;
        self.names.push(name.to_owned());
        let mut start = Vec::new();
        self.read(name, content, &mut start, 8)?;
        if start.starts_with(MAGIC) {
            let is_component = start.get(6) == Some(&1);
            let mut bytes = start;
            // A second component is an error whatever is in it.
            if !is_component || self.components.is_empty() {
                self.read(name, content, &mut bytes, MAX_COMPONENT + 1)?;
            }
            if bytes.len() as u64 > MAX_COMPONENT {
                return Err(ArchiveError::TooLarge { what: name.to_owned(), limit: MAX_COMPONENT });
            }
            match is_component {
                true => self.components.push((name.to_owned(), bytes)),
                false if self.modules.is_empty() => self.modules.push(bytes),
                false => {}
            }
        } else if name.rsplit('/').next() == Some("keynet.toml") && self.ask.is_none() {
            let mut bytes = start;
            self.read(name, content, &mut bytes, MAX_ASK + 1)?;
            if bytes.len() as u64 > MAX_ASK {
                return Err(ArchiveError::TooLarge { what: name.to_owned(), limit: MAX_ASK });
            }
            self.ask = Some(String::from_utf8(bytes).map_err(|_| ArchiveError::AskText)?);
        }
        Ok(())
    }

    fn read(&self, name: &str, content: &mut impl Read, into: &mut Vec<u8>, limit: u64) -> Result<(), ArchiveError> {
        match content.take(limit).read_to_end(into) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(ArchiveError::TooLarge { what: name.to_owned(), limit: MAX_TAR })
            }
            Err(error) => Err(ArchiveError::Damaged(self.kind, error)),
        }
    }

    fn finish(mut self) -> Result<Unpacked, ArchiveError> {
        let component = match self.components.len() {
            0 => self.modules.pop(), // the engine says how to make a component of it
            1 => self.components.pop().map(|(_, bytes)| bytes),
            _ => {
                let names: Vec<_> = self.components.into_iter().map(|(name, _)| name).take(5).collect();
                return Err(ArchiveError::Several(names.join(", ")));
            }
        };
        let Some(component) = component else {
            let names = self.names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(ArchiveError::Nothing(if names.is_empty() { "nothing".to_owned() } else { names }));
        };
        Ok(Unpacked { component, ask: self.ask })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

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

    /// Names are written as they are: the builder refuses those that lead out.
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

    /// Both kinds of archive answer alike.
    fn both(files: &[(&str, &[u8])]) -> Result<Unpacked, String> {
        let text = |error: ArchiveError| error.to_string();
        let (zip, tar) = (unzip(&zip_of(files)).map_err(text), ungzip(&tar_of(files)).map_err(text));
        assert_eq!(zip, tar);
        zip
    }

    #[test]
    fn a_component_is_found_wherever_it_is_and_whatever_it_is_called() {
        let ask = Some("models = []".to_owned());
        let found = both(&[("README", b"x"), ("a/b/detector.bin", COMPONENT), ("a/keynet.toml", b"models = []")]).unwrap();
        assert_eq!(found, Unpacked { component: COMPONENT.to_vec(), ask });
        assert_eq!(ungzip(&gzip_of(COMPONENT)).unwrap().component, COMPONENT);
    }

    #[test]
    fn a_component_stands_above_core_modules() {
        assert_eq!(both(&[("core.wasm", MODULE), ("action.wasm", COMPONENT)]).unwrap().component, COMPONENT);
        assert_eq!(both(&[("core.wasm", MODULE)]).unwrap().component, MODULE);
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        assert!(both(&[("main.py", b"print()")]).unwrap_err().contains("only main.py"));
        assert!(both(&[]).unwrap_err().contains("only nothing"));
        assert!(both(&[("a.wasm", COMPONENT), ("b.wasm", COMPONENT)]).unwrap_err().contains("a.wasm, b.wasm"));
        let many: Vec<_> = (0..=MAX_FILES).map(|index| index.to_string()).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        assert!(both(&many).unwrap_err().contains("more than 1000"));
    }

    #[test]
    fn names_that_lead_out_and_links_are_refused() {
        for name in ["../action.wasm", "/action.wasm", "a/../../action.wasm", "..\\action.wasm"] {
            assert!(both(&[(name, COMPONENT)]).unwrap_err().contains("must not begin with /"), "{name}");
        }
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "action.wasm", "/etc/passwd").unwrap();
        let error = ungzip(&gzip_of(&tar.into_inner().unwrap())).unwrap_err();
        assert!(matches!(error, ArchiveError::Special(_)), "{error}");
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("action.wasm", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
        let error = unzip(&zip.finish().unwrap().into_inner()).unwrap_err();
        assert!(matches!(error, ArchiveError::Special(_)), "{error}");
    }

    #[test]
    fn a_bomb_is_refused_before_it_has_unfolded() {
        let mut bomb = COMPONENT.to_vec();
        bomb.resize(usize::try_from(MAX_COMPONENT).unwrap() + 1, 0);
        for error in [unzip(&zip_of(&[("action.wasm", &bomb)])), ungzip(&gzip_of(&bomb)), ungzip(&tar_of(&[("action.wasm", &bomb)]))] {
            assert!(matches!(&error, Err(ArchiveError::TooLarge { limit: MAX_COMPONENT, .. })), "{error:?}");
        }
        // Content that nobody reads unfolds too where files follow one another in a stream.
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        let mut header = tar::Header::new_ustar();
        header.set_path("padding").unwrap();
        header.set_size(MAX_TAR + 512);
        header.set_cksum();
        packed.write_all(header.as_bytes()).unwrap();
        for _ in 0..=MAX_TAR >> 20 {
            packed.write_all(&vec![1; 1 << 20]).unwrap();
        }
        let error = ungzip(&packed.finish().unwrap()).unwrap_err();
        assert!(matches!(error, ArchiveError::TooLarge { limit: MAX_TAR, .. }), "{error:?}");
        let wishes = vec![b'#'; 65_537];
        assert!(both(&[("action.wasm", COMPONENT), ("keynet.toml", &wishes)]).unwrap_err().contains("keynet.toml"));
    }

    #[test]
    fn a_damaged_archive_is_no_panic() {
        for whole in [zip_of(&[("action.wasm", COMPONENT)]), tar_of(&[("action.wasm", COMPONENT)])] {
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 0xff;
                let _ = (unzip(&damaged), ungzip(&damaged));
                let _ = (unzip(&whole[..at]), ungzip(&whole[..at]));
            }
        }
    }
}
