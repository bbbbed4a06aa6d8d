//! `pull`: writes a published component into a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use keynet_artifact::{ArtifactRef, Look, RegistryOptions};
use keynet_base::{Config, Digest};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;

use crate::errors::{Diagnostic, Exit, ExpectedError, UsageError};
use crate::flags::{AnswerArgs, HostArgs, RegistryArgs};
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use crate::ui::progress::{Transfer, Way};
use crate::{reference, registry, settings};

/// Longest name in bytes that a file is given.
const LONGEST_NAME: usize = 128;

#[derive(Debug, Args)]
pub struct PullArgs {
    /// Reference: registry/namespace/name:tag, registry/namespace/name@sha256:…, or
    /// `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF")]
    reference: String,
    /// Write the component to FILE, and replace what is there; - is standard output [default: the
    /// function's name with .wasm, which is not replaced]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Output of the command.
#[derive(Debug, Serialize)]
struct Pulled {
    reference: String,
    digest: String,
    layer: String,
    size: u64,
    file: String,
}

impl CommandOutput for Pulled {
    fn line(&self) -> String {
        format!("pulled {} {}", self.reference, self.file)
    }
}

/// Fetches the component.
///
/// # Errors
/// The reference does not exist, is not an action, or is incomplete. With `--json` the error is
/// printed as JSON and not returned.
pub fn run(args: &PullArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    if args.output.as_deref() == Some(Path::new("-")) {
        return to_stdout(args, console).map(|()| ExitCode::SUCCESS);
    }
    output::tell(pull(args, console), args.answer.json, console)
}

fn pull(args: &PullArgs, console: Console) -> Result<Pulled, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let reference = reference::parse(&args.reference)?;
    let options = options(args, &reference, &config, console)?;
    runtime::start(Work::One)?.block_on(async {
        let (reference, path) = match &args.output {
            Some(path) => (reference, path.clone()),
            None => {
                // The transfer that follows shows the progress of all parts.
                let quiet = RegistryOptions {
                    progress: Arc::new(keynet_artifact::Quiet),
                    ..options.clone()
                };
                let look = keynet_artifact::look(&reference, &quiet).await?;
                let path = PathBuf::from(file_name(&look, &reference, &config));
                refuse_other(&path, &look)?;
                (look.reference, path)
            }
        };
        let look = keynet_artifact::pull_to_file(&reference, &path, &options).await?;
        Ok(pulled(&look, &path.display().to_string()))
    })
}

/// Writes only the component to standard output, so that it can be piped.
fn to_stdout(args: &PullArgs, console: Console) -> Result<(), ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let reference = reference::parse(&args.reference)?;
    if args.answer.json {
        let why = "the component goes to standard output; leave --json out, or name a file with -o"
            .to_owned();
        return Err(UsageError::Argument { argument: "--json".to_owned(), why }.into());
    }
    let options = options(args, &reference, &config, console)?;
    runtime::start(Work::One)?.block_on(async {
        let pulled = keynet_artifact::pull(&reference, &options).await?;
        let mut stdout = tokio::io::stdout();
        let written = async {
            stdout.write_all(&pulled.bytes).await?;
            stdout.flush().await
        };
        match written.await {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(ExpectedError::io_on("write", "the component to standard output")(error))
            }
            _ => Ok(()),
        }
    })
}

fn options(
    args: &PullArgs,
    reference: &ArtifactRef,
    config: &Config,
    console: Console,
) -> Result<RegistryOptions, ExpectedError> {
    let transfer = Arc::new(Transfer::new(Way::Pull, args.answer.quiet, console));
    registry::options(reference, &args.registry, config, transfer, console)
}

fn pulled(look: &Look, file: &str) -> Pulled {
    Pulled {
        reference: look.reference.to_string(),
        digest: look.digest.to_string(),
        layer: look.component.digest.to_string(),
        size: look.component.size,
        file: file.to_owned(),
    }
}

/// A file that a pull would replace, although nobody named it.
#[derive(Debug, thiserror::Error)]
#[error("{} is there already and has other content", .0.display())]
struct Occupied(PathBuf);

impl Diagnostic for Occupied {
    fn exit(&self) -> Exit {
        Exit::Io
    }

    fn hint(&self) -> Option<String> {
        let file = self.0.display();
        Some(format!("`-o {file}` replaces it, and -o with another name keeps it"))
    }
}

/// Checks that there is no file at `path`, or the component itself.
fn refuse_other(path: &Path, look: &Look) -> Result<(), ExpectedError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(ExpectedError::io("look at", path))?,
    };
    let is_same = Digest::of_reader(file)
        .is_ok_and(|there| there == (look.component.digest, look.component.size));
    if is_same { Ok(()) } else { Err(Occupied(path.to_owned()).into()) }
}

/// Returns the file for the function: its name. An artifact of another tool may have none; then it
/// is the last part of the repository, or the tag for a layout.
fn file_name(look: &Look, reference: &ArtifactRef, config: &Config) -> String {
    let is_file = |name: &&str| {
        !name.starts_with('.')
            && name.len() <= LONGEST_NAME
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if let Some(name) = look.title().filter(|name| !name.is_empty()).filter(is_file) {
        return format!("{name}.wasm");
    }
    let name = match reference {
        ArtifactRef::Registry(registry) => {
            registry.repository.rsplit('/').next().map(str::to_owned)
        }
        ArtifactRef::Layout(layout)
            if layout.path == config.artifacts || layout.target.tag() != Some("latest") =>
        {
            layout.target.tag().map(str::to_owned)
        }
        ArtifactRef::Layout(layout) => {
            layout.path.file_name().map(|name| name.to_string_lossy().into_owned())
        }
    };
    format!("{}.wasm", name.as_deref().unwrap_or("action"))
}
