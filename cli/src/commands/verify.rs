//! `verify`: checks that a published component was signed with a key.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use keynet_artifact::PublicKey;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::flags::{AnswerArgs, HostArgs, RegistryArgs};
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use crate::ui::progress::{Transfer, Way};
use crate::{reference, registry, settings};

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Reference: registry/namespace/name:tag, registry/namespace/name@sha256:…, or
    /// `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF")]
    reference: String,
    /// The public key: a PEM file, from `keygen` or cosign
    #[arg(long, value_name = "PUB")]
    key: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Output of the command.
#[derive(Debug, Serialize)]
struct Verified {
    reference: String,
    digest: String,
    key: String,
}

impl CommandOutput for Verified {
    fn line(&self) -> String {
        format!("verified {}", self.reference)
    }
}

/// Verifies the component.
///
/// # Errors
/// The component does not exist, or was not signed with that key. With `--json` the error is
/// printed as JSON and not returned.
pub fn run(args: &VerifyArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    output::tell(verify(args, console), args.answer.json, console)
}

fn verify(args: &VerifyArgs, console: Console) -> Result<Verified, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let reference = reference::parse(&args.reference)?;
    let key = PublicKey::read(&args.key)?;
    // Only small blobs are read here, so no progress is shown.
    let transfer = Arc::new(Transfer::new(Way::Pull, true, console));
    let options = registry::options(&reference, &args.registry, &config, transfer, console)?;
    let digest =
        runtime::start(Work::One)?.block_on(keynet_artifact::verify(&reference, &key, &options))?;
    let reference = reference.pinned_to(digest);
    Ok(Verified {
        reference: reference.to_string(),
        digest: digest.to_string(),
        key: args.key.display().to_string(),
    })
}
