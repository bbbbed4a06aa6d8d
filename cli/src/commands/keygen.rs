//! `keygen`: a pair of keys to sign with.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use keynet_artifact::PrivateKey;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};

/// Where to put them.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The keys' files without their endings: NAME.key is for you alone, NAME.pub for everybody;
    /// neither may be there yet
    #[arg(value_name = "NAME", default_value = "keynet")]
    name: PathBuf,
    /// CommandOutput with one JSON object: the result or the error
    #[arg(long)]
    json: bool,
}

/// The files that were made.
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

/// Makes them.
///
/// # Errors
/// A file is there already, or cannot be written. With `--json` they are told as JSON and are no
/// errors here.
pub fn run(args: &KeygenArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    output::tell(make(&args.name), args.json, console)
}

fn make(name: &Path) -> Result<Keys, ExpectedError> {
    let (private, public) = (with_ending(name, "key"), with_ending(name, "pub"));
    let key = PrivateKey::generate();
    // The public one first: that it cannot be written leaves no private one behind.
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

/// `team.v1` is a name of its own, no `team` with an ending.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut path = name.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}
