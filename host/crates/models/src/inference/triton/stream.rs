//! The stream of a decoupled model's responses, one at a time.
//!
//! The request is sent when the stream is created; responses are read when the guest reads them.
//! Unread responses wait in the window of the HTTP/2 stream, then in Triton: nothing is read ahead
//! of the guest. Dropping the stream cancels the request on the server.
//!
//! Triton reports an error within a stream as text, without a status. It can be configured to send
//! a status (`triton_grpc_error`), but Triton 2.51 then crashes when the model continues after its
//! error, so this is not used.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};

use super::answer::{Shared, Streamed};
use super::body::RequestBody;
use super::call::{self, Answers, Terms};
use super::connections::STREAM_WINDOW;
use super::failure::Failure;
use super::proto::MODEL_STREAM_INFER;
use super::retry::Attempts;
use super::server::Server;
use crate::inference::NamedTensor;
use keynet_base::budget::Reservation;
use keynet_base::call_observer;
use keynet_base::error::{Error, Result};

/// Request that opens a stream.
pub(super) struct Question {
    /// Name of the model.
    pub model: String,
    pub body: RequestBody,
    pub terms: Terms,
    /// Outputs to return; empty for all.
    pub wanted: Vec<String>,
    /// Maximum number of outputs of one response.
    pub most: usize,
    pub repeatable: bool,
}

/// State of a stream.
enum State {
    /// Request sent, no response headers yet.
    Starting(BoxFuture<'static, Result<Answers>>),
    Open(Box<Answers>),
}

struct Stream {
    state: State,
    model: String,
    terms: Terms,
    wanted: Vec<String>,
    most: usize,
    _window: Reservation,
}

/// Sends the request and returns the stream of its responses.
///
/// # Errors
/// The errors that are known immediately.
pub(super) async fn open(
    server: Arc<Server>,
    question: Question,
) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
    let Question { model, body, terms, wanted, most, repeatable } = question;
    let window = terms
        .budget
        .memory
        .reserve(STREAM_WINDOW.into(), "what a prediction stream has not read yet,")?;
    let mut starting = start(server, body, terms.clone(), repeatable).boxed();
    // The first poll sends the request.
    let state = match futures::poll!(&mut starting) {
        std::task::Poll::Ready(answers) => State::Open(Box::new(answers?)),
        std::task::Poll::Pending => State::Starting(starting),
    };
    let stream = Stream { state, model, terms, wanted, most, _window: window };
    Ok(stream::try_unfold(stream, |mut stream| async move {
        let subject = stream.terms.subject.clone();
        let budget = stream.terms.budget.clone();
        let next = budget.within(&subject, stream.next()).await?;
        Ok(next.map(|outputs| (outputs, stream)))
    })
    .boxed())
}

async fn start(
    server: Arc<Server>,
    body: RequestBody,
    terms: Terms,
    repeatable: bool,
) -> Result<Answers> {
    let mut attempts = Attempts::new(server.retry(), terms.budget.deadline, repeatable);
    loop {
        let sent = match server.streams.lease_for_long() {
            Ok(lease) => call::send(lease, MODEL_STREAM_INFER, body.clone(), terms.clone()).await,
            Err(error) => Err(error.into()),
        };
        match sent {
            Ok(answers) => return Ok(answers),
            Err(failure) => attempts.again(failure).await?,
        }
    }
}

impl Stream {
    /// Returns the next response; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<NamedTensor>>> {
        if let State::Starting(starting) = &mut self.state {
            self.state = State::Open(Box::new(starting.await?));
        }
        let State::Open(answers) = &mut self.state else {
            return Err(Error::internal("a prediction stream was not opened"));
        };
        let subject = &self.terms.subject;
        loop {
            let Some(answer) = answers.next().await.map_err(|failure| failure.error)? else {
                return Ok(None);
            };
            match Streamed::read(subject, answer, self.most)? {
                Streamed::Outputs(outputs) => {
                    call_observer::report_model(&self.model, outputs.version());
                    let outputs = outputs.unfold(subject, self.terms.budget.deadline).await?;
                    return outputs.tensors(subject, &self.wanted, Shared::new()).map(Some);
                }
                Streamed::Failed(text) => return Err(failed(subject, &text)),
                Streamed::Nothing => {}
            }
        }
    }
}

/// Converts an error text of Triton, with a status derived from the text.
fn failed(subject: &str, text: &str) -> Error {
    let code = match text {
        text if text.contains("is not found") => tonic::Code::NotFound,
        text if text.contains("not at ready state") || text.contains("maximum queue size") => {
            tonic::Code::Unavailable
        }
        text if text.contains("timeout expired") => tonic::Code::Unavailable,
        text if text.contains("unexpected shape") || text.contains("must specify") => {
            tonic::Code::InvalidArgument
        }
        _ => tonic::Code::Unknown,
    };
    Failure::answered(subject, code, text).error
}
