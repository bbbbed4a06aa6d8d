//! The shared libraries of a program, found in the folders that the system's loader searches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::ImageError;
use super::elf::{self, Needs};

/// Default folders of libraries on systems based on Debian and on Red Hat. Excludes the folders for
/// some processors only (`glibc-hwcaps`) on purpose.
const DEFAULT_FOLDERS: &[&str] =
    &["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib64", "/usr/local/lib"];

/// Libraries that older versions of the C library load by themselves to resolve host names.
const NAME_SERVICES: &[&str] = &["libnss_files.so.2", "libnss_dns.so.2"];

/// Symbol of the C library's versions (since 2.34) that include these libraries.
const NAME_SERVICE_INSIDE: &[u8] = b"_nss_dns_getcanonname_r";

/// Files that a program needs to start.
#[derive(Debug, Default)]
pub struct Libraries {
    /// Path in the image → file. The loader is at the path that the program names; the libraries
    /// are beside the C library, where any loader searches.
    pub files: BTreeMap<String, PathBuf>,
}

impl Libraries {
    /// Finds the libraries of `program`, whose content is `bytes`.
    ///
    /// # Errors
    /// A library cannot be found or read.
    pub fn of(program: &Path, bytes: &[u8]) -> Result<Self, ImageError> {
        let needs = read(program, bytes)?;
        let Some(loader) = needs.loader.clone() else { return Ok(Self::default()) };
        let mut search =
            Search { machine: needs.machine, folders: folders(), found: BTreeMap::new() };
        search.follow(program, &needs)?;
        search.add_name_services(program)?;
        let home = search.home(&loader);
        let is_loader = |name: &str| loader.rsplit('/').next() == Some(name);
        let placed = search.found.into_iter().filter(|(name, _)| !is_loader(name));
        let mut files: BTreeMap<_, _> =
            placed.map(|(name, file)| (format!("{home}/{name}"), file)).collect();
        files.insert(loader.clone(), loader.into());
        Ok(Self { files })
    }
}

struct Search {
    machine: u16,
    folders: Vec<PathBuf>,
    found: BTreeMap<String, PathBuf>,
}

impl Search {
    /// Finds the libraries that `by` needs, and the libraries that those need.
    fn follow(&mut self, by: &Path, needs: &Needs) -> Result<(), ImageError> {
        for name in &needs.libraries {
            if self.found.contains_key(name) {
                continue;
            }
            let (path, theirs) = self.find(name, by, &needs.folders)?;
            self.found.insert(name.clone(), path.clone());
            self.follow(&path, &theirs)?;
        }
        Ok(())
    }

    fn find(
        &self,
        name: &str,
        by: &Path,
        first: &[String],
    ) -> Result<(PathBuf, Needs), ImageError> {
        let origin = by.parent().unwrap_or(Path::new("/")).to_string_lossy();
        let named = first
            .iter()
            .map(|folder| folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
            .map(PathBuf::from);
        let folders: Vec<PathBuf> = named.chain(self.folders.iter().cloned()).collect();
        for folder in &folders {
            let path = folder.join(name);
            let Ok(bytes) = fs::read(&path) else { continue };
            // Libraries for other processors may be in the same folders.
            match elf::needs(&bytes) {
                Ok(needs) if needs.machine == self.machine => return Ok((path, needs)),
                _ => {}
            }
        }
        let looked = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        Err(ImageError::Library { name: name.to_owned(), by: by.to_owned(), looked })
    }

    fn add_name_services(&mut self, program: &Path) -> Result<(), ImageError> {
        let Some(libc) = self.found.get("libc.so.6").cloned() else { return Ok(()) };
        let inside = fs::read(&libc).map_err(ImageError::io("read", &libc))?;
        if inside.windows(NAME_SERVICE_INSIDE.len()).any(|window| window == NAME_SERVICE_INSIDE) {
            return Ok(());
        }
        let needs = Needs {
            libraries: NAME_SERVICES.iter().map(|&name| name.to_owned()).collect(),
            ..Needs::default()
        };
        self.follow(program, &needs)
    }

    /// Returns the folder of the C library, or of the loader if that is the C library itself.
    fn home(&self, loader: &str) -> String {
        let libc =
            self.found.get("libc.so.6").and_then(|path| path.parent()).and_then(Path::to_str);
        libc.or_else(|| loader.rsplit_once('/').map(|(folder, _)| folder))
            .unwrap_or("/lib")
            .to_owned()
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<Needs, ImageError> {
    elf::needs(bytes).map_err(|why| ImageError::Binary { path: path.to_owned(), why })
}

/// Returns the folders of the system's loader, in its order.
fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    configured(Path::new("/etc/ld.so.conf"), &mut folders, 0);
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    folders.extend(["/lib", "/usr/lib"].map(|folder| Path::new(folder).join(&multiarch)));
    folders.extend(DEFAULT_FOLDERS.iter().map(PathBuf::from));
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

/// Reads the lines of `ld.so.conf` and of the files that it includes.
fn configured(file: &Path, folders: &mut Vec<PathBuf>, depth: u8) {
    let Ok(text) = fs::read_to_string(file) else { return };
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(pattern) = line.strip_prefix("include").map(str::trim) {
            if depth < 4 {
                included(pattern).iter().for_each(|file| configured(file, folders, depth + 1));
            }
        } else if line.starts_with('/') {
            folders.push(line.into());
        }
    }
}

/// Returns the files that match a pattern such as `ld.so.conf.d/*.conf`, sorted.
fn included(pattern: &str) -> Vec<PathBuf> {
    let pattern = Path::new("/etc").join(pattern);
    let (Some(folder), Some(name)) =
        (pattern.parent(), pattern.file_name().and_then(|name| name.to_str()))
    else {
        return Vec::new();
    };
    let (start, end) = name.split_once('*').unwrap_or((name, ""));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let fits = |name: &str| name.starts_with(start) && name.ends_with(end);
    let mut files: Vec<_> = entries
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(fits))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_programs_libraries_are_found_with_their_loader() {
        let program = std::env::current_exe().unwrap();
        let libraries = Libraries::of(&program, &fs::read(&program).unwrap()).unwrap();
        let names: Vec<_> =
            libraries.files.keys().map(|path| path.rsplit('/').next().unwrap()).collect();
        assert!(names.iter().any(|name| name.starts_with("libc.so")), "{names:?}");
        assert!(libraries.files.keys().all(|path| path.starts_with('/')));
        let loader = libraries.files.iter().find(|(path, _)| path.contains("ld-")).unwrap();
        assert_eq!(Path::new(loader.0), loader.1);
        // A library that two others need is there only once.
        let homes: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(homes.len(), names.len());
    }

    #[test]
    fn a_library_that_is_missing_is_named_with_who_needs_it() {
        let mut search =
            Search { machine: 62, folders: vec!["/nowhere".into()], found: BTreeMap::new() };
        let needs = Needs {
            libraries: vec!["libmissing.so.1".into()],
            folders: vec!["$ORIGIN/../lib".into()],
            ..Needs::default()
        };
        let error = search.follow(Path::new("/opt/bin/program"), &needs).unwrap_err().to_string();
        assert_eq!(
            error,
            "/opt/bin/program needs the library libmissing.so.1, which is in none of \
                /opt/bin/../lib, /nowhere"
        );
    }

    #[test]
    fn a_script_is_no_program() {
        let error = Libraries::of(Path::new("run.sh"), b"#!/bin/sh").unwrap_err().to_string();
        assert!(error.starts_with("run.sh: it is no program"), "{error}");
    }
}
