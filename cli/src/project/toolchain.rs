//! Which Rust builds components here: the active toolchain where it has the target, or the one this
//! project's set-up script makes.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ProjectError;

/// What components are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// What `guest-sdk/setup-wasm-toolchain` links to rustup.
const LINKED: &str = "keynet-wasm";

/// A Rust toolchain that has the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The one that `cargo` is in the project's folder.
    Active,
    /// One that rustup has under this name.
    Linked(&'static str),
}

impl Toolchain {
    /// Finds one for the project in `folder`, whose own `rust-toolchain.toml` decides which is
    /// active.
    ///
    /// # Errors
    /// There is no Rust, or none with the target.
    pub fn find(folder: &Path) -> Result<Self, ProjectError> {
        Self::find_with(folder, TARGET)
    }

    /// As [`find`](Self::find), with another target than that of actions. The linked toolchain has
    /// each that this program builds for.
    ///
    /// # Errors
    /// There is no Rust, or none with the target.
    pub fn find_with(folder: &Path, target: &str) -> Result<Self, ProjectError> {
        let has_target =
            output(clean("rustc", folder).args(["--print", "target-libdir", "--target", target]));
        if has_target.is_ok_and(|path| Path::new(path.trim()).is_dir()) {
            return Ok(Self::Active);
        }
        let linked = output(clean("rustup", folder).args(["toolchain", "list"]));
        if linked.is_ok_and(|list| {
            list.lines().any(|line| line.split_whitespace().next() == Some(LINKED))
        }) {
            return Ok(Self::Linked(LINKED));
        }
        output(clean("cargo", folder).arg("--version")).map_err(ProjectError::NoCargo)?;
        Err(ProjectError::NoToolchain)
    }

    /// Its cargo, to be run in `folder`.
    pub fn cargo(self, folder: &Path) -> Command {
        let mut cargo = clean("cargo", folder);
        if let Self::Linked(name) = self {
            cargo.env("RUSTUP_TOOLCHAIN", name);
        }
        cargo
    }
}

/// A command that does not take over the toolchain of a `cargo run` that this process may be in.
fn clean(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if env::var_os("CARGO").is_some() {
        for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(variable);
        }
    }
    command
}

/// What a command says, if it succeeds.
fn output(command: &mut Command) -> std::io::Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(std::io::Error::other(format!("it ended with {}", output.status)))
    }
}
