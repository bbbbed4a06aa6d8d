//! Private environment: a virtual environment in the cache with componentize-py and pip, pinned by
//! hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keynet_base::Config;

use super::{PythonError, interpreter, kept, pip};
use crate::errors::ExpectedError;
use crate::project::embedded::{File, PYTHON_SDK};
use crate::project::unpacking;
use crate::ui::progress::Steps;

/// Lock file of the installed packages, in the SDK.
const LOCK: &str = "toolchain/requirements.txt";

/// Virtual environment, and the SDK that is unpacked beside it.
#[derive(Debug)]
pub struct Environment {
    folder: PathBuf,
    sdk: PathBuf,
    cache: PathBuf,
}

impl Environment {
    /// Returns the environment in the cache, which [`Environment::prepare`] makes before something
    /// is built.
    ///
    /// # Errors
    /// The SDK cannot be unpacked.
    pub fn new(config: &Config) -> Result<Self, ExpectedError> {
        let cache = std::path::absolute(config.cache_dir.join("python"))
            .map_err(ExpectedError::io("find", &config.cache_dir))?;
        let sdk = unpacking::unpacked(PYTHON_SDK, &cache.join("sdk"))?;
        let lock = PYTHON_SDK.iter().filter(|file| file.path == LOCK);
        Ok(Self {
            folder: cache.join("environments").join(unpacking::content_hash(lock)),
            sdk,
            cache,
        })
    }

    /// Makes the environment with the user's Python and a package index, unless it exists and
    /// works.
    ///
    /// # Errors
    /// No Python can make an environment, the network is not available, or the cache cannot be
    /// written.
    pub fn prepare(&self, steps: Steps) -> Result<(), ExpectedError> {
        if self.folder.is_dir() && !self.works() {
            // The Python that it was made with was removed, or was upgraded to another version.
            fs::remove_dir_all(&self.folder).map_err(ExpectedError::io("remove", &self.folder))?;
        }
        kept::folder(&self.folder, |draft| self.make(draft, steps))
    }

    /// Returns the folder in which results of Python builds are kept.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Returns the folder of the unpacked SDK.
    pub fn sdk(&self) -> &Path {
        &self.sdk
    }

    /// Returns a short hash of the SDK's files whose path begins with `prefix`.
    pub fn hash_of(prefix: &str) -> String {
        unpacking::content_hash(
            PYTHON_SDK.iter().filter(|file: &&File| file.path.starts_with(prefix)),
        )
    }

    /// Returns the environment's Python, which ignores environment variables and the user's own
    /// packages.
    pub fn python(&self) -> Command {
        python_in(&self.folder)
    }

    fn works(&self) -> bool {
        let tried = self
            .python()
            .args(["-c", "import componentize_py, pip"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    }

    fn make(&self, draft: &Path, steps: Steps) -> Result<(), ExpectedError> {
        let user_python = interpreter::find()?;
        let _step =
            steps.begin("making a Python environment with componentize-py, once for all projects");
        let venv = Command::new(&user_python)
            .args(["-I", "-m", "venv"])
            .arg(draft)
            .stdin(Stdio::null())
            .output();
        let venv = venv.map_err(ExpectedError::io("start", &user_python))?;
        if !venv.status.success() {
            let said = [venv.stdout, venv.stderr].concat();
            return Err(PythonError::Environment {
                program: user_python,
                said: String::from_utf8_lossy(&said).into_owned(),
            }
            .into());
        }
        let mut install = pip::command(python_in(draft).args(["-m", "pip"]));
        install
            .args(["install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r"])
            .arg(self.sdk.join(LOCK));
        pip::run(&mut install, "componentize-py")?;
        Ok(())
    }
}

fn python_in(folder: &Path) -> Command {
    let mut python = Command::new(folder.join("bin/python"));
    python.arg("-I");
    python
}
