//! `build`: builds a project into one file, `action.wasm`, and checks that it is an action.

use std::path::{Path, PathBuf};

use clap::Args;
use keynet_base::NewFile;

use crate::errors::ExpectedError;
use crate::flags::HostArgs;
use crate::project::cargo::{self, Options, RELEASE};
use crate::project::{ProjectError, ProjectSource, component_in, finish, sdk};
use crate::settings;
use crate::ui::console::Console;
use crate::ui::progress::Steps;
use crate::ui::units;

/// Arguments of `build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The file of a function, the folder or the name of a project, or a core module [default: the
    /// project in the current folder]
    #[arg(value_name = "FUNCTION|PROJECT", conflicts_with = "path")]
    function: Option<PathBuf>,
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Where to put the component [default: action.wasm in the project's folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Build with this profile of cargo's
    #[arg(long, value_name = "NAME", default_value = RELEASE)]
    profile: String,
    /// Build with the profile release, which is the default: as cargo has it
    #[arg(long, hide = true, conflicts_with = "profile")]
    release: bool,
    /// First replace the project's keynet-sdk by the SDK of this program
    #[arg(long)]
    update_sdk: bool,
    /// More arguments for cargo build, such as -- --locked --features x
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    arguments: Vec<String>,
}

/// Builds the project, puts its `keynet.toml` into the component, and checks that it is an action.
///
/// # Errors
/// The tools of the project's language fail, their result is not an action, or the file cannot be
/// written.
pub fn run(args: &BuildArgs, console: Console) -> Result<(), ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let project = args.project();
    let source = ProjectSource::find(project)?;
    bring_sdk(&source, project, args.update_sdk, console)?;
    let component = match source {
        ProjectSource::Rust(folder) => {
            let options = Options { profile: &args.profile, arguments: &args.arguments };
            cargo::component(&folder, &options, &config, console)?
        }
        _ if !args.arguments.is_empty() || args.profile != RELEASE => {
            return Err(ProjectError::NotCargo(project.to_owned()).into());
        }
        source => source.build(&config, Steps::new(false, console))?.bytes,
    };
    let name = finish::name_of(&component, &config)?;
    let folder = if project.is_dir() { project } else { project.parent().unwrap_or(project) };
    let output = args.output.clone().unwrap_or_else(|| component_in(folder));
    NewFile::write(&output, NewFile::PLAIN, &component)
        .map_err(ExpectedError::io("write", &output))?;
    console.print(&format!(
        "{name}: {}, {}\n",
        output.display(),
        units::bytes(component.len() as u64)
    ))
}

impl BuildArgs {
    /// Returns the path of the project. A name that no file has can be that of the current folder:
    /// `build greet` in the folder `greet`.
    fn project(&self) -> &Path {
        let Some(function) = &self.function else { return &self.path };
        let current = std::env::current_dir().ok();
        let is_current = current.as_deref().and_then(Path::file_name) == Some(function.as_os_str());
        if is_current && !function.exists() { Path::new(".") } else { function }
    }
}

/// Updates the SDK in the project's folder, or notes that it is not the one of this program.
fn bring_sdk(
    source: &ProjectSource,
    project: &Path,
    update: bool,
    console: Console,
) -> Result<(), ExpectedError> {
    match source.home() {
        Some((language, folder)) if update => {
            let version = sdk::update(language, folder)?;
            console.note(format_args!("the SDK in {} is now {version}", sdk::FOLDER));
        }
        None if update => return Err(ProjectError::NoSdkFolder(project.to_owned()).into()),
        Some((language, folder)) => {
            if let Some(other) = sdk::other(language, folder) {
                console.note(other.note());
            }
        }
        None => {}
    }
    Ok(())
}
