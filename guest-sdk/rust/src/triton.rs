//! Ask models.

use std::fmt;
use std::ops::Index;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::data_type::DataType;
use crate::error::{Error, Result};
use crate::host;
use crate::tensor::Tensor;

/// A client of the models that Triton serves, or that run in the host where no Triton is
/// configured.
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
    /// Asks the deployment's model, the one that its configuration calls `MODEL_NAME`, unless a
    /// request names another.
    ///
    /// # Errors
    /// `Unavailable`: in a native test outside a
    /// [`testing::Environment`](crate::testing::Environment).
    pub fn new() -> Result<Self> {
        Self::with_model("")
    }

    /// Asks this model unless a request names another: `name`, `name:version`, `models:/name/3` or
    /// `models:/name@alias`.
    ///
    /// # Errors
    /// As [`new`](Self::new); whether there is such a model is seen when it is asked.
    pub fn with_model(model: impl Into<String>) -> Result<Self> {
        host::triton::ready()?;
        Ok(Self { model: model.into() })
    }

    /// Ask the model and wait for its outputs. The tensors are lent and stay usable.
    ///
    /// # Errors
    /// `Invalid`: an input does not suit the model. `NotFound`, `Denied`: the model. `Timeout`,
    /// `Unavailable`: the server. `TooLarge`: the request or its answer.
    pub fn predict<'a, N: AsRef<str>>(
        &self,
        inputs: impl IntoIterator<Item = (N, &'a Tensor)>,
    ) -> Result<Tensors> {
        self.request(inputs).predict()
    }

    /// A question with options: model, outputs, time-out, parameters.
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

    /// Ask all at once, so that the server can batch them. One result per request, in their order.
    ///
    /// # Errors
    /// Each as for [`predict`](Self::predict). More than 256 requests: every one is `TooLarge`.
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

    /// Ask a model that answers many times, such as one that generates text; iterate over its
    /// answers.
    ///
    /// # Errors
    /// As for [`predict`](Self::predict).
    pub fn predict_stream<'a, N: AsRef<str>>(
        &self,
        inputs: impl IntoIterator<Item = (N, &'a Tensor)>,
    ) -> Result<PredictionStream> {
        self.request(inputs).stream()
    }

    /// What the server says about this client's model.
    ///
    /// # Errors
    /// As for [`predict`](Self::predict).
    pub fn metadata(&self) -> Result<ModelMetadata> {
        host::triton::metadata(&self.model)
    }
}

/// One question to one model: [`Triton::request`].
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
    /// Ask this model: `name`, `name:version`, `models:/name/3` or `models:/name@alias`.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Return only these outputs, in this order.
    pub fn outputs<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.outputs = names.into_iter().map(Into::into).collect();
        self
    }

    /// Wait at most this long, in whole milliseconds; else for the time this activation has left.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A parameter for Triton, such as `("priority", 1)`: a string, a number or a boolean.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Ask and wait for the outputs.
    ///
    /// # Errors
    /// As for [`Triton::predict`].
    pub fn predict(self) -> Result<Tensors> {
        Ok(Tensors::from_host(host::triton::predict(self.to_host())?))
    }

    /// Ask a model that answers many times.
    ///
    /// # Errors
    /// As for [`Triton::predict`].
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

/// Named tensors: a model's outputs, in its order or the one asked for.
///
/// `outputs["scores"]` and `outputs[0]` panic when there is none, as for a map and a slice, with
/// the names there are; [`get`](Self::get) returns an error instead.
#[derive(Debug)]
pub struct Tensors(Vec<(String, Tensor)>);

impl Tensors {
    /// The tensor of this name.
    ///
    /// # Errors
    /// `Invalid`: there is none; the message lists the names there are.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.find(name).ok_or_else(|| self.missing(name))
    }

    /// The tensor of this name, as one's own: to drop the others and keep it.
    ///
    /// # Errors
    /// As [`get`](Self::get); also when it was taken before.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        match self.0.iter().position(|(there, _)| there == name) {
            Some(position) => Ok(self.0.remove(position).1),
            None => Err(self.missing(name)),
        }
    }

    /// How many tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and tensors.
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

/// The answers of a model that may answer one request many times, or not at all. Drop it to cancel
/// the rest.
///
/// Each item waits for the next answer; after an error there is nothing more.
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

/// An input or output as the model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// The only element type it has.
    pub data_type: DataType,
    /// Its dimensions; -1 stands for any size.
    pub shape: Vec<i64>,
}

/// What the server says about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Its name on the server.
    pub name: String,
    /// The versions that can be asked now.
    pub versions: Vec<String>,
    /// What runs it, such as `onnxruntime_onnx` or `ensemble`.
    pub platform: String,
    /// What it takes.
    pub inputs: Vec<TensorInfo>,
    /// What it returns.
    pub outputs: Vec<TensorInfo>,
}
