//! wasmtime: its configuration, compilation, the cache of compiled code, and the clock that makes
//! guests share the processor.
//!
//! An [`Engine`] lives as long as the process. It turns a component's bytes into compiled code; it
//! does not decide what the component may import or do.

mod address_space;
mod baked;
mod cache;
mod cgroup;
mod clock;
mod code_owner;
mod compiler;
mod identity;
mod input;
mod kept;
mod memfd;
mod precompiler;
mod settings;
mod turns;

use keynet_base::OpenFile;
use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

pub use baked::BakedCode;
pub use cache::AotCache;
pub(crate) use cgroup::memory_left;
pub use clock::{EpochClock, Ticking};
pub use code_owner::CodeOwner;
pub use compiler::{CompileLimits, Compiler, run_if_compiler};
pub use identity::{Identity, IdentityError};
pub use precompiler::Precompiler;

use address_space::{MemorySpace, PoolSize};
use input::Input;
use kept::Kept;
use keynet_base::counters;
use keynet_base::cpu::Cpu;
use keynet_base::digest::Digest;
use keynet_base::offload::in_background;
use keynet_base::quote::bounded;
use settings::Target;
pub(crate) use settings::{CORE_INSTANCES, MEMORIES, TABLES};
use turns::CompileTurns;

/// Maximum characters of a compilation error: wasmtime's message contains names from the component.
const MAX_REASON: usize = 2_000;

/// Reason why a component could not be turned into code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is a core WebAssembly module.
    #[error(
        "this is a core WebAssembly module, not a component: build it with `keynet-inference \
            build` or `cargo build --target wasm32-wasip2`, or make a component of it with \
            `wasm-tools component new --adapt wasi_snapshot_preview1.reactor.wasm`"
    )]
    CoreModule,
    /// The file is not WebAssembly.
    #[error("this is not WebAssembly: it does not start with `\\0asm`")]
    NotWasm,
    /// The component is invalid, uses a disabled feature, or needs more than a slot of the pool
    /// has.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// Compilation exceeded its limit on memory, in bytes.
    #[error("compiling the component needs more than {} MiB: raise KEYNET_COMPILE_MEMORY, or make \
        the component smaller", .0 >> 20)]
    CompileMemory(u64),
    /// Compilation exceeded the memory limit of the container; the value is the bytes that were
    /// left.
    #[error("compiling the component needs more than the {} MiB that the container's memory limit \
        leaves: give the container more", .0 >> 20)]
    ContainerMemory(u64),
    /// Compilation exceeded the limit on the address space, in bytes.
    #[error("compiling the component needs more than the {} MiB of address space that `ulimit -v` \
        allows: raise it", .0 >> 20)]
    AddressSpace(u64),
    /// Compilation exceeded its limit on time.
    #[error("compiling the component takes longer than {} s: raise KEYNET_COMPILE_TIME, or make \
        the component smaller", .0.as_secs())]
    CompileTime(Duration),
    /// A system call failed.
    #[error("the component cannot be loaded: {0}")]
    Io(#[from] io::Error),
}

/// SHA-256 over everything that compiled code depends on: wasmtime's version, target, processor
/// features, settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineHash([u8; 32]);

impl fmt::Display for EngineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Options of an [`Engine`].
#[derive(Debug)]
pub struct EngineOptions {
    /// Number of concurrent activations; the system's limits on mappings and on address space may
    /// lower it.
    pub activations: u32,
    /// Maximum bytes of all activations together. A part of it, [`Engine::resident`], stays with
    /// their slots from one activation to the next.
    pub memory: u64,
    /// Processors that components are compiled for; replaced by this machine's if their code would
    /// not run here.
    pub cpu: Cpu,
    /// Process that compiles components.
    pub compiler: Compiler,
    /// Cache of compiled code; `None` to compile every time.
    pub cache: Option<AotCache>,
}

