//! Identity of the compiled code that a binary runs, reported by the binary itself.
//!
//! Only the binary knows it: it depends on the wasmtime inside it and on its settings. Every binary
//! whose `main` begins with [`run_if_compiler`](super::run_if_compiler) reports it, so that an
//! image can be labelled with the code that fits its runtime.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{hash, settings};
use keynet_base::cpu::Cpu;

/// First argument of a process that reports its identity; a [`Cpu`] follows.
pub(super) const ROLE: &str = "keynet-tell-engine";

/// Version of a binary, and the code that it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this crate in the binary.
    pub version: String,
    /// Its [`EngineHash`](super::EngineHash), as text.
    pub engine: String,
}

/// Error of a binary that did not report its identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file is for another system, or not a program.
    #[error("{} cannot be started", path.display())]
    Start {
        /// Path of the binary.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file is a program without this function.
    #[error("{} does not say which engine it has: it is not a keynet-runtime of this kind ({said})", path.display())]
    Stranger {
        /// Path of the binary.
        path: PathBuf,
        /// First line of its standard error.
        said: String,
    },
}

impl Identity {
    /// Returns the identity of this binary, for `cpu`.
    ///
    /// # Errors
    /// wasmtime cannot compile for `cpu`.
    pub fn own(cpu: Cpu) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&settings::for_compiling(settings::Target::full(cpu))?)?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: hash(&engine).to_string(),
        })
    }

    /// Starts the binary at `path` and returns its identity. Blocks.
    ///
    /// # Errors
    /// The binary cannot be started, or does not report an identity.
    pub fn ask(path: &Path, cpu: Cpu) -> Result<Self, IdentityError> {
        let started = Command::new(path)
            .args([ROLE, &cpu.to_string()])
            .env_clear()
            .stdin(Stdio::null())
            .output();
        let ended =
            started.map_err(|source| IdentityError::Start { path: path.to_owned(), source })?;
        serde_json::from_slice(&ended.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&ended.stderr);
            let said = said.lines().next().unwrap_or("it said nothing").chars().take(200).collect();
            IdentityError::Stranger { path: path.to_owned(), said }
        })
    }

    pub(super) fn tell(cpu: Cpu) -> wasmtime::Result<()> {
        let mut stdout = io::stdout().lock();
        serde_json::to_writer(&mut stdout, &Self::own(cpu)?)?;
        Ok(stdout.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_baseline_has_code_of_its_own() {
        let engines = [Cpu::X86_64, Cpu::X86_64V2, Cpu::X86_64V3, Cpu::X86_64V4]
            .map(|cpu| Identity::own(cpu).unwrap().engine);
        for (at, engine) in engines.iter().enumerate() {
            assert!(engine.len() == 64, "{engine}");
            assert!(!engines[..at].contains(engine));
        }
        assert_eq!(Identity::own(Cpu::X86_64V3).unwrap().engine, engines[2]);
    }

    #[test]
    fn a_program_of_others_is_not_mistaken() {
        let error = Identity::ask(Path::new("/bin/true"), Cpu::Native).unwrap_err();
        assert!(matches!(error, IdentityError::Stranger { .. }), "{error}");
        let error = Identity::ask(Path::new("/etc/passwd"), Cpu::Native).unwrap_err();
        assert!(matches!(error, IdentityError::Start { .. }), "{error}");
    }
}
