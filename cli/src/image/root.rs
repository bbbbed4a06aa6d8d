//! Content of a base: the runtime, the libraries that it is linked with, and the few system files
//! that a program expects.
//!
//! There is no shell, no package manager and nothing that belongs to the user that the runtime runs
//! as: everything can be mounted read-only.

use std::path::{Path, PathBuf};

use keynet_base::cpu::Cpu;
use keynet_host::engine::Identity;

use super::libraries::Libraries;
use super::tree::{Entry, Tree};
use super::{ImageError, elf};

/// User and group that actions run as, as in other images without a shell.
pub const USER: u32 = 65532;

/// Path of the runtime.
pub const RUNTIME: &str = "/usr/bin/keynet-runtime";
/// Path of the command line, in the image of a node.
pub const COMMAND: &str = "/usr/bin/keynet-inference";
/// Folders that a node writes to: its data, and compiled code.
pub const DATA: &str = "/var/lib/keynet";
pub const CACHE: &str = "/var/cache/keynet";
/// Path of the certificate authorities that the runtime trusts.
pub const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Paths of the certificate authorities on common systems.
const SYSTEM_CERTIFICATES: &[&str] = &[
    CERTIFICATES,
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Files of a base, and the identity of the runtime in it.
#[derive(Debug)]
pub struct Root {
    pub tree: Tree,
    /// Identity that the runtime reports.
    pub identity: Identity,
    /// Processors that actions are compiled for in the base.
    pub cpu: Cpu,
}

impl Root {
    /// Assembles a base from the runtime at `runtime` and the certificate authorities in
    /// `certificates`, by default the system's.
    ///
    /// # Errors
    /// A file is missing, cannot be read or has the wrong format.
    pub fn new(runtime: &Path, certificates: Option<&Path>, cpu: Cpu) -> Result<Self, ImageError> {
        Self::of(RUNTIME, runtime, certificates, cpu)
    }

    /// Assembles the root of a node from this program and the certificate authorities in
    /// `certificates`, by default the system's.
    ///
    /// # Errors
    /// As [`Root::new`].
    pub fn node(certificates: Option<&Path>, cpu: Cpu) -> Result<Self, ImageError> {
        let program = std::env::current_exe().unwrap_or_default();
        let mut root = Self::of(COMMAND, &program, certificates, cpu)?;
        root.tree.put("etc/keynet", Entry::Folder);
        for folder in [DATA, CACHE] {
            root.tree.put(folder, Entry::Shared);
        }
        Ok(root)
    }

    /// Assembles a root with `program` at the path `installed`.
    fn of(
        installed: &str,
        runtime: &Path,
        certificates: Option<&Path>,
        cpu: Cpu,
    ) -> Result<Self, ImageError> {
        if !runtime.is_file() {
            return Err(ImageError::NoRuntime(runtime.to_owned()));
        }
        let program = read(runtime)?;
        // `DT_RUNPATH` may be relative to the program's real path.
        let place = runtime.canonicalize().map_err(ImageError::io("find", runtime))?;
        let libraries = Libraries::of(&place, &program)?;
        let identity = Identity::ask(&place, cpu)?;
        let program = elf::strip(program)
            .map_err(|why| ImageError::Binary { path: runtime.to_owned(), why })?;

        let mut tree = Tree::default();
        for folder in ["action", "dev", "etc", "proc", "sys"] {
            tree.put(folder, Entry::Folder);
        }
        tree.put("tmp", Entry::Shared);
        tree.put(installed, Entry::Program(program));
        for (path, file) in &libraries.files {
            tree.put(path, Entry::Program(read(file)?));
        }
        tree.put(CERTIFICATES, Entry::File(read(&authorities(certificates)?)?));
        for (path, text) in system_files() {
            tree.put(path, Entry::File(text.into_bytes()));
        }
        Ok(Self { tree, identity, cpu })
    }
}

/// Returns the path of the `keynet-runtime` that was built or installed with this program.
pub fn runtime_beside() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.with_file_name("keynet-runtime")
}

fn authorities(named: Option<&Path>) -> Result<PathBuf, ImageError> {
    let system = || SYSTEM_CERTIFICATES.iter().map(PathBuf::from).find(|path| path.is_file());
    named.map(Path::to_owned).or_else(system).ok_or(ImageError::NoCertificates)
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    std::fs::read(path).map_err(ImageError::io("read", path))
}

/// Returns the files that define the users, the groups and the resolution of host names.
fn system_files() -> [(&'static str, String); 4] {
    [
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
        (
            "/etc/passwd",
            format!(
                "root:x:0:0:root:/:/sbin/nologin\nkeynet:x:{USER}:{USER}:keynet:/tmp:/sbin/nologin\n"
            ),
        ),
        ("/etc/group", format!("root:x:0:\nkeynet:x:{USER}:\n")),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let error = Root::new(Path::new("no/keynet-runtime"), None, Cpu::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("there is no keynet-runtime at no/keynet-runtime: build it"),
            "{error}"
        );
        let error = authorities(Some(Path::new("ca.pem")))
            .and_then(|path| read(&path))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "cannot read ca.pem");
    }

    #[test]
    fn a_program_of_others_makes_no_base() {
        let error =
            Root::new(Path::new("/bin/true"), None, Cpu::default()).unwrap_err().to_string();
        assert!(error.contains("it is not a keynet-runtime"), "{error}");
    }
}
