//! Compiled code in a container's image, beside its component.
//!
//! The builder of the image made the code, like this binary: it needs no key, only a guarantee that
//! no other user wrote it. So the file, and the folder it is in, must belong to root and must not
//! be writable by this process or by others; then it is mapped in place, and containers of one
//! image on one machine share its pages. A trailer names the component and the engine that it was
//! made for. Code with any defect is a cache miss.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, OFlags};

use super::EngineHash;
use keynet_base::digest::Digest;

const FORMAT: &[u8; 16] = b"keynet-baked-v1\0";
const TRAILER: usize = FORMAT.len() + 32 + 32;

/// The file of compiled code beside a component's file.
#[derive(Debug, Clone)]
pub struct BakedCode {
    path: PathBuf,
}

/// Reason why the file is not used.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// It is not a regular file, or it is not trusted.
    Untrusted(&'static str),
    /// It has no trailer.
    Foreign,
    /// It belongs to another component; this is normal in a container whose component came with
    /// `/init`.
    OtherComponent,
    /// It was made for another engine.
    OtherEngine,
}

impl BakedCode {
    /// Returns the code beside `component`: the same name with the extension `cwasm`.
    pub fn beside(component: &Path) -> Self {
        Self { path: component.with_extension("cwasm") }
    }

    /// Returns the content of such a file: `code` of `component` for `engine`.
    ///
    /// # Errors
    /// `code` cannot be read.
    pub fn content(
        code: &mut File,
        component: &Digest,
        engine: &EngineHash,
    ) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        code.seek(SeekFrom::Start(0))?;
        code.read_to_end(&mut content)?;
        content.extend_from_slice(&trailer(component, engine));
        Ok(content)
    }

    /// Returns the file, if it may be mapped and is the code of `component` for `engine`.
    pub(super) fn get(&self, component: &Digest, engine: &EngineHash) -> Option<File> {
        let entry = self.path.display();
        match self.open(component, engine) {
            Ok(Ok(code)) => Some(code),
            Ok(Err(Unfit::OtherComponent)) => None,
            Ok(Err(Unfit::Untrusted(why))) => {
                tracing::warn!(
                    "compiled code in the image is not used, since {entry} {why}; compiling it now"
                );
                None
            }
            Ok(Err(Unfit::Foreign)) => {
                tracing::warn!("{entry} is not compiled code; compiling it now");
                None
            }
            Ok(Err(Unfit::OtherEngine)) => {
                tracing::warn!(
                    "compiled code in the image is for another processor or another version of \
                        this runtime ({entry}); compiling it now: `keynet-inference image build` \
                        on the base that is run here makes it fit"
                );
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, "cannot read compiled code in the image ({entry}); \
                    compiling it now");
                None
            }
        }
    }

    fn open(&self, component: &Digest, engine: &EngineHash) -> io::Result<Result<File, Unfit>> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Err(Unfit::Untrusted("is not a file")));
        }
        if let Err(unfit) = trusted(&metadata, &self.path) {
            return Ok(Err(unfit));
        }
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if trusted(&folder.metadata()?, folder).is_err() {
            return Ok(Err(Unfit::Untrusted("lies in a folder that others than root can write")));
        }
        let mut found = [0; TRAILER];
        let Some(at) = metadata.len().checked_sub(TRAILER as u64) else {
            return Ok(Err(Unfit::Foreign));
        };
        file.read_exact_at(&mut found, at)?;
        Ok(fits(&found, component, engine).map(|()| file))
    }
}

/// Checks that only root can have written it, and that this process cannot, even if it runs as
/// root.
fn trusted(metadata: &Metadata, path: &Path) -> Result<(), Unfit> {
    if metadata.uid() != 0 {
        return Err(Unfit::Untrusted("does not belong to root"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(Unfit::Untrusted("can be written by others than root"));
    }
    // Root may write everything, except on a read-only file system.
    match rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS) {
        Ok(()) => Err(Unfit::Untrusted(
            "can be written by this process: run it as another user than root, or on a read-only \
                file system",
        )),
        Err(_) => Ok(()),
    }
}

fn trailer(component: &Digest, engine: &EngineHash) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    let parts = FORMAT.iter().chain(component.bytes()).chain(&engine.0);
    trailer.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    trailer
}

fn fits(found: &[u8; TRAILER], component: &Digest, engine: &EngineHash) -> Result<(), Unfit> {
    let rest = found.strip_prefix(FORMAT.as_slice()).ok_or(Unfit::Foreign)?;
    match rest.split_at_checked(32) {
        Some((made_of, _)) if made_of != component.bytes() => Err(Unfit::OtherComponent),
        Some((_, made_for)) if made_for == engine.0 => Ok(()),
        _ => Err(Unfit::OtherEngine),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::engine::memfd;

    const ENGINE: EngineHash = EngineHash([1; 32]);

    fn baked(content: &[u8]) -> (BakedCode, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let baked = BakedCode::beside(&folder.path().join("action.wasm"));
        fs::write(&baked.path, content).unwrap();
        (baked, folder)
    }

    #[test]
    fn a_trailer_fits_its_component_and_engine_alone() {
        let mut code = memfd::create().unwrap();
        code.write_all(b"compiled code").unwrap();
        let component = Digest::of(b"a");
        let content = BakedCode::content(&mut code, &component, &ENGINE).unwrap();
        let (code, end) = content.split_at(content.len() - TRAILER);
        assert_eq!(code, b"compiled code");
        let end: [u8; TRAILER] = end.try_into().unwrap();
        assert_eq!(fits(&end, &component, &ENGINE), Ok(()));
        assert_eq!(fits(&end, &Digest::of(b"b"), &ENGINE), Err(Unfit::OtherComponent));
        assert_eq!(fits(&end, &component, &EngineHash([2; 32])), Err(Unfit::OtherEngine));
        for at in 0..TRAILER {
            let mut damaged = end;
            damaged[at] ^= 1;
            assert!(fits(&damaged, &component, &ENGINE).is_err(), "{at}");
        }
    }

    #[test]
    fn what_this_process_or_others_could_have_written_is_a_miss() {
        let mut code = memfd::create().unwrap();
        code.write_all(b"compiled code").unwrap();
        let component = Digest::of(b"a");
        let (baked, _folder) = baked(&BakedCode::content(&mut code, &component, &ENGINE).unwrap());
        for mode in [0o444, 0o644, 0o666] {
            fs::set_permissions(&baked.path, Permissions::from_mode(mode)).unwrap();
            // The owner is root itself, or the user that runs the tests.
            let unfit = baked.open(&component, &ENGINE).unwrap().unwrap_err();
            assert!(matches!(unfit, Unfit::Untrusted(_)), "{mode:o}: {unfit:?}");
            assert!(baked.get(&component, &ENGINE).is_none());
        }
    }

    #[test]
    fn links_folders_and_nothing_at_all_are_misses() {
        let (baked, folder) = baked(b"");
        let get = || baked.get(&Digest::of(b"a"), &ENGINE);
        fs::remove_file(&baked.path).unwrap();
        assert!(get().is_none());
        std::os::unix::fs::symlink("/etc/passwd", &baked.path).unwrap();
        assert!(get().is_none());
        fs::remove_file(&baked.path).unwrap();
        fs::create_dir(&baked.path).unwrap();
        assert!(get().is_none());
        drop(folder);
    }
}
