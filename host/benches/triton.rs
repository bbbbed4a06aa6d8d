//! Actions that ask a real Triton, beside a bare tonic client of the same protocol:
//! `tests/bench-triton`.
//!
//! Every client asks the same server, in turns of a few requests each, so that what else the
//! machine does meets them all. Every call makes its tensors and reads its answer, as the action
//! does. The bare client is what tonic generates, with its defaults and a raised limit of a
//! message.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // a benchmark that cannot go on panics

mod support;

/// The generated client, used as it comes.
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::Origin;
use keynet_base::cpu::Cpu;
use keynet_base::{Config, Error};
use keynet_host::engine::{Compiler, Engine, EngineOptions};
use keynet_host::policy::Policy;
use keynet_host::{Action, Backends, Host, LogSink, Stream};
use keynet_models::inference::triton::TritonInference;
use keynet_models::inference::triton::proto::grpc_inference_service_client::GrpcInferenceServiceClient as Client;
use keynet_models::inference::triton::proto::model_infer_request::InferInputTensor;
use keynet_models::inference::triton::proto::{ModelInferRequest, ModelStatisticsRequest};
use keynet_models::inference::{
    DataType, InferenceBackend, InferenceRequest, NamedTensor, Shape, Tensor,
};
use keynet_test_servers::RealServer;
use support::{guest, request};
use tonic::transport::{Channel, Endpoint};

const CALLERS: usize = 64;

struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Stream, _: &[u8]) {}
}

/// One model with its inputs.
#[derive(Clone)]
struct Question {
    model: &'static str,
    /// What the guest `capable` is asked to do.
    part: &'static str,
    inputs: &'static [&'static str],
    shape: Shape,
}

impl Question {
    fn new(
        model: &'static str,
        part: &'static str,
        inputs: &'static [&'static str],
        shape: &[i64],
    ) -> Self {
        Self { model, part, inputs, shape: Shape::new(shape.to_vec()).expect("a shape") }
    }

    /// The bytes of an input.
    fn data(&self) -> Bytes {
        Bytes::from(
            1_f32.to_le_bytes().repeat(usize::try_from(self.shape.elements()).expect("a size")),
        )
    }

    fn bare(&self) -> ModelInferRequest {
        let input = |name: &&str| InferInputTensor {
            name: (*name).to_owned(),
            datatype: "FP32".to_owned(),
            shape: self.shape.dimensions().to_vec(),
            ..InferInputTensor::default()
        };
        ModelInferRequest {
            model_name: self.model.to_owned(),
            inputs: self.inputs.iter().map(input).collect(),
            raw_input_contents: self.inputs.iter().map(|_| self.data()).collect(),
            ..ModelInferRequest::default()
        }
    }

    fn ours(&self) -> InferenceRequest {
        let tensor = || {
            Tensor::new(DataType::Fp32, self.shape.clone(), self.data(), None).expect("a tensor")
        };
        InferenceRequest {
            model: self.model.parse().expect("a model"),
            inputs: self
                .inputs
                .iter()
                .map(|name| NamedTensor { name: (*name).to_owned(), tensor: tensor() })
                .collect(),
            outputs: Vec::new(),
            parameters: serde_json::Map::new(),
        }
    }
}

/// The first element of an output.
fn first(data: &[u8]) -> f32 {
    f32::from_le_bytes(*data.first_chunk().expect("an element"))
}

fn bare(channel: Channel) -> Client<Channel> {
    Client::new(channel).max_decoding_message_size(1 << 30).max_encoding_message_size(1 << 30)
}

fn backend(url: &str, shared_memory: &str) -> Arc<TritonInference> {
    let variables = [("TRITON_URL", url), ("KEYNET_TRITON_SHM", shared_memory)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config =
        Config::from_origins(vec![(Origin::Container, variables.into())]).expect("a configuration");
    Arc::new(TritonInference::open(&config.triton.expect("Triton")).expect("a backend"))
}

async fn action(backend: Arc<TritonInference>) -> Action {
    let config = Config::from_origins(vec![]).expect("the defaults");
    let (activations, memory) = (config.concurrency, config.process_memory);
    let options = EngineOptions {
        activations,
        memory,
        cpu: Cpu::default(),
        compiler: Compiler::InProcess,
        cache: None,
    };
    let none = Error::unavailable("the benchmark has none");
    let host = Host::builder(&config)
        .engine(Arc::new(Engine::new(options).expect("an engine")))
        .backends(Backends::of(&config, Ok(backend), Err(none)))
        .policy(Policy::local())
        .build()
        .expect("a host");
    host.load(&guest("capable")).await.expect("the guest `capable`")
}

fn budget() -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 30).activation(1 << 30),
        deadline: Instant::now() + Duration::from_secs(60),
    }
}

/// One of the ways to ask.
#[derive(Clone)]
enum Way {
    Bare(Client<Channel>),
    Host(Arc<TritonInference>),
    Action(Arc<Action>),
}

impl Way {
    async fn ask(&self, question: &Question) {
        match self {
            Self::Bare(client) => {
                let answer = client
                    .clone()
                    .model_infer(question.bare())
                    .await
                    .expect("an answer")
                    .into_inner();
                black_box((&answer.outputs[0].shape, first(&answer.raw_output_contents[0])));
            }
            Self::Host(backend) => {
                let outputs = backend.predict(question.ours(), &budget()).await.expect("an answer");
                black_box((outputs[0].tensor.shape(), first(outputs[0].tensor.data())));
            }
            Self::Action(action) => {
                let outcome = action
                    .run(request(&format!("{{\"do\": \"{}\"}}", question.part), Arc::new(Nowhere)))
                    .await;
                outcome.result.expect("a result");
            }
        }
    }

