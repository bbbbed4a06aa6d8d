//! `tag`: another name for a published component; nothing is uploaded but its manifest.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use keynet_artifact::Target;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::flags::{AnswerArgs, HostArgs, RegistryArgs};
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use crate::ui::progress::{Transfer, Way};
use crate::{reference, registry, settings};

/// What gets which tag.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// What: registry/namespace/name:tag, registry/namespace/name@sha256:…, or
    /// `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF")]
    reference: String,
    /// Its new tag
    #[arg(value_name = "NEWTAG")]
    tag: String,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// What has the tag now.
#[derive(Debug, Serialize)]
struct Tagged {
    reference: String,
    digest: String,
}

impl CommandOutput for Tagged {
    fn line(&self) -> String {
        format!("tagged {}", self.reference)
    }
}

/// Gives it the tag.
///
/// # Errors
/// It is not there, or the registry does not allow it. With `--json` they are told as JSON and are
/// no errors here.
pub fn run(args: &TagArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    output::tell(tag(args, console), args.answer.json, console)
}

fn tag(args: &TagArgs, console: Console) -> Result<Tagged, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let reference = reference::parse(&args.reference)?;
    let tag = keynet_artifact::reference::parse_tag(&args.tag)?;
    let transfer = Arc::new(Transfer::new(Way::Push, args.answer.quiet, console));
    let options = registry::options(&reference, &args.registry, &config, transfer, console)?;
    let digest =
        runtime::start(Work::One)?.block_on(keynet_artifact::tag(&reference, &tag, &options))?;
    let tagged = reference.with_target(Target::Digest { digest, tag: Some(tag) });
    Ok(Tagged { reference: tagged.to_string(), digest: digest.to_string() })
}
