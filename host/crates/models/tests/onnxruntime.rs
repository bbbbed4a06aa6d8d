//! Models run in process by ONNX Runtime, whose library `tests/onnxruntime install` fetches.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod library;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::OnnxRuntimeConfig;
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_models::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use keynet_models::inference::{
    DataType, InferenceBackend, InferenceRequest, NamedTensor, Shape, Tensor,
};
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataLocation, DataType as Element, Dimension, GraphProto,
    ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

fn open(models: &Path) -> EmbeddedInference {
    EmbeddedInference::open_with(models, EmbeddedLimits::default(), library::onnxruntime()).unwrap()
}

fn budget() -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 30).activation(512 << 20),
        deadline: Instant::now() + Duration::from_secs(60),
    }
}

fn tensor(data_type: DataType, shape: &[i64], data: Vec<u8>) -> Tensor {
    Tensor::new(data_type, Shape::new(shape.to_vec()).unwrap(), data.into(), None).unwrap()
}

fn fp32(shape: &[i64], numbers: &[f32]) -> Tensor {
    let data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    tensor(DataType::Fp32, shape, data)
}

fn int64(numbers: &[i64]) -> Tensor {
    let data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    tensor(DataType::Int64, &[numbers.len() as i64], data)
}

async fn ask(
    backend: &EmbeddedInference,
    model: &str,
    inputs: &[(&str, Tensor)],
) -> Result<Vec<NamedTensor>> {
    backend.predict(request(model, inputs), &budget()).await
}

fn request(model: &str, inputs: &[(&str, Tensor)]) -> InferenceRequest {
    let named = |(name, tensor): &(&str, Tensor)| NamedTensor {
        name: (*name).into(),
        tensor: tensor.clone(),
    };
    InferenceRequest {
        model: model.parse().unwrap(),
        inputs: inputs.iter().map(named).collect(),
        outputs: Vec::new(),
        parameters: serde_json::Map::new(),
    }
}

fn value(name: &str, element: Element, shape: &[i64]) -> ValueInfoProto {
    let size = |size: &i64| Dimension {
        dim_value: Some(*size).filter(|size| *size >= 0),
        dim_param: None,
    };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(size).collect() });
    let tensor_type = Some(TypeProtoTensor { elem_type: Some(element), shape });
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type, sequence: None }),
    }
}

/// A folder with the model `m` of one node, whose inputs are all but its constants.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    fn new(
        operator: &str,
        inputs: &[(&str, Element, &[i64])],
        output: (Element, &[i64]),
        constants: Vec<TensorProto>,
        attributes: Vec<AttributeProto>,
    ) -> Self {
        let names = inputs.iter().map(|(name, ..)| (*name).to_owned());
        let constant_names = constants.iter().filter_map(|constant| constant.name.clone());
        let node = NodeProto {
            op_type: Some(operator.to_owned()),
            name: Some("the node".to_owned()),
            input: names.chain(constant_names).collect(),
            output: vec!["y".to_owned()],
            attribute: attributes,
            domain: None,
        };
        let graph = GraphProto {
            node: vec![node],
            initializer: constants,
            input: inputs.iter().map(|(name, element, dims)| value(name, *element, dims)).collect(),
            output: vec![value("y", output.0, output.1)],
            value_info: Vec::new(),
        };
        let folder = write(graph);
        Self { folder }
    }

    fn version(&self) -> PathBuf {
        self.folder.path().join("m/1")
    }

    async fn ask(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<NamedTensor>> {
        ask(&open(self.folder.path()), "m", inputs).await
    }
}

fn attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::INT),
        i: Some(value),
        ..AttributeProto::default()
    }
}

fn external(entries: &[(&str, &str)]) -> TensorProto {
    let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some((*key).to_owned()),
        value: Some((*value).to_owned()),
    };
    TensorProto {
        name: Some("w".to_owned()),
        dims: vec![2],
        data_type: Some(Element::FLOAT),
        data_location: Some(DataLocation::EXTERNAL),
        external_data: entries.iter().map(entry).collect(),
        ..TensorProto::default()
    }
}

