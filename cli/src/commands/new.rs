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
    /// The action's name, and the folder that is made: the last part of a path is the name; . is
    /// the current folder and takes its name
    name: PathBuf,
}

/// Makes the project.
///
/// # Errors
/// The name is not valid, or the folder exists and is not empty.
pub fn run(args: &NewArgs, console: Console) -> Result<(), ExpectedError> {
    let folder = &args.name;
    let name = name_of(folder);
    let name = name.as_str();
    name::check(name, args.lang)?;
    refuse_occupied(folder)?;
    let draft = Draft::of(folder)?;
    sdk::write(args.lang, draft.path())?;
    let values = Values { name, sdk: &sdk::dependency(args.lang) };
    template::write(args.lang, &values, draft.path())?;
    draft.finish()?;
    console.print(&next_steps(name, folder, args.lang))
}

/// Returns the last part of a path; for a path such as `.`, the name of the folder that it leads to.
fn name_of(folder: &Path) -> String {
    let resolved = match folder.file_name() {
        Some(_) => None,
        None => folder.canonicalize().ok(),
    };
    let name = resolved.as_deref().unwrap_or(folder).file_name();
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn refuse_occupied(folder: &Path) -> Result<(), ExpectedError> {
    let occupied = || Err(ProjectError::Occupied(folder.to_owned()).into());
    match fs::read_dir(folder) {
        // A repository that was just made has nothing that would be replaced.
        Ok(mut entries) => {
            let taken = entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != ".git"));
            if taken { occupied() } else { Ok(()) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => occupied(),
        Err(error) => Err(ExpectedError::io("look into", folder)(error)),
    }
}

fn next_steps(name: &str, folder: &Path, language: Language) -> String {
    let enter = match folder.file_name() {
        Some(_) => format!("cd {}\n  ", folder.display()),
        None => String::new(),
    };
    let folder = folder.display();
    let steps = match language {
        Language::Rust => {
            "keynet-inference dev --param name=Ada\n  keynet-inference run --param name=Ada\n  \
                keynet-inference push"
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
    format!("made the action {name} in {folder}\n\nnext:\n  {enter}{steps}\n")
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
        let repository = tempfile::tempdir().unwrap();
        fs::create_dir(repository.path().join(".git")).unwrap();
        assert!(refuse_occupied(repository.path()).is_ok());
        assert!(occupied(refuse_occupied(&folder.path().join("file"))));
    }

    #[test]
    fn a_dot_takes_the_name_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("greet");
        fs::create_dir_all(inner.join("src")).unwrap();
        assert_eq!(name_of(&inner.join(".")), "greet");
        assert_eq!(name_of(&inner.join("src/..")), "greet");
        assert_eq!(name_of(Path::new("projects/new-one")), "new-one");
    }
}
