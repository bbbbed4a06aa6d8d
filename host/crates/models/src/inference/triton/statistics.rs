//! What the server counts about its models: Triton's statistics extension.

use std::time::Duration;

use super::models::Served;
use super::proto::{self, ModelStatisticsRequest, StatisticDuration};
use super::server::Server;
use keynet_base::error::Result;

/// What a version of a model has done since the server started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatistics {
    /// The model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Inferences, each of a batch counted.
    pub inferences: u64,
    /// Runs of the model: fewer than inferences where the server batched them.
    pub executions: u64,
    /// Requests that succeeded.
    pub success: Spent,
    /// Requests that failed.
    pub failure: Spent,
    /// Waiting in the server's queue.
    pub queue: Spent,
    /// Running the model, without preparing inputs and outputs.
    pub compute: Spent,
    /// Runs by the size of their batch.
    pub batches: Vec<BatchStatistics>,
}

/// How often something was done, and how long it took in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often.
    pub times: u64,
    /// In sum.
    pub time: Duration,
}

/// Runs with batches of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchStatistics {
    /// The size.
    pub size: u64,
    /// Runs with it.
    pub compute: Spent,
}

/// Asks for the statistics of a model.
///
/// # Errors
/// What the server says, or what kept it from answering.
pub(super) async fn ask(server: &Server, served: &Served) -> Result<Vec<ModelStatistics>> {
    let message =
        ModelStatisticsRequest { name: served.name.clone(), version: served.version_text() };
    let answer = server.ask(&served.subject(), message).await;
    Ok(answer.map_err(|failure| failure.error)?.model_stats.into_iter().map(Into::into).collect())
}

impl From<proto::ModelStatistics> for ModelStatistics {
    fn from(given: proto::ModelStatistics) -> Self {
        let sums = given.inference_stats.unwrap_or_default();
        Self {
            name: given.name,
            version: given.version,
            inferences: given.inference_count,
            executions: given.execution_count,
            success: sums.success.into(),
            failure: sums.fail.into(),
            queue: sums.queue.into(),
            compute: sums.compute_infer.into(),
            batches: given
                .batch_stats
                .into_iter()
                .map(|batch| BatchStatistics {
                    size: batch.batch_size,
                    compute: batch.compute_infer.into(),
                })
                .collect(),
        }
    }
}

impl From<Option<StatisticDuration>> for Spent {
    fn from(given: Option<StatisticDuration>) -> Self {
        given.map_or_else(Self::default, |given| Self {
            times: given.count,
            time: Duration::from_nanos(given.ns),
        })
    }
}
