//! The operator tests of ONNX, run in process by both engines: each has the result that ONNX
//! expects, or is rejected when its model is loaded.
//!
//! `tests/onnx-operators install` and `tests/onnxruntime install` download them and the library of
//! ONNX Runtime; the test does so if they are missing.
//! `tests/onnx-operators table` writes the results into `docs/models.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod library;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use half::{bf16, f16};
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::OnnxRuntimeConfig;
use keynet_models::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use keynet_models::inference::{
    DataType, InferenceBackend, InferenceRequest, ModelMetadata, NamedTensor, Shape, Tensor,
    TensorInfo,
};
use rten_onnx::onnx::{DataType as Element, ModelProto, TensorProto};
use rten_onnx::protobuf::{DecodeMessage, ValueReader};

/// Tolerances of ONNX's own test runner.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;

const TABLE_BEGIN: &str = "<!-- operators: made by `tests/onnx-operators table` -->";
const TABLE_END: &str = "<!-- operators: end -->";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Right,
    /// Rejected when the model was loaded.
    Refused,
    /// Rejected when the model was run, because the engine cannot compute the values of the
    /// request.
    RefusedByValues,
    Wrong,
}

struct Case {
    name: String,
    operator: String,
    outcome: Outcome,
    text: String,
}

fn cache() -> PathBuf {
    std::env::var_os("KEYNET_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache
            .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"))
            .join("keynet-inference")
    })
}

fn operator_tests() -> PathBuf {
    let folder = std::env::var_os("ONNX_OPERATORS")
        .map(PathBuf::from)
        .unwrap_or_else(|| cache().join("onnx-operators-1.16.2"));
    if !folder.join(".done").exists() {
        library::script("onnx-operators", "install");
    }
    folder
}

/// Returns the operator that a model tests: its only one, or the operators that it is composed of.
fn operator(model: &Path) -> String {
    let model = ModelProto::parse_file(File::open(model).unwrap()).unwrap();
    let nodes = model.graph.map(|graph| graph.node).unwrap_or_default();
    let mut operators: Vec<_> = nodes
        .iter()
        .map(|node| node.op_type.as_deref().unwrap_or_default())
        .filter(|operator| *operator != "Constant")
        .collect();
    operators.sort_unstable();
    operators.dedup();
    match operators.as_slice() {
        [one] => (*one).to_owned(),
        _ => "(graphs of several)".to_owned(),
    }
}

/// The fields of a `TensorProto` that rten's reader passes over.
#[derive(prost::Message)]
struct OtherData {
    #[prost(bytes = "vec", repeated, tag = "6")]
    strings: Vec<Vec<u8>>,
    #[prost(uint64, repeated, tag = "11")]
    wide: Vec<u64>,
}

fn texts(file: &Path) -> Vec<Vec<u8>> {
    <OtherData as prost::Message>::decode(&fs::read(file).unwrap()[..]).unwrap().strings
}

fn wide(file: &Path) -> Vec<u64> {
    <OtherData as prost::Message>::decode(&fs::read(file).unwrap()[..]).unwrap().wide
}

/// An element of BYTES: its length and itself.
fn element(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text].concat()
}

