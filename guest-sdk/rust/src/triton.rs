//! Running models.

use std::fmt;
use std::ops::Index;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::data_type::DataType;
use crate::error::{Error, Result};
use crate::host;
use crate::tensor::Tensor;

/// Client of the models that Triton serves, or that run in the host if no Triton is configured.
///
/// ```
/// use keynet_inference_sdk::{Tensor, Triton, testing::Environment};
///
/// let environment = Environment::new().model("double", |inputs| {
///     let doubled: Vec<f32> = inputs["x"].elements::<f32>()?.iter().map(|x| x * 2.0).collect();
///     Ok([("y", Tensor::from_vec(inputs["x"].shape(), doubled)?)])
/// });
/// environment.run(|| {
///     let input = Tensor::from_slice(&[1, 2], &[1.0_f32, 2.0])?;
///     let outputs = Triton::new()?.predict([("x", &input)])?;
///     assert_eq!(outputs["y"].to_vec::<f32>()?, [2.0, 4.0]);
///     Ok(())
/// })?;
/// # Ok::<(), keynet_inference_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Triton {
    model: String,
}

impl Triton {
    /// Uses the deployment's model, which `MODEL_NAME` in its configuration names, unless a request
    /// names another.
    ///
    /// # Errors
    /// `Unavailable`: in a native test outside a
    /// [`testing::Environment`](crate::testing::Environment).
    pub fn new() -> Result<Self> {
        Self::with_model("")
    }

    /// Uses this model, unless a request names another: `name`, `name:version`, `models:/name/3` or
    /// `models:/name@alias`.
    ///
    /// # Errors
    /// The same as for [`new`](Self::new); the existence of the model is checked by the first
    /// request.
    pub fn with_model(model: impl Into<String>) -> Result<Self> {
        host::triton::ready()?;
        Ok(Self { model: model.into() })
    }

    /// Runs the model and waits for its outputs. The tensors are borrowed and stay usable.
    ///
    /// # Errors
    /// `Invalid`: an input does not match the model. `NotFound`, `Denied`: the model. `Timeout`,
    /// `Unavailable`: the server. `TooLarge`: the request or its response.
    pub fn predict<'a, N: AsRef<str>>(
        &self,
        inputs: impl IntoIterator<Item = (N, &'a Tensor)>,
    ) -> Result<Tensors> {
        self.request(inputs).predict()
    }

    /// Creates a request with options: model, outputs, timeout, parameters.
    ///
    /// ```no_run
    /// # use keynet_inference_sdk::{Result, Tensor, Triton};
    /// # fn ask(triton: &Triton, image: &Tensor) -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let outputs = triton
    ///     .request([("input_0", image)])
    ///     .model("models:/detector@champion")
    ///     .outputs(["boxes", "scores"])
    ///     .timeout(Duration::from_secs(2))
    ///     .parameter("priority", 1)
    ///     .predict()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request<'a, N: AsRef<str>>(
        &self,
        inputs: impl IntoIterator<Item = (N, &'a Tensor)>,
    ) -> Request<'a> {
        Request {
            model: self.model.clone(),
            inputs: inputs
                .into_iter()
                .map(|(name, tensor)| (name.as_ref().to_owned(), tensor))
                .collect(),
            outputs: Vec::new(),
            timeout: None,
            parameters: Map::new(),
        }
    }

    /// Runs all requests at once, so that the server can batch them. Returns one result per
    /// request, in their order.
    ///
    /// # Errors
    /// For each, the same as for [`predict`](Self::predict). More than 256 requests: every one is
    /// `TooLarge`.
    pub fn predict_many<'a>(
        &self,
        requests: impl IntoIterator<Item = Request<'a>>,
    ) -> Vec<Result<Tensors>> {
        let requests: Vec<Request<'a>> = requests.into_iter().collect();
        host::triton::predict_many(requests.iter().map(Request::to_host).collect())
            .into_iter()
            .map(|outputs| Ok(Tensors::from_host(outputs?)))
            .collect()
    }

    /// Runs a model that responds many times, such as one that generates text; returns an iterator
    /// over its responses.
    ///
    /// # Errors
    /// The same as for [`predict`](Self::predict).
    pub fn predict_stream<'a, N: AsRef<str>>(
        &self,
        inputs: impl IntoIterator<Item = (N, &'a Tensor)>,
    ) -> Result<PredictionStream> {
        self.request(inputs).stream()
    }

    /// Returns the server's description of this client's model.
    ///
    /// # Errors
    /// The same as for [`predict`](Self::predict).
    pub fn metadata(&self) -> Result<ModelMetadata> {
        host::triton::metadata(&self.model)
    }
}

/// One request to one model: [`Triton::request`].
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until `predict`, `stream` or `Triton::predict_many`"]
pub struct Request<'a> {
    model: String,
    inputs: Vec<(String, &'a Tensor)>,
    outputs: Vec<String>,
    timeout: Option<Duration>,
    parameters: Map<String, Value>,
}

