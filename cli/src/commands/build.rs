//! `build`: a project into one file, `action.wasm`, that is known to be an action.

use std::path::{Path, PathBuf};

use clap::Args;
use keynet_base::NewFile;

use crate::errors::ExpectedError;
use crate::flags::HostArgs;
use crate::project::cargo::{self, Options};
use crate::project::finish;
use crate::project::{ProjectError, ProjectSource};
use crate::settings;
use crate::ui::console::Console;
use crate::ui::progress::Steps;
use crate::ui::units;

/// What is built, in the project's folder.
const DEFAULT_OUTPUT: &str = "action.wasm";

/// What cargo builds with unless it is told.
const DEFAULT_PROFILE: &str = "release";

/// What to build, how.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The file of a function, or a core module [default: the project's folder]
    #[arg(value_name = "FUNCTION", conflicts_with = "path")]
    function: Option<PathBuf>,
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Where to put the component [default: action.wasm in the project's folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Build with this profile of cargo's
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROFILE)]
    profile: String,
    /// More arguments for cargo build, such as -- --locked --features x
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    arguments: Vec<String>,
}

/// Builds it, puts its `keynet.toml` into the component, and checks that it is an action.
///
/// # Errors
/// The tools of its language fail, what they make is not an action, or cannot be written.
pub fn run(args: &BuildArgs, console: Console) -> Result<(), ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let project = args.function.as_ref().unwrap_or(&args.path);
    let component = match ProjectSource::find(project)? {
        ProjectSource::Rust(folder) => {
            let options = Options { profile: &args.profile, arguments: &args.arguments };
            cargo::component(&folder, &options, &config, console)?
        }
        _ if !args.arguments.is_empty() || args.profile != DEFAULT_PROFILE => {
            return Err(ProjectError::NotCargo(project.clone()).into());
        }
        source => source.build(&config, Steps::new(false, console))?.bytes,
    };
    let name = finish::name_of(&component, &config)?;
    let folder =
        args.function.as_ref().map_or(args.path.as_path(), |file| file.parent().unwrap_or(file));
    let output = args.output.clone().unwrap_or_else(|| below(folder, DEFAULT_OUTPUT));
    NewFile::write(&output, NewFile::PLAIN, &component)
        .map_err(ExpectedError::io("write", &output))?;
    console.print(&format!(
        "{name}: {}, {}\n",
        output.display(),
        units::bytes(component.len() as u64)
    ))
}

/// A file of the project, without the dot that stands for this folder.
fn below(folder: &Path, file: &str) -> PathBuf {
    let path = folder.join(file);
    path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
}
