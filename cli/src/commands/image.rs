//! `image`: container images of the runtime and of actions, built and pushed without a container
//! engine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use keynet_artifact::{ArtifactRef, RegistryOptions};
use keynet_base::{Config, Digest};
use keynet_host::Host;
use serde::Serialize;

use crate::component::Component;
use crate::errors::{ExpectedError, UsageError};
use crate::flags::{AnswerArgs, HostArgs, RegistryArgs};
use crate::image::{self, Action, Appended, BaseOptions, Image};
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use crate::ui::progress::{Steps, Transfer, Way};
use crate::ui::units;
use crate::{reference, registry, settings};

/// Build container images, without a container engine.
///
/// A base holds the runtime; an action is added to it as one more layer, with its compiled code.
/// The same inputs give the same image.
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Build a base: the runtime, its libraries and certificate authorities
    Base(BaseArgs),
    /// Write a base's files and a Containerfile into a folder, for a container engine
    Root(RootArgs),
    /// Build the image of a node, which runs `serve`
    Node(NodeArgs),
    /// Add an action to a base
    Build(BuildArgs),
    /// Add an action to a base and push the image to a registry
    Push(PushArgs),
}

/// Inputs of a base.
#[derive(Debug, Default, Args)]
struct RuntimeArgs {
    /// The keynet-runtime to include [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// The certificate authorities to trust, in one PEM file [default: this system's]
    #[arg(long, value_name = "FILE")]
    ca_certificates: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BaseArgs {
    /// Destination: registry/namespace/name:tag or `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF", required_unless_present = "output")]
    to: Option<ArtifactRef>,
    /// The same destination, as an option
    #[arg(short, long, value_name = "REF", conflicts_with = "to")]
    output: Option<ArtifactRef>,
    #[command(flatten)]
    runtime: RuntimeArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// Destination: registry/namespace/name:tag or `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF")]
    to: ArtifactRef,
    /// The certificate authorities to trust, in one PEM file [default: this system's]
    #[arg(long, value_name = "FILE")]
    ca_certificates: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

#[derive(Debug, Args)]
struct RootArgs {
    /// The folder; root/ and Containerfile are written into it
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// Print one JSON object: the result or the error
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// The component, or the file of a function, which is built
    #[arg(value_name = "ACTION.wasm|FUNCTION")]
    action: PathBuf,
    /// Destination of the image: `oci-layout:PATH[:tag]` or registry/namespace/name:tag
    #[arg(short, long, value_name = "REF")]
    output: ArtifactRef,
    #[command(flatten)]
    on: OnArgs,
}

#[derive(Debug, Args)]
struct PushArgs {
    /// The component, or the file of a function, which is built
    #[arg(value_name = "ACTION.wasm|FUNCTION")]
    action: PathBuf,
    /// Destination of the image: registry/namespace/name:tag or `oci-layout:PATH[:tag]`
    #[arg(value_name = "REF")]
    to: ArtifactRef,
    #[command(flatten)]
    on: OnArgs,
}

/// Base of an action's image.
#[derive(Debug, Args)]
pub struct OnArgs {
    /// The base, as `image base` builds it: registry/namespace/name:tag or `oci-layout:PATH[:tag]`
    /// [default: build one]
    #[arg(long, value_name = "REF")]
    base: Option<ArtifactRef>,
    #[command(flatten)]
    runtime: RuntimeArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

impl RuntimeArgs {
    fn options(&self, config: &Config) -> BaseOptions {
        BaseOptions {
            runtime: self.runtime.clone(),
            certificates: self.ca_certificates.clone(),
            cpu: config.cpu,
        }
    }
}

/// An image that was built.
#[derive(Debug, Serialize)]
pub struct Made {
    /// Reference, with its digest.
    reference: String,
    digest: String,
    /// Compressed size of its layers in bytes.
    size: u64,
    /// Processors that the action is compiled for; `None` if the image holds no compiled code.
    #[serde(skip_serializing_if = "Option::is_none")]
    compiled_for: Option<String>,
}

impl Made {
    fn new(to: &ArtifactRef, digest: Digest, image: &Image) -> Self {
        Self {
            reference: to.pinned_to(digest).to_string(),
            digest: digest.to_string(),
            size: image.size(),
            compiled_for: None,
        }
    }
}

impl CommandOutput for Made {
    fn line(&self) -> String {
        self.reference.clone()
    }
}

/// The folder that a root was written to.
#[derive(Debug, Serialize)]
struct Written {
    folder: PathBuf,
    size: u64,
}

impl CommandOutput for Written {
    fn line(&self) -> String {
        format!("{}: {}", self.folder.display(), units::bytes(self.size))
    }
}

/// Builds the image.
///
/// # Errors
/// The runtime, the base or the action cannot be used, or the registry rejects the image. With
/// `--json` the error is printed as JSON and not returned.
pub fn run(args: ImageArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    match args.command {
        ImageCommand::Base(args) => output::tell(base(&args, console), args.answer.json, console),
        ImageCommand::Root(args) => output::tell(root(&args), args.json, console),
        ImageCommand::Node(args) => output::tell(node(&args, console), args.answer.json, console),
        ImageCommand::Build(BuildArgs { action, output, on }) => {
            output::tell(on.put(&action, &output, console), on.answer.json, console)
        }
        ImageCommand::Push(PushArgs { action, to, on }) => {
            output::tell(on.put(&action, &to, console), on.answer.json, console)
        }
    }
}

fn base(args: &BaseArgs, console: Console) -> Result<Made, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    // clap guarantees that one of the two is set.
    let Some(to) = args.to.as_ref().or(args.output.as_ref()) else {
        return Err(UsageError::Missing {
            what: "reference of the base".to_owned(),
            flag: "--output",
        }
        .into());
    };
    let root = args.runtime.options(&config).root()?;
    let image = image::base(&root)?;
    let options = options(to, Way::Push, (&args.registry, args.answer), &config, console)?;
    let digest = runtime::start(Work::One)?.block_on(image.write(to, &options))?;
    if !args.answer.quiet {
        let (unpacked, packed) = (units::bytes(root.tree.size()), units::bytes(image.size()));
        console.note(format_args!(
            "keynet-runtime {} for {}: {packed} to pull, {unpacked} unpacked",
            root.identity.version, root.cpu
        ));
    }
    Ok(Made::new(to, digest, &image))
}

fn node(args: &NodeArgs, console: Console) -> Result<Made, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let image = image::node(args.ca_certificates.as_deref(), config.cpu)?;
    let options = options(&args.to, Way::Push, (&args.registry, args.answer), &config, console)?;
    let digest = runtime::start(Work::One)?.block_on(image.write(&args.to, &options))?;
    Ok(Made::new(&args.to, digest, &image))
}

fn root(args: &RootArgs) -> Result<Written, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let root = args.runtime.options(&config).root()?;
    image::write_root(&root, &args.output)?;
    Ok(Written { folder: args.output.clone(), size: root.tree.size() })
}

