//! Compilation in a child process of the same binary, with limits on its memory and time.
//!
//! Cranelift cannot be interrupted, and a hostile component can make it take unlimited memory and
//! time. The child gets the component on standard input and writes compiled code to a memfd on
//! standard output; once the child has ended, the memfd is sealed, which fails if any process could
//! still write to it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal};
use tokio::io::AsyncReadExt as _;

use super::input::Input;
use super::settings::Target;
use super::{Identity, LoadError, MAX_REASON, address_space, cgroup, identity, memfd, settings};
use keynet_base::offload::{in_background, in_place};
use keynet_base::quote::{bounded, shown};

/// Bytes that compiling leaves to the host if the container's memory is limited.
const KEPT_FREE: u64 = 16 << 20;

/// Memory or address space below which the compiler's threads share one arena of the allocator: an
/// arena per thread would take 64 MiB of address space each, used or not.
const FOR_ARENAS: u64 = 512 << 20;

/// Maximum bytes of a compiler's standard error that are read.
const MAX_SAID: u64 = 16 << 10;

/// How many times as long a child with a niceness may take: beside others it has about a quarter of
/// its processors.
const BESIDE_OTHERS: u32 = 4;

/// First argument of a process that compiles, see [`run_if_compiler`].
const ROLE: &str = "keynet-compile-component";

/// Process that compiles components.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// A child process of this binary. Its `main` must begin with [`run_if_compiler`].
    Child(CompileLimits),
    /// This process, without limits: for trusted components, such as those of tests and benchmarks.
    InProcess,
}

/// Limits of compiling one component.
#[derive(Debug, Clone, Copy)]
pub struct CompileLimits {
    /// Bytes of address space beyond the binary's own mappings (`KEYNET_COMPILE_MEMORY`). The rest
    /// of the container's own limit applies if it is lower.
    pub memory: u64,
    /// Wall-clock time, and half as much again of processor time per core (`KEYNET_COMPILE_TIME`). A
    /// child with a niceness has four times the wall-clock time: what others compute must not make
    /// its component fail.
    pub time: Duration,
    /// Niceness of the child. It is 0 for a child that has the priority, the time slices and the
    /// processors of this process. It is more if this process runs activations meanwhile: the child
    /// also has long time slices, and all processors but one.
    pub niceness: i32,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory: 2 << 30, time: Duration::from_secs(120), niceness: 0 }
    }
}

impl CompileLimits {
    fn wall_clock(&self) -> Duration {
        if self.niceness > 0 { self.time.saturating_mul(BESIDE_OTHERS) } else { self.time }
    }
}

impl Compiler {
    /// Returns the compiler with another limit on memory; one without limits stays unchanged.
    pub(super) fn within(&self, memory: u64) -> Self {
        match self {
            Self::Child(limits) => Self::Child(CompileLimits { memory, ..*limits }),
            Self::InProcess => Self::InProcess,
        }
    }

    /// Compiles `component` for `target`, which must be the target of `engine`, and returns the
    /// code in a sealed memfd.
    pub(super) async fn compile(
        &self,
        engine: &wasmtime::Engine,
        target: Target,
        component: Input<'_>,
    ) -> Result<File, LoadError> {
        match self {
            Self::Child(limits) => compile_in_child(component, target, *limits).await,
            Self::InProcess => {
                let code = engine.precompile_component(&component.bytes()?);
                let code = code.map_err(|error| {
                    LoadError::Compile(bounded(format_args!("{error:#}"), MAX_REASON))
                })?;
                let mut file = memfd::create()?;
                file.write_all(&code)?;
                memfd::seal(&file)?;
                Ok(file)
            }
        }
    }
}

