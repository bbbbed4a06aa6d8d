//! The compiler: wasi-sdk's where `WASI_SDK_PATH` is set, else a clang that knows WASI.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::UNIX_EPOCH;

use keynet_base::NewFile;

use super::CError;
use super::objects::hash;

/// Names of clang, in the order in which they are tried. Older ones lack parts of C++23.
const NAMES: [&str; 6] = ["clang-22", "clang-23", "clang-21", "clang-20", "clang-19", "clang"];

/// Where packages put libc for WASI, if it is not where clang looks: Fedora and Arch, Homebrew.
const SYSROOTS: [&str; 3] = [
    "/usr/share/wasi-sysroot",
    "/opt/homebrew/share/wasi-sysroot",
    "/usr/local/share/wasi-sysroot",
];

/// The triples of WASI preview 1: Debian's sysroot has the older one.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasi"];

/// What a compiler has to be able to build.
const PROBE_C: &str = "#include <stdio.h>\nvoid probe(void) { puts(\"\"); }\n";
const PROBE_CPP: &str =
    "#include <expected>\n#include <string>\nvoid probe(std::string &text) { text += 'a'; }\n";

/// A compiler of C and C++ for WebAssembly, with the flags that choose the target.
#[derive(Debug)]
pub struct Compiler {
    clang: PathBuf,
    target: Vec<String>,
}

impl Compiler {
    /// Finds one that builds the language. That it does is remembered in the folder `memory`, until
    /// another compiler is installed.
    ///
    /// # Errors
    /// There is none: the message names what to install.
    pub fn find(is_cpp: bool, memory: &Path) -> Result<Self, CError> {
        let candidates = Self::candidates()?;
        let identities: Vec<String> = candidates.iter().map(Self::identity).collect();
        let key = hash(&[identities.join("\n").as_bytes(), &[u8::from(is_cpp)]]);
        let remembered = memory.join(key);
        let known = fs::read_to_string(&remembered).ok();
        let mut failed = CError::NoCompiler;
        for (compiler, identity) in candidates.into_iter().zip(identities) {
            if known.as_deref() == Some(identity.as_str()) {
                return Ok(compiler);
            }
            if known.is_some() {
                continue;
            }
            match compiler.probe(is_cpp) {
                Ok(()) => {
                    // It is found again where this cannot be kept.
                    let _ = fs::create_dir_all(memory);
                    let _ = NewFile::write(&remembered, NewFile::PLAIN, identity.as_bytes());
                    return Ok(compiler);
                }
                Err(reason) => {
                    let language = if is_cpp { "C++" } else { "C" };
                    failed = CError::NoSysroot { program: compiler.clang, language, reason };
                }
            }
        }
        Err(failed)
    }

    /// The compilers that may be able to, in the order in which they are tried.
    fn candidates() -> Result<Vec<Self>, CError> {
        let mut places = Vec::new();
        if let Some(sdk) = env::var_os("WASI_SDK_PATH").filter(|path| !path.is_empty()) {
            let sdk = PathBuf::from(sdk);
            let clang = sdk.join("bin/clang");
            if !clang.is_file() {
                return Err(CError::WasiSdk(sdk));
            }
            places.push((clang, Some(sdk.join("share/wasi-sysroot"))));
        } else {
            let path = env::var_os("PATH").unwrap_or_default();
            let folders: Vec<PathBuf> = env::split_paths(&path).collect();
            for name in NAMES {
                let found = folders.iter().map(|folder| folder.join(name)).find(|it| it.is_file());
                let sysroots = SYSROOTS.iter().map(PathBuf::from).filter(|path| path.is_dir());
                let sysroots: Vec<_> = std::iter::once(None).chain(sysroots.map(Some)).collect();
                places.extend(found.iter().flat_map(|clang| {
                    sysroots.iter().map(move |sysroot| (clang.clone(), sysroot.clone()))
                }));
            }
        }
        let of_target = |(clang, sysroot): &(PathBuf, Option<PathBuf>), target: &str| {
            let mut flags = vec![format!("--target={target}")];
            flags.extend(sysroot.iter().map(|root| format!("--sysroot={}", root.display())));
            Self { clang: clang.clone(), target: flags }
        };
        let places = places.iter();
        Ok(places.flat_map(|place| TARGETS.map(|target| of_target(place, target))).collect())
    }

    /// Compiles and links a library of a few lines.
    fn probe(&self, is_cpp: bool) -> Result<(), String> {
        let (language, text) = if is_cpp { ("c++", PROBE_CPP) } else { ("c", PROBE_C) };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut command = self.command(is_cpp);
        command.args(["-mexec-model=reactor", "-x", language, "-"]).arg("-o");
        command.arg(folder.path().join("probe.wasm"));
        if is_cpp {
            command.args(["-std=gnu++23", "-fno-exceptions"]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A compiler that ends early has said why.
            let _ = stdin.write_all(text.as_bytes());
        }
        let Output { status, stderr, .. } =
            child.wait_with_output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&stderr);
        match (status.success(), said.lines().find(|line| line.contains("error"))) {
            (true, _) => Ok(()),
            (false, line) => Err(line.unwrap_or(&said).chars().take(300).collect()),
        }
    }

    /// A command for the target; `is_cpp` links with C++'s libraries.
    pub fn command(&self, is_cpp: bool) -> Command {
        let mut command = Command::new(self.driver(is_cpp));
        // Clang deprecates the triple of Debian's sysroot; what users mark deprecated stays told.
        command.args(&self.target).args(["-Wno-deprecated", "-Wdeprecated-declarations"]);
        command
    }

    fn driver(&self, is_cpp: bool) -> PathBuf {
        let name = self.clang.file_name().map(|name| name.to_string_lossy().into_owned());
        match name {
            Some(name) if is_cpp => self.clang.with_file_name(name.replacen("clang", "clang++", 1)),
            _ => self.clang.clone(),
        }
    }

    /// What tells this compiler from another, and from the one that is installed next.
    pub fn identity(&self) -> String {
        let metadata = self.clang.metadata();
        let changed = metadata.as_ref().ok().and_then(|found| found.modified().ok());
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        format!(
            "{:?} {:?} {:?} {:?}",
            self.clang,
            self.target,
            metadata.map(|found| found.len()).ok(),
            changed
        )
    }
}
