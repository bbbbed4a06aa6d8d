//! Component of a project in C or C++.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use keynet_base::{Config, FileCache};

use super::compiler::Compiler;
use super::objects::{Compiled, Objects, hash};
use super::{CError, CProject};
use crate::errors::ExpectedError;
use crate::project::componentize::componentize;
use crate::project::embedded::{C_SDK, RUST_SDK};
use crate::project::finish::{self, MANIFEST};
use crate::project::{Built, sdk, unpacking};
use crate::ui::progress::Steps;

/// Sources of the SDK. The last is for C++ only.
const SDK_SOURCES: [&str; 14] = [
    "bindings/action.c",
    "bindings/imaging/imaging.c",
    "src/error.c",
    "src/function.c",
    "src/half.c",
    "src/imaging.c",
    "src/input.c",
    "src/log.c",
    "src/storage.c",
    "src/tensor.c",
    "src/text.c",
    "src/triton.c",
    "vendor/yyjson/yyjson.c",
    "src/terminate.cpp",
];

/// Component types of an action and of the imaging library, which are linked with the objects. An
/// interface that the code does not call is not imported.
const COMPONENT_TYPES: [&str; 2] =
    ["bindings/action_component_type.o", "bindings/imaging/imaging_component_type.o"];

/// Flags for the SDK: it is compiled for size, the parts of yyjson that it does not use are left
/// out, and not all its functions are inlined: 84 KB instead of 173.
const SDK_FLAGS: [&str; 6] = [
    "-Os",
    "-w",
    "-DYYJSON_DISABLE_NON_STANDARD=1",
    "-DYYJSON_DISABLE_UTILS=1",
    "-DYYJSON_DISABLE_INCR_READER=1",
    "-Dyyjson_inline=inline",
];

/// Flags of the linker. The stack comes first, so that an overflow traps instead of overwriting
/// data. The initial memory is large enough for a small run: each growth would cost as much time as
/// the rest of the run.
const LINK_FLAGS: [&str; 6] = [
    "-mexec-model=reactor",
    "-Wl,--strip-debug",
    "-Wl,--stack-first",
    "-Wl,-z,stack-size=1048576",
    "-Wl,--initial-heap=1048576",
    "-Wl,--fatal-warnings",
];

/// Builds a project with the requests of its `keynet.toml`, unless nothing has changed since the
/// last build. Messages of the compiler are printed unchanged.
///
/// # Errors
/// There is no compiler, or it rejects the project.
pub fn build(project: &CProject, config: &Config, steps: Steps) -> Result<Built, ExpectedError> {
    let cache = config.cache_dir.join("c");
    let limit = config.cache_size / 8;
    let compiler = Compiler::find(project.is_cpp(), &cache.join("compilers"))?;
    let sdk = sdk_of(project, &cache)?;
    let objects = FileCache::new(cache.join("objects"), limit);
    let mut files = compiled(project, &sdk, &compiler, &objects, steps)?;
    files.extend(
        COMPONENT_TYPES.map(|file| Linkable {
            name: file.into(),
            path: project.folder().join(sdk.join(file)),
        }),
    );
    let components = FileCache::new(cache.join("components"), limit);
    let linked = Linked { compiler: &compiler, is_cpp: project.is_cpp(), files: &files };
    linked.component(&components, &project.folder().join(MANIFEST), config, steps)
}

/// File to link, and the name by which the linker's messages mention it.
#[derive(Debug)]
struct Linkable {
    name: PathBuf,
    path: PathBuf,
}

/// Compiles the project and the SDK, and returns the objects.
fn compiled(
    project: &CProject,
    sdk: &Path,
    compiler: &Compiler,
    cache: &FileCache,
    steps: Steps,
) -> Result<Vec<Linkable>, ExpectedError> {
    let include = |folder: &str| format!("-I{}", sdk.join(folder).display());
    let includes = [include("include"), include("vendor/yyjson"), include("bindings")];
    let folder = project.folder();
    let flags = includes.iter().cloned().chain(SDK_FLAGS.map(str::to_owned)).collect();
    let of_sdk = Objects { compiler, cache, folder, flags, colored: false };
    let flags = project.flags()?.into_iter().chain(includes).collect();
    let of_project = Objects { compiler, cache, folder, flags, colored: steps.colored() };
    let is_cpp = project.is_cpp();
    let sdk_sources = SDK_SOURCES.iter().filter(|source| is_cpp || !source.ends_with(".cpp"));
    let own = project.sources().iter().map(|source| (&of_project, source.clone()));
    let jobs: Vec<_> = own.chain(sdk_sources.map(|file| (&of_sdk, sdk.join(file)))).collect();

    let is_known = jobs.iter().all(|(objects, source)| objects.is_known(source));
    let main = project.main();
    let name = main.file_name().unwrap_or(main.as_os_str()).to_string_lossy();
    let step = (!is_known).then(|| steps.begin(&format!("compiling {name} for WebAssembly")));
    let outcomes = compile(&jobs);
    drop(step);
    for Compiled { said, .. } in &outcomes {
        steps.say(said);
    }
    let named = jobs.iter().zip(outcomes).map(|((_, source), outcome)| {
        // Sources of an SDK in the cache have absolute paths.
        let name = source.strip_prefix(sdk).unwrap_or(source).with_extension("o");
        Ok(Linkable { name, path: outcome.object? })
    });
    named.collect()
}

