//! Which compiled code a binary runs, told by the binary itself.
//!
//! Only the binary knows: it depends on the wasmtime inside it and on how it sets it up. Every
//! binary whose `main` begins with [`run_if_compiler`](super::run_if_compiler) answers, so that an
//! image can say which code fits what is in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{hash, settings};
use keynet_base::cpu::Cpu;

/// The first argument that makes a binary tell its identity; a [`Cpu`] follows.
pub(super) const ROLE: &str = "keynet-tell-engine";

/// What a binary is and which code it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of this crate in it.
    pub version: String,
    /// Its [`EngineHash`](super::EngineHash), as text.
    pub engine: String,
}

/// Why a binary did not tell what it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// It is for another system, or no program.
    #[error("{} cannot be started", path.display())]
    Start {
        /// The binary.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is a program, but not one of ours.
    #[error("{} does not say which engine it has: it is not a keynet-runtime of this kind ({said})", path.display())]
    Stranger {
        /// The binary.
        path: PathBuf,
        /// What it said instead.
        said: String,
    },
}

impl Identity {
    /// Of this binary, for `cpu`.
    ///
    /// # Errors
    /// wasmtime cannot compile for it.
    pub fn own(cpu: Cpu) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&settings::for_compiling(settings::Target::full(cpu))?)?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: hash(&engine).to_string(),
        })
    }

    /// Of the binary at `path`, which is started for that. Blocks.
    ///
    /// # Errors
    /// It cannot be started, or is not one of ours.
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
