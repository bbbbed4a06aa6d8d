//! The private toolchain: the bundler and an engine in the cache, pinned by a lock file of npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keynet_base::Config;
use serde::Deserialize;

use super::{JavaScriptError, node};
use crate::errors::ExpectedError;
use crate::project::embedded::{File, JAVASCRIPT_SDK};
use crate::project::python::kept;
use crate::project::unpacking;
use crate::ui::progress::Steps;

/// What npm says where it cannot reach its registry.
const NO_CONNECTION: [&str; 6] =
    ["ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH"];

/// What evaluates a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Small and quick to start.
    #[default]
    QuickJs,
    /// The engine of Firefox: larger, with more of the web's interfaces.
    SpiderMonkey,
}

impl Engine {
    /// Its name, which its files in the SDK have too.
    pub fn name(self) -> &'static str {
        match self {
            Self::QuickJs => "quickjs",
            Self::SpiderMonkey => "spidermonkey",
        }
    }
}

/// The tools for an engine, and the SDK that is unpacked beside them.
#[derive(Debug)]
pub struct Toolchain {
    engine: Engine,
    folder: PathBuf,
    sdk: PathBuf,
    cache: PathBuf,
}

impl Toolchain {
    /// The toolchain in the cache, which [`Toolchain::prepare`] makes.
    ///
    /// # Errors
    /// The SDK cannot be unpacked.
    pub fn new(engine: Engine, config: &Config) -> Result<Self, ExpectedError> {
        let cache = std::path::absolute(config.cache_dir.join("javascript"))
            .map_err(ExpectedError::io("find", &config.cache_dir))?;
        let sdk = unpacking::unpacked(JAVASCRIPT_SDK, &cache.join("sdk"))?;
        let list = format!("toolchain/{}/package", engine.name());
        let pinned = JAVASCRIPT_SDK.iter().filter(|file: &&File| file.path.starts_with(&list));
        let name = format!("{}-{}", engine.name(), unpacking::content_hash(pinned));
        Ok(Self { engine, folder: cache.join("toolchains").join(name), sdk, cache })
    }

    /// Installs it, unless it is there; npm and a registry are needed for that.
    ///
    /// # Errors
    /// There is no npm or no network, or the cache cannot be written.
    pub fn prepare(&self, steps: Steps) -> Result<(), ExpectedError> {
        kept::folder(&self.folder, |draft| self.install(draft, steps))
    }

    /// The engine that it is for.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The folder of its packages.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the unpacked SDK.
    pub fn sdk(&self) -> &Path {
        &self.sdk
    }

    /// The folder of what is kept of builds.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Node.js on the script that builds. It sees no variables of the builder's.
    ///
    /// # Errors
    /// There is no Node.js, or it is too old.
    pub fn script(&self, work: &Path) -> Result<Command, ExpectedError> {
        let mut script = Command::new(node::find()?);
        script.env_clear().env("HOME", work).env("TMPDIR", work).current_dir(work);
        script.arg("--no-warnings").arg(self.sdk.join("toolchain/build.mjs"));
        script.stdin(Stdio::null());
        Ok(script)
    }

    fn install(&self, draft: &Path, steps: Steps) -> Result<(), ExpectedError> {
        node::find()?;
        let _step = steps.begin(&format!(
            "installing the tools that build functions for {}, once for all projects",
            self.engine.name()
        ));
        for file in ["package.json", "package-lock.json"] {
            let from = self.sdk.join("toolchain").join(self.engine.name()).join(file);
            fs::copy(&from, draft.join(file)).map_err(ExpectedError::io("copy", &from))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        npm.args(["--fetch-retries=2", "--fetch-retry-mintimeout=500"]);
        npm.args(["--include=optional", "--omit=dev", "--install-strategy=hoisted"]);
        let ended = npm.current_dir(draft).stdin(Stdio::null()).output();
        let ended = ended.map_err(|_| JavaScriptError::NoNpm)?;
        if ended.status.success() {
            return Ok(());
        }
        Err(failed(&String::from_utf8_lossy(&ended.stderr)).into())
    }
}

/// Returns why npm failed, from what it said.
fn failed(said: &str) -> JavaScriptError {
    let lines = said.lines().filter_map(|line| line.strip_prefix("npm error "));
    let lines: Vec<&str> =
        lines.filter(|line| !line.contains("complete log of this run")).collect();
    let told = if lines.is_empty() { said.trim().to_owned() } else { lines.join("\n") };
    if NO_CONNECTION.iter().any(|code| said.contains(code)) {
        return JavaScriptError::NoNetwork { said: told };
    }
    JavaScriptError::Install { said: told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_network_is_told_apart_from_other_failures_of_npm() {
        let said = "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error A complete \
            log of this run can be found in: /root/.npm/_logs/x.log\n";
        assert!(
            matches!(failed(said), JavaScriptError::NoNetwork { said } if !said.contains("_logs"))
        );
        let JavaScriptError::Install { said } = failed("npm error code EINTEGRITY\n") else {
            panic!("no failure of the installation")
        };
        assert_eq!(said, "code EINTEGRITY");
    }

    #[test]
    fn the_tools_of_each_engine_are_pinned() {
        for engine in [Engine::QuickJs, Engine::SpiderMonkey] {
            let lock = format!("toolchain/{}/package-lock.json", engine.name());
            let lock = JAVASCRIPT_SDK.iter().find(|file| file.path == lock).unwrap();
            let lock: serde_json::Value = serde_json::from_slice(lock.bytes).unwrap();
            let packages = lock["packages"].as_object().unwrap();
            assert!(packages.contains_key("node_modules/esbuild"));
            for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
                assert!(package["integrity"].is_string(), "{name} has no digest");
            }
        }
    }
}
