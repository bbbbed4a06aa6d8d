//! The library of ONNX Runtime: the places it is looked for in, and the only one that a process
//! loads.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

use ort::LoadDynamicError;
use ort::environment::{Environment, GlobalThreadPoolOptions};

use keynet_base::config::OnnxRuntimeConfig;
use keynet_base::error::{Error, Result};
use keynet_base::quote::shown;

/// The first letters of a library's file name.
const NAME: &str = "libonnxruntime.so";

/// The library of this process. It is never unloaded.
#[derive(Debug)]
pub(in super::super) struct Library {
    path: PathBuf,
    pub(super) environment: Environment,
}

static LOADED: OnceLock<Library> = OnceLock::new();
/// Held while a library is loaded.
static LOADING: Mutex<()> = Mutex::new(());

/// The library that a configuration names. `None` if there is none; then nothing was loaded.
///
/// # Errors
/// `unavailable`: the library that it names cannot be used.
pub(in super::super) fn library(config: &OnnxRuntimeConfig) -> Result<Option<&'static Library>> {
    match config {
        OnnxRuntimeConfig::Off => Ok(None),
        OnnxRuntimeConfig::Path(path) => load(path).map(Some).map_err(|why| {
            Error::unavailable(format!(
                "KEYNET_ONNXRUNTIME: {} {why}; name the libonnxruntime.so of ONNX Runtime \
                 1.{} or newer for this machine, or set it to `off` to run models without",
                path.display(),
                ort::MINOR_VERSION
            ))
        }),
        OnnxRuntimeConfig::Auto { installed } => {
            // What another host of this process has loaded is as good.
            if let Some(loaded) = LOADED.get() {
                return Ok(Some(loaded));
            }
            for path in found(installed) {
                match trusted(&path).and_then(|()| load(&path)) {
                    Ok(library) => return Ok(Some(library)),
                    Err(why) => tracing::warn!(
                        library = %path.display(),
                        why,
                        "ONNX Runtime was found and cannot be used: models run without it; \
                            KEYNET_ONNXRUNTIME names another, or `off`"
                    ),
                }
            }
            Ok(None)
        }
    }
}

/// The libraries in the usual folders, in the order in which they are tried.
fn found(installed: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|file| Some(file.parent()?.to_owned()));
    let listed = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let listed: Vec<_> = std::env::split_paths(&listed).filter(|path| path.is_absolute()).collect();
    let system =
        ["/usr/local/lib".to_owned(), format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH)];
    let system = system.into_iter().chain(["/usr/lib64", "/usr/lib"].map(str::to_owned));
    beside
        .into_iter()
        .chain([installed.to_owned()])
        .chain(listed)
        .chain(system.map(PathBuf::from))
        .filter_map(|folder| in_folder(&folder))
}

/// The library in a folder: `libonnxruntime.so`, or the last of those with a version.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let named = |name: &std::ffi::OsString| {
        name.to_str()
            .and_then(|name| name.strip_prefix(NAME))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut names: Vec<_> = names.filter(named).collect();
    names.sort();
    let plain = names.iter().any(|name| name == NAME).then(|| NAME.into());
    plain.or_else(|| names.pop()).map(|name| folder.join(name))
}

/// Checks that none but root and this user can have written a library that was found: its code runs
/// in this process.
///
/// # Errors
/// Another could, to follow its path.
fn trusted(path: &Path) -> std::result::Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = fs::canonicalize(path).map_err(unreadable)?;
    let folder = file.parent().map(Path::to_owned);
    let me = rustix::process::geteuid().as_raw();
    for place in [Some(file), folder].into_iter().flatten() {
        let found = fs::metadata(&place).map_err(unreadable)?;
        if (found.uid() != me && found.uid() != 0) || found.mode() & 0o022 != 0 {
            return Err(format!(
                "is not looked at: {} belongs to another user or can be written by others (user \
                 {}, mode {:04o})",
                place.display(),
                found.uid(),
                found.mode() & 0o7777
            ));
        }
    }
    Ok(())
}

