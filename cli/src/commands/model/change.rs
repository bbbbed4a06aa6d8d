//! `model deploy`, `update`, `delete`, `load`, `unload`.

use std::process::ExitCode;

use clap::Args;
use keynet_models::model_deployment::{Flavor, ModelSource, Order};
use serde::Serialize;

use super::NamedArgs;
use super::show::Shown;
use crate::errors::ExpectedError;
use crate::model::{ServerArgs, with};
use crate::ui::console::{Console, printable};
use crate::ui::output::{self, CommandOutput};

#[derive(Debug, Args)]
pub struct DeployArgs {
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Keep serving the present versions beside this one
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct WhatArgs {
    /// The model: models:/name/3, models:/name@champion, models:/name/Production or models:/m-ID of
    /// MLflow, an ONNX file, or a folder with a model in it
    #[arg(value_name = "MODEL")]
    source: ModelSource,
    /// Name of the model on the server; actions find models:/… only under the registry's name
    /// [default: the registry's or the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Format of the model: onnx (an ONNX file) or triton (a folder of a Triton repository)
    /// [default: detected from its files]
    #[arg(long, value_name = "FLAVOR")]
    flavor: Option<Flavor>,
    /// Path of the ONNX file if there are several, such as onnx/model_fp16.onnx [default: the only
    /// one, model.onnx or onnx/model.onnx]
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
    /// Version of the model, for files of this machine; MLflow's versions keep their number
    /// [default: 1, or the next]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
}

impl WhatArgs {
    fn order(&self, keep: bool) -> Order {
        let Self { source, name, flavor, file, version } = self;
        Order {
            source: source.clone(),
            name: name.clone(),
            flavor: *flavor,
            version: *version,
            keep,
            file: file.clone(),
        }
    }
}

/// A model that was deployed, updated or loaded.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(skip)]
    what: &'static str,
    #[serde(flatten)]
    model: Shown,
}

impl CommandOutput for Done {
    fn line(&self) -> String {
        let source =
            self.model.source.as_ref().map(|source| format!(" from {source}")).unwrap_or_default();
        printable(&format!("{} {}{source}", self.what, self.model.label())).into_owned()
    }
}

/// A model that was deleted or unloaded.
#[derive(Debug, Serialize)]
struct Gone {
    #[serde(skip)]
    what: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl CommandOutput for Gone {
    fn line(&self) -> String {
        printable(&format!("{} {}", self.what, self.name)).into_owned()
    }
}

/// Deploys a new model.
///
/// # Errors
/// The model could not be deployed; nothing of it is left behind.
pub fn deploy(args: &DeployArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let order = args.what.order(false);
    let done = with(&args.server, Some(&args.what.source), console, async |models, terms| {
        models.deploy(&order, terms).await
    });
    output::tell(
        done.map(|model| Done { what: "deployed", model: model.into() }),
        args.server.answer.json,
        console,
    )
}

/// Deploys another version.
///
/// # Errors
/// The version could not be deployed; the server continues to serve the previous one.
pub fn update(args: &UpdateArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let order = args.what.order(args.keep);
    let done = with(&args.server, Some(&args.what.source), console, async |models, terms| {
        models.update(&order, terms).await
    });
    output::tell(
        done.map(|model| Done { what: "updated", model: model.into() }),
        args.server.answer.json,
        console,
    )
}

/// Removes a deployed model.
///
/// # Errors
/// The model does not exist, was not deployed by this program, or cannot be unloaded.
pub fn delete(args: &NamedArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let done = with(&args.server, None, console, async |models, terms| {
        models.delete(&args.name, terms).await
    });
    let gone = done.map(|record| Gone {
        what: "deleted",
        name: record.name,
        source: Some(record.mlflow_model_uri),
    });
    output::tell(gone, args.server.answer.json, console)
}

/// Loads a model.
///
/// # Errors
/// The model cannot be loaded.
pub fn load(args: &NamedArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let done = with(&args.server, None, console, async |models, terms| {
        models.load(&args.name, terms).await
    });
    output::tell(
        done.map(|model| Done { what: "loaded", model: model.into() }),
        args.server.answer.json,
        console,
    )
}

/// Unloads a model.
///
/// # Errors
/// The model does not exist or cannot be unloaded.
pub fn unload(args: &NamedArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let done = with(&args.server, None, console, async |models, terms| {
        models.unload(&args.name, terms).await
    });
    output::tell(
        done.map(|()| Gone { what: "unloaded", name: args.name.clone(), source: None }),
        args.server.answer.json,
        console,
    )
}
