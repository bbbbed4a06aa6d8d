//! Rust toolchain that builds components: the active toolchain if it has the target, or else the
//! one that this project's set-up script makes.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ProjectError;

/// Target that components are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Name of the toolchain that `guest-sdk/setup-wasm-toolchain` links to rustup.
const LINKED: &str = "keynet-wasm";

/// Rust toolchain that has the requested target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The toolchain of the `cargo` that runs in the project's folder.
    Active,
    /// A toolchain that rustup has under this name.
    Linked(&'static str),
}

impl Toolchain {
    /// Finds a toolchain for the project in `folder`, whose own `rust-toolchain.toml` decides which
    /// one is active.
    ///
    /// # Errors
    /// Rust is not installed, or no toolchain has the target.
    pub fn find(folder: &Path) -> Result<Self, ProjectError> {
        Self::find_with(folder, TARGET)
    }

    /// Finds a toolchain with another target than that of actions. The linked toolchain has every
    /// target that this program builds for.
    ///
    /// # Errors
    /// Rust is not installed, or no toolchain has the target.
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

    /// Returns the toolchain's cargo, to be run in `folder`.
    pub fn cargo(self, folder: &Path) -> Command {
        let mut cargo = clean("cargo", folder);
        if let Self::Linked(name) = self {
            cargo.env("RUSTUP_TOOLCHAIN", name);
        }
        cargo
    }
}

/// Returns a command without the variables by which a `cargo run` around this process would choose
/// its toolchain.
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

/// Runs a command and returns its standard output if it succeeds.
fn output(command: &mut Command) -> std::io::Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(std::io::Error::other(format!("it ended with {}", output.status)))
    }
}
