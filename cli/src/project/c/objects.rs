//! Objects: each source is compiled once for its content and that of the headers it includes.
//!
//! What a source includes is known when it has been compiled: a list beside the object names those
//! files, and their content decides about the object the next time.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use keynet_base::{Digest, FileCache};

use super::CError;
use super::compiler::Compiler;
use super::sources::is_cpp;
use crate::errors::ExpectedError;

/// What compiles the sources of a project.
#[derive(Debug)]
pub struct Objects<'a> {
    /// The compiler.
    pub compiler: &'a Compiler,
    /// Where objects are kept.
    pub cache: &'a FileCache,
    /// The folder that paths are relative to.
    pub folder: &'a Path,
    /// Flags for each source.
    pub flags: Vec<String>,
    /// Whether messages have colours.
    pub colored: bool,
}

/// The end of a compilation.
#[derive(Debug)]
pub struct Compiled {
    /// The object's file in the cache, named by what decides about its content.
    pub object: Result<PathBuf, ExpectedError>,
    /// Errors and warnings, as the compiler wrote them.
    pub said: String,
}

impl Objects<'_> {
    /// Whether a source was compiled before, and is as it was.
    pub fn is_known(&self, source: &Path) -> bool {
        let own = fs::read(self.folder.join(source)).map(|content| self.own(source, &content));
        own.is_ok_and(|own| self.known(&own, &self.list(&own)).is_some())
    }

    /// Compiles a source, unless that was done before. An error is that the compiler rejects it, or
    /// that the cache cannot be written.
    pub fn compile(&self, source: &Path) -> Compiled {
        let mut said = String::new();
        let object = self.object_of(source, &mut said);
        Compiled { object, said }
    }

    fn object_of(&self, source: &Path, said: &mut String) -> Result<PathBuf, ExpectedError> {
        let path = self.folder.join(source);
        let content = fs::read(&path).map_err(ExpectedError::io("read", &path))?;
        let own = self.own(source, &content);
        let list = self.list(&own);
        if let Some(object) = self.known(&own, &list) {
            self.cache.used(&list);
            self.cache.used(&object);
            return Ok(object);
        }
        let work =
            tempfile::tempdir().map_err(ExpectedError::io_on("make", "a temporary folder"))?;
        self.run(source, work.path(), said)?;
        let read = |name: &str| {
            let path = work.path().join(name);
            fs::read(&path).map_err(ExpectedError::io("read", &path))
        };
        let included = included(&String::from_utf8_lossy(&read("included.d")?));
        let object = self.object(&own, &included);
        self.keep(&object, &read("object.o")?)?;
        self.keep(&list, included.join("\n").as_bytes())?;
        Ok(object)
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), ExpectedError> {
        let kept = self.cache.keep(path, |mut file| file.write_all(bytes));
        kept.map_err(ExpectedError::io("write", path))
    }

    /// A name for what the source itself and its flags decide.
    fn own(&self, source: &Path, content: &[u8]) -> String {
        hash(&[
            self.compiler.identity().as_bytes(),
            self.flags.join("\n").as_bytes(),
            source.as_os_str().as_encoded_bytes(),
            content,
        ])
    }

    /// Where the names of the files that it includes are kept.
    fn list(&self, own: &str) -> PathBuf {
        self.cache.path(format!("{own}.included"))
    }

    /// The object of a source that was compiled before, whose included files are as they were.
    fn known(&self, own: &str, list: &Path) -> Option<PathBuf> {
        let included = fs::read_to_string(list).ok()?;
        let included: Vec<String> = included.lines().map(str::to_owned).collect();
        let object = self.object(own, &included);
        object.is_file().then_some(object)
    }

    /// Where the object is kept that a source makes with the files it includes.
    fn object(&self, own: &str, included: &[String]) -> PathBuf {
        let mut all = own.to_owned();
        for file in included {
            let content = fs::read(self.folder.join(file)).unwrap_or_default();
            all.push_str(&format!("\n{file} {}", Digest::of(&content).hex()));
        }
        self.cache.path(format!("{}.o", hash(&[all.as_bytes()])))
    }

    /// Runs the compiler, which leaves `object.o` and `included.d`; what it writes is added to `said`.
    fn run(&self, source: &Path, work: &Path, said: &mut String) -> Result<(), ExpectedError> {
        let mut command = self.compiler.command(is_cpp(source));
        if is_cpp(source) {
            command.args([
                "-std=gnu++23",
                "-fno-exceptions",
                "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST",
            ]);
        } else {
            command.arg("-std=gnu17");
        }
        if self.colored {
            command.arg("-fcolor-diagnostics");
        }
        command.arg("-O2").args(&self.flags).arg("-MMD").arg("-MF").arg(work.join("included.d"));
        command.arg("-c").arg(source).arg("-o").arg(work.join("object.o"));
        let ended = command.current_dir(self.folder).stdin(Stdio::null()).output();
        let ended = ended.map_err(ExpectedError::io_on("start", "clang"))?;
        said.push_str(&String::from_utf8_lossy(&ended.stderr));
        if ended.status.success() { Ok(()) } else { Err(CError::Compile(source.to_owned()).into()) }
    }
}

/// A short name for parts.
pub fn hash(parts: &[&[u8]]) -> String {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_le_bytes());
        all.extend_from_slice(part);
    }
    let digest = Digest::of(&all).hex();
    digest.get(..32).unwrap_or(&digest).to_owned()
}

/// The files in a rule of make that clang wrote, without the target.
fn included(rule: &str) -> Vec<String> {
    let files = rule.split_once(": ").map_or("", |(_, files)| files);
    let mut all = Vec::new();
    let mut file = String::new();
    let mut letters = files.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some('\n')) => {}
            ('\\', Some(' ' | '#')) => file.extend(letters.next()),
            ('$', Some('$')) => file.extend(letters.next()),
            (space, _) if space.is_whitespace() => {
                if !file.is_empty() {
                    all.push(std::mem::take(&mut file));
                }
            }
            (letter, _) => file.push(letter),
        }
    }
    if !file.is_empty() {
        all.push(file);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_are_read_from_the_rule() {
        let rule = "/tmp/a/object.o: main.c \\\n  boxes\\ of.h keynet/include/keynet.h \\\n  \
                    a$$b\\#.h\n";
        assert_eq!(included(rule), ["main.c", "boxes of.h", "keynet/include/keynet.h", "a$b#.h"]);
        assert!(included("").is_empty());
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(hash(&[b"a", b"bc"]), hash(&[b"ab", b"c"]));
    }
}