impl Request<'_> {
    /// Sets the model: `name`, `name:version`, `models:/name/3` or `models:/name@alias`.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Returns only these outputs, in this order.
    pub fn outputs<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.outputs = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the timeout, in whole milliseconds; the default is the remaining time of the
    /// activation.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds a parameter for Triton, such as `("priority", 1)`: a string, a number or a boolean.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Runs the model and waits for its outputs.
    ///
    /// # Errors
    /// The same as for [`Triton::predict`].
    pub fn predict(self) -> Result<Tensors> {
        Ok(Tensors::from_host(host::triton::predict(self.to_host())?))
    }

    /// Runs a model that responds many times.
    ///
    /// # Errors
    /// The same as for [`Triton::predict`].
    pub fn stream(self) -> Result<PredictionStream> {
        Ok(PredictionStream { host: Some(host::triton::predict_stream(self.to_host())?) })
    }

    fn to_host(&self) -> host::Request<'_> {
        host::Request {
            model: &self.model,
            inputs: self
                .inputs
                .iter()
                .map(|(name, tensor)| (name.as_str(), tensor.host()))
                .collect(),
            outputs: &self.outputs,
            timeout_ms: self
                .timeout
                .map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
            parameters: if self.parameters.is_empty() {
                String::new()
            } else {
                Value::Object(self.parameters.clone()).to_string()
            },
        }
    }
}

/// Named tensors: the outputs of a model, in its order or in the requested one.
///
/// `outputs["scores"]` and `outputs[0]` panic if there is no such tensor, as for a map and a slice,
/// and list the names of the tensors; [`get`](Self::get) returns an error instead.
#[derive(Debug)]
pub struct Tensors(Vec<(String, Tensor)>);

impl Tensors {
    /// Returns the tensor of this name.
    ///
    /// # Errors
    /// `Invalid`: there is no such tensor; the message lists the names.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.find(name).ok_or_else(|| self.missing(name))
    }

    /// Removes the tensor of this name and returns it, so that it can be kept when the others are
    /// dropped.
    ///
    /// # Errors
    /// The same as for [`get`](Self::get); also if it was taken before.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        match self.0.iter().position(|(there, _)| there == name) {
            Some(position) => Ok(self.0.remove(position).1),
            None => Err(self.missing(name)),
        }
    }

    /// Returns the number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reports whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names of the tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the names and tensors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(there, _)| there == name).map(|(_, tensor)| tensor)
    }

    fn missing(&self, name: &str) -> Error {
        Error::invalid(format_args!("there is no tensor `{name}`: there is {}", self.list()))
    }

    fn list(&self) -> String {
        let names: Vec<String> = self.names().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn new(tensors: Vec<(String, Tensor)>) -> Self {
        Self(tensors)
    }

    fn from_host(tensors: host::NamedTensors) -> Self {
        Self(tensors.into_iter().map(|(name, tensor)| (name, Tensor::from_host(tensor))).collect())
    }
}

impl Index<&str> for Tensors {
    type Output = Tensor;

    fn index(&self, name: &str) -> &Tensor {
        match self.find(name) {
            Some(tensor) => tensor,
            None => panic!("{}", self.missing(name)),
        }
    }
}

impl Index<usize> for Tensors {
    type Output = Tensor;

    fn index(&self, index: usize) -> &Tensor {
        match self.0.get(index) {
            Some((_, tensor)) => tensor,
            None => panic!("there is no tensor {index}: there is {}", self.list()),
        }
    }
}

impl IntoIterator for Tensors {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<(String, Tensor)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Iterator over the responses of a model that may respond to one request many times, or not at
/// all. Dropping it cancels the remaining responses.
///
/// Each item waits for the next response; the iterator ends after an error.
pub struct PredictionStream {
    host: Option<host::PredictionStream>,
}

impl Iterator for PredictionStream {
    type Item = Result<Tensors>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.host.as_ref()?.next() {
            Ok(Some(outputs)) => Some(Ok(Tensors::from_host(outputs))),
            Ok(None) => {
                self.host = None;
                None
            }
            Err(error) => {
                self.host = None;
                Some(Err(error))
            }
        }
    }
}

impl fmt::Debug for PredictionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.host.is_some() {
            "PredictionStream"
        } else {
            "PredictionStream(ended)"
        })
    }
}

/// Input or output as the model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name of the input or output.
    pub name: String,
    /// Element type.
    pub data_type: DataType,
    /// Dimensions; -1 for a dynamic size.
    pub shape: Vec<i64>,
}

/// Description of a model, from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Name on the server.
    pub name: String,
    /// Versions that are ready.
    pub versions: Vec<String>,
    /// Backend that runs the model, such as `onnxruntime_onnx` or `ensemble`.
    pub platform: String,
    /// Inputs of the model.
    pub inputs: Vec<TensorInfo>,
    /// Outputs of the model.
    pub outputs: Vec<TensorInfo>,
}