/// wasmtime's engine with its clock, its compiler and its cache.
#[derive(Debug)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    hash: EngineHash,
    clock: EpochClock,
    pool: PoolSize,
    kept: Kept,
    cpu: Cpu,
    compiler: Compiler,
    baked: Option<BakedCode>,
    cache: Option<AotCache>,
    /// Compilations at a time: each may take the machine's cores and much of its memory.
    turns: CompileTurns,
    /// Owner of the components that no tenant owns.
    process: Arc<CodeOwner>,
}

impl Engine {
    /// Reserves address space for `options.activations`, or for as many as the system allows.
    ///
    /// # Errors
    /// wasmtime cannot work on this machine, or there is not enough address space for one
    /// activation.
    pub fn new(options: EngineOptions) -> wasmtime::Result<Self> {
        let wanted = settings::activations(options.activations);
        if wanted < options.activations {
            tracing::warn!(
                activations = wanted,
                wanted = options.activations,
                "vm.max_map_count leaves room for fewer activations at once; raise it"
            );
        }
        let cpu = options.cpu.or_native();
        let (wasmtime, pool, kept) = pool(cpu, wanted, options.memory)?;
        if pool.activations < wanted {
            tracing::warn!(
                activations = pool.activations,
                wanted,
                "the address space (`ulimit -v`) leaves room for fewer activations at once; raise it"
            );
        }
        if pool.memory != MemorySpace::Full {
            tracing::warn!(
                mebibytes = pool.memory.reservation() >> 20,
                "the address space (`ulimit -v`) is small: linear memories have a lower limit, and \
                    code runs slower; raise it"
            );
        }
        let clock = EpochClock::start(wasmtime.weak())?;
        Ok(Self {
            hash: hash(&wasmtime),
            wasmtime,
            clock,
            pool,
            kept,
            cpu,
            compiler: options.compiler,
            baked: None,
            cache: options.cache,
            turns: CompileTurns::new(1),
            process: Arc::new(CodeOwner::process()),
        })
    }

    /// Adds compiled code of an image, which is checked before the cache.
    #[must_use]
    pub fn with_baked(mut self, code: BakedCode) -> Self {
        self.baked = Some(code);
        self
    }

    /// Sets the number of compilations at a time, which is 1 otherwise. With more, components that
    /// take long to compile do not delay those of other owners.
    #[must_use]
    pub fn with_compilations(mut self, number: usize) -> Self {
        self.turns = CompileTurns::new(number);
        self
    }

    /// Returns the number of activations that may run concurrently.
    pub fn activations(&self) -> u32 {
        self.pool.activations
    }

    /// Returns the maximum of bytes that stay resident in the slots, whether activations run or
    /// not.
    pub fn resident(&self) -> u64 {
        self.kept.total(self.pool.instances())
    }

    /// Returns the number of instances that the pool has for spares, beside those of activations.
    pub(crate) fn spares(&self) -> u32 {
        self.pool.spares
    }

    /// Returns the maximum size of one linear memory in bytes.
    pub(crate) fn linear_memory(&self) -> u64 {
        self.pool.memory.reservation()
    }

    /// Returns the processors that its code is for.
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// Returns the hash that compiled code must have been made for.
    pub fn hash(&self) -> EngineHash {
        self.hash
    }

