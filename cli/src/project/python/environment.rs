//! The private environment: a virtual environment in the cache with componentize-py and pip, pinned
//! by hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keynet_base::Config;

use super::{PythonError, interpreter, kept, pip};
use crate::errors::ExpectedError;
use crate::project::embedded::{File, PYTHON_SDK};
use crate::project::unpacking;
use crate::ui::progress::Steps;

/// What is installed, in the SDK.
const LOCK: &str = "toolchain/requirements.txt";

/// A virtual environment, and the SDK that is unpacked beside it.
#[derive(Debug)]
pub struct Environment {
    folder: PathBuf,
    sdk: PathBuf,
    cache: PathBuf,
}

impl Environment {
    /// The environment in the cache, which [`Environment::prepare`] makes where something is to be
    /// built.
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

    /// Makes it, unless it is there; the user's Python and a package index are needed for that.
    ///
    /// # Errors
    /// There is no Python that can make one, no network, or the cache cannot be written.
    pub fn prepare(&self, steps: Steps) -> Result<(), ExpectedError> {
        if self.folder.is_dir() && !self.works() {
            // The Python that it was made with has gone, or has become another version.
            fs::remove_dir_all(&self.folder).map_err(ExpectedError::io("remove", &self.folder))?;
        }
        kept::folder(&self.folder, |draft| self.make(draft, steps))
    }

    /// The folder of what is kept of builds in Python.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The folder of the unpacked SDK.
    pub fn sdk(&self) -> &Path {
        &self.sdk
    }

    /// The files of the SDK whose path begins with `prefix`, as a short hash.
    pub fn hash_of(prefix: &str) -> String {
        unpacking::content_hash(
            PYTHON_SDK.iter().filter(|file: &&File| file.path.starts_with(prefix)),
        )
    }

    /// Its Python, which takes nothing from variables and from the user's own packages.
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