    /// How long each call took.
    async fn turn(&self, question: &Question, calls: u32, times: &mut Vec<Duration>) {
        for _ in 0..calls {
            let started = Instant::now();
            self.ask(question).await;
            times.push(started.elapsed());
        }
    }
}

async fn connect(url: &str) -> Client<Channel> {
    let endpoint = Endpoint::new(url.to_owned()).expect("a URL");
    bare(endpoint.connect().await.expect("Triton"))
}

fn percentile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6
}

fn report(title: &str, rows: &mut [(&str, Vec<Duration>)]) {
    println!("\n{title}: µs a call, one caller");
    println!("{:44} {:>9} {:>9} {:>9} {:>9}", "", "p50", "p95", "- bare", "/ bare");
    let first = percentile(&mut rows[0].1, 0.5);
    for (name, times) in rows {
        let (median, high) = (percentile(times, 0.5), percentile(times, 0.95));
        println!(
            "{name:44} {median:9.0} {high:9.0} {:+9.0} {:9.2}",
            median - first,
            median / first
        );
    }
}

async fn one_caller(url: &str, question: &Question, turns: u32, calls: u32) {
    let (off, auto) = (backend(url, "off"), backend(url, "auto"));
    let ways = [
        ("bare tonic client", Way::Bare(connect(url).await)),
        ("host, no sandbox", Way::Host(off.clone())),
        ("action", Way::Action(Arc::new(action(off).await))),
        ("host, no sandbox, KEYNET_TRITON_SHM=auto", Way::Host(auto.clone())),
        ("action, KEYNET_TRITON_SHM=auto", Way::Action(Arc::new(action(auto.clone()).await))),
    ];
    let mut rows = ways.each_ref().map(|(name, _)| (*name, Vec::new()));
    for round in 0..=turns {
        if round == 1 {
            rows.iter_mut().for_each(|(_, times)| times.clear()); // the first was to warm up
        }
        for ((_, way), (_, times)) in ways.iter().zip(&mut rows) {
            way.turn(question, calls, times).await;
        }
    }
    let bytes = question.inputs.len() * question.data().len();
    report(&format!("{}, {bytes} bytes of inputs", question.model), &mut rows);
    auto.close().await;
}

/// Inferences and runs of a model so far.
async fn counted(client: &Client<Channel>, model: &str) -> (u64, u64) {
    let asked = ModelStatisticsRequest { name: model.to_owned(), version: String::new() };
    let statistics =
        client.clone().model_statistics(asked).await.expect("statistics").into_inner().model_stats;
    statistics.iter().fold((0, 0), |sum, version| {
        (sum.0 + version.inference_count, sum.1 + version.execution_count)
    })
}

async fn many_callers(url: &str, question: &Question, time: Duration) {
    let client = connect(url).await;
    let four = join_all((0..4).map(|_| connect(url))).await;
    let ours = backend(url, "off");
    let action = Way::Action(Arc::new(action(ours.clone()).await));
    let same = |way: Way| (0..CALLERS).map(|_| way.clone()).collect();
    let ways: [(&str, Vec<Way>); 4] = [
        ("bare tonic client, 1 connection", same(Way::Bare(client.clone()))),
        (
            "bare tonic client, 4 connections",
            (0..CALLERS).map(|caller| Way::Bare(four[caller % 4].clone())).collect(),
        ),
        ("host, no sandbox", same(Way::Host(ours))),
        ("action", same(action)),
    ];
    println!("\n{}, {CALLERS} callers at once", question.model);
    println!("{:44} {:>9} {:>9} {:>9} {:>9}", "", "calls/s", "p50 µs", "p95 µs", "batch");
    for (name, callers) in ways {
        let before = counted(&client, question.model).await;
        let started = Instant::now();
        let callers = callers.into_iter().map(|way| {
            let question = question.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < time {
                    way.turn(&question, 1, &mut times).await;
                }
                times
            })
        });
        let mut times: Vec<Duration> = join_all(callers)
            .await
            .into_iter()
            .flat_map(|times| times.expect("a caller"))
            .collect();
        let rate = times.len() as f64 / started.elapsed().as_secs_f64();
        let after = counted(&client, question.model).await;
        let batch = (after.0 - before.0) as f64 / (after.1 - before.1) as f64;
        println!(
            "{name:44} {rate:9.0} {:9.0} {:9.0} {batch:9.1}",
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.95)
        );
    }
}

fn main() {
    let turns =
        std::env::var("KEYNET_BENCH_TURNS").ok().and_then(|turns| turns.parse().ok()).unwrap_or(20);
    let server = RealServer::triton(&[("TRITON_LOAD", "add_sub detector")]);
    let url = format!("http://{}", server.get("TRITON_GRPC"));
    let small = Question::new("add_sub", "add-sub", &["INPUT0", "INPUT1"], &[1, 16]);
    let large = Question::new("detector", "detect", &["images"], &[1, 3, 640, 640]);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        one_caller(&url, &small, turns, 100).await;
        one_caller(&url, &large, turns, 5).await;
        many_callers(&url, &small, Duration::from_millis(250) * turns).await;
    });
    if let Some(python) = std::env::var_os("KEYNET_BENCH_PYTHON") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/servers/triton/bench.py");
        let told = Command::new(python)
            .arg(script)
            .arg(server.get("TRITON_GRPC"))
            .arg(turns.to_string())
            .status()
            .expect("Python");
        assert!(told.success(), "{script} failed");
    }
}
