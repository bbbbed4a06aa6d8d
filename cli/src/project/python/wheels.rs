//! numpy and Pillow, which no package index has for WebAssembly: built once, by the recipe that
//! this program carries.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::PythonError;
use super::environment::Environment;
use crate::errors::ExpectedError;
use crate::ui::progress::Steps;

/// How many lines of the build's messages an error repeats.
const LAST_LINES: usize = 30;

/// Returns the folder with the wheels. Building them takes about five minutes, and happens once for
/// all projects; `make wheels` in a clone builds the same.
///
/// # Errors
/// The recipe fails: there is no network, no cargo, or no Python that is new enough.
pub fn build(environment: &Environment, steps: Steps) -> Result<PathBuf, ExpectedError> {
    let mut build = Command::new("bash");
    build.arg(environment.sdk().join("wheels/build"));
    if let Some(cache) = environment.cache().parent() {
        build.env("KEYNET_CACHE", cache);
    }
    let build = build.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut build =
        build.map_err(ExpectedError::io_on("start", "bash, which builds numpy and Pillow"))?;
    let mut said: Vec<String> = Vec::new();
    let mut step = None;
    for line in build
        .stderr
        .take()
        .into_iter()
        .flat_map(|stderr| BufReader::new(stderr).lines())
        .map_while(Result::ok)
    {
        if said.is_empty() {
            steps.note(
                "numpy and Pillow are built for WebAssembly, once on this machine: this takes 5 to \
                    15 minutes",
            );
        }
        step = None;
        step.replace(steps.begin(&format!("numpy and Pillow: {line}")));
        said.push(line);
    }
    drop(step);
    let output = build
        .wait_with_output()
        .map_err(ExpectedError::io_on("run", "bash, which builds numpy and Pillow"))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || folder.is_empty() {
        let last = said.split_off(said.len().saturating_sub(LAST_LINES));
        return Err(PythonError::Wheels { said: last.join("\n") }.into());
    }
    Ok(folder.into())
}
