//! `push`: publishes a component to a reference, on the Keynet platform, or into the local layout.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use keynet_artifact::{About, ArtifactRef, Content, LayoutRef, PrivateKey, Target};
use keynet_base::{Config, OpenFile};
use keynet_host::Action;
use keynet_host::Host;
use serde::Serialize;

use crate::account::{Accounts, PlatformLogin};
use crate::commands::image;
use crate::errors::{ExpectedError, NotAnAction, UsageError};
use crate::flags::{AnswerArgs, HostArgs, RegistryArgs};
use crate::keynet_platform::{
    self, Function, Publication, PublishError, PublishProgress, Upload, Uploaded,
};
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use crate::ui::progress::{StepLines, Steps, Transfer, Way};
use crate::{reference, registry, settings};

/// Arguments of `push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component, or the file of a function or the folder of its project, which is built
    /// [default: the project in the current folder; a REF alone publishes it there]
    #[arg(value_name = "ACTION.wasm|FUNCTION", default_value = ".", hide_default_value = true)]
    action: PathBuf,
    /// Where to: registry/namespace/name:tag or `oci-layout:PATH[:tag]` [default: the Keynet
    /// platform when signed in, else ./artifacts]
    #[arg(value_name = "REF")]
    reference: Option<String>,
    /// Push a container image: the component on this base, which `image base` makes; as
    /// `image push --base` does
    #[arg(long, value_name = "REF", conflicts_with = "sign")]
    base_image: Option<String>,
    /// Sign it with this private key, which `keygen` makes
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Destination of a component.
enum Destination {
    /// The reference that the user gave.
    Given(ArtifactRef),
    /// The Keynet platform.
    Platform(PlatformLogin),
    /// The local layout, because the user is not signed in.
    Layout(PathBuf),
}

/// Published component, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Pushed {
    reference: String,
    digest: String,
    layer: String,
    size: u64,
    name: String,
    /// Bytes that were sent, without blobs that the registry already had.
    uploaded: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Numbers>,
}

/// Numbers of the Keynet platform for what was published.
#[derive(Debug, Serialize)]
struct Numbers {
    runtime: i64,
    code: i64,
    function: i64,
}

impl CommandOutput for Pushed {
    fn line(&self) -> String {
        format!("pushed {}", self.reference)
    }
}

/// Publishes the component.
///
/// # Errors
/// The component is not an action or has no description, or the destination rejects it. With
/// `--json`, errors are printed as JSON instead of being returned.
pub fn run(mut args: PushArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    if args.reference.is_none() && reference::is_reference(&args.action) {
        args.reference = args.action.to_str().map(str::to_owned);
        args.action = PathBuf::from(".");
    }
    let answer = args.answer;
    match (&args.base_image, &args.reference) {
        (Some(base), Some(to)) => {
            output::tell(push_image(&args, base, to, console), answer.json, console)
        }
        (Some(base), None) => {
            output::tell::<Pushed>(Err(no_image(base).into()), answer.json, console)
        }
        _ => output::tell(push(&args, console), answer.json, console),
    }
}

/// Returns the error for `--base-image` without a REF. The Python package accepted that: it put a
/// function on any image and chose the destination of the push itself.
fn no_image(base: &str) -> UsageError {
    UsageError::Argument {
        argument: format!("--base-image {base}"),
        why: "a container image is pushed to a REF that you name, and its base is made by \
            `keynet-inference image base`; a function is a WebAssembly component, which needs no \
            image: leave --base-image out"
            .to_owned(),
    }
}

fn push_image(
    args: &PushArgs,
    base: &str,
    to: &str,
    console: Console,
) -> Result<image::Made, ExpectedError> {
    let base = reference::parse(base)?;
    image::OnArgs::base(base, args.registry.clone(), args.answer).put(
        &args.action,
        &reference::parse(to)?,
        console,
    )
}

fn push(args: &PushArgs, console: Console) -> Result<Pushed, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let key = args.sign.as_deref().map(PrivateKey::read).transpose()?;
    let destination = destination(args, &config)?;
    let component =
        reference::component_file(&args.action, &config, Steps::new(args.answer.quiet, console))?;
    let transfer = Arc::new(Transfer::new(Way::Push, args.answer.quiet, console));
    let component = OpenFile::open(&component).map_err(ExpectedError::io("read", &component))?;
    let push = Push { args, component, config: &config, transfer, console };
    runtime::start(Work::One)?.block_on(async {
        match destination {
            Destination::Given(reference) => push.to(&reference, key).await,
            Destination::Platform(login) => push.on_platform(login, key).await,
            Destination::Layout(folder) => push.to_layout(folder, key).await,
        }
    })
}

fn destination(args: &PushArgs, config: &Config) -> Result<Destination, ExpectedError> {
    if let Some(text) = &args.reference {
        return reference::parse(text).map(Destination::Given);
    }
    let login = Accounts::from_environment()
        .ok()
        .map(|accounts| accounts.platform().login())
        .transpose()?
        .flatten();
    Ok(login.map_or_else(|| Destination::Layout(config.artifacts.clone()), Destination::Platform))
}

/// Inputs that every destination needs.
struct Push<'a> {
    args: &'a PushArgs,
    /// Component, opened once, so that the bytes that are described are the bytes that are pushed.
    component: OpenFile,
    config: &'a Config,
    transfer: Arc<Transfer>,
    console: Console,
}

