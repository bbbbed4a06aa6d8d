//! `keygen`: generates a key pair for signing.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use keynet_artifact::PrivateKey;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};

#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// File name of the keys without the ending: NAME.key is private, NAME.pub is for everyone;
    /// neither file may exist
    #[arg(value_name = "NAME", default_value = "keynet")]
    name: PathBuf,
    /// Print one JSON object: the result or the error
    #[arg(long)]
    json: bool,
}

/// Files of the generated keys.
#[derive(Debug, Serialize)]
struct Keys {
    private: String,
    public: String,
}

impl CommandOutput for Keys {
    fn line(&self) -> String {
        format!("made {} (keep it to yourself) and {}", self.private, self.public)
    }
}

/// Generates the keys.
///
/// # Errors
/// A file already exists, or cannot be written. With `--json` the error is printed as JSON and not
/// returned.
pub fn run(args: &KeygenArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let made = make(&args.name);
    if let Ok(keys) = &made
        && is_exposed(Path::new(&keys.private))
    {
        console.note(format_args!(
            "{} is in a git repository whose rules do not ignore it: add the line *.key to its \
                .gitignore, or keep the key elsewhere",
            keys.private
        ));
    }
    output::tell(made, args.json, console)
}

fn make(name: &Path) -> Result<Keys, ExpectedError> {
    let (private, public) = (with_ending(name, "key"), with_ending(name, "pub"));
    let key = PrivateKey::generate();
    // The public key comes first: if it cannot be written, no private key is left behind.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&public)
        .map_err(ExpectedError::io("make", &public))?;
    let written = key.public().pem().map_err(ExpectedError::from).and_then(|pem| {
        file.write_all(pem.as_bytes()).map_err(ExpectedError::io("write", &public))?;
        Ok(key.write(&private)?)
    });
    if let Err(error) = written {
        let _ = std::fs::remove_file(&public);
        return Err(error);
    }
    Ok(Keys { private: private.display().to_string(), public: public.display().to_string() })
}

/// Reports whether the file is in a git work tree and `git add .` would add it; `false` without git.
fn is_exposed(file: &Path) -> bool {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return false };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let checked = Command::new("git")
        .args(["check-ignore", "--quiet"])
        .arg(name)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // 0: ignored, 1: not ignored, 128: not in a work tree.
    checked.is_ok_and(|status| status.code() == Some(1))
}

/// Appends the ending: `team.v1` is a whole name, not `team` with the ending `v1`.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut path = name.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}
