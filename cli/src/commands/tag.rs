//! `tag`: gives a published component another tag. Uploads nothing but the manifest.

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

#[derive(Debug, Args)]
pub struct TagArgs {
    /// Reference: registry/namespace/name:tag, registry/namespace/name@sha256:…, or
    /// `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF")]
    reference: String,
    /// The new tag
    #[arg(value_name = "NEWTAG")]
    tag: String,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Output of the command.
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

/// Tags the component.
///
/// # Errors
/// The component does not exist, or the registry rejects the tag. With `--json` the error is
/// printed as JSON and not returned.
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