/// Reads the tensor of a file; `None` for types that the contract does not have.
fn tensor(file: &Path, port: &TensorInfo) -> Option<Tensor> {
    let proto = TensorProto::decode(ValueReader::from_buf(&fs::read(file).unwrap()[..])).unwrap();
    let of = |element: Element| proto.data_type == Some(element);
    let raw = proto.raw_data.as_ref().map(|raw| raw.borrow().clone());
    let data = raw.unwrap_or_else(|| match port.data_type {
        DataType::Bytes => texts(file).iter().flat_map(|text| element(text)).collect(),
        DataType::Uint64 => wide(file).iter().flat_map(|value| value.to_le_bytes()).collect(),
        DataType::Uint32 => {
            wide(file).iter().flat_map(|value| (*value as u32).to_le_bytes()).collect()
        }
        DataType::Int16 | DataType::Uint16 | DataType::Bf16 => {
            proto.int32_data.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect()
        }
        DataType::Fp32 => proto.float_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DataType::Fp64 => proto.double_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DataType::Int64 => proto.int64_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DataType::Int32 => proto.int32_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DataType::Fp16 => {
            proto.int32_data.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect()
        }
        _ => proto.int32_data.iter().map(|value| *value as u8).collect(),
    });
    let same = match port.data_type {
        DataType::Fp32 => of(Element::FLOAT),
        DataType::Fp64 => of(Element::DOUBLE),
        DataType::Fp16 => of(Element::FLOAT16),
        DataType::Int64 => of(Element::INT64),
        DataType::Int32 => of(Element::INT32),
        DataType::Int16 => of(Element::INT16),
        DataType::Int8 => of(Element::INT8),
        DataType::Uint64 => of(Element::UINT64),
        DataType::Uint32 => of(Element::UINT32),
        DataType::Uint16 => of(Element::UINT16),
        DataType::Uint8 => of(Element::UINT8),
        // The tests of ONNX 1.16 keep BF16 as integers.
        DataType::Bf16 => of(Element::BFLOAT16) || of(Element::UINT16),
        DataType::Bool => of(Element::BOOL),
        DataType::Bytes => of(Element::STRING),
    };
    same.then(|| {
        Tensor::new(port.data_type, Shape::new(proto.dims.clone()).unwrap(), data.into(), None)
            .unwrap()
    })
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let data = tensor.data();
    match tensor.data_type() {
        DataType::Fp32 => {
            data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Fp64 => {
            data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
        }
        DataType::Fp16 => {
            data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Int64 => {
            data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect()
        }
        DataType::Int32 => {
            data.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Bf16 => {
            data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Int16 => {
            data.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Uint16 => {
            data.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Uint32 => {
            data.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes).into()).collect()
        }
        DataType::Uint64 => {
            data.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes) as f64).collect()
        }
        // A number as text: other digits may stand for the same one.
        DataType::Bytes => {
            let mut numbers = Vec::new();
            let mut rest = data.as_ref();
            while let Some((length, after)) = rest.split_first_chunk::<4>() {
                let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
                let number = str::from_utf8(text).unwrap().parse::<f32>();
                match number {
                    Ok(number) => numbers.push(number.into()),
                    Err(_) => numbers.extend(text.iter().map(|byte| f64::from(*byte))),
                }
                rest = after;
            }
            numbers
        }
        DataType::Int8 => data.iter().map(|byte| (*byte as i8).into()).collect(),
        _ => data.iter().map(|byte| (*byte).into()).collect(),
    }
}

/// Reports whether a model draws random numbers, which no test can expect.
fn is_random(test: &str) -> bool {
    test.starts_with("test_bernoulli") || test.starts_with("test_training_dropout")
}

/// Tests of int8 whose expected integers have wrapped where `QLinearMatMul` says that they
/// saturate: -236 became 20. ONNX has mended them later.
const WRAPPED: [&str; 4] = [
    "test_qlinearmatmul_2D_int8_float16",
    "test_qlinearmatmul_2D_int8_float32",
    "test_qlinearmatmul_3D_int8_float16",
    "test_qlinearmatmul_3D_int8_float32",
];

/// Tests of BF16 whose expected numbers are cut off where `Cast` rounds to the nearest one, which
/// is one unit of the last place away. Later releases of ONNX expect the rounded ones.
const CUT_OFF: [&str; 3] = [
    "test_cast_FLOAT_to_BFLOAT16",
    "test_castlike_FLOAT_to_BFLOAT16",
    "test_castlike_FLOAT_to_BFLOAT16_expanded",
];

/// Describes the difference between the expected and the actual output.
fn difference(test: &str, expected: &Tensor, got: &Tensor) -> Option<String> {
    if expected.shape() != got.shape() || expected.data_type() != got.data_type() {
        return Some(format!(
            "{} {} in the place of {} {}",
            got.data_type(),
            got.shape(),
            expected.data_type(),
            expected.shape()
        ));
    }
    if is_random(test) {
        return None;
    }
    let (expected, got) = (numbers(expected), numbers(got));
    // A Fourier transform adds terms as large as its largest element: FP32 rounds by them.
    let largest = expected.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
    let is_transform = test.starts_with("test_dft") || test.starts_with("test_stft");
    let absolute = if is_transform { 2e-6 * largest } else { ABSOLUTE };
    let relative = if CUT_OFF.contains(&test) { 1.0 / 128.0 } else { RELATIVE };
    let close = |(expected, got): (f64, f64)| {
        expected == got
            || (expected.is_nan() && got.is_nan())
            || (expected - got).abs() <= absolute + relative * expected.abs()
            || (WRAPPED.contains(&test) && got == -128.0)
    };
    if expected.len() != got.len() {
        return Some(format!("{} numbers in the place of {}", got.len(), expected.len()));
    }
    let place = (0..expected.len()).find(|index| !close((expected[*index], got[*index])))?;
    Some(format!("element {place} is {} in the place of {}", got[place], expected[place]))
}

/// Runs one set of inputs and compares the outputs.
async fn ask(
    backend: &EmbeddedInference,
    budget: &CallBudget,
    metadata: &ModelMetadata,
    test: &str,
    set: &Path,
) -> (Outcome, String) {
    let mut inputs = Vec::new();
    for (index, port) in metadata.inputs.iter().enumerate() {
        let Some(tensor) = tensor(&set.join(format!("input_{index}.pb")), port) else {
            return (
                Outcome::Wrong,
                format!("input {} is not of the type that the model declares", port.name),
            );
        };
        inputs.push(NamedTensor { name: port.name.clone(), tensor });
    }
    let request = InferenceRequest {
        model: "m".parse().unwrap(),
        inputs,
        outputs: Vec::new(),
        parameters: serde_json::Map::new(),
    };
    let answer = match backend.predict(request, budget).await {
        Ok(answer) => answer,
        Err(error) if error.kind == keynet_base::ErrorKind::Internal => {
            return (Outcome::Wrong, error.message);
        }
        Err(error) => return (Outcome::RefusedByValues, error.message),
    };
    for (index, port) in metadata.outputs.iter().enumerate() {
        let Some(expected) = tensor(&set.join(format!("output_{index}.pb")), port) else {
            let text = format!("output {} is not of the type that the model declares", port.name);
            return (Outcome::Wrong, text);
        };
        if let Some(text) = difference(test, &expected, &answer[index].tensor) {
            return (Outcome::Wrong, format!("output {}: {text}", port.name));
        }
    }
    (Outcome::Right, String::new())
}

async fn run(folder: &Path, engine: &OnnxRuntimeConfig) -> Case {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let models = tempfile::tempdir().unwrap();
    fs::create_dir_all(models.path().join("m/1")).unwrap();
    fs::copy(folder.join("model.onnx"), models.path().join("m/1/model.onnx")).unwrap();
    let case = |outcome, text| Case {
        name: name.clone(),
        operator: operator(&folder.join("model.onnx")),
        outcome,
        text,
    };
    let limits = EmbeddedLimits::default();
    let backend = EmbeddedInference::open_with(models.path(), limits, engine.clone()).unwrap();
    let budget = CallBudget {
        memory: MemoryBudget::process(1 << 30),
        deadline: Instant::now() + Duration::from_secs(120),
    };
    let metadata = match backend.metadata(&"m".parse().unwrap(), &budget).await {
        Ok(metadata) => metadata,
        Err(error) => return case(Outcome::Refused, error.message),
    };
    let (mut worst, mut why) = (Outcome::Right, String::new());
    for set in (0..)
        .map(|index| folder.join(format!("test_data_set_{index}")))
        .take_while(|set| set.exists())
    {
        let (outcome, text) = ask(&backend, &budget, &metadata, &name, &set).await;
        if outcome > worst {
            (worst, why) = (outcome, text);
        }
    }
    case(worst, why)
}

/// The engines, as the table calls them.
const ENGINES: [&str; 2] = ["without ONNX Runtime", "with ONNX Runtime"];

fn table(cases: &[Vec<Case>; 2]) -> String {
    let mut counts: BTreeMap<&str, [[usize; 4]; 2]> = BTreeMap::new();
    for (engine, cases) in cases.iter().enumerate() {
        for case in cases {
            counts.entry(&case.operator).or_default()[engine][case.outcome as usize] += 1;
        }
    }
    let cells = |counts: &[[usize; 4]; 2], bold: &str| {
        let mut text = String::new();
        for counts in counts {
            for count in [counts[0], counts[1] + counts[2], counts[3]] {
                write!(text, " {bold}{count}{bold} |").unwrap();
            }
        }
        text
    };
    let mut all = [[0; 4]; 2];
    for counts in counts.values() {
        for engine in 0..2 {
            for outcome in 0..4 {
                all[engine][outcome] += counts[engine][outcome];
            }
        }
    }
    let mut text = String::from("| operator |");
    for engine in ENGINES {
        write!(text, " right, {engine} | refused | wrong |").unwrap();
    }
    text.push_str("\n|---|---|---|---|---|---|---|\n");
    writeln!(text, "| **all** |{}", cells(&all, "**")).unwrap();
    for (operator, counts) in &counts {
        writeln!(text, "| {operator} |{}", cells(counts, "")).unwrap();
    }
    text
}

/// Writes the table between its markers in a page.
fn write_table(page: &Path, table: &str) {
    let text = fs::read_to_string(page).unwrap();
    let (before, rest) = text.split_once(TABLE_BEGIN).unwrap();
    let (_, after) = rest.split_once(TABLE_END).unwrap();
    fs::write(page, format!("{before}{TABLE_BEGIN}\n\n{table}\n{TABLE_END}{after}")).unwrap();
}

fn report(cases: &[Case]) -> String {
    let mut report = String::new();
    for Case { name, operator, outcome, text } in cases {
        let text = text.replace('\n', " ");
        writeln!(report, "{outcome:?}\t{operator}\t{name}\t{text}").unwrap();
    }
    report
}

#[tokio::test]
async fn every_operator_test_of_onnx_is_answered_rightly_or_refused_when_its_model_is_loaded() {
    let tests = operator_tests();
    let mut folders = Vec::new();
    for kind in ["node", "simple", "pytorch-operator", "pytorch-converted"] {
        let entries = fs::read_dir(tests.join(kind)).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|folder| {
            folder.join("model.onnx").exists() && folder.join("test_data_set_0").exists()
        }));
    }
    folders.sort();
    if let Ok(only) = std::env::var("ONNX_OPERATORS_ONLY") {
        folders.retain(|folder| folder.to_string_lossy().contains(&only));
    }
    let mut cases = [Vec::new(), Vec::new()];
    for (engine, cases) in [OnnxRuntimeConfig::Off, library::onnxruntime()].iter().zip(&mut cases) {
        for folder in &folders {
            cases.push(run(folder, engine).await);
        }
    }
    let table = table(&cases);
    println!("{table}");
    if let Ok(page) = std::env::var("KEYNET_WRITE_OPERATOR_TABLE") {
        write_table(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(page), &table);
    }
    let [rten, onnxruntime] = cases.map(|cases| report(&cases));
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(place.join("onnx-operators.tsv"), &rten).unwrap();
    fs::write(place.join("onnx-operators-onnxruntime.tsv"), &onnxruntime).unwrap();
    for (engine, report) in ENGINES.iter().zip([&rten, &onnxruntime]) {
        let wrong: Vec<_> = report.lines().filter(|line| line.starts_with("Wrong")).collect();
        assert!(wrong.is_empty(), "{engine}: {} wrong:\n{}", wrong.len(), wrong.join("\n"));
        // Only values of the request may be rejected this late.
        let late = report.lines().filter(|line| {
            line.starts_with("RefusedByValues") && !line.contains("models run in process have FP64")
        });
        assert_eq!(late.collect::<Vec<_>>(), Vec::<&str>::new(), "{engine}");
    }
}
