//! Models that a Triton server runs, or another server of the KServe v2 protocol: gRPC.
//!
//! [`TritonInference`] asks one server, by the protocol of `proto/inference.proto`. It knows
//! nothing of registries: `models:/…` names are resolved to names of the server before they come
//! here.
//!
//! * **Checked first.** What a model takes is asked once and remembered for a while; a request that
//!   does not suit it is refused with what the model wants and what it got, and never sent.
//! * **Time.** A call's deadline is told to the server, and met here whatever the server does. What
//!   nobody waits for is cancelled.
//! * **Unavailable.** A server that cannot be reached, whose queue is full or that is loading the
//!   model is asked again with growing pauses, for `KEYNET_TRITON_RETRY` and no more than half of
//!   the time the call has. So is a connection that broke, unless the request is one of a sequence
//!   (`sequence_id`), which its model would count twice.
//! * **Many at once** share a connection, and reach the server's batcher together; large messages
//!   have others, at most `KEYNET_TRITON_CONNECTIONS` in all.
//! * **Copies.** An input is handed to the system from the tensor's own bytes: none is made in this
//!   process (TLS makes one, to encrypt). An output is copied once, from the pieces in which it
//!   came to the memory that its tensor then shares, which is reserved before. In between are the
//!   system's copies out of and into its sockets' buffers. Through `shared_memory` there is one
//!   copy each way, and no socket.
//! * **Streams** read nothing ahead of the guest, and end on the server when the guest drops them.

mod answer;
mod body;
mod call;
mod codec;
mod connections;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod grpc_only;
mod models;
mod outbox;
mod proto;
mod public;
mod repository;
mod request;
mod retry;
mod server;
mod shared_memory;
mod statistics;
mod stream;
mod typed;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use statistics::{BatchStatistics, ModelStatistics, Spent};

use super::{InferenceBackend, InferenceRequest, ModelMetadata, ModelRef, NamedTensor};
use crate::budget::CallBudget;
use crate::config::TritonConfig;
use crate::error::{Error, ErrorKind, Result};
use answer::{Outputs, Shared, most_outputs};
use body::RequestBody;
use failure::Failure;
use models::{Models, Served};
use proto::{MODEL_INFER, ModelReadyRequest, ServerReadyRequest};
use retry::Attempts;
use server::Server;
use shared_memory::{Placed, SharedMemory};
use stream::Question;

/// Asks the models of a Triton server. See the [module](self).
#[derive(Debug)]
pub struct TritonInference {
    url: String,
    server: Arc<Server>,
    models: Models,
    shared_memory: Option<SharedMemory>,
}

/// What is asked of which model.
struct Asked<'a> {
    served: &'a Served,
    subject: &'a str,
    request: &'a InferenceRequest,
    budget: &'a CallBudget,
    /// Outputs that an answer may have.
    most: usize,
}

impl TritonInference {
    /// Connects when it is first asked, within the tokio runtime of who asks first.
    ///
    /// # Errors
    /// `unavailable`: a certificate or key cannot be used.
    pub fn open(config: &TritonConfig) -> Result<Self> {
        let server = Arc::new(Server::open(config)?);
        let shared_memory = SharedMemory::new(&server);
        Ok(Self { url: config.url.to_string(), server, models: Models::default(), shared_memory })
    }

    /// Whether the server can answer for its models.
    ///
    /// # Errors
    /// What keeps it from saying so.
    pub async fn server_ready(&self, budget: &CallBudget) -> Result<bool> {
        let call = self.server.ask("the server", ServerReadyRequest {});
        budget
            .within("Triton", async { Ok(call.await.map_err(|failure| failure.error)?.ready) })
            .await
    }

    /// Whether a model can be asked.
    ///
    /// # Errors
    /// As [`TritonInference::server_ready`].
    pub async fn model_ready(&self, model: &ModelRef, budget: &CallBudget) -> Result<bool> {
        let served = served(model)?;
        let message =
            ModelReadyRequest { name: served.name.clone(), version: served.version_text() };
        let subject = served.subject();
        let call = self.server.ask(&subject, message);
        budget
            .within(&subject, async { Ok(call.await.map_err(|failure| failure.error)?.ready) })
            .await
    }

    /// How often a model was asked and what that took, for each of its versions.
    ///
    /// # Errors
    /// As for [`InferenceBackend::predict`].
    pub async fn statistics(
        &self,
        model: &ModelRef,
        budget: &CallBudget,
    ) -> Result<Vec<ModelStatistics>> {
        let served = served(model)?;
        budget.within(&served.subject(), statistics::ask(&self.server, &served)).await
    }

