//! A component to compile: bytes in memory, or a file that is not read into memory as a whole.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _, Write as _};

use keynet_base::OpenFile;
use keynet_base::digest::{Digest, Hasher};

/// Location of the component.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input<'a> {
    /// In memory.
    Bytes(&'a [u8]),
    /// A file; its content must have this digest.
    File(&'a OpenFile, &'a Digest),
}

impl<'a> Input<'a> {
    /// Returns its first bytes.
    pub(super) fn head(&self) -> io::Result<Cow<'a, [u8]>> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(file, _) => {
                let mut head = Vec::new();
                file.reader().take(8).read_to_end(&mut head)?;
                Ok(Cow::Owned(head))
            }
        }
    }

    /// Returns all of its bytes.
    pub(super) fn bytes(&self) -> io::Result<Cow<'a, [u8]>> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(file, digest) => {
                let mut bytes = Vec::new();
                file.reader().read_to_end(&mut bytes)?;
                if Digest::of(&bytes) == **digest { Ok(Cow::Owned(bytes)) } else { Err(changed()) }
            }
        }
    }

    /// Writes it to `to`.
    pub(super) fn copy_to(&self, to: &mut File) -> io::Result<()> {
        let (mut file, digest) = match self {
            Self::Bytes(bytes) => return to.write_all(bytes),
            Self::File(file, digest) => (file.reader(), digest),
        };
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = file.read(&mut buffer)?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
            hasher.update(piece);
            to.write_all(piece)?;
        }
        if hasher.finish() == **digest { Ok(()) } else { Err(changed()) }
    }
}

fn changed() -> io::Error {
    io::Error::other("its file was changed meanwhile")
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    #[test]
    fn a_file_is_taken_as_it_was_named_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let bytes = vec![7; 600 << 10];
        std::fs::write(&path, &bytes).unwrap();
        let digest = Digest::of(&bytes);
        let file = OpenFile::open(&path).unwrap();
        let input = Input::File(&file, &digest);
        let mut copy = tempfile::tempfile().unwrap();
        input.copy_to(&mut copy).unwrap();
        copy.rewind().unwrap();
        let mut copied = Vec::new();
        copy.read_to_end(&mut copied).unwrap();
        assert!(copied == bytes && *input.bytes().unwrap() == bytes[..]);
        assert_eq!(input.head().unwrap().len(), 8);
        std::fs::write(&path, b"another").unwrap();
        assert!(input.copy_to(&mut copy).is_err() && input.bytes().is_err());
    }
}
