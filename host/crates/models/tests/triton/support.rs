//! A real Triton, and requests to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::{Config, Origin};
use keynet_base::{Error, ErrorKind};
use keynet_models::inference::triton::{ModelStatistics, TritonInference};
use keynet_models::inference::{
    DataType, InferenceBackend, InferenceRequest, NamedTensor, Shape, Tensor,
};
use keynet_test_servers::{RealServer, in_own_process};
use serde_json::{Value, json};

/// Starts Triton with these models of `tests/servers/triton/models`.
pub fn triton(models: &str, settings: &[(&str, &str)]) -> RealServer {
    RealServer::triton(&[&[("TRITON_LOAD", models)], settings].concat())
}

/// Creates a backend of `server`, with additional variables.
pub fn backend(server: &RealServer, variables: &[(&str, &str)]) -> Arc<TritonInference> {
    let url = format!("http://{}", server.get("TRITON_GRPC"));
    Arc::new(at(&[&[("TRITON_URL", url.as_str())], variables].concat()).unwrap())
}

/// Creates a backend that these variables configure.
pub fn at(variables: &[(&str, &str)]) -> Result<TritonInference, Error> {
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = Config::from_origins(vec![(Origin::Container, variables)]).unwrap();
    TritonInference::open(&config.triton.unwrap())
}

/// Returns the statistics of `model` when they have at least `inferences`: Triton counts a request
/// after its response is sent.
pub async fn statistics_of(
    backend: &TritonInference,
    model: &str,
    inferences: u64,
) -> Vec<ModelStatistics> {
    let model = model.parse().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let statistics = backend.statistics(&model, &enough()).await.unwrap();
        let counted: u64 = statistics.iter().map(|version| version.inferences).sum();
        if counted >= inferences || Instant::now() > end {
            return statistics;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the budget of an activation that ends after `time`.
pub fn within(time: Duration) -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 30).activation(512 << 20),
        deadline: Instant::now() + time,
    }
}

/// Returns a budget with more time than any call here takes on a busy machine.
pub fn enough() -> CallBudget {
    within(Duration::from_secs(60))
}

pub fn tensor(data_type: DataType, shape: &[i64], data: impl Into<Bytes>) -> Tensor {
    Tensor::new(data_type, Shape::new(shape.to_vec()).unwrap(), data.into(), None).unwrap()
}

pub fn floats(shape: &[i64], values: &[f32]) -> Tensor {
    tensor(
        DataType::Fp32,
        shape,
        values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

pub fn ints(values: &[i32]) -> Tensor {
    let shape = [i64::try_from(values.len()).unwrap()];
    tensor(
        DataType::Int32,
        &shape,
        values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

pub fn words(words: &[&[u8]]) -> Tensor {
    let data: Vec<u8> = words
        .iter()
        .flat_map(|word| [&u32::try_from(word.len()).unwrap().to_le_bytes(), *word].concat())
        .collect();
    tensor(DataType::Bytes, &[i64::try_from(words.len()).unwrap()], data)
}

pub fn request(model: &str, inputs: &[(&str, &Tensor)]) -> InferenceRequest {
    let input = |(name, tensor): &(&str, &Tensor)| NamedTensor {
        name: (*name).to_owned(),
        tensor: (*tensor).clone(),
    };
    InferenceRequest {
        model: model.parse().unwrap(),
        inputs: inputs.iter().map(input).collect(),
        outputs: Vec::new(),
        parameters: serde_json::Map::new(),
    }
}

pub fn with_parameters(mut request: InferenceRequest, parameters: Value) -> InferenceRequest {
    request.parameters = parameters.as_object().unwrap().clone();
    request
}

pub fn wanting(mut request: InferenceRequest, outputs: &[&str]) -> InferenceRequest {
    request.outputs = outputs.iter().map(|name| (*name).to_owned()).collect();
    request
}

/// Returns a request to `add_sub` for two vectors.
pub fn add_sub(model: &str, left: &[f32], right: &[f32]) -> InferenceRequest {
    let shape = [1, i64::try_from(left.len()).unwrap()];
    request(model, &[("INPUT0", &floats(&shape, left)), ("INPUT1", &floats(&shape, right))])
}

pub fn f32s(tensor: &Tensor) -> Vec<f32> {
    tensor.data().as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

pub fn i32s(tensor: &Tensor) -> Vec<i32> {
    tensor.data().as_chunks::<4>().0.iter().map(|chunk| i32::from_le_bytes(*chunk)).collect()
}

/// Returns a request that sleeps on the server.
pub fn slow(milliseconds: i32) -> InferenceRequest {
    request(
        "slow",
        &[("DELAY_MS", &tensor(DataType::Int32, &[1, 1], milliseconds.to_le_bytes().to_vec()))],
    )
}

pub fn kind<T: std::fmt::Debug>(answer: Result<T, Error>) -> (ErrorKind, String) {
    let error = answer.unwrap_err();
    (error.kind, error.message)
}

/// Returns the only output of a model.
pub async fn one(backend: &TritonInference, request: InferenceRequest) -> Tensor {
    let mut outputs = backend.predict(request, &enough()).await.unwrap();
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    outputs.remove(0).tensor
}

/// Runs a test that inspects the whole process in a process of its own; `name` is the name of the
/// test, as `cargo test` prints it.
pub fn alone(name: &str, test: impl Future<Output = ()>) {
    in_own_process(name, || tokio::runtime::Runtime::new().unwrap().block_on(test));
}

/// Returns the number of file descriptors of this process. Only for a test that runs [`alone`].
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until `done`, for at most 20 s.
pub async fn until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Parses JSON that a model returned as a string.
pub fn json_of(tensor: &Tensor) -> Value {
    serde_json::from_slice(&tensor.data()[4..]).unwrap_or(json!(null))
}