    fn target(&self) -> Target {
        Target { cpu: self.cpu, memory: self.pool.memory }
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    pub(crate) fn ticking(&self) -> Ticking {
        self.clock.ticking()
    }

    /// Returns the compiled code of `component`: from the image, from the cache, or compiled now in
    /// a turn of `owner`, which is `None` in a process of one tenant.
    ///
    /// # Errors
    /// The bytes are not a component, cannot be compiled within the limits, or need more than a
    /// slot of the pool has.
    pub async fn load(
        &self,
        component: &[u8],
        digest: &Digest,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Result<Component, LoadError> {
        match self.find(digest, owner) {
            Some(found) => Ok(found),
            None => self.compile(component, digest, owner).await,
        }
    }

    /// Compiles `component`, which was not found, in a turn of `owner`; uses the cache if another task
    /// has compiled it meanwhile.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub(crate) async fn compile(
        &self,
        component: &[u8],
        digest: &Digest,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Result<Component, LoadError> {
        self.compile_input(Input::Bytes(component), digest, owner).await
    }

    /// As [`Engine::load`], for the component in `file`, whose digest is `digest`. The file is not
    /// read into this process's memory as a whole.
    ///
    /// # Errors
    /// As [`Engine::load`], or the file has another digest.
    pub async fn load_file(
        &self,
        file: &OpenFile,
        digest: &Digest,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Result<Component, LoadError> {
        match self.find(digest, owner) {
            Some(found) => Ok(found),
            None => self.compile_input(Input::File(file, digest), digest, owner).await,
        }
    }

    async fn compile_input(
        &self,
        component: Input<'_>,
        digest: &Digest,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Result<Component, LoadError> {
        check_magic(&component.head()?)?;
        let owner = owner.unwrap_or(&self.process);
        let compile = |has_waited| async move {
            // Another task may have compiled it meanwhile.
            if has_waited && let Some(loaded) = in_background(|| self.cached(digest, owner)) {
                return Ok(loaded);
            }
            let mut code = self.compiler.compile(&self.wasmtime, self.target(), component).await?;
            counters::COMPONENTS_COMPILED.add(1);
            in_background(|| {
                if let Some(cache) = &self.cache {
                    cache.put(digest, &self.hash, owner.group(), &mut code);
                }
                map_code(&self.wasmtime, &code)
            })
        };
        self.turns.run(owner, compile).await
    }

    /// Returns the compiled code of a component from the image or from the cache; `None` if it would
    /// have to be compiled.
    pub(crate) fn find(
        &self,
        digest: &Digest,
        owner: Option<&Arc<CodeOwner>>,
    ) -> Option<Component> {
        let baked = self.baked(digest).inspect(|_| counters::COMPONENTS_OF_IMAGE.add(1));
        baked.or_else(|| self.cached(digest, owner.unwrap_or(&self.process)))
    }

    /// Tries to compile `component` within `memory` bytes of address space, as
    /// [`CompileLimits::memory`] counts them. Returns the size of its code in bytes; `None` if the
    /// memory is too small. Stores nothing.
    ///
    /// # Errors
    /// The component cannot be compiled in any memory, or exceeds the limit on time.
    pub async fn compiles_within(
        &self,
        component: &[u8],
        memory: u64,
    ) -> Result<Option<u64>, LoadError> {
        let compiler = self.compiler.within(memory);
        let compile = |_| compiler.compile(&self.wasmtime, self.target(), Input::Bytes(component));
        match self.turns.run(&self.process, compile).await {
            Ok(code) => Ok(Some(code.metadata()?.len())),
            Err(
                LoadError::CompileMemory(_)
                | LoadError::ContainerMemory(_)
                | LoadError::AddressSpace(_),
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn baked(&self, digest: &Digest) -> Option<Component> {
        let code = self.baked.as_ref()?.get(digest, &self.hash)?;
        map_code(&self.wasmtime, &code)
            .inspect_err(|error| {
                tracing::warn!(%error, "compiled code in the image does not fit this engine; \
                    compiling again")
            })
            .ok()
    }

    fn cached(&self, digest: &Digest, owner: &CodeOwner) -> Option<Component> {
        let code = self.cache.as_ref()?.get(digest, &self.hash, owner.group())?;
        map_code(&self.wasmtime, &code)
            .inspect_err(|error| {
                tracing::warn!(%error, "compiled code in the cache does not fit this engine; \
                    compiling again")
            })
            .inspect(|_| counters::COMPONENTS_CACHED.add(1))
            .ok()
    }
}

/// Maps compiled code from a sealed memfd, or from a file that only root could have written.
fn map_code(engine: &wasmtime::Engine, code: &File) -> Result<Component, LoadError> {
    let path = memfd::path(code);
    // SAFETY: the bytes were made by this project's own compiler, in a child process of this binary
    // or in this process, or carry a tag that only a holder of this host's key can make
    // (`AotCache::read`); the memfd is sealed, so they are still the bytes that were verified. Or
    // they are a file of the container's image: the file belongs to root and this process cannot
    // write it (`BakedCode::get`), so they come from the builder of the image, as this binary does.
    #[expect(unsafe_code, reason = "wasmtime must trust compiled code")]
    let component = unsafe { Component::deserialize_file(engine, path) };
    component.map_err(|error| LoadError::Compile(bounded(format_args!("{error:#}"), MAX_REASON)))
}

/// Creates the largest pool for `wanted` activations that the system allows.
fn pool(
    cpu: Cpu,
    wanted: u32,
    memory: u64,
) -> wasmtime::Result<(wasmtime::Engine, PoolSize, Kept)> {
    let mut first_refusal = None;
    for size in PoolSize::candidates(wanted, address_space::left()) {
        let kept = Kept::share(size.instances(), memory);
        match wasmtime::Engine::new(&settings::pooling(cpu, size, kept)?) {
            Ok(engine) => return Ok((engine, size, kept)),
            Err(error) => first_refusal = first_refusal.or(Some(error)),
        }
    }
    let why = first_refusal.unwrap_or_else(|| wasmtime::Error::msg("there is no size to try"));
    Err(why.context(match address_space::limit() {
        Some(limit) => format!(
            "the address space of {} MiB (`ulimit -v`) has no room for one activation: raise it",
            limit >> 20
        ),
        None => "the system gives no address space to a pool of instances".to_owned(),
    }))
}

fn check_magic(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.first_chunk::<8>() {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWasm),
    }
}

fn hash(engine: &wasmtime::Engine) -> EngineHash {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0 // only the whole SHA-256 is used
        }
    }
    let mut sha = Sha(Sha256::new_with_prefix(b"keynet-engine-v1\0"));
    engine.precompile_compatibility_hash().hash(&mut sha);
    EngineHash(sha.0.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(cache: Option<AotCache>) -> Engine {
        Engine::new(EngineOptions {
            activations: 2,
            memory: 1 << 30,
            cpu: Cpu::default(),
            compiler: Compiler::InProcess,
            cache,
        })
        .unwrap()
    }

    #[test]
    fn the_compilers_process_and_the_host_agree_about_the_code() {
        let engine = engine(None);
        let compiler =
            wasmtime::Engine::new(&settings::for_compiling(engine.target()).unwrap()).unwrap();
        assert_eq!(hash(&compiler), engine.hash());
    }

    #[tokio::test]
    async fn code_is_compiled_once_and_a_damaged_entry_again() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(Some(AotCache::new(folder.path(), [7; 32], 1 << 30)));
        let component = b"\0asm\x0d\0\x01\0";
        let digest = Digest::of(component);
        engine.load(component, &digest, None).await.unwrap();
        let cache = engine.cache.as_ref().unwrap();
        let entry = cache.path(&digest, &engine.hash(), "");
        let written = std::fs::read(&entry).unwrap();
        assert!(engine.cached(&digest, &engine.process).is_some());
        std::fs::write(&entry, b"not compiled code").unwrap();
        assert!(engine.cached(&digest, &engine.process).is_none());
        engine.load(component, &digest, None).await.unwrap();
        assert_eq!(std::fs::read(&entry).unwrap(), written);
    }

    #[tokio::test]
    async fn what_is_no_component_is_told_apart() {
        let engine = engine(None);
        let load =
            async |bytes: &[u8]| engine.load(bytes, &Digest::of(bytes), None).await.unwrap_err();
        assert!(matches!(load(b"\0asm\x01\0\0\0").await, LoadError::CoreModule));
        assert!(matches!(load(b"PK\x03\x04").await, LoadError::NotWasm));
        assert!(matches!(load(b"\0asm\x0d\0\x01\0 and more").await, LoadError::Compile(_)));
    }
}
