//! `push`: publishes a component: to a reference, on the Keynet platform, or into the local layout.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use keynet_host::artifact::{self, About, ArtifactRef, Content, LayoutRef, PrivateKey, Target};
use keynet_host::{Action, Config, Host};
use serde::Serialize;

use crate::account::{Accounts, PlatformLogin};
use crate::answer::{self, Answer};
use crate::args::{AnswerArgs, HostArgs, RegistryArgs};
use crate::commands::image;
use crate::console::Console;
use crate::errors::{ExpectedError, UsageError};
use crate::platform::{self, Function, Publication, PublishError, Upload, Uploaded};
use crate::progress::{Steps, Transfer, Way};
use crate::runtime::{self, Work};
use crate::{config, reference, registry};

/// What to publish, where.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component, or the file of a function or the folder of its project, which is built
    #[arg(value_name = "ACTION.wasm|FUNCTION", default_value = ".")]
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

/// Where something is published.
enum Destination {
    /// Where the user says.
    Given(ArtifactRef),
    /// On the platform.
    Platform(PlatformLogin),
    /// In the local layout, because nobody is signed in.
    Layout(PathBuf),
}

/// What was published.
#[derive(Debug, Serialize)]
struct Pushed {
    reference: String,
    digest: String,
    layer: String,
    size: u64,
    name: String,
    /// Bytes that were sent, less those that were there.
    uploaded: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Numbers>,
}

/// What the platform calls it.
#[derive(Debug, Serialize)]
struct Numbers {
    runtime: i64,
    code: i64,
    function: i64,
}

impl Answer for Pushed {
    fn line(&self) -> String {
        format!("pushed {}", self.reference)
    }
}

/// Publishes it.
///
/// # Errors
/// It is no action or is not described, or the destination does not take it. With `--json` they are
/// told as JSON and are no errors here.
pub fn run(args: PushArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let answer = args.answer;
    match (&args.base_image, &args.reference) {
        (Some(base), Some(to)) => {
            answer::tell(push_image(&args, base, to, console), answer.json, console)
        }
        (Some(base), None) => {
            answer::tell::<Pushed>(Err(no_image(base).into()), answer.json, console)
        }
        _ => answer::tell(push(&args, console), answer.json, console),
    }
}

/// The Python package put a function on any image and chose where to push it.
fn no_image(base: &str) -> UsageError {
    UsageError::Argument {
        argument: format!("--base-image {base}"),
        why: "a container image is pushed to a REF that you name, and its base is made by \
            `keynet-inference image base`; \
              a function is a WebAssembly component, which needs no image: leave --base-image out"
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
    let config = config::read(&HostArgs::default())?;
    let key = args.sign.as_deref().map(PrivateKey::read).transpose()?;
    let destination = destination(args, &config)?;
    let component =
        reference::component_file(&args.action, &config, Steps::new(args.answer.quiet, console))?;
    let transfer = Arc::new(Transfer::new(Way::Push, args.answer.quiet, console));
    let push = Push { args, component: &component, config: &config, transfer, console };
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

/// What every way of publishing needs.
struct Push<'a> {
    args: &'a PushArgs,
    /// The component's file.
    component: &'a Path,
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
        let (function, upload) = self.load(self.component, key).await?;
        function.check()?;
        self.put(reference, &function.name, &upload).await
    }

    async fn to_layout(
        &self,
        path: PathBuf,
        key: Option<PrivateKey>,
    ) -> Result<Pushed, ExpectedError> {
        let (function, upload) = self.load(self.component, key).await?;
        function.check()?;
        let version = artifact::version(&Content::File(self.component.to_owned())).await?;
        let target = Target::Tag(local_tag(&function.name, version.as_deref()));
        let reference = ArtifactRef::Layout(LayoutRef { path, target });
        let pushed = self.put(&reference, &function.name, &upload).await?;
        if !self.args.answer.quiet {
            self.console.note(format_args!(
                "published on this machine: `keynet-inference run {reference}` runs it; to publish \
                    it for others name a registry, \
                 registry.example.com/team/{}:1.0, or sign in with `keynet-inference login \
                 <server-url>`",
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
            path: self.component,
            load: async |path: &Path| self.load(path, key).await,
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
            quiet: self.args.answer.quiet,
            console: self.console,
        };
        let (name, published) = platform::publish(publication).await?;
        let numbers = Numbers {
            runtime: published.runtime,
            code: published.code,
            function: published.function,
        };
        Ok(self.pushed(&published.uploaded, &name, Some(numbers)))
    }

    /// The function in the component, and the component as it is published.
    async fn load(
        &self,
        path: &Path,
        key: Option<PrivateKey>,
    ) -> Result<(Function, Upload), ExpectedError> {
        let size = readable(path).map_err(ExpectedError::io("read", path))?;
        let host = Arc::new(Host::describing(self.config)?);
        let load = Action::load_file(host, path).await;
        let action = load
            .map_err(|source| unnamed(ExpectedError::Action { path: path.to_owned(), source }))?;
        Ok((function(&action, size), upload(&action, path, key)))
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

/// The size of a file that can be read.
fn readable(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    // A folder can be opened.
    file.read_exact(&mut [0]).or_else(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) }
    })?;
    Ok(file.metadata()?.len())
}

/// A component that says it is called nothing is an action that has yet to be named.
fn unnamed(error: ExpectedError) -> ExpectedError {
    use keynet_host::action::DescriptionError;
    match error {
        ExpectedError::Action {
            source: keynet_host::ActionError::Description(DescriptionError::Name(name)),
            ..
        } if name.is_empty() => PublishError::Undescribed { what: "name", name }.into(),
        other => other,
    }
}

/// The function's name and its version, if that can be part of a tag.
fn local_tag(name: &str, version: Option<&str>) -> String {
    let with_version = version.map(|version| format!("{name}-{version}"));
    with_version
        .and_then(|tag| artifact::reference::parse_tag(&tag).ok())
        .unwrap_or_else(|| name.to_owned())
}

/// `SOURCE_DATE_EPOCH`, by which builds are told when they are made.
fn created() -> Option<u32> {
    std::env::var("SOURCE_DATE_EPOCH").ok()?.parse().ok()
}

fn function(action: &Action, size: u64) -> Function {
    let description = action.description();
    Function { name: description.name.clone(), description: description.description.clone(), size }
}

fn upload(action: &Action, path: &Path, key: Option<PrivateKey>) -> Upload {
    let description = action.description();
    let about = About {
        name: Some(description.name.clone()),
        description: Some(description.description.clone()),
        created: created(),
        ..About::default()
    };
    Upload::Artifact { component: path.to_owned(), about, key }
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
