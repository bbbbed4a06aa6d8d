//! Real models in process, by rten and by ONNX Runtime: `tests/bench models`.
//!
//! `KEYNET_BENCH_MODELS` names the folder of models that `tests/bench-models` makes,
//! `KEYNET_ONNXRUNTIME` the library. Each model is loaded once and run so many times by each engine
//! in turn, on the same numbers; what the answers differ by is told too.

#![allow(clippy::expect_used)] // a benchmark that cannot go on panics

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::OnnxRuntimeConfig;
use keynet_models::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use keynet_models::inference::{
    DataType, InferenceBackend, InferenceRequest, NamedTensor, Shape, Tensor,
};

/// Inputs of a model by name, each with its shape.
type Shapes = &'static [(&'static str, &'static [i64])];

/// Requests: a model, and the shapes of its inputs.
const ASKED: [(&str, Shapes); 6] = [
    ("centerface", &[("input.1", &[1, 3, 640, 640])]),
    ("nudenet", &[("images", &[1, 3, 320, 320])]),
    ("ocr-detection", &[("x", &[1, 3, 640, 640])]),
    ("captcha", &[("input1", &[1, 1, 64, 192])]),
    ("file-type", &[("bytes", &[1, 2048])]),
    ("voice", &[("input", &[1, 576]), ("state", &[2, 1, 128]), ("sr", &[])]),
];
const RUNS: usize = 15;

fn budget() -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 31),
        deadline: Instant::now() + Duration::from_secs(600),
    }
}

/// Numbers that look like a picture's or a text's.
fn tensor(name: &str, data_type: DataType, shape: &[i64]) -> Tensor {
    let elements = shape.iter().product::<i64>();
    let data: Vec<u8> = match data_type {
        DataType::Int64 => (0..elements).flat_map(|_| 16_000_i64.to_le_bytes()).collect(),
        DataType::Int32 => {
            (0..elements).flat_map(|at| ((at * 7 % 250) as i32).to_le_bytes()).collect()
        }
        DataType::Fp32 => (0..elements)
            .flat_map(|at| ((at * 7919 % 1009) as f32 / 1009.0).to_le_bytes())
            .collect(),
        other => panic!("input {name} is of {other}"),
    };
    let shape = Shape::new(shape.to_vec()).expect("a shape");
    Tensor::new(data_type, shape, data.into(), None).expect("a tensor")
}

struct Measured {
    load: Duration,
    median: Duration,
    answer: Vec<NamedTensor>,
}

async fn measure(
    folder: &Path,
    engine: OnnxRuntimeConfig,
    model: &str,
    shapes: Shapes,
) -> Result<Measured, String> {
    let limits = EmbeddedLimits { max_run_bytes: 4 << 30, ..EmbeddedLimits::default() };
    let backend =
        EmbeddedInference::open_with(folder, limits, engine).map_err(|error| error.message)?;
    let reference = model.parse().expect("a name");
    let begun = Instant::now();
    let metadata = backend.metadata(&reference, &budget()).await.map_err(|error| error.message)?;
    let load = begun.elapsed();
    let inputs: Vec<_> = shapes
        .iter()
        .map(|(name, shape)| {
            let port = metadata.inputs.iter().find(|port| port.name == *name).expect("an input");
            NamedTensor { name: port.name.clone(), tensor: tensor(name, port.data_type, shape) }
        })
        .collect();
    let request = || InferenceRequest {
        model: reference.clone(),
        inputs: inputs.clone(),
        outputs: Vec::new(),
        parameters: serde_json::Map::new(),
    };
    let answer = backend.predict(request(), &budget()).await.map_err(|error| error.message)?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        backend.predict(request(), &budget()).await.map_err(|error| error.message)?;
        times.push(begun.elapsed());
    }
    times.sort();
    let median = times.get(RUNS / 2).copied().expect("runs");
    Ok(Measured { load, median, answer })
}

/// The largest difference of two answers' FP32 elements.
fn difference(one: &[NamedTensor], other: &[NamedTensor]) -> f32 {
    let numbers = |answer: &[NamedTensor]| -> Vec<f32> {
        let singles = answer.iter().filter(|named| named.tensor.data_type() == DataType::Fp32);
        let bytes = singles.flat_map(|named| named.tensor.data().as_chunks::<4>().0.to_vec());
        bytes.map(f32::from_le_bytes).collect()
    };
    let (one, other) = (numbers(one), numbers(other));
    assert_eq!(one.len(), other.len(), "answers of other shapes");
    one.iter().zip(&other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

fn main() {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from).expect(name);
    let (folder, library) = (from("KEYNET_BENCH_MODELS"), from("KEYNET_ONNXRUNTIME"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    println!(
        "| model | rten: load | run, median | ONNX Runtime: load | run, median | difference |"
    );
    println!("|---|---|---|---|---|---|");
    for (model, shapes) in ASKED {
        let engines = [OnnxRuntimeConfig::Off, OnnxRuntimeConfig::Path(library.clone())];
        let [rten, onnxruntime] =
            engines.map(|engine| runtime.block_on(measure(&folder, engine, model, shapes)));
        let cells = |measured: &Result<Measured, String>| match measured {
            Ok(measured) => {
                format!("{} | {}", milliseconds(measured.load), milliseconds(measured.median))
            }
            Err(error) => format!("{error} | "),
        };
        let apart = match (&rten, &onnxruntime) {
            (Ok(one), Ok(other)) => format!("{:.1e}", difference(&one.answer, &other.answer)),
            _ => String::new(),
        };
        println!("| {model} | {} | {} | {apart} |", cells(&rten), cells(&onnxruntime));
    }
}
