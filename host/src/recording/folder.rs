//! Folders of recordings: written whole or not at all, and read with suspicion.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use keynet_base::digest::Digest;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use tempfile::TempDir;

use super::document::Document;
use super::error::RecordingError;
use super::payload::{Payload, PayloadFile};
use super::{DOCUMENT, VERSION};

const FILE: &str = "recording.json";
const PAYLOADS: &str = "payloads";

/// Recording that is being written, in a folder of its own beside its place.
#[derive(Debug)]
pub(super) struct Draft {
    place: PathBuf,
    folder: TempDir,
    limit: u64,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    files: HashSet<Digest>,
    bytes: u64,
}

impl Draft {
    /// Begins a recording whose place is `place`, with at most `limit` bytes of payloads.
    ///
    /// # Errors
    /// The place holds something else than a recording, or cannot be written.
    pub(super) fn create(place: &Path, limit: u64) -> Result<Self, RecordingError> {
        check_free(place)?;
        let failed = || RecordingError::io("write", place);
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(failed())?;
        let folder = tempfile::Builder::new()
            .prefix(".keynet-recording-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed())?;
        DirBuilder::new().mode(0o700).create(folder.path().join(PAYLOADS)).map_err(failed())?;
        Ok(Self { place: place.to_owned(), folder, limit, written: Mutex::default() })
    }

    /// Writes the file of `payload`, whose data is `data`. Blocks.
    ///
    /// # Errors
    /// It would be more than the limit, or cannot be written.
    pub(super) fn keep(&self, file: &PayloadFile, data: &[u8]) -> Result<(), RecordingError> {
        let digest = file.digest().map_err(|why| RecordingError::damaged(&self.place, why))?;
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if !written.files.insert(digest) {
                return Ok(());
            }
            written.bytes = written.bytes.saturating_add(data.len() as u64);
            if written.bytes > self.limit {
                return Err(RecordingError::TooLarge { limit: self.limit });
            }
        }
        let path = self.folder.path().join(PAYLOADS).join(&file.sha256);
        write_private(&path, data).map_err(RecordingError::io("write", &self.place))
    }

    /// Writes the document and puts the recording to its place. Blocks. Returns the bytes of all
    /// payloads.
    ///
    /// # Errors
    /// It cannot be written, or something else came to its place meanwhile.
    pub(super) fn publish(&self, document: &str) -> Result<u64, RecordingError> {
        let failed = || RecordingError::io("write", &self.place);
        if document.len() as u64 > DOCUMENT {
            return Err(RecordingError::TooLarge { limit: DOCUMENT });
        }
        write_private(&self.folder.path().join(FILE), document.as_bytes()).map_err(failed())?;
        check_free(&self.place)?;
        let flags = match self.place.symlink_metadata() {
            Ok(_) => RenameFlags::EXCHANGE,
            Err(_) => RenameFlags::NOREPLACE,
        };
        renameat_with(CWD, self.folder.path(), CWD, &self.place, flags)
            .map_err(|error| failed()(error.into()))?;
        // The temporary folder is now the recording that was replaced, or has its place: when it is
        // dropped, the former is removed, and the latter is not found.
        Ok(self.written.lock().unwrap_or_else(PoisonError::into_inner).bytes)
    }
}

fn write_private(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(data)
}

/// Checks that `place` is nothing, an empty folder or a recording.
fn check_free(place: &Path) -> Result<(), RecordingError> {
    let occupied =
        |why: &str| Err(RecordingError::Occupied { folder: place.to_owned(), why: why.to_owned() });
    match place.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RecordingError::io("write", place)(error)),
        Ok(found) if !found.is_dir() => return occupied("it is no folder"),
        Ok(_) => {}
    }
    let entries = fs::read_dir(place).map_err(RecordingError::io("read", place))?;
    let names: Vec<_> =
        entries.take(3).filter_map(Result::ok).map(|entry| entry.file_name()).collect();
    if names.iter().any(|name| name != FILE && name != PAYLOADS) {
        return occupied("it holds other files than a recording");
    }
    if names.is_empty() || names.iter().any(|name| name == FILE) && is_recording(place) {
        return Ok(());
    }
    occupied("it holds something that looks like a recording and is none")
}

