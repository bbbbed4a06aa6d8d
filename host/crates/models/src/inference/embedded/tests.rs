//! The backend on the models of `host/crates/models/tests/models` (made by `make.py` there).

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::{DataType, Shape, Tensor};
use super::*;
use keynet_base::budget::MemoryBudget;

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

fn backend() -> EmbeddedInference {
    EmbeddedInference::open(&models(), EmbeddedLimits::default()).unwrap()
}

pub(super) fn budget() -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 30).activation(1 << 28),
        deadline: Instant::now() + Duration::from_secs(60),
    }
}

pub(super) fn tensor(data_type: DataType, shape: &[i64], data: impl Into<Bytes>) -> Tensor {
    Tensor::new(data_type, Shape::new(shape.to_vec()).unwrap(), data.into(), None).unwrap()
}

pub(super) fn fp32(shape: &[i64], values: &[f32]) -> Tensor {
    tensor(
        DataType::Fp32,
        shape,
        values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

pub(super) fn int64(values: &[i64]) -> Tensor {
    tensor(
        DataType::Int64,
        &[values.len() as i64],
        values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

/// Zeros that only look large: their pages are never touched.
fn zeros(shape: &[i64]) -> Tensor {
    tensor(DataType::Fp32, shape, vec![0; shape.iter().product::<i64>() as usize * 4])
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    assert_eq!(tensor.data_type(), DataType::Fp32);
    tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

pub(super) fn request(model: &str, inputs: &[(&str, Tensor)]) -> InferenceRequest {
    InferenceRequest {
        model: model.parse().unwrap(),
        inputs: inputs
            .iter()
            .map(|(name, tensor)| NamedTensor { name: (*name).to_owned(), tensor: tensor.clone() })
            .collect(),
        outputs: Vec::new(),
        parameters: serde_json::Map::new(),
    }
}

async fn ask(model: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<NamedTensor>> {
    backend().predict(request(model, inputs), &budget()).await
}

async fn refusal(model: &str, inputs: &[(&str, Tensor)]) -> (ErrorKind, String) {
    let error = ask(model, inputs).await.unwrap_err();
    (error.kind, error.message)
}

#[tokio::test]
async fn every_element_type_goes_through_a_model() {
    for name in ["bool", "uint8", "int8", "int32", "int64", "fp16", "fp32", "fp64"] {
        let data_type = *DataType::ALL
            .iter()
            .find(|data_type| data_type.name().eq_ignore_ascii_case(name))
            .unwrap();
        for shape in [[2, 3], [0, 3], [1, 1]] {
            let bytes = shape.iter().product::<i64>() as usize * data_type.size().unwrap() as usize;
            // Ones and zeros, in every type; of FP64, which loses the smallest numbers, zeros.
            let given = tensor(
                data_type,
                &shape,
                (0..bytes).map(|i| u8::from(i % 8 == 0 && name != "fp64")).collect::<Vec<_>>(),
            );
            let answer = ask(&format!("identity_{name}"), &[("in", given.clone())]).await.unwrap();
            assert_eq!(answer[0].name, "out");
            let got = &answer[0].tensor;
            assert_eq!(
                (got.data_type(), got.shape(), got.data()),
                (data_type, given.shape(), given.data()),
                "{name} {shape:?}"
            );
        }
    }
    let answer = ask("scalar", &[("in", fp32(&[], &[2.0]))]).await.unwrap();
    assert_eq!(
        (answer[0].tensor.shape().dimensions(), floats(&answer[0].tensor)),
        ([].as_slice(), vec![-2.0])
    );
}

#[tokio::test]
async fn a_type_that_rten_lacks_is_refused_by_name() {
    for (model, element) in [("identity_int16", "INT16"), ("identity_bytes", "STRING")] {
        let (kind, text) = refusal(model, &[]).await;
        assert_eq!(kind, ErrorKind::Invalid);
        assert!(
            text.contains(&format!("input in has elements of {element}"))
                && text.contains("TRITON_URL"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_batch_of_any_size_and_weights_beside_the_graph() {
    for model in ["linear", "external"] {
        for batch in [1, 2, 100] {
            let answer =
                ask(model, &[("x", fp32(&[batch, 3], &[1.0, 0.0, 2.0].repeat(batch as usize)))])
                    .await
                    .unwrap();
            assert_eq!(answer[0].tensor.shape().dimensions(), [batch, 2]);
            assert_eq!(floats(&answer[0].tensor), [11.0, 14.0].repeat(batch as usize));
        }
    }
}

#[tokio::test]
async fn outputs_have_the_type_the_graph_declares_and_come_in_the_order_asked() {
    let mut asked = request(
        "classify",
        &[("scores", fp32(&[2, 4], &[0.1, 0.9, 0.0, 0.0, 0.6, 0.1, 0.2, 0.1]))],
    );
    asked.outputs = vec!["likely".to_owned(), "class".to_owned()];
    asked.parameters.insert("priority".to_owned(), 1.into());
    let answer = backend().predict(asked.clone(), &budget()).await.unwrap();
    assert_eq!(answer[0].tensor.data_type(), DataType::Bool);
    assert_eq!(answer[0].tensor.data().as_ref(), [0, 1, 0, 0, 1, 0, 0, 0]);
    assert_eq!(answer[1].tensor.data(), int64(&[1, 0]).data());

    asked.outputs.pop();
    let streamed: Vec<_> =
        backend().predict_stream(asked, &budget()).await.unwrap().collect().await;
    assert_eq!(streamed.len(), 1);
    assert_eq!(streamed[0].as_ref().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_request_says_what_was_expected_and_what_came() {
    let x = || fp32(&[1, 3], &[0.0; 3]);
    for (model, inputs, expected) in [
        ("linear", vec![], "model linear:1: input x is missing; expected FP32 [-1,3]"),
        ("linear", vec![("z", x())], "model linear:1 has no input \"z\"; it has x FP32 [-1,3]"),
        ("linear", vec![("x", x()), ("x", x())], "model linear:1: input x was given twice"),
        (
            "linear",
            vec![("x", fp32(&[1, 4], &[0.0; 4]))],
            "model linear:1, input x: expected FP32 [-1,3], got FP32 [1,4]",
        ),
        (
            "linear",
            vec![("x", fp32(&[3], &[0.0; 3]))],
            "model linear:1, input x: expected FP32 [-1,3], got FP32 [3]",
        ),
        (
            "linear",
            vec![("x", tensor(DataType::Uint8, &[1, 3], vec![0; 3]))],
            "model linear:1, input x: expected FP32 [-1,3], got UINT8 [1,3]",
        ),
        (
            "fixed",
            vec![("image", zeros(&[1, 3, 8, 4]))],
            "model fixed:1, input image: expected FP32 [1,3,4,4], got FP32 [1,3,8,4]",
        ),
        (
            "add_sub",
            vec![("INPUT0", zeros(&[9, 16])), ("INPUT1", zeros(&[9, 16]))],
            "model add_sub:1, input INPUT0: the batch, dimension 0, is 1 to 8 (max_batch_size in \
                its config.pbtxt), got 9",
        ),
        (
            "add_sub",
            vec![("INPUT0", zeros(&[2, 16])), ("INPUT1", zeros(&[1, 16]))],
            "model add_sub:1, input INPUT1: a batch of 1, but input INPUT0 has a batch of 2",
        ),
    ] {
        assert_eq!(refusal(model, &inputs).await, (ErrorKind::Invalid, expected.to_owned()));
    }
    let mut unknown =
        request("add_sub", &[("INPUT0", zeros(&[1, 16])), ("INPUT1", zeros(&[1, 16]))]);
    unknown.outputs = vec!["OUTPUT2".to_owned()];
    let error = backend().predict(unknown, &budget()).await.unwrap_err();
    assert_eq!(
        error.message,
        "model add_sub:1 has no output \"OUTPUT2\"; it has OUTPUT0 FP32 [-1,16], OUTPUT1 FP32 \
            [-1,16]"
    );
    let (kind, text) = refusal(
        "identity_int64",
        &[(
            "in",
            tensor(
                DataType::Int64,
                &[1, 1],
                vec![255; 7].into_iter().chain([0]).collect::<Vec<_>>(),
            ),
        )],
    )
    .await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(
        text.starts_with("model identity_int64:1, input in: element 0 is 72057594037927935,"),
        "{text}"
    );
}

#[tokio::test]
async fn versions_are_chosen_as_triton_chooses() {
    let x = || ("x", fp32(&[1], &[0.5]));
    assert_eq!(floats(&ask("versions", &[x()]).await.unwrap()[0].tensor), [2.5]);
    assert_eq!(floats(&ask("versions:1", &[x()]).await.unwrap()[0].tensor), [1.5]);
    let (kind, text) = refusal("versions:10", &[x()]).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(
        text.ends_with("version_policy in its config.pbtxt leaves it out; there is 1, 2"),
        "{text}"
    );
    let (kind, text) = refusal("nothing", &[]).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(
        text.contains("there is add_sub, classify, disagreeing") && text.ends_with(" more"),
        "{text}"
    );
    let (kind, text) = refusal("models:/versions@champion", &[]).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(text.contains("MLFLOW_TRACKING_URI") && text.contains("`versions:1`"), "{text}");
}

#[tokio::test]
async fn metadata_is_the_graphs_as_the_configuration_narrows_it() {
    let metadata = backend().metadata(&"add_sub".parse().unwrap(), &budget()).await.unwrap();
    assert_eq!(
        (metadata.name.as_str(), metadata.platform.as_str(), metadata.versions),
        ("add_sub", "rten_onnx", vec!["1".to_owned()])
    );
    assert_eq!(metadata.inputs[1].name, "INPUT1");
    assert_eq!(
        (metadata.inputs[0].data_type, metadata.inputs[0].shape.as_slice()),
        (DataType::Fp32, [-1, 16].as_slice())
    );
    let metadata = backend().metadata(&"classify".parse().unwrap(), &budget()).await.unwrap();
    let types: Vec<_> =
        metadata.outputs.iter().map(|output| (output.data_type, output.shape.clone())).collect();
    assert_eq!(types, [(DataType::Int64, vec![-1]), (DataType::Bool, vec![-1, 4])]);
    let versions =
        backend().metadata(&"versions:1".parse().unwrap(), &budget()).await.unwrap().versions;
    assert_eq!(versions, ["1", "2"]);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_says_why() {
    let (kind, text) = refusal("unknown_operator", &[]).await;
    assert_eq!(kind, ErrorKind::Invalid, "{text}");
    assert!(text.contains("Frobnicate") && text.contains("TRITON_URL"), "{text}");
    for (model, expected) in [
        (
            "misnamed",
            "misnamed/config.pbtxt says name: \"something_else\", but its folder is misnamed",
        ),
        (
            "disagreeing",
            "model disagreeing:1: disagreeing/1/model.onnx has input x of shape [-1,3], but \
                config.pbtxt says [4] after the batch",
        ),
    ] {
        let (kind, text) = refusal(model, &[]).await;
        assert_eq!(kind, ErrorKind::Unavailable, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("m/1")).unwrap();
    for garbage in [&b"not a model"[..], b"", &[0xff; 100], &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
        fs::write(folder.path().join("m/1/model.onnx"), garbage).unwrap();
        let backend = EmbeddedInference::open(folder.path(), EmbeddedLimits::default()).unwrap();
        let error = backend.predict(request("m", &[]), &budget()).await.unwrap_err();
        assert!(
            error.message.contains("model m:1: m/1/model.onnx is no ONNX model"),
            "{garbage:?}: {error}"
        );
    }
    let missing =
        EmbeddedInference::open(&folder.path().join("missing"), EmbeddedLimits::default())
            .unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_absurd_shape_is_refused_before_anything_is_allocated() {
    let backend = backend();
    let memory = MemoryBudget::process(1 << 30).activation(1 << 28);
    let budget =
        CallBudget { memory: memory.clone(), deadline: Instant::now() + Duration::from_secs(20) };
    let x = |n: i64| request("outer", &[("x", zeros(&[n]))]);
    let error = backend.predict(x((1 << 16) + 1), &budget).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(
        error.message.contains("is 65537, more than the 65536")
            && error.message.contains("KEYNET_EMBEDDED_MAX_DIMENSION"),
        "{error}"
    );
    // 60000 · 60000 · 4 bytes in the middle of the graph
    let error = backend.predict(x(60_000), &budget).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(
        error.message.contains("outer:1 with x [60000]")
            && error.message.contains("KEYNET_EMBEDDED_RUN_MEMORY"),
        "{error}"
    );
    assert_eq!(memory.used(), 0);
    assert_eq!(floats(&backend.predict(x(100), &budget).await.unwrap()[0].tensor), [0.0]);
}

#[tokio::test]
async fn values_that_ask_for_an_absurd_shape_are_refused_as_well() {
    let tile = |repeats: [i64; 2]| vec![("x", zeros(&[2, 2])), ("repeats", int64(&repeats))];
    let answer = ask("tile", &tile([1, 3])).await.unwrap();
    assert_eq!(answer[0].tensor.shape().dimensions(), [2, 6]);
    let zero = |height, width| vec![("height", int64(&[height])), ("width", int64(&[width]))];
    assert_eq!(floats(&ask("zeros", &zero(10, 10)).await.unwrap()[0].tensor), [0.0]);
    for (model, inputs) in [
        ("tile", tile([60_000, 60_000])),
        ("tile", tile([i64::from(i32::MAX), i64::from(i32::MAX)])),
        ("zeros", zero(60_000, 60_000)),
        ("zeros", zero(i64::from(i32::MAX), i64::from(i32::MAX))),
    ] {
        let (kind, text) = refusal(model, &inputs).await;
        assert_eq!(kind, ErrorKind::TooLarge, "{model}: {text}");
        assert!(text.contains("KEYNET_EMBEDDED_RUN_MEMORY"), "{text}");
    }
    let (kind, text) = refusal("tile", &tile([6_000, 6_000])).await;
    assert_eq!(kind, ErrorKind::TooLarge);
    assert!(
        text.starts_with(
            "output y of model tile:1 of 576000000 bytes does not fit into the memory of one \
                activation"
        ),
        "{text}"
    );
    let (kind, text) = refusal("tile", &tile([-1, 2])).await;
    assert_eq!(kind, ErrorKind::Invalid, "{text}");
}

#[tokio::test]
async fn outputs_are_counted_in_the_activations_memory_until_they_are_dropped() {
    let memory = MemoryBudget::process(1 << 30).activation(4000);
    let budget =
        CallBudget { memory: memory.clone(), deadline: Instant::now() + Duration::from_secs(20) };
    let backend = backend();
    let answer = backend
        .predict(request("identity_fp32", &[("in", zeros(&[10, 100]))]), &budget)
        .await
        .unwrap();
    assert_eq!(memory.used(), 4000);
    drop(answer);
    assert_eq!(memory.used(), 0);
    let error = backend
        .predict(request("identity_fp32", &[("in", zeros(&[10, 101]))]), &budget)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(
        error.message.contains("output out of model identity_fp32:1")
            && error.message.contains("KEYNET_MEMORY"),
        "{error}"
    );
    assert_eq!(memory.used(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_the_caller_is_answered_and_the_run_keeps_its_place() {
    let backend = backend();
    let memory = MemoryBudget::process(1 << 30);
    let soon = |millis| CallBudget {
        memory: memory.clone(),
        deadline: Instant::now() + Duration::from_millis(millis),
    };
    let slow = || request("slow", &[("x", zeros(&[700, 700]))]);
    let quick = || request("linear", &[("x", zeros(&[1, 3]))]);
    backend.predict(quick(), &budget()).await.unwrap();
    backend.metadata(&"slow".parse().unwrap(), &budget()).await.unwrap();

    let begun = Instant::now();
    let error = backend.predict(slow(), &soon(20)).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Timeout, "model slow:1 did not answer in the time this activation has left")
    );
    assert_eq!(
        memory.used(),
        700 * 700 * 4,
        "the run still holds what was reserved for its answer"
    );
    let behind = backend.predict(quick(), &soon(20)).await.unwrap_err();
    assert_eq!(behind.kind, ErrorKind::Timeout);
    assert!(behind.message.contains("behind other runs"), "{behind}");
    backend.predict(quick(), &budget()).await.unwrap();
    while memory.used() > 0 {
        // the answer that nobody waits for is dropped right after its place
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_model_that_is_written_again_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m/1/model.onnx");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let backend = EmbeddedInference::open(folder.path(), EmbeddedLimits::default()).unwrap();
    let ask = async || backend.predict(request("m", &[("x", fp32(&[1], &[0.0]))]), &budget()).await;
    fs::write(&file, "not yet").unwrap();
    ask().await.unwrap_err();
    assert_eq!(backend.models.kept(), [""; 0], "a load that failed is not kept");
    for version in ["1", "2", "10"] {
        let new = fs::read(models().join("versions").join(version).join("model.onnx")).unwrap();
        fs::write(&file, new).unwrap();
        assert_eq!(floats(&ask().await.unwrap()[0].tensor), [version.parse::<f32>().unwrap()]);
    }
    fs::write(
        folder.path().join("m/config.pbtxt"),
        "input { name: \"x\" data_type: TYPE_FP32 dims: [ 2 ] }",
    )
    .unwrap();
    assert!(ask().await.unwrap_err().message.ends_with("expected FP32 [2], got FP32 [1]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_so_many_models_are_kept_and_callers_share_one() {
    let limits = EmbeddedLimits { max_loaded_models: 2, ..EmbeddedLimits::default() };
    let backend = Arc::new(EmbeddedInference::open(&models(), limits).unwrap());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let backend = Arc::clone(&backend);
        asking.spawn(async move { backend.models.get("linear", None).await.unwrap().1 });
    }
    let loaded = asking.join_all().await;
    assert!(loaded.iter().all(|each| Arc::ptr_eq(each, &loaded[0])));
    for model in ["scalar", "linear", "fixed"] {
        backend.metadata(&model.parse().unwrap(), &budget()).await.unwrap();
    }
    assert_eq!(backend.models.kept(), ["fixed:1", "linear:1"]);
}

#[tokio::test]
async fn a_model_above_the_limit_is_not_read() {
    let limits = EmbeddedLimits { max_model_bytes: 180, ..EmbeddedLimits::default() };
    let backend = EmbeddedInference::open(&models(), limits).unwrap();
    for (model, bytes) in [("slow", "763"), ("external", "194")] {
        let error = backend.metadata(&model.parse().unwrap(), &budget()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(
            error.message.contains(&format!(
                "has {bytes} bytes, more than the 180 of KEYNET_EMBEDDED_MODEL_BYTES"
            )),
            "{error}"
        );
    }
}

#[test]
fn it_says_where_it_is() {
    assert_eq!(backend().describe(), format!("models in {}, run in process", models().display()));
}