/// Loads a library, or finds that it is loaded.
///
/// # Errors
/// Why it cannot be used, to follow its path.
fn load(path: &Path) -> std::result::Result<&'static Library, String> {
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let file = fs::canonicalize(path).map_err(|error| format!("cannot be read: {error}"))?;
    if let Some(loaded) = LOADED.get() {
        if loaded.path == file {
            return Ok(loaded);
        }
        return Err(format!(
            "cannot be loaded, since this process has loaded {} and can have one",
            loaded.path.display()
        ));
    }
    let environment = catch_unwind(AssertUnwindSafe(|| environment(&file)))
        .unwrap_or_else(|_| Err("made its binding panic".to_owned()))?;
    tracing::debug!(library = %file.display(), "ONNX Runtime runs the models");
    Ok(LOADED.get_or_init(|| Library { path: file, environment }))
}

fn environment(file: &Path) -> std::result::Result<Environment, String> {
    let builder = ort::init_from(file).map_err(|error| match error {
        LoadDynamicError::MissingApi { .. } => {
            "is not ONNX Runtime: it has no OrtGetApiBase".to_owned()
        }
        LoadDynamicError::BadVersion { version_str, .. } => {
            format!("is ONNX Runtime {}, which is too old", shown(&version_str))
        }
        LoadDynamicError::Dlopen { error, .. } => {
            format!("cannot be loaded: {}", shown(&error.to_string()))
        }
        other => format!("cannot be loaded: {}", shown(&other.to_string())),
    })?;
    // One pool for all models. Threads that wait do not spin: the processors are the activations'.
    let threads = available_parallelism().map_or(1, std::num::NonZero::get);
    let pool = GlobalThreadPoolOptions::default()
        .with_intra_threads(threads)
        .and_then(|pool| pool.with_inter_threads(1))
        .and_then(|pool| pool.with_spin_control(false));
    let failed = |error: ort::Error| format!("cannot be started: {}", shown(error.message()));
    builder
        .with_name("keynet")
        .with_telemetry(false)
        .with_global_thread_pool(pool.map_err(failed)?)
        .with_logger(Arc::new(|_level, _category, _id, place, message| {
            tracing::debug!(place, message = %shown(message), "ONNX Runtime");
        }))
        .build()
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_none_is_refused_with_its_path_the_reason_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so");
        let error =
            |path: &Path| library(&OnnxRuntimeConfig::Path(path.to_owned())).unwrap_err().message;
        for (path, why) in [
            (file.as_path(), "cannot be read: No such file"),
            (Path::new("/proc/self/exe"), "cannot be loaded"),
        ] {
            let error = error(path);
            assert!(error.starts_with(&format!("KEYNET_ONNXRUNTIME: {} ", path.display())));
            assert!(error.contains(why) && error.contains("set it to `off`"), "{error}");
        }
        fs::write(&file, "text").unwrap();
        assert!(error(&file).contains("cannot be loaded"), "{}", error(&file));
    }

    #[test]
    fn a_library_that_others_could_have_written_is_not_taken_because_it_was_found() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        fs::write(&file, "text").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&file, 0o644);
        trusted(&file).unwrap();
        for (path, open, closed) in [(file.as_path(), 0o664, 0o644), (folder.path(), 0o777, 0o700)]
        {
            mode(path, open);
            let error = trusted(&file).unwrap_err();
            assert!(error.contains("can be written by others"), "{error}");
            mode(path, closed);
        }
        mode(folder.path(), 0o777);
        let found = OnnxRuntimeConfig::Auto { installed: folder.path().to_owned() };
        // A library that is damaged and in the usual places is passed over as well.
        assert!(
            LOADED.get().is_some()
                || library(&found).unwrap().is_none_or(|found| found.path != file)
        );
    }

    #[test]
    fn a_library_is_found_with_or_without_a_version_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(in_folder(folder.path()), None);
        for name in ["libonnxruntime_providers_shared.so", "libonnxruntime.so.1.31.0"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found =
            |name: &str| assert_eq!(in_folder(folder.path()), Some(folder.path().join(name)));
        found("libonnxruntime.so.1.31.0");
        fs::write(folder.path().join("libonnxruntime.so"), "").unwrap();
        found("libonnxruntime.so");
    }
}