/// Returns the folder of the SDK: the one in the project's folder, relative to it, or else the SDK
/// that this binary carries, unpacked.
fn sdk_of(project: &CProject, cache: &Path) -> Result<PathBuf, ExpectedError> {
    let has_own = project.folder().join(sdk::FOLDER).join("include/keynet.h").is_file();
    if has_own { Ok(sdk::FOLDER.into()) } else { unpacking::unpacked(C_SDK, &cache.join("sdk")) }
}

/// Compiles sources, as many at once as the machine has processors.
fn compile(jobs: &[(&Objects<'_>, PathBuf)]) -> Vec<Compiled> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((objects, source)) = jobs.get(at) else { break };
                    let outcome = objects.compile(source);
                    done.lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner())
                        .push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

impl Linkable {
    /// Returns the path that the object is linked from, below a folder: `2/src/boxes.o`. The number
    /// keeps the objects of `boxes.c` and `boxes.cpp` apart.
    fn place(&self, position: usize) -> PathBuf {
        Path::new(&position.to_string()).join(&self.name)
    }
}

/// Objects to link.
struct Linked<'a> {
    compiler: &'a Compiler,
    is_cpp: bool,
    files: &'a [Linkable],
}

impl Linked<'_> {
    /// Makes the component, unless it is in the cache. The names of the objects contain hashes of
    /// their content, so the names are enough for the key.
    fn component(
        &self,
        cache: &FileCache,
        ask: &Path,
        config: &Config,
        steps: Steps,
    ) -> Result<Built, ExpectedError> {
        let asked = fs::read(ask).unwrap_or_default();
        let mut parts: Vec<&[u8]> =
            self.files.iter().map(|file| file.path.as_os_str().as_encoded_bytes()).collect();
        let flags = LINK_FLAGS.join(" ");
        // An action that uses the imaging library contains it, so the library is part of the key.
        let imaging = unpacking::content_hash(RUST_SDK);
        let types: Vec<u8> = self
            .files
            .iter()
            .rev()
            .take(COMPONENT_TYPES.len())
            .flat_map(|file| fs::read(&file.path).unwrap_or_default())
            .collect();
        parts.extend([flags.as_bytes(), &asked, &types, imaging.as_bytes()]);
        let path = cache.path(format!("{}.wasm", hash(&parts)));
        if let Ok(bytes) = fs::read(&path) {
            cache.used(&path);
            return Ok(Built { path, bytes });
        }
        let module = self.link(steps)?;
        let bytes = componentize(&module).map_err(CError::from)?;
        let bytes = finish::finished(bytes, ask, config, steps)?;
        cache
            .keep(&path, |mut file| file.write_all(&bytes))
            .map_err(ExpectedError::io("write", &path))?;
        Ok(Built { path, bytes })
    }

    fn link(&self, steps: Steps) -> Result<Vec<u8>, ExpectedError> {
        let work =
            tempfile::tempdir().map_err(ExpectedError::io_on("make", "a temporary folder"))?;
        let module = work.path().join("action.wasm");
        for (position, file) in self.files.iter().enumerate() {
            let place = work.path().join(file.place(position));
            let folder = place.parent().unwrap_or(work.path());
            fs::create_dir_all(folder).map_err(ExpectedError::io("make", folder))?;
            fs::copy(&file.path, &place).map_err(ExpectedError::io("copy", &file.path))?;
        }
        let places = self.files.iter().enumerate().map(|(position, file)| file.place(position));
        let mut command = self.compiler.command(self.is_cpp);
        command.args(LINK_FLAGS).args(places).arg("-o").arg(&module);
        let ended = command.current_dir(work.path()).stdin(Stdio::null()).output();
        let ended = ended.map_err(ExpectedError::io_on("start", "clang"))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        steps.say(&said);
        if !ended.status.success() {
            let has = |text: &str| {
                said.lines()
                    .any(|line| line.contains(text) && line.contains("keynet_registered_function"))
            };
            return Err(CError::Link {
                has_no_function: has("undefined symbol"),
                has_several: has("duplicate symbol"),
            }
            .into());
        }
        fs::read(&module).map_err(ExpectedError::io("read", &module))
    }
}
