//! `new`: makes a project from a template, which builds outside a clone of this repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::errors::ExpectedError;
use crate::project::draft::Draft;
use crate::project::template::{self, Values};
use crate::project::{Language, ProjectError, name, sdk};
use crate::ui::console::Console;

/// Arguments of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// What the action is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// The action's name, and the folder that is made: the last part of a path is the name
    name: PathBuf,
}

/// Makes the project.
///
/// # Errors
/// The name is not valid, or the folder exists and is not empty.
pub fn run(args: &NewArgs, console: Console) -> Result<(), ExpectedError> {
    let folder = &args.name;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name::check(name, args.lang)?;
    refuse_occupied(folder)?;
    let draft = Draft::of(folder)?;
    sdk::write(args.lang, draft.path())?;
    let values = Values { name, sdk: &sdk::dependency(args.lang) };
    template::write(args.lang, &values, draft.path())?;
    draft.finish()?;
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
