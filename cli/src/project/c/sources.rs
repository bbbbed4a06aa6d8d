//! Sources of a project in C or C++.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CError;
use crate::errors::ExpectedError;

/// File extensions of each language.
const C: [&str; 1] = ["c"];
const CPP: [&str; 3] = ["cpp", "cc", "cxx"];

/// Name, without extension, of the source that makes a folder a project.
const MAIN: &str = "main";

/// Folder of a project in which all sources are compiled, including those in subfolders.
const SRC: &str = "src";

/// Project: its folder, and the sources in it.
#[derive(Debug, PartialEq, Eq)]
pub struct CProject {
    folder: PathBuf,
    sources: Vec<PathBuf>,
}

impl CProject {
    /// Returns the project of the source at `path`. `main.c`, `main.cpp` or a file below `src`
    /// stands for all sources of its project; any other file is an action of its own.
    ///
    /// # Errors
    /// The file does not exist.
    pub fn at(path: &Path) -> Result<Self, ExpectedError> {
        let file = path.canonicalize().map_err(ExpectedError::io("find", path))?;
        let parent = file.parent().unwrap_or(&file);
        let root = match parent.parent() {
            Some(above) if parent.file_name().is_some_and(|name| name == SRC) => above,
            _ => parent,
        };
        let stands_for_project = is_main(&file) || root != parent;
        if stands_for_project && let Some(project) = Self::in_folder(root)? {
            return Ok(project);
        }
        let name = file.strip_prefix(parent).unwrap_or(&file).to_owned();
        Ok(Self { folder: parent.to_owned(), sources: vec![name] })
    }

    /// Returns the project in `folder`, if it has a `main.c` or `main.cpp` in itself or in `src`.
    /// Its sources are those of the folder and all below `src`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, ExpectedError> {
        let mut sources = Vec::new();
        collect(folder, Path::new(""), false, &mut sources)
            .map_err(ExpectedError::io("look into", folder))?;
        let src = folder.join(SRC);
        if src.is_dir() {
            collect(folder, Path::new(SRC), true, &mut sources)
                .map_err(ExpectedError::io("look into", &src))?;
        }
        sources.sort();
        let has_main = sources.iter().any(|source| {
            let is_outermost = source
                .parent()
                .is_some_and(|parent| parent.as_os_str().is_empty() || parent == Path::new(SRC));
            is_outermost && is_main(source)
        });
        Ok(has_main.then(|| Self { folder: folder.to_owned(), sources }))
    }

    /// Returns the folder of the project.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the sources, relative to the folder.
    pub fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// Returns the source that messages name the project by.
    pub fn main(&self) -> PathBuf {
        let main = self.sources.iter().find(|source| is_main(source)).or(self.sources.first());
        self.folder.join(main.cloned().unwrap_or_default())
    }

    /// Reports whether any source is C++; the project is then linked with the libraries of C++.
    pub fn is_cpp(&self) -> bool {
        self.sources.iter().any(|source| is_cpp(source))
    }

    /// Reads the flags in the file `compile_flags.txt`, one on each line; editors read that file
    /// too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn flags(&self) -> Result<Vec<String>, ExpectedError> {
        let path = self.folder.join("compile_flags.txt");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                let flags: Vec<String> = lines.map(str::to_owned).collect();
                match flags.iter().find(|flag| refused(flag)) {
                    Some(flag) => Err(CError::Flag { path, flag: flag.clone() }.into()),
                    None => Ok(flags),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(ExpectedError::io("read", &path)(error)),
        }
    }
}

/// Reports whether a flag would produce something other than an object, or write it elsewhere.
fn refused(flag: &str) -> bool {
    let alone = ["-c", "-E", "-S", "-M", "-MM", "-###", "-fsyntax-only"].contains(&flag);
    alone || flag.starts_with("-o") || flag.starts_with("--target") || !flag.starts_with('-')
}

/// Adds the sources in the folder `below`, and in its subfolders if `deep` is set.
fn collect(root: &Path, below: &Path, deep: bool, sources: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        // Links are not followed, so that sources outside the project are not compiled.
        let kind = entry.file_type()?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() && deep {
            collect(root, &path, deep, sources)?;
        } else if kind.is_file() && is_c(&path) {
            sources.push(path);
        }
    }
    Ok(())
}

/// Reports whether a path is that of a source in C or C++, by its extension.
pub fn is_c(path: &Path) -> bool {
    has_ending(path, &C) || is_cpp(path)
}

/// Reports whether a source is C++, by its extension.
pub fn is_cpp(path: &Path) -> bool {
    has_ending(path, &CPP)
}

fn is_main(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == MAIN) && is_c(path)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|each| ending == *each))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn sources(project: Option<CProject>) -> Vec<String> {
        let sources = project.map(|project| project.sources).unwrap_or_default();
        sources.iter().map(|source| source.display().to_string()).collect()
    }

    #[test]
    fn main_makes_a_project_of_the_folder_and_of_src() {
        let files = [
            "main.c",
            "boxes.c",
            "boxes.h",
            "src/deep/resize.cpp",
            "tests/test.c",
            "keynet-sdk/src/input.c",
            "src/.hidden/x.c",
        ];
        let there = folder(&files);
        let found = CProject::in_folder(there.path()).unwrap();
        assert!(found.as_ref().is_some_and(CProject::is_cpp));
        assert_eq!(sources(found), ["boxes.c", "main.c", "src/deep/resize.cpp"]);
        let there = folder(&["src/main.cc", "src/a.c"]);
        assert_eq!(sources(CProject::in_folder(there.path()).unwrap()), ["src/a.c", "src/main.cc"]);
        for none in [&["boxes.c"][..], &["src/deep/main.c"], &["main.h"]] {
            assert_eq!(CProject::in_folder(folder(none).path()).unwrap(), None, "{none:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_main_is_an_action_of_its_own() {
        let there = folder(&["main.c", "one.c", "src/two.c"]);
        let at = |file: &str| sources(Some(CProject::at(&there.path().join(file)).unwrap()));
        assert_eq!(at("one.c"), ["one.c"]);
        assert_eq!(at("main.c"), ["main.c", "one.c", "src/two.c"]);
        assert_eq!(at("src/two.c"), ["main.c", "one.c", "src/two.c"]);
        assert!(CProject::at(&there.path().join("three.c")).is_err());
    }

    #[test]
    fn flags_are_read_and_those_of_the_build_are_refused() {
        let there = folder(&["main.c"]);
        let flags = |text: &str| {
            fs::write(there.path().join("compile_flags.txt"), text).unwrap();
            CProject::in_folder(there.path()).unwrap().unwrap().flags()
        };
        assert_eq!(flags("-Wall\n\n -DX=1 \n").unwrap(), ["-Wall", "-DX=1"]);
        for refused in ["-ofile", "--target=x", "-c", "-E", "other.c"] {
            assert!(flags(refused).unwrap_err().one_line().contains(refused), "{refused}");
        }
    }
}
