//! Projects of actions that are built with tools in the user's own cache, so that these are
//! installed once.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::{Ended, Sandbox, end_within, user_cache};

/// Sandbox with projects, and with the cache of all builds.
pub struct Projects {
    /// Sandbox with the projects as its folders.
    pub sandbox: Sandbox,
    /// Time limit of a command that may build.
    build: Duration,
}

impl Projects {
    /// Creates a sandbox without projects.
    pub fn new(build: Duration) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("KEYNET_CACHE", user_cache().display());
        sandbox.set("KEYNET_ARTIFACTS", sandbox.path("artifacts").display());
        // numpy and Pillow take 25 s of processor time, possibly minutes while other tests run.
        sandbox.set("KEYNET_COMPILE_TIME", "20m");
        Self { sandbox, build }
    }

    /// Creates a project with these files.
    pub fn project(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.sandbox.path(name);
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    /// Runs `keynet-inference`.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        end_within(self.sandbox.command(arguments), self.build)
    }

    /// Runs `run FUNCTION`, and parses the result as JSON.
    pub fn result(&self, function: &Path, parameters: &[&str]) -> Value {
        let mut arguments = vec!["run".as_ref(), function.as_os_str()];
        arguments.extend(
            parameters.iter().flat_map(|parameter| [OsStr::new("--param"), OsStr::new(parameter)]),
        );
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()
    }
}