async fn compile_in_child(
    component: Input<'_>,
    target: Target,
    limits: CompileLimits,
) -> Result<File, LoadError> {
    let output = memfd::create()?;
    let left = cgroup::memory_left()
        .map(|left| left.saturating_sub(KEPT_FREE))
        .filter(|left| *left < limits.memory);
    let limits = CompileLimits { memory: left.unwrap_or(limits.memory), ..limits };
    let space = address_space::limit().unwrap_or(u64::MAX);
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command
        .arg(ROLE)
        .arg(limits.memory.to_string())
        .arg(limits.time.as_secs().max(1).to_string())
        .arg(target.cpu.to_string())
        .arg(target.memory.to_string())
        .arg(limits.niceness.to_string())
        .env_clear()
        .envs((limits.memory.min(space) < FOR_ARENAS).then_some(("MALLOC_ARENA_MAX", "1")))
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let start = || {
        let mut input = memfd::create()?;
        component.copy_to(&mut input)?;
        input.seek(SeekFrom::Start(0))?;
        command.stdin(Stdio::from(input)).spawn()
    };
    // The child has the processors and the time slices of the thread that starts it, from the first.
    let mut child = if limits.niceness > 0 { in_background(start) } else { in_place(start) }?;
    let said = child.stderr.take();
    let most = limits.wall_clock();
    let ended = tokio::time::timeout(most, async {
        let mut text = Vec::new();
        if let Some(said) = said {
            // The pipe is closed after this, so that further writes of the child fail.
            said.take(MAX_SAID).read_to_end(&mut text).await?;
        }
        std::io::Result::Ok((child.wait().await?, text))
    });
    let (status, said) = ended.await.map_err(|_| LoadError::CompileTime(most))??;
    if !status.success() {
        return Err(match why_it_failed(status, &said, limits) {
            LoadError::CompileMemory(_) if space < limits.memory => LoadError::AddressSpace(space),
            LoadError::CompileMemory(limit) if left.is_some() => LoadError::ContainerMemory(limit),
            other => other,
        });
    }
    memfd::seal(&output)?;
    Ok(output)
}

fn why_it_failed(status: ExitStatus, stderr: &[u8], limits: CompileLimits) -> LoadError {
    let said = String::from_utf8_lossy(stderr).trim().to_owned();
    let signal = status.signal().and_then(Signal::from_named_raw);
    if status.code() == Some(REFUSED) && said.contains("out of memory") {
        LoadError::CompileMemory(limits.memory)
    } else if status.code() == Some(REFUSED) {
        LoadError::Compile(bounded(said, MAX_REASON))
    } else if signal == Some(Signal::XCPU) {
        LoadError::CompileTime(limits.time)
    } else if said.contains("memory allocation of")
        || said.contains("failed to allocate")
        || matches!(signal, Some(Signal::KILL | Signal::BUS))
    {
        LoadError::CompileMemory(limits.memory)
    } else {
        LoadError::Compile(format!(
            "the compiler ended with {status}: {}",
            shown(said.lines().last().unwrap_or("it said nothing"))
        ))
    }
}

/// The child's exit code when the component is at fault; standard error has the reason.
const REFUSED: i32 = 65; // EX_DATAERR

/// Compiles a component, or prints the identity of the code it would make, and exits, if this
/// process was started for that. Call it first in `main`, before any thread starts.
pub fn run_if_compiler() {
    let arguments: Vec<String> = std::env::args().skip(1).take(6).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [ROLE, memory, seconds, cpu, space, niceness] => {
            let numbers = (memory.parse(), seconds.parse(), niceness.parse());
            match (numbers, cpu.parse(), space.parse()) {
                ((Ok(memory), Ok(seconds), Ok(niceness)), Ok(cpu), Ok(space)) => {
                    // Before its threads start, which inherit it. A refusal costs others time only.
                    if niceness > 0 {
                        let _ = rustix::process::nice(niceness);
                    }
                    compile_here(memory, seconds, Target { cpu, memory: space })
                }
                _ => misused(),
            }
        }
        [identity::ROLE, cpu] => cpu.parse().map_or_else(|_| misused(), Identity::tell),
        [ROLE | identity::ROLE, ..] => misused(),
        _ => return,
    };
    match done {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{}", bounded(format_args!("{error:#}"), MAX_REASON));
            std::process::exit(REFUSED);
        }
    }
}

fn misused() -> ! {
    eprintln!("this is started by the host itself");
    std::process::exit(64) // EX_USAGE
}

fn compile_here(memory: u64, seconds: u64, target: Target) -> wasmtime::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let limit = |resource, value: u64| {
        // The hard limit that this process inherited from its parent.
        let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let value = Some(value.min(most));
        rustix::process::setrlimit(resource, Rlimit { current: value, maximum: value })
            .map_err(std::io::Error::from)
    };
    // Created before the limit: the stacks and arenas of its threads do not count for the
    // component.
    let engine = wasmtime::Engine::new(&settings::for_compiling(target)?)?;
    limit(Resource::As, address_space::mapped().saturating_add(memory))?;
    limit(Resource::Cpu, seconds.saturating_mul(cores).saturating_mul(3) / 2 + 1)?;
    limit(Resource::Core, 0)?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let code = engine.precompile_component(&component)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&code)?;
    Ok(stdout.flush()?)
}
