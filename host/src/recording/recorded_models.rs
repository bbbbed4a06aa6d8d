//! Models whose calls are recorded.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use keynet_base::budget::CallBudget;
use keynet_base::error::Result;
use keynet_models::inference::{
    InferenceBackend, InferenceRequest, ModelMetadata, ModelRef, NamedTensor,
};

use super::calls::{Answer, MetadataRecord, ModelRequest, Question, StreamItem};
use super::recorder::Tape;
use crate::capabilities::Backend;

/// Models whose calls are recorded.
pub(super) struct RecordedModels {
    own: Backend<dyn InferenceBackend>,
    tape: Arc<Tape>,
}

impl RecordedModels {
    pub(super) fn new(own: Backend<dyn InferenceBackend>, tape: Arc<Tape>) -> Self {
        Self { own, tape }
    }

    async fn request(&self, request: &InferenceRequest) -> ModelRequest {
        ModelRequest {
            model: request.model.to_string(),
            inputs: self.tape.tensors(&request.inputs).await,
            outputs: request.outputs.clone(),
            parameters: request.parameters.clone(),
        }
    }
}

#[async_trait]
impl InferenceBackend for RecordedModels {
    fn describe(&self) -> String {
        self.own.as_ref().map_or_else(|_| "no models".to_owned(), |own| own.describe())
    }

    fn engine(&self) -> Option<&'static str> {
        self.own.as_ref().ok()?.engine()
    }

    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>> {
        let number = self.tape.ask(Question::Predict(self.request(&request).await));
        let outputs = match self.own.clone() {
            Ok(own) => own.predict(request, budget).await,
            Err(error) => Err(error),
        };
        let answer = match &outputs {
            Ok(outputs) => Answer::Outputs(self.tape.tensors(outputs).await),
            Err(error) => self.tape.error(error),
        };
        self.tape.answer(number, answer);
        outputs
    }

    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
        let number = self.tape.ask(Question::PredictStream(self.request(&request).await));
        let answers = match self.own.clone() {
            Ok(own) => own.predict_stream(request, budget).await,
            Err(error) => Err(error),
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                self.tape.answer(number, self.tape.error(&error));
                return Err(error);
            }
        };
        self.tape.answer(number, Answer::Stream { items: Vec::new(), complete: false });
        let tape = Arc::clone(&self.tape);
        Ok(stream::unfold((answers, tape), move |(mut answers, tape)| async move {
            let answer = answers.next().await;
            let item = match &answer {
                None => None,
                Some(Ok(outputs)) => Some(StreamItem::Outputs(tape.tensors(outputs).await)),
                Some(Err(error)) => Some(StreamItem::Error(tape.error_record(error))),
            };
            tape.amend(number, |answer| {
                if let Answer::Stream { items, complete } = answer {
                    *complete = item.is_none();
                    items.extend(item);
                }
            });
            answer.map(|answer| (answer, (answers, tape)))
        })
        .boxed())
    }

    async fn metadata(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelMetadata> {
        let question = Question::Metadata { model: model.to_string() };
        let call = async { self.own.clone()?.metadata(model, budget).await };
        let answer = |metadata: &ModelMetadata| Answer::Metadata(MetadataRecord::of(metadata));
        self.tape.record(question, call, answer).await
    }

    async fn close(&self) {
        if let Ok(own) = &self.own {
            own.close().await;
        }
    }
}