/// Reports whether a folder's document is that of a recording, of any version.
fn is_recording(place: &Path) -> bool {
    let Ok(file) = open_regular(&place.join(FILE)) else { return false };
    let mut beginning = String::new();
    let read = file.take(64).read_to_string(&mut beginning);
    read.is_ok() && beginning.trim_start().starts_with("{\"keynet-recording\"")
}

/// Opens a regular file, and nothing that a link names or that blocks.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// Recording that is read.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Reads the recording in `folder` and checks all of it. Blocks.
    ///
    /// # Errors
    /// It is none, or was damaged or changed.
    pub(super) fn open(folder: &Path) -> Result<(Self, Document), RecordingError> {
        let damaged = |why: String| RecordingError::damaged(folder, why);
        let text = Self::read_document(folder)?;
        let document = Document::parse(&text).map_err(damaged)?;
        let opened = Self(folder.to_owned());
        let mut checked = HashSet::new();
        for payload in document
            .calls
            .iter()
            .flat_map(|call| call.call.payloads().into_iter().chain(call.answer.payloads()))
        {
            if let Some(file) = payload.file()
                && checked.insert(file.sha256.as_str())
            {
                opened.check(file).map_err(damaged)?;
            }
        }
        Ok((opened, document))
    }

    fn read_document(folder: &Path) -> Result<String, RecordingError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                RecordingError::damaged(folder, format!("it has no file {FILE}"))
            }
            _ => RecordingError::io("read", folder)(error),
        };
        let file = open_regular(&folder.join(FILE)).map_err(failed)?;
        let mut text = String::new();
        match file.take(DOCUMENT + 1).read_to_string(&mut text) {
            Ok(length) if length as u64 > DOCUMENT => {
                let why = format!("{FILE} has more than {DOCUMENT} bytes");
                Err(RecordingError::damaged(folder, why))
            }
            Ok(_) => Ok(text),
            Err(error) => Err(RecordingError::damaged(folder, format!("{FILE}: {error}"))),
        }
    }

    /// Opens a payload, and returns it with its digest as the name has it.
    fn payload(&self, file: &PayloadFile) -> Result<(File, Digest), String> {
        let digest = file.digest()?;
        // The name has only digits by now, so it leads nowhere else.
        let path = self.0.join(PAYLOADS).join(digest.hex());
        let opened =
            open_regular(&path).map_err(|error| format!("the payload {digest}: {error}"))?;
        let size =
            opened.metadata().map_err(|error| format!("the payload {digest}: {error}"))?.len();
        if size == file.bytes {
            Ok((opened, digest))
        } else {
            Err(format!("the payload {digest} has {size} bytes, not {}", file.bytes))
        }
    }

    fn check(&self, file: &PayloadFile) -> Result<(), String> {
        let (opened, digest) = self.payload(file)?;
        match Digest::of_reader(opened) {
            Ok((found, _)) if found == digest => Ok(()),
            Ok(_) => Err(format!("the payload {digest} has other content")),
            Err(error) => Err(format!("the payload {digest}: {error}")),
        }
    }

    /// Reads the data of a payload. Blocks.
    ///
    /// # Errors
    /// It was damaged or changed since the recording was opened.
    pub(super) fn read(&self, payload: &Payload) -> Result<Bytes, String> {
        if let Some(inline) = payload.inline() {
            return inline.map(Bytes::from);
        }
        let Some(file) = payload.file() else { return Ok(Bytes::new()) };
        let (opened, digest) = self.payload(file)?;
        let mut data = Vec::with_capacity(usize::try_from(file.bytes).unwrap_or(0));
        opened
            .take(file.bytes)
            .read_to_end(&mut data)
            .map_err(|error| format!("the payload {digest}: {error}"))?;
        if Digest::of(&data) == digest {
            Ok(Bytes::from(data))
        } else {
            Err(format!("the payload {digest} has other content"))
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Reports the first bytes of every document, by which a recording is known.
pub(super) fn heading() -> String {
    format!("{{\"keynet-recording\": {VERSION},\n")
}
