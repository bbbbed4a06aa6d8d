//! Models that run on a Triton server, or another server of the KServe v2 protocol: gRPC.
//!
//! [`TritonInference`] is the client of one server, with the protocol of `proto/inference.proto`.
//! It knows nothing of registries: `models:/…` names are resolved to names of the server before.
//!
//! * **Validation.** A model's signature is requested once and cached; a request that does not
//!   match is rejected with the expected and the given inputs, and never sent.
//! * **Deadlines.** A call's deadline is sent to the server, and also enforced here. Calls whose
//!   caller has gone away are cancelled.
//! * **Retries.** Calls to a server that is unreachable, whose queue is full or that is loading the
//!   model are retried with growing pauses, for `KEYNET_TRITON_RETRY` and at most half of the
//!   call's remaining time. So are calls whose connection broke, unless the request belongs to a
//!   sequence (`sequence_id`), which its model would count twice.
//! * **Concurrency.** Concurrent calls share a connection, and reach the server's batcher together;
//!   large messages use further connections, at most `KEYNET_TRITON_CONNECTIONS` in total.
//! * **Copies.** An input is passed to the kernel from the tensor's own bytes, without a copy in
//!   this process (TLS makes one, to encrypt). An output is copied once, from the received pieces
//!   to the memory that its tensor then shares, which is reserved before. The kernel copies both
//!   into and out of its socket buffers. Through `shared_memory` there is one copy each way, and no
//!   socket.
//! * **Streams** are not read ahead of the guest, and end on the server when the guest drops them.

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
mod policy_connector;
pub mod proto;
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
use answer::{Outputs, Shared, most_outputs};
use body::RequestBody;
use failure::Failure;
use keynet_base::budget::CallBudget;
use keynet_base::call_observer;
use keynet_base::config::TritonConfig;
use keynet_base::error::{Error, ErrorKind, Result};
use models::{Models, Served};
use proto::{MODEL_INFER, ModelReadyRequest, ServerReadyRequest};
use retry::Attempts;
use server::Server;
use shared_memory::{Placed, SharedMemory};
use stream::Question;

/// Client of the models of a Triton server. See the [module](self).
#[derive(Debug)]
pub struct TritonInference {
    url: String,
    server: Arc<Server>,
    models: Models,
    shared_memory: Option<SharedMemory>,
}

/// Inference request with its context.
struct Asked<'a> {
    served: &'a Served,
    subject: &'a str,
    request: &'a InferenceRequest,
    budget: &'a CallBudget,
    /// Maximum number of outputs of a response.
    most: usize,
}

impl TritonInference {
    /// Creates the client, which connects at the first request, within the caller's tokio runtime.
    ///
    /// # Errors
    /// `unavailable`: a certificate or key cannot be used.
    pub fn open(config: &TritonConfig) -> Result<Self> {
        let server = Arc::new(Server::open(config)?);
        let shared_memory = SharedMemory::new(&server);
        Ok(Self { url: config.url.to_string(), server, models: Models::default(), shared_memory })
    }

    /// Reports whether the server is ready to serve its models.
    ///
    /// # Errors
    /// The server does not respond.
    pub async fn server_ready(&self, budget: &CallBudget) -> Result<bool> {
        let call = self.server.ask("the server", ServerReadyRequest {});
        budget
            .within("Triton", async { Ok(call.await.map_err(|failure| failure.error)?.ready) })
            .await
    }

    /// Reports whether a model is ready.
    ///
    /// # Errors
    /// The same as for [`TritonInference::server_ready`].
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

    /// Returns the number and the duration of a model's requests, for each of its versions.
    ///
    /// # Errors
    /// The same as for [`InferenceBackend::predict`].
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
                "{subject} answers any number of times: ask it with predict-stream"
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
                Ok(outputs) => {
                    call_observer::report_model(&served.name, outputs.version());
                    return outputs_of(&asked, outputs, placed).await;
                }
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
            self.models.forget(asked.served); // its outputs may have changed
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

/// Returns the name and version of a model of the server.
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
        // pinned on the stack: the future is large and should not be moved
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
        let question =
            Question { model: served.name, body, terms, wanted: request.outputs, most, repeatable };
        stream::open(Arc::clone(&self.server), question).await
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
