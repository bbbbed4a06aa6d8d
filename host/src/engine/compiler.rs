//! Compilation in a child process of the same binary, with limits on its memory and time.
//!
//! Cranelift cannot be interrupted, and a hostile component can make it take all memory and time there is. The child gets the
//! component on standard input and writes compiled code to a memfd on standard output; once it is gone the memfd is sealed, which
//! fails if anybody could still write to it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal};

use super::{LoadError, memfd, settings};

/// The first argument that makes a binary the compiler, see [`run_if_compiler`].
const ROLE: &str = "keynet-compile-component";

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child process of this binary. Its `main` must begin with [`run_if_compiler`].
    Child(CompileLimits),
    /// In this process, without limits: for components that are trusted, such as those of tests and benchmarks.
    InProcess,
}

/// What compiling one component may cost.
#[derive(Debug, Clone, Copy)]
pub struct CompileLimits {
    /// Bytes of address space beyond what the binary itself maps (`KEYNET_COMPILE_MEMORY`).
    pub memory: u64,
    /// Wall-clock time, and half as much again of processor time per core (`KEYNET_COMPILE_TIME`).
    pub time: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory: 2 << 30, time: Duration::from_secs(120) }
    }
}

impl Compiler {
    /// Compiles `component` and returns the code in a sealed memfd.
    pub(super) async fn compile(&self, engine: &wasmtime::Engine, component: &[u8]) -> Result<File, LoadError> {
        match self {
            Self::Child(limits) => compile_in_child(component, *limits).await,
            Self::InProcess => {
                let code = engine.precompile_component(component).map_err(|error| LoadError::Compile(format!("{error:#}")))?;
                let mut file = memfd::create()?;
                file.write_all(&code)?;
                memfd::seal(&file)?;
                Ok(file)
            }
        }
    }
}

async fn compile_in_child(component: &[u8], limits: CompileLimits) -> Result<File, LoadError> {
    let mut input = memfd::create()?;
    input.write_all(component)?;
    input.seek(SeekFrom::Start(0))?;
    let output = memfd::create()?;
    let child = tokio::process::Command::new("/proc/self/exe")
        .arg(ROLE)
        .arg(limits.memory.to_string())
        .arg(limits.time.as_secs().max(1).to_string())
        .env_clear()
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let ended = tokio::time::timeout(limits.time, child.wait_with_output()).await;
    let ended = ended.map_err(|_| LoadError::CompileTime(limits.time))??;
    if !ended.status.success() {
        return Err(why_it_failed(ended.status, &ended.stderr, limits));
    }
    memfd::seal(&output)?;
    Ok(output)
}

fn why_it_failed(status: ExitStatus, stderr: &[u8], limits: CompileLimits) -> LoadError {
    let said = String::from_utf8_lossy(stderr).trim().to_owned();
    let signal = status.signal().and_then(Signal::from_named_raw);
    if status.code() == Some(REFUSED) {
        LoadError::Compile(said)
    } else if signal == Some(Signal::XCPU) {
        LoadError::CompileTime(limits.time)
    } else if said.contains("memory allocation of")
        || said.contains("failed to allocate")
        || matches!(signal, Some(Signal::KILL | Signal::BUS))
    {
        LoadError::CompileMemory(limits.memory)
    } else {
        LoadError::Compile(format!("the compiler ended with {status}: {}", said.lines().last().unwrap_or("it said nothing")))
    }
}

/// The child's exit code when the component is at fault and standard error says why.
const REFUSED: i32 = 65; // EX_DATAERR

/// Compiles a component and exits, if this process was started to do that. Call it first in `main`, before any thread starts.
pub fn run_if_compiler() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ROLE) {
        return;
    }
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(memory), Some(seconds)) = (number(), number()) else {
        eprintln!("{ROLE} is started by the host itself");
        std::process::exit(64);
    };
    match compile_here(memory, seconds) {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error:#}");
            std::process::exit(REFUSED);
        }
    }
}

fn compile_here(memory: u64, seconds: u64) -> wasmtime::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let limit = |resource, value| {
        rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) }).map_err(std::io::Error::from)
    };
    // Started first: its threads' stacks and arenas are part of the binary, not of the component.
    let engine = wasmtime::Engine::new(&settings::for_compiling())?;
    limit(Resource::As, mapped_bytes().saturating_add(memory))?;
    limit(Resource::Cpu, seconds.saturating_mul(cores).saturating_mul(3) / 2 + 1)?;
    limit(Resource::Core, 0)?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let code = engine.precompile_component(&component)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&code)?;
    Ok(stdout.flush()?)
}

/// The address space this process has mapped, in bytes.
fn mapped_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}
