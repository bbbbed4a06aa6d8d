//! Models that a recording answers for.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};
use keynet_models::inference::{
    InferenceBackend, InferenceRequest, ModelMetadata, ModelRef, NamedTensor, Shape, Tensor,
};

use super::answers::{damaged, data_type, unsuitable};
use super::calls::{Answer, ModelRequest, Question, StreamItem, TensorRecord};
use super::payload::Payload;
use super::replay::Script;

/// Models that a recording answers for.
pub(super) struct ReplayedModels(Arc<Script>);

impl ReplayedModels {
    pub(super) fn new(script: Arc<Script>) -> Self {
        Self(script)
    }
}

fn asked(request: InferenceRequest) -> (ModelRequest, Vec<Bytes>) {
    let record = |NamedTensor { name, tensor }: &NamedTensor| TensorRecord {
        name: name.clone(),
        r#type: tensor.data_type().name().to_owned(),
        shape: tensor.shape().dimensions().to_vec(),
        data: Payload::of(tensor.data()),
    };
    let inputs = request.inputs.iter().map(record).collect();
    let data = request.inputs.iter().map(|input| input.tensor.data().clone()).collect();
    let model = request.model.to_string();
    (ModelRequest { model, inputs, outputs: request.outputs, parameters: request.parameters }, data)
}

impl Script {
    fn outputs(&self, records: Vec<TensorRecord>, budget: &CallBudget) -> Result<Vec<NamedTensor>> {
        records.into_iter().map(|record| self.tensor(record, budget)).collect()
    }

    fn tensor(&self, record: TensorRecord, budget: &CallBudget) -> Result<NamedTensor> {
        let held = budget.memory.reserve(record.data.size(), "a tensor of the recording")?;
        let data = self.folder.read(&record.data).map_err(|why| damaged(&why))?;
        let shape = Shape::new(record.shape)?;
        let tensor = Tensor::new(data_type(&record.r#type)?, shape, data, Some(held))
            .map_err(|error| damaged(&error.message))?;
        Ok(NamedTensor { name: record.name, tensor })
    }
}

#[async_trait]
impl InferenceBackend for ReplayedModels {
    fn describe(&self) -> String {
        format!("models of the recording {}", self.0.folder.path().display())
    }

    fn engine(&self) -> Option<&'static str> {
        None
    }

    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>> {
        let (request, data) = asked(request);
        match self.0.ask(Question::Predict(request), &data).await? {
            Answer::Outputs(outputs) => self.0.outputs(outputs, budget),
            other => Err(unsuitable(&other)),
        }
    }

    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
        let (request, data) = asked(request);
        let (items, complete) = match self.0.ask(Question::PredictStream(request), &data).await? {
            Answer::Stream { items, complete } => (items, complete),
            other => return Err(unsuitable(&other)),
        };
        let (script, budget) = (Arc::clone(&self.0), budget.clone());
        let answers = stream::iter(items).map(move |item| match item {
            StreamItem::Outputs(outputs) => script.outputs(outputs, &budget),
            StreamItem::Error(error) => Err(error.error()),
        });
        // The recorded activation did not ask for more.
        let end = (!complete).then(|| {
            Err(Error::unavailable("the recording has no further answers of this stream"))
        });
        Ok(answers.chain(stream::iter(end)).boxed())
    }

    async fn metadata(&self, model: &ModelRef, _: &CallBudget) -> Result<ModelMetadata> {
        match self.0.ask(Question::Metadata { model: model.to_string() }, &[]).await? {
            Answer::Metadata(metadata) => metadata.metadata(),
            other => Err(unsuitable(&other)),
        }
    }
}
