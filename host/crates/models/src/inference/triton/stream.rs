//! The answers of a model that may answer any number of times, one at a time.
//!
//! The request is on its way when the stream is made; answers are read when they are asked for.
//! What the guest does not read waits in the window of the stream, then in Triton: nothing is read
//! ahead of it. Dropping the stream cancels the request on the server.
//!
//! What goes wrong in the middle Triton says in words, without a status. It can be told to send one
//! (`triton_grpc_error`), but Triton 2.51 then crashes when the model goes on after its error, so
//! it is not.

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
use keynet_base::error::{Error, Result};

/// What a stream is made for.
pub(super) struct Question {
    pub body: RequestBody,
    pub terms: Terms,
    /// The outputs to return; empty for all.
    pub wanted: Vec<String>,
    /// Outputs that one answer may have.
    pub most: usize,
    pub repeatable: bool,
}

/// Where a stream is.
enum State {
    /// Sent, as far as anybody knows.
    Starting(BoxFuture<'static, Result<Answers>>),
    Open(Box<Answers>),
}

struct Stream {
    state: State,
    terms: Terms,
    wanted: Vec<String>,
    most: usize,
    _window: Reservation,
}

/// Sends the question and returns the stream of its answers.
///
/// # Errors
/// What can be told at once.
pub(super) async fn open(
    server: Arc<Server>,
    question: Question,
) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
    let Question { body, terms, wanted, most, repeatable } = question;
    let window = terms
        .budget
        .memory
        .reserve(STREAM_WINDOW.into(), "what a prediction stream has not read yet,")?;
    let mut starting = start(server, body, terms.clone(), repeatable).boxed();
    // Polled once, it is on its way.
    let state = match futures::poll!(&mut starting) {
        std::task::Poll::Ready(answers) => State::Open(Box::new(answers?)),
        std::task::Poll::Pending => State::Starting(starting),
    };
    let stream = Stream { state, terms, wanted, most, _window: window };
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
    /// The next answer; none after the last.
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
                    let outputs = outputs.unfold(subject, self.terms.budget.deadline).await?;
                    return outputs.tensors(subject, &self.wanted, Shared::new()).map(Some);
                }
                Streamed::Failed(text) => return Err(failed(subject, &text)),
                Streamed::Nothing => {}
            }
        }
    }
}

/// The kind of what Triton says in words.
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