    async fn infer(
        &self,
        served: &Served,
        subject: &str,
        request: &InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>> {
        let (model, bound) = self.models.bind(&self.server, served, request, budget).await?;
        if model.decoupled {
            return Err(Error::invalid(format!(
                "{subject} answers any number of times: ask it with \
                predict-stream"
            )));
        }
        let most = most_outputs(&request.outputs, model.signature.outputs.len());
        let asked = Asked { served, subject, request, budget, most };
        let mut placed = match &self.shared_memory {
            Some(memory) => memory.place(&self.server, &model, &bound, request).await,
            None => None,
        };
        let mut attempts =
            Attempts::new(self.server.retry(), budget.deadline, request::is_repeatable(request));
        loop {
            let failure = match self.once(&asked, placed.as_ref()).await {
                Ok(outputs) => return outputs_of(&asked, outputs, placed).await,
                Err(failure) => failure,
            };
            if let Some(memory) = &self.shared_memory
                && let Some(used) = placed.take()
            {
                placed = memory.after(used, &failure).await;
                if shared_memory::is_at_fault(&failure) {
                    continue;
                }
            }
            if matches!(failure.error.kind, ErrorKind::NotFound | ErrorKind::Invalid) {
                self.models.forget(served);
            }
            attempts.again(failure).await?;
        }
    }

    async fn once(&self, asked: &Asked<'_>, placed: Option<&Placed>) -> Result<Outputs, Failure> {
        let terms = self.server.terms(asked.subject.to_owned(), asked.budget);
        let (head, tensors) = request::encode(asked.served, asked.request, placed)?;
        let body = RequestBody::new(&head, &tensors, terms.limit)?;
        let answer = call::send(self.server.calls.lease(body.bytes())?, MODEL_INFER, body, terms)
            .await?
            .only()
            .await?;
        let outputs = Outputs::read(asked.subject, answer, asked.most);
        if outputs.is_err() {
            self.models.forget(asked.served); // it may have other outputs than it had
        }
        Ok(outputs?)
    }
}

async fn outputs_of(
    asked: &Asked<'_>,
    outputs: Outputs,
    placed: Option<Placed>,
) -> Result<Vec<NamedTensor>> {
    let shared = match placed {
        Some(placed) => placed.finish(asked.subject, &outputs, asked.budget).await?,
        None => Shared::new(),
    };
    let outputs = outputs.unfold(asked.subject, asked.budget.deadline).await?;
    outputs.tensors(asked.subject, &asked.request.outputs, shared)
}

/// The name and version of a model of the server.
fn served(model: &ModelRef) -> Result<Served> {
    let (name, version) = model.served()?;
    Ok(Served { name: name.to_owned(), version })
}

#[async_trait]
impl InferenceBackend for TritonInference {
    fn describe(&self) -> String {
        format!("models of Triton at {}", self.url)
    }

    fn engine(&self) -> Option<&'static str> {
        Some("triton")
    }

    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>> {
        let served = served(&request.model)?;
        let subject = served.subject();
        // large: not moved about
        let call = std::pin::pin!(self.infer(&served, &subject, &request, budget));
        budget.within(&subject, call).await
    }

    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
        let served = served(&request.model)?;
        let subject = served.subject();
        let (model, _) = budget
            .within(&subject, self.models.bind(&self.server, &served, &request, budget))
            .await?;
        let most = most_outputs(&request.outputs, model.signature.outputs.len());
        let terms = self.server.terms(subject, budget);
        let (head, tensors) = request::encode(&served, &request, None)?;
        let body = RequestBody::new(&head, &tensors, terms.limit)?;
        let repeatable = request::is_repeatable(&request);
        stream::open(
            Arc::clone(&self.server),
            Question { body, terms, wanted: request.outputs, most, repeatable },
        )
        .await
    }

    async fn metadata(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelMetadata> {
        let served = served(model)?;
        let age: Duration = self.server.link.metadata_ttl;
        let model = budget
            .within(&served.subject(), self.models.get(&self.server, &served, age, budget))
            .await?;
        Ok(model.metadata.clone())
    }

    async fn close(&self) {
        if let Some(memory) = &self.shared_memory {
            memory.close(&self.server).await;
        }
    }
}