impl Push<'_> {
    async fn to(
        &self,
        reference: &ArtifactRef,
        key: Option<PrivateKey>,
    ) -> Result<Pushed, ExpectedError> {
        let (function, upload) = self.load(key).await?;
        function.check()?;
        self.put(reference, &function.name, &upload).await
    }

    async fn to_layout(
        &self,
        path: PathBuf,
        key: Option<PrivateKey>,
    ) -> Result<Pushed, ExpectedError> {
        let (function, upload) = self.load(key).await?;
        function.check()?;
        let version = keynet_artifact::version(&Content::File(self.component.clone())).await?;
        let target = Target::Tag(local_tag(&function.name, version.as_deref()));
        let reference = ArtifactRef::Layout(LayoutRef { path, target });
        let pushed = self.put(&reference, &function.name, &upload).await?;
        if !self.args.answer.quiet {
            self.console.note(format_args!(
                "published on this machine: `keynet-inference run {reference}` runs it; to publish \
                    it for others name a registry, registry.example.com/team/{}:1.0, or sign in \
                    with `keynet-inference login <server-url>`",
                function.name
            ));
        }
        Ok(pushed)
    }

    async fn put(
        &self,
        reference: &ArtifactRef,
        name: &str,
        upload: &Upload,
    ) -> Result<Pushed, ExpectedError> {
        let options = registry::options(
            reference,
            &self.args.registry,
            self.config,
            self.transfer.clone(),
            self.console,
        )?;
        let uploaded = upload.put(reference, &options).await?;
        Ok(self.pushed(&uploaded, name, None))
    }

    async fn on_platform(
        &self,
        login: PlatformLogin,
        key: Option<PrivateKey>,
    ) -> Result<Pushed, ExpectedError> {
        let authorities = registry::authorities(&self.args.registry, self.config)?;
        let publication = Publication {
            login: Some(login),
            path: self.component.path(),
            load: async || self.load(key).await,
            options: |reference: &ArtifactRef| {
                registry::options(
                    reference,
                    &self.args.registry,
                    self.config,
                    self.transfer.clone(),
                    self.console,
                )
            },
            authorities: &authorities,
            progress: &StepLines { quiet: self.args.answer.quiet, console: self.console },
        };
        let (name, published) = keynet_platform::publish(publication).await?;
        let numbers = Numbers {
            runtime: published.runtime,
            code: published.code,
            function: published.function,
        };
        Ok(self.pushed(&published.uploaded, &name, Some(numbers)))
    }

    /// Returns the function in the component, and the component as it is published.
    async fn load(&self, key: Option<PrivateKey>) -> Result<(Function, Upload), ExpectedError> {
        let path = self.component.path();
        let size = self.component.size().map_err(ExpectedError::io("read", path))?;
        let host = Host::builder(self.config).describing().build()?;
        let load = host.load_file(&self.component).await;
        let action =
            load.map_err(|source| unnamed(NotAnAction { path: path.to_owned(), source }))?;
        Ok((function(&action, size), upload(&action, self.component.clone(), key)))
    }

    fn pushed(&self, uploaded: &Uploaded, name: &str, platform: Option<Numbers>) -> Pushed {
        Pushed {
            reference: uploaded.reference.to_string(),
            digest: uploaded.digest.to_string(),
            layer: uploaded.layer.digest.to_string(),
            size: uploaded.layer.size,
            name: name.to_owned(),
            uploaded: self.transfer.moved(),
            signature: uploaded.signature.map(|digest| digest.to_string()),
            platform,
        }
    }
}

impl PublishProgress for StepLines {
    fn step(&self, number: u8, total: u8, doing: &str) {
        Self::step(self, number, total, doing);
    }

    fn done(&self, result: &str) {
        Self::done(self, result);
    }
}

/// Replaces the error of an action with an empty name by one that asks for a name.
fn unnamed(error: NotAnAction) -> ExpectedError {
    use keynet_host::ActionError::Description;
    use keynet_host::action::DescriptionError::Name;
    match error.source {
        Description(Name(name)) if name.is_empty() => {
            PublishError::Undescribed { what: "name", name }.into()
        }
        source => NotAnAction { source, ..error }.into(),
    }
}

/// Returns the tag NAME-VERSION if that is a valid tag, else NAME.
fn local_tag(name: &str, version: Option<&str>) -> String {
    let with_version = version.map(|version| format!("{name}-{version}"));
    with_version
        .and_then(|tag| keynet_artifact::reference::parse_tag(&tag).ok())
        .unwrap_or_else(|| name.to_owned())
}

/// Returns `SOURCE_DATE_EPOCH`, the creation time that reproducible builds set.
fn created() -> Option<u32> {
    std::env::var("SOURCE_DATE_EPOCH").ok()?.parse().ok()
}

fn function(action: &Action, size: u64) -> Function {
    let description = action.description();
    Function { name: description.name.clone(), description: description.description.clone(), size }
}

fn upload(action: &Action, component: OpenFile, key: Option<PrivateKey>) -> Upload {
    let description = action.description();
    let about = About {
        name: Some(description.name.clone()),
        description: Some(description.description.clone()),
        created: created(),
        ..About::default()
    };
    Upload::Artifact { component, about, key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_part_of_the_tag_where_it_can_be() {
        assert_eq!(local_tag("detector", Some("1.2.0")), "detector-1.2.0");
        assert_eq!(local_tag("detector", Some("1.2.0+build")), "detector");
        assert_eq!(local_tag("detector", None), "detector");
    }
}
