//! Inference on models that are named by a registry.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::inference::{InferenceBackend, InferenceRequest, ModelMetadata, ModelRef, NamedTensor};
use crate::model_registry::ModelRegistry;
use keynet_base::budget::CallBudget;
use keynet_base::error::Result;

/// Backend that resolves names such as `models:/detector@champion` to the name and version that the
/// backend behind it knows.
pub struct Registered {
    backend: Arc<dyn InferenceBackend>,
    registry: ModelRegistry,
}

impl Registered {
    /// Wraps `backend` for the models that `registry` names.
    pub fn new(backend: Arc<dyn InferenceBackend>, registry: ModelRegistry) -> Self {
        Self { backend, registry }
    }
}

#[async_trait]
impl InferenceBackend for Registered {
    fn describe(&self) -> String {
        format!("{}, named by MLflow at {}", self.backend.describe(), self.registry.url())
    }

    fn engine(&self) -> Option<&'static str> {
        self.backend.engine()
    }

    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>> {
        let model = self.registry.served(&request.model, budget).await?;
        self.backend.predict(InferenceRequest { model, ..request }, budget).await
    }

    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
        let model = self.registry.served(&request.model, budget).await?;
        self.backend.predict_stream(InferenceRequest { model, ..request }, budget).await
    }

    async fn metadata(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelMetadata> {
        self.backend.metadata(&self.registry.served(model, budget).await?, budget).await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}