#[tokio::test]
async fn the_platform_names_the_engine_that_answers() {
    let (with, without) =
        (open(&models()), EmbeddedInference::open(&models(), EmbeddedLimits::default()).unwrap());
    let numbers: Vec<f32> = (0..16_u8).map(f32::from).collect();
    let inputs = [("INPUT0", fp32(&[1, 16], &numbers)), ("INPUT1", fp32(&[1, 16], &numbers))];
    assert_eq!((with.engine(), without.engine()), (None, None));
    let mut answers = Vec::new();
    for backend in [&with, &without] {
        answers.push(ask(backend, "add_sub", &inputs).await.unwrap()[0].tensor.data().clone());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((with.engine(), without.engine()), (Some("onnxruntime"), Some("rten")));
    for (backend, platform) in [(&with, "onnxruntime_onnx"), (&without, "rten_onnx")] {
        let metadata = backend.metadata(&"add_sub".parse().unwrap(), &budget()).await.unwrap();
        assert_eq!(metadata.platform, platform);
    }
}

#[tokio::test]
async fn all_64_bits_of_an_integer_are_computed() {
    let three = [("a", Element::INT64, &[-1][..]), ("b", Element::INT64, &[-1])];
    let model = Made::new("Mul", &three, (Element::INT64, &[-1]), Vec::new(), Vec::new());
    let answer = model.ask(&[("a", int64(&[1 << 40])), ("b", int64(&[-(1 << 20)]))]).await.unwrap();
    assert_eq!(answer[0].tensor.data().as_ref(), (-(1_i64 << 60)).to_le_bytes());
}

#[tokio::test]
async fn texts_go_in_and_come_out() {
    let input = [("x", Element::STRING, &[-1][..])];
    let model = Made::new("Identity", &input, (Element::STRING, &[-1]), Vec::new(), Vec::new());
    let texts = |texts: &[&[u8]]| {
        let element = |text: &&[u8]| [&(text.len() as u32).to_le_bytes()[..], text].concat();
        let data = texts.iter().flat_map(element).collect();
        tensor(DataType::Bytes, &[texts.len() as i64], data)
    };
    let given = texts(&["één".as_bytes(), b"", b"two"]);
    let answer = model.ask(&[("x", given.clone())]).await.unwrap();
    assert_eq!(answer[0].tensor.data(), given.data());
    let error = model.ask(&[("x", texts(&[b"a", b"\xff"]))]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("input x: element 1 is not text"), "{error}");
}

#[tokio::test]
async fn weights_are_read_from_the_models_own_folder_alone() {
    let model = |entries: &[(&str, &str)]| {
        let input = [("x", Element::FLOAT, &[2][..])];
        let made =
            Made::new("Add", &input, (Element::FLOAT, &[2]), vec![external(entries)], Vec::new());
        let bytes: Vec<u8> =
            [1.0_f32, 10.0, 20.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        fs::write(made.folder.path().join("outside"), &bytes).unwrap();
        fs::write(made.version().join("weights.bin"), &bytes).unwrap();
        symlink(made.folder.path().join("outside"), made.version().join("linked")).unwrap();
        made
    };
    let x = || [("x", fp32(&[2], &[1.0, 2.0]))];
    // A link in the folder is the operator's, as in the cache of Hugging Face.
    for location in ["weights.bin", "./weights.bin", "linked"] {
        let answer =
            model(&[("location", location), ("offset", "4"), ("length", "8")]).ask(&x()).await;
        assert_eq!(
            answer.unwrap()[0].tensor.data(),
            fp32(&[2], &[11.0, 22.0]).data(),
            "{location}"
        );
    }
    let outside = "not inside the model's folder";
    for (entries, why) in [
        (&[("location", "../../outside"), ("offset", "4")][..], outside),
        (&[("location", "/etc/passwd")], outside),
        (&[("location", "weights.bin"), ("offset", "8"), ("length", "8")], "the file has 12"),
        (&[("location", "missing")], "No such file"),
        // The mark that ONNX Runtime has for an address in its own memory.
        (
            &[("location", "*/_ORT_MEM_ADDR_/*"), ("offset", "4096"), ("length", "8")],
            "No such file",
        ),
        (&[("offset", "4")], "does not say in which file"),
    ] {
        let error = model(entries).ask(&x()).await.unwrap_err();
        assert!(
            error.message.contains("the constant \"w\"") && error.message.contains(why),
            "{error}"
        );
    }
}

#[tokio::test]
async fn values_that_ask_for_an_absurd_shape_are_refused_before_the_run() {
    let backend = open(&models());
    let refused = async |model: &str, inputs: &[(&str, Tensor)]| -> Error {
        ask(&backend, model, inputs).await.unwrap_err()
    };
    let x = || fp32(&[2, 2], &[0.0; 4]);
    let tile = |repeats: [i64; 2]| [("x", x()), ("repeats", int64(&repeats))];
    let answer = ask(&backend, "tile", &tile([1, 3])).await.unwrap();
    assert_eq!(answer[0].tensor.shape().dimensions(), [2, 6]);
    let zeros = |size: i64| [("height", int64(&[size])), ("width", int64(&[size]))];
    for error in [
        refused("tile", &tile([60_000, 60_000])).await,
        refused("zeros", &zeros(60_000)).await,
        refused("outer", &[("x", fp32(&[60_000], &[0.0; 60_000]))]).await,
    ] {
        assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
        assert!(error.message.contains("KEYNET_EMBEDDED_RUN_MEMORY"), "{error}");
    }
    // So are those of operators that rten has not: their shape is what the file says.
    let input = [("x", Element::INT16, &[-1, -1][..])];
    let wide = Made::new("Tile", &input, (Element::INT16, &[-1, -1]), vec![repeats()], Vec::new());
    let data = vec![0; 2 * 1_000];
    let error = wide.ask(&[("x", tensor(DataType::Int16, &[1, 1_000], data))]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
}

fn repeats() -> TensorProto {
    TensorProto {
        name: Some("repeats".to_owned()),
        dims: vec![2],
        data_type: Some(Element::INT64),
        int64_data: vec![10_000, 1_000],
        ..TensorProto::default()
    }
}

/// A folder with the model `m` of so many products of matrices, one after another.
fn chain(products: usize) -> tempfile::TempDir {
    let name = |at: usize| if at == products { "y".to_owned() } else { format!("x{at}") };
    let node = |at: usize| NodeProto {
        op_type: Some("MatMul".to_owned()),
        name: Some(format!("product {at}")),
        input: vec![name(at), name(0)],
        output: vec![name(at + 1)],
        attribute: Vec::new(),
        domain: None,
    };
    let graph = GraphProto {
        node: (0..products).map(node).collect(),
        initializer: Vec::new(),
        input: vec![value("x0", Element::FLOAT, &[-1, -1])],
        output: vec![value("y", Element::FLOAT, &[-1, -1])],
        value_info: Vec::new(),
    };
    write(graph)
}

fn write(graph: GraphProto) -> tempfile::TempDir {
    let model = ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        ..ModelProto::default()
    };
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("m/1")).unwrap();
    fs::write(folder.path().join("m/1/model.onnx"), model.write_buf().unwrap()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_with_the_time_of_its_caller() {
    let folder = chain(400);
    let backend = open(folder.path());
    let memory = MemoryBudget::process(1 << 30);
    let of = |side: usize| {
        request("m", &[("x0", fp32(&[side as i64, side as i64], &vec![0.0; side * side]))])
    };
    let within = |time| CallBudget { memory: memory.clone(), deadline: Instant::now() + time };
    let long = Duration::from_secs(300);
    backend.predict(of(2), &within(long)).await.unwrap();
    let begun = Instant::now();
    backend.predict(of(400), &within(long)).await.unwrap();
    let whole = begun.elapsed();
    let error = backend.predict(of(400), &within(whole / 16)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("did not answer in the time"), "{error}");
    // Its place is free long before the run would have ended.
    let begun = Instant::now();
    backend.predict(of(2), &within(long)).await.unwrap();
    assert!(begun.elapsed() < whole / 2, "{:?} of {whole:?}", begun.elapsed());
    while memory.used() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_operator_that_onnx_runtime_lacks_or_computes_otherwise_is_refused_at_load() {
    let input = [("x", Element::FLOAT, &[-1, -1, -1, -1][..])];
    let output = (Element::FLOAT, &[-1, -1, -1, -1][..]);
    let attributes = || {
        let kernel = AttributeProto {
            name: Some("kernel_shape".to_owned()),
            r#type: Some(AttributeType::INTS),
            ints: vec![2, 2],
            ..AttributeProto::default()
        };
        vec![kernel, attribute("count_include_pad", 1), attribute("ceil_mode", 1)]
    };
    let refused = Made::new("AveragePool", &input, output, Vec::new(), attributes());
    let unknown = Made::new("Spam", &input, output, Vec::new(), Vec::new());
    for (model, operator) in
        [(refused, "operator AveragePool (node \"the node\")"), (unknown, "Spam")]
    {
        let backend = open(model.folder.path());
        let error = backend.metadata(&"m".parse().unwrap(), &budget()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        let text = &error.message;
        assert!(text.starts_with("model m:1: m/1/model.onnx cannot be run in process: "), "{text}");
        assert!(text.contains(operator) && text.contains("TRITON_URL"), "{text}");
    }
}

#[tokio::test]
async fn a_process_has_one_library_and_another_is_refused_by_both_names() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("libonnxruntime.so");
    fs::copy(library::path(), &copy).unwrap();
    drop(open(&models()));
    let other = OnnxRuntimeConfig::Path(copy.clone());
    let error =
        EmbeddedInference::open_with(&models(), EmbeddedLimits::default(), other).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let (loaded, copy) = (fs::canonicalize(library::path()).unwrap(), copy.display());
    assert!(
        error.message.starts_with(&format!(
            "KEYNET_ONNXRUNTIME: {copy} cannot be loaded, since this process has loaded {} and \
             can have one; ",
            loaded.display()
        )),
        "{error}"
    );
    // One that is only looked for is the one that is there; `off` has none all the same.
    let found = OnnxRuntimeConfig::Auto { installed: folder.path().join("none") };
    for (setting, engine) in [(found, "onnxruntime"), (OnnxRuntimeConfig::Off, "rten")] {
        let limits = EmbeddedLimits::default();
        let backend = EmbeddedInference::open_with(&models(), limits, setting).unwrap();
        backend.metadata(&"linear".parse().unwrap(), &budget()).await.unwrap();
        assert_eq!(backend.engine(), Some(engine));
    }
}
