//! Compiling for other machines: the code that goes into images.

use std::fs::File;

use super::input::Input;
use super::settings::Target;
use super::{AotCache, Compiler, EngineHash, LoadError, check_magic, hash, settings};
use keynet_base::cpu::Cpu;
use keynet_base::digest::Digest;

/// A compiler for one kind of processor that runs nothing.
#[derive(Debug)]
pub struct Precompiler {
    wasmtime: wasmtime::Engine,
    hash: EngineHash,
    cpu: Cpu,
    compiler: Compiler,
    cache: Option<AotCache>,
}

impl Precompiler {
    /// Creates a compiler for `cpu`, which this machine need not have.
    ///
    /// # Errors
    /// wasmtime cannot compile for `cpu`.
    pub fn new(cpu: Cpu, compiler: Compiler, cache: Option<AotCache>) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(&settings::for_compiling(Target::full(cpu))?)?;
        Ok(Self { hash: hash(&wasmtime), wasmtime, cpu, compiler, cache })
    }

    /// Returns the hash of the engine that runs its code.
    pub fn hash(&self) -> EngineHash {
        self.hash
    }

    /// Returns the code of `component`, from the cache or compiled now, in a sealed memfd.
    ///
    /// # Errors
    /// The bytes are not a component, or cannot be compiled within the limits.
    pub async fn code(&self, component: &[u8], digest: &Digest) -> Result<File, LoadError> {
        check_magic(component)?;
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(digest, &self.hash, ""))
        {
            return Ok(code);
        }
        let mut code = self
            .compiler
            .compile(&self.wasmtime, Target::full(self.cpu), Input::Bytes(component))
            .await?;
        if let Some(cache) = &self.cache {
            cache.put(digest, &self.hash, "", &mut code);
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn code_is_made_for_processors_that_this_machine_may_not_have() {
        let component = b"\0asm\x0d\0\x01\0";
        let digest = Digest::of(component);
        let mut hashes = Vec::new();
        for cpu in [Cpu::X86_64, Cpu::X86_64V4] {
            let precompiler = Precompiler::new(cpu, Compiler::InProcess, None).unwrap();
            assert!(
                precompiler.code(component, &digest).await.unwrap().metadata().unwrap().len() > 0
            );
            hashes.push(precompiler.hash());
        }
        assert_ne!(hashes[0], hashes[1]);
    }

    #[tokio::test]
    async fn the_same_component_makes_the_same_code() {
        use std::io::{Read as _, Seek as _};
        let component = b"\0asm\x0d\0\x01\0";
        let mut codes = Vec::new();
        for _ in 0..2 {
            let precompiler = Precompiler::new(Cpu::default(), Compiler::InProcess, None).unwrap();
            let mut code = precompiler.code(component, &Digest::of(component)).await.unwrap();
            let mut bytes = Vec::new();
            code.rewind().unwrap();
            code.read_to_end(&mut bytes).unwrap();
            codes.push(bytes);
        }
        assert_eq!(codes[0], codes[1]);
    }
}
