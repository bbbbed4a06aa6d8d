//! Copy of a project that a build sees: its modules and the files they read, without files that may
//! be secret.
//!
//! A module runs while its component is built, and the memory it leaves is part of the component.
//! Files that the module could read by accident are therefore not copied: hidden files such as
//! `.env` and `.git`, keys, virtual environments.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use keynet_base::Digest;

use super::PythonError;
use crate::errors::ExpectedError;
use crate::project::sdk;

/// Largest file that is copied: weights of models belong on a server.
const MAX_FILE: u64 = 32 << 20;

/// Maximum total size and number of files.
const MAX_BYTES: u64 = 256 << 20;
const MAX_FILES: usize = 10_000;

/// Folders of tools, which no function imports from.
const TOOLS: [&str; 7] = [
    "__pycache__",
    "node_modules",
    "venv",
    "env",
    "site-packages",
    "target",
    // A component has the SDK anyway.
    sdk::FOLDER,
];

/// Extensions of files that hold keys, or that builds make.
const KINDS: [&str; 8] = ["pem", "key", "p12", "pfx", "jks", "pyc", "wasm", "whl"];

/// Files of a project that a build sees, sorted by name.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    apart: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Stage {
    /// Lists the files of the project in `folder`, without those in the folders `apart`, which runs
    /// and pushes write to.
    ///
    /// # Errors
    /// The folder cannot be read, or is larger than a project may be.
    pub fn list(folder: &Path, apart: &[&Path]) -> Result<Self, ExpectedError> {
        let apart = apart.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        let mut stage = Self { folder: folder.to_owned(), apart, files: Vec::new() };
        let mut bytes = 0;
        stage.collect(Path::new(""), &mut bytes)?;
        stage.files.sort();
        Ok(stage)
    }

    fn collect(&mut self, below: &Path, bytes: &mut u64) -> Result<(), ExpectedError> {
        let folder = self.folder.join(below);
        let look_into = || ExpectedError::io("look into", &folder);
        for entry in fs::read_dir(&folder).map_err(look_into())? {
            let entry = entry.map_err(look_into())?;
            let path = below.join(entry.file_name());
            // A link is followed, unless its target is outside the project.
            let Ok(found) = entry.path().canonicalize() else { continue };
            let Ok(metadata) = found.metadata() else { continue };
            if is_left_out(&entry)
                || !found.starts_with(self.folder.canonicalize().map_err(look_into())?)
            {
                continue;
            }
            if metadata.is_dir() {
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if !is_link && !found.join("pyvenv.cfg").exists() && !self.apart.contains(&found) {
                    self.collect(&path, bytes)?;
                }
            } else if metadata.is_file() && metadata.len() <= MAX_FILE {
                *bytes += metadata.len();
                self.files.push(path);
            }
            if self.files.len() > MAX_FILES {
                return Err(PythonError::too_many_files(&self.folder, MAX_FILES).into());
            }
            if *bytes > MAX_BYTES {
                return Err(PythonError::too_many_bytes(&self.folder, MAX_BYTES).into());
            }
        }
        Ok(())
    }

    /// Returns the digest of all names and contents.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn digest(&self) -> Result<Digest, ExpectedError> {
        let mut all = String::new();
        for file in &self.files {
            let path = self.folder.join(file);
            let content = fs::read(&path).map_err(ExpectedError::io("read", &path))?;
            all.push_str(&format!("{:?} {}\n", file, Digest::of(&content).hex()));
        }
        Ok(Digest::of(all.as_bytes()))
    }

    /// Copies the files into the folder `to`.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn copy(&self, to: &Path) -> Result<(), ExpectedError> {
        for file in &self.files {
            let (from, to) = (self.folder.join(file), to.join(file));
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(ExpectedError::io("make", folder))?;
            }
            fs::copy(&from, to).map_err(ExpectedError::io("copy", &from))?;
        }
        Ok(())
    }
}

fn is_left_out(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let is_key = || {
        KINDS.iter().any(|kind| {
            name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case(kind))
        })
    };
    name.starts_with('.') || TOOLS.contains(&name.as_ref()) || is_key()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(folder: &Path) -> Vec<String> {
        Stage::list(folder, &[])
            .unwrap()
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect()
    }

    #[test]
    fn what_may_be_secret_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let left_out = [
            ".env",
            ".git/config",
            "server.key",
            "cert.PEM",
            ".venv/lib/x.py",
            "my-env/lib/x.py",
            "__pycache__/function.pyc",
            "a.wasm",
            "keynet-sdk/src/keynet_inference/__init__.py",
        ];
        for name in
            ["function.py", "labels.txt", "models/detector.py", "env.py", "my-env/pyvenv.cfg"]
                .iter()
                .chain(&left_out)
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        assert_eq!(
            listed(folder.path()),
            ["env.py", "function.py", "labels.txt", "models/detector.py"]
        );
        let (stage, copy) =
            (Stage::list(folder.path(), &[]).unwrap(), tempfile::tempdir().unwrap());
        stage.copy(copy.path()).unwrap();
        assert_eq!(listed(copy.path()).len(), 4);
        assert_eq!(
            Stage::list(copy.path(), &[]).unwrap().digest().unwrap(),
            stage.digest().unwrap()
        );
        fs::write(folder.path().join("labels.txt"), "other").unwrap();
        assert_ne!(
            Stage::list(copy.path(), &[]).unwrap().digest().unwrap(),
            stage.digest().unwrap()
        );
    }

    #[test]
    fn what_runs_leave_beside_the_function_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["function.py", "storage/20260131/x", "models/storage/labels.py"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let stage = Stage::list(
            folder.path(),
            &[&folder.path().join("storage"), &folder.path().join("artifacts")],
        )
        .unwrap();
        assert_eq!(stage.files, [PathBuf::from("function.py"), "models/storage/labels.py".into()]);
    }

    #[test]
    fn a_link_out_of_the_project_is_not_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("id_rsa"), "secret").unwrap();
        fs::write(folder.path().join("function.py"), "").unwrap();
        std::os::unix::fs::symlink(outside.path().join("id_rsa"), folder.path().join("link"))
            .unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        std::os::unix::fs::symlink(
            folder.path().join("function.py"),
            folder.path().join("main.py"),
        )
        .unwrap();
        assert_eq!(listed(folder.path()), ["function.py", "main.py"]);
    }

    #[test]
    fn a_folder_that_is_more_than_a_project_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("weights.bin"), "").unwrap();
        fs::File::options()
            .write(true)
            .open(folder.path().join("weights.bin"))
            .unwrap()
            .set_len(MAX_FILE + 1)
            .unwrap();
        assert!(listed(folder.path()).is_empty(), "too large to be copied, and no error");
        for number in 0..9 {
            let file = fs::File::create(folder.path().join(format!("{number}.bin"))).unwrap();
            file.set_len(MAX_FILE - 1).unwrap();
        }
        let error = Stage::list(folder.path(), &[]).unwrap_err();
        assert!(
            error.one_line().contains("256.0 MiB")
                && error.hint().unwrap().contains("a folder of its own"),
            "{error:?}"
        );
    }
}