fn options(
    reference: &ArtifactRef,
    way: Way,
    (registry, answer): (&RegistryArgs, AnswerArgs),
    config: &Config,
    console: Console,
) -> Result<RegistryOptions, ExpectedError> {
    registry::options(
        reference,
        registry,
        config,
        Arc::new(Transfer::new(way, answer.quiet, console)),
        console,
    )
}

impl OnArgs {
    /// Returns the arguments for the base that `push --base-image` names.
    pub fn base(base: ArtifactRef, registry: RegistryArgs, answer: AnswerArgs) -> Self {
        Self { base: Some(base), runtime: RuntimeArgs::default(), registry, answer }
    }

    /// Adds the action to the base and writes the image to `to`. Prints a note about the
    /// compiled code in the image.
    ///
    /// # Errors
    /// The component is not an action or cannot be compiled, the base cannot be used, or the
    /// registry rejects the image.
    pub fn put(
        &self,
        action: &Path,
        to: &ArtifactRef,
        console: Console,
    ) -> Result<Made, ExpectedError> {
        let config = settings::read(&HostArgs::default())?;
        let component = Component::read(&reference::component_file(
            action,
            &config,
            Steps::new(self.answer.quiet, console),
        )?)?;
        runtime::start(Work::One)?.block_on(async {
            let loaded = component.load(&Host::builder(&config).describing().build()?).await?;
            let description = loaded.description();
            let action = Action {
                component: &component.bytes,
                name: &description.name,
                description: &description.description,
            };
            let mut image = self.start(&config, console).await?;
            let appended = image::append(&mut image, action, &config).await?;
            let options = options(to, Way::Push, (&self.registry, self.answer), &config, console)?;
            let digest = image.write(to, &options).await?;
            self.tell(&description.name, &appended, console);
            let compiled_for = match appended {
                Appended::Compiled(cpu) => Some(cpu.to_string()),
                Appended::ComponentOnly(_) => None,
            };
            Ok(Made { compiled_for, ..Made::new(to, digest, &image) })
        })
    }

    /// Loads the base, or builds one.
    async fn start(&self, config: &Config, console: Console) -> Result<Image, ExpectedError> {
        match &self.base {
            Some(base) => Ok(Image::load(
                base,
                &options(base, Way::Pull, (&self.registry, self.answer), config, console)?,
            )
            .await?),
            None => Ok(image::base(&self.runtime.options(config).root()?)?),
        }
    }

    fn tell(&self, name: &str, appended: &Appended, console: Console) {
        match appended {
            Appended::Compiled(_) if self.answer.quiet => {}
            Appended::Compiled(cpu) => {
                console.note(format_args!("{name} with its code, compiled for {cpu}"))
            }
            Appended::ComponentOnly(why) => {
                console.note(format_args!(
                    "{name} without compiled code, which each container will make when it starts: \
                        {why}"
                ));
            }
        }
    }
}
