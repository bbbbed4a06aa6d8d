//! Models of a server: the common part of the commands of `model`.

mod error;
mod steps;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use keynet_base::Error;
use keynet_base::config::{ModelRepositoryConfig, parse_duration};
use keynet_models::model_deployment::{Deployments, ModelSource, Terms};
use tokio_util::sync::CancellationToken;

use crate::errors::ExpectedError;
use crate::flags::{AnswerArgs, HostArgs};
use crate::runtime::{self, Work};
use crate::settings;
use crate::ui::console::Console;
use error::{Circumstances, ModelError};
use steps::Steps;

/// Server of the models, and limits of the operation.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Use the models that run in process, in this folder, even if TRITON_URL is set [default
    /// without it: ./models]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Wait until the server is ready and the operation has finished
    #[arg(long)]
    pub wait: bool,
    /// Time limit, such as 90s or 30m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Runs `work` with the models of the server; `source` is the origin of a model that it deploys.
/// Ctrl-C or SIGTERM stops it in order.
///
/// # Errors
/// The configuration or the server cannot be used, or `work` failed.
pub fn with<T>(
    args: &ServerArgs,
    source: Option<&ModelSource>,
    console: Console,
    work: impl AsyncFnOnce(&Deployments, &Terms<'_>) -> Result<T, Error>,
) -> Result<T, ExpectedError> {
    let mut config = settings::read(&HostArgs::default())?;
    let repository = match &args.models {
        Some(folder) => {
            config.embedded_models.folder.clone_from(folder);
            config.triton = None;
            None
        }
        None => ModelRepositoryConfig::from_environment()?,
    };
    let steps = Steps::new(args.answer.quiet, console);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let terms = Terms {
        deadline: Instant::now() + args.timeout,
        wait: args.wait,
        stop: stop.clone(),
        progress: &steps,
    };
    runtime::start(Work::One)?.block_on(async {
        tokio::spawn(async move {
            runtime::asked_to_stop().await;
            stop.cancel();
        });
        let done = async { work(&Deployments::open(&config, repository.as_ref())?, &terms).await };
        done.await.map_err(|error| {
            let circumstances = Circumstances {
                is_stopped: stopped.is_cancelled(),
                is_in_process: config.triton.is_none(),
                has_folder: !matches!(repository, Some(ModelRepositoryConfig::S3 { .. })),
                is_file: matches!(source, Some(ModelSource::Local(_))),
                has_registry: config.mlflow.is_some(),
                phase: steps.phase(),
            };
            ModelError::new(error, &circumstances).into()
        })
    })
}
