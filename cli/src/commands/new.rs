//! `new`: a project from a template, which builds outside any clone of this repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use keynet_base::Config;

use crate::errors::ExpectedError;
use crate::project::template::{self, Values};
use crate::project::{Language, ProjectError, c, go, javascript, name, python, sdk};
use crate::ui::console::Console;

/// What to make.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// What the action is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// The action's name, and the folder that is made: the last part of a path is the name
    name: PathBuf,
}

/// Makes it.
///
/// # Errors
/// The name cannot be one, or there is something already.
pub fn run(args: &NewArgs, console: Console) -> Result<(), ExpectedError> {
    let folder = &args.name;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name::check(name, args.lang)?;
    refuse_occupied(folder)?;
    let config = Config::from_environment()?;
    let sdk = match args.lang {
        Language::Rust => sdk::dependency(&config.cache_dir)?,
        Language::Python => python::dependency(&config)?,
        Language::TypeScript | Language::JavaScript => javascript::vendor(folder)?,
        Language::Go => go::write_sdk(folder).map(|()| String::new())?,
        Language::C | Language::Cpp => c::write_sdk(folder).map(|()| String::new())?,
    };
    fs::create_dir_all(folder).map_err(ExpectedError::io("make", folder))?;
    template::write(args.lang, &Values { name, sdk: &sdk }, folder)?;
    console.print(&next_steps(name, folder, args.lang))
}

fn refuse_occupied(folder: &Path) -> Result<(), ExpectedError> {
    let occupied = || Err(ProjectError::Occupied(folder.to_owned()).into());
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| occupied()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => occupied(),
        Err(error) => Err(ExpectedError::io("look into", folder)(error)),
    }
}

fn next_steps(name: &str, folder: &Path, language: Language) -> String {
    let folder = folder.display();
    let steps = match language {
        Language::Rust => {
            "keynet-inference build\n  keynet-inference run action.wasm --param name=Ada"
        }
        Language::Go => {
            "keynet-inference run main.go --param name=Ada\n  keynet-inference push main.go"
        }
        Language::C => {
            "keynet-inference run main.c --param name=Ada\n  keynet-inference push main.c"
        }
        Language::Cpp => {
            "keynet-inference run main.cpp --param name=Ada\n  keynet-inference push main.cpp"
        }
        Language::Python => {
            "keynet-inference run function.py --param name=Ada\n  keynet-inference push function.py"
        }
        Language::TypeScript => {
            "keynet-inference run main.ts --param name=Ada\n  keynet-inference push main.ts"
        }
        Language::JavaScript => {
            "keynet-inference run main.js --param name=Ada\n  keynet-inference push main.js"
        }
    };
    format!("made the action {name} in {folder}\n\nnext:\n  cd {folder}\n  {steps}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupied(result: Result<(), ExpectedError>) -> bool {
        let error = result.unwrap_err();
        matches!(error.downcast_ref(), Some(ProjectError::Occupied(_)))
    }

    #[test]
    fn only_an_empty_folder_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refuse_occupied(folder.path()).is_ok());
        assert!(refuse_occupied(&folder.path().join("missing")).is_ok());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(occupied(refuse_occupied(folder.path())));
        assert!(occupied(refuse_occupied(&folder.path().join("file"))));
    }
}
