//! `build`: a project into one file, `action.wasm`, that is known to be an action.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keynet_host::policy::Ask;
use keynet_host::{Action, Config, Host, NewFile};

use crate::args::HostArgs;
use crate::console::Console;
use crate::errors::ExpectedError;
use crate::project::ProjectError;
use crate::project::cargo::Build;
use crate::project::sdk;
use crate::project::toolchain::Toolchain;
use crate::runtime::{self, Work};
use crate::{config, units};

/// What an action asks for, beside its manifest.
const ASK: &str = "keynet.toml";

/// What is built, in the project's folder.
const DEFAULT_OUTPUT: &str = "action.wasm";

/// What to build, how.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Where to put the component [default: action.wasm in the project's folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Build with this profile of cargo's
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
    /// More arguments for cargo build, such as -- --locked --features x
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    arguments: Vec<String>,
}

/// Builds it, puts its `keynet.toml` into the component, and checks that it is an action.
///
/// # Errors
/// cargo fails, what it makes is not an action, or cannot be written.
pub fn run(args: &BuildArgs, console: Console) -> Result<(), ExpectedError> {
    let config = config::read(&HostArgs::default())?;
    let folder = project(&args.path)?;
    sdk::restore(&folder, &config.cache_dir)?;
    let build = Build { folder: &folder, profile: &args.profile, arguments: &args.arguments };
    let built = build.run(Toolchain::find(&folder)?, console)?;
    let component = fs::read(&built).map_err(ExpectedError::io("read", &built))?;
    let component = with_ask(component, &below(&args.path, ASK))?;
    let name = name_of(&component, &config)?;
    let output = args.output.clone().unwrap_or_else(|| below(&args.path, DEFAULT_OUTPUT));
    NewFile::write(&output, NewFile::PLAIN, &component).map_err(ExpectedError::io("write", &output))?;
    console.print(&format!("{name}: {}, {}\n", output.display(), units::bytes(component.len() as u64)))
}

/// The real path of a project's folder.
fn project(path: &Path) -> Result<PathBuf, ExpectedError> {
    let folder = path.canonicalize().map_err(ExpectedError::io("find the project", path))?;
    if folder.join("Cargo.toml").is_file() { Ok(folder) } else { Err(ProjectError::NoProject(path.to_owned()).into()) }
}

/// A file of the project, without the dot that stands for this folder.
fn below(folder: &Path, file: &str) -> PathBuf {
    let path = folder.join(file);
    path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
}

/// The component with what the file, if there is one, asks for.
fn with_ask(component: Vec<u8>, path: &Path) -> Result<Vec<u8>, ExpectedError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Ask::put_into(&text, component).map_err(|source| ProjectError::Ask { path: path.to_owned(), source })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(component),
        Err(error) => Err(ExpectedError::io("read", path)(error)),
    }
}

/// What the action says it is called. It is compiled for that, which the first run then finds done.
fn name_of(component: &[u8], config: &Config) -> Result<String, ExpectedError> {
    let host = Arc::new(Host::describing(config)?);
    let load = Action::load(host, component);
    let action = runtime::start(Work::One)?.block_on(load).map_err(ProjectError::NotAnAction)?;
    Ok(action.description().name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_manifest_is_no_project() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(project(folder.path()), Err(ExpectedError::Project(ProjectError::NoProject(_)))));
        let error = project(&folder.path().join("missing")).unwrap_err();
        assert_eq!(error.exit(), crate::errors::Exit::Io);
    }

    #[test]
    fn a_wrong_ask_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ASK);
        assert_eq!(with_ask(vec![1], &path).unwrap(), [1]);
        fs::write(&path, "modles = []").unwrap();
        let error = with_ask(Vec::new(), &path).unwrap_err().one_line();
        assert!(error.contains("keynet.toml") && error.contains("modles"), "{error}");
    }
}
