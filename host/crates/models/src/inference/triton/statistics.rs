//! Statistics of the server's models: Triton's statistics extension.

use std::time::Duration;

use super::models::Served;
use super::proto::{self, ModelStatisticsRequest, StatisticDuration};
use super::server::Server;
use keynet_base::error::Result;

/// Statistics of a version of a model since the server started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatistics {
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// Number of inferences; a batch counts as its size.
    pub inferences: u64,
    /// Number of executions of the model: fewer than inferences if the server batched them.
    pub executions: u64,
    /// Requests that succeeded.
    pub success: Spent,
    /// Requests that failed.
    pub failure: Spent,
    /// Time in the server's queue.
    pub queue: Spent,
    /// Time of execution, without preparing inputs and outputs.
    pub compute: Spent,
    /// Executions by batch size.
    pub batches: Vec<BatchStatistics>,
}

/// Number and total duration of an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Number of operations.
    pub times: u64,
    /// Total duration.
    pub time: Duration,
}

/// Executions with one batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchStatistics {
    /// Batch size.
    pub size: u64,
    /// Executions with this batch size.
    pub compute: Spent,
}

/// Requests the statistics of a model.
///
/// # Errors
/// The server's error, or it does not respond.
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
