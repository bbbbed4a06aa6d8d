//! What users saw that a model in process answered wrongly, with the answers of ONNX; each on a
//! graph that is made here.

use std::fs;

use rten_onnx::onnx::{
    DataType as Element, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};

use super::super::{DataType, NamedTensor};
use super::graph::for_tests::{Maker, integer, value_info};
use super::tests::{budget, fp32, int64, request, tensor};
use super::{EmbeddedInference, EmbeddedLimits, ErrorKind, InferenceBackend as _, Result};
use crate::inference::Tensor;
use keynet_base::error::Error;

/// A graph with one output `y`.
struct Graph {
    inputs: Vec<ValueInfoProto>,
    initializers: Vec<TensorProto>,
    output: ValueInfoProto,
    maker: Maker,
}

impl Graph {
    fn new(inputs: &[(&str, Element, &[i64])], output: Element) -> Self {
        let inputs = inputs
            .iter()
            .map(|(name, element, shape)| value_info(name, Some(*element), shape))
            .collect();
        Self {
            inputs,
            initializers: Vec::new(),
            output: open("y", output),
            maker: Maker::default(),
        }
    }

    fn constant(mut self, name: &str, element: Element, dims: &[i64], data: Vec<u8>) -> Self {
        let raw_data = Some(std::cell::RefCell::new(data));
        let tensor = TensorProto {
            dims: dims.to_vec(),
            data_type: Some(element),
            raw_data,
            name: Some(name.to_owned()),
            ..TensorProto::default()
        };
        self.initializers.push(tensor);
        self
    }

    fn node(
        mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, i64)],
        output: &str,
    ) -> Self {
        let attributes = attributes.iter().map(|(name, value)| integer(name, *value)).collect();
        self.maker.add_as(operator, inputs, attributes, output);
        self
    }

    fn into_model(self) -> ModelProto {
        let opset = OperatorSetIdProto { domain: None, version: Some(17) };
        let nodes: Vec<NodeProto> = self.maker.nodes;
        let graph = GraphProto {
            node: nodes,
            initializer: self.initializers,
            input: self.inputs,
            output: vec![self.output],
            value_info: Vec::new(),
        };
        ModelProto {
            ir_version: Some(8),
            graph: Some(graph),
            opset_import: vec![opset],
            ..ModelProto::default()
        }
    }

    /// The model `m` of a new folder.
    fn backend(self) -> (tempfile::TempDir, EmbeddedInference) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("m/1")).unwrap();
        fs::write(folder.path().join("m/1/model.onnx"), self.into_model().write_buf().unwrap())
            .unwrap();
        let backend = EmbeddedInference::open(folder.path(), EmbeddedLimits::default()).unwrap();
        (folder, backend)
    }

    async fn ask(self, inputs: &[(&str, Tensor)]) -> Result<Vec<NamedTensor>> {
        let (_folder, backend) = self.backend();
        backend.predict(request("m", inputs), &budget()).await
    }

    /// Why it is not loaded.
    async fn refusal(self) -> Error {
        let (_folder, backend) = self.backend();
        backend.metadata(&"m".parse().unwrap(), &budget()).await.unwrap_err()
    }
}

fn open(name: &str, element: Element) -> ValueInfoProto {
    let mut info = value_info(name, Some(element), &[]);
    info.r#type
        .iter_mut()
        .flat_map(|declared| &mut declared.tensor_type)
        .for_each(|tensor| tensor.shape = None);
    info
}

fn integers(answer: &[NamedTensor]) -> Vec<i64> {
    assert_eq!(answer[0].tensor.data_type(), DataType::Int64);
    answer[0]
        .tensor
        .data()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| i64::from_le_bytes(*bytes))
        .collect()
}

fn bytes_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn detector() -> Graph {
    let inputs =
        [("boxes", Element::FLOAT, &[-1, -1, 4][..]), ("scores", Element::FLOAT, &[-1, -1, -1])];
    Graph::new(&inputs, Element::INT64)
        .constant("most", Element::INT64, &[1], 10_i64.to_le_bytes().to_vec())
        .constant("overlap", Element::FLOAT, &[1], bytes_of(&[0.5]))
        .constant("least", Element::FLOAT, &[1], bytes_of(&[0.1]))
        .node("Identity", &["scores"], &[], "s")
        .node("NonMaxSuppression", &["boxes", "s", "most", "overlap", "least"], &[], "rows")
        .node("Identity", &["rows"], &[], "y")
}

const BOXES: [f32; 12] = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.02, 1.02, 0.0, 10.0, 1.0, 11.0];

#[tokio::test]
async fn a_detector_with_its_own_nms_finds_every_class_of_every_picture() {
    let scores = [0.9, 0.8, 0.7, 0.45, 0.4, 0.35];
    let answer = detector()
        .ask(&[("boxes", fp32(&[1, 3, 4], &BOXES)), ("scores", fp32(&[1, 2, 3], &scores))])
        .await
        .unwrap();
    assert_eq!(answer[0].tensor.shape().dimensions(), [4, 3]);
    assert_eq!(integers(&answer), [0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 1, 2]);
    let two = [BOXES, BOXES].concat();
    let answer = detector()
        .ask(&[("boxes", fp32(&[2, 3, 4], &two)), ("scores", fp32(&[2, 1, 3], &scores))])
        .await
        .unwrap();
    assert_eq!(integers(&answer), [0, 0, 0, 0, 0, 2, 1, 0, 0, 1, 0, 2]);
    let none = detector()
        .ask(&[("boxes", fp32(&[1, 0, 4], &[])), ("scores", fp32(&[1, 2, 0], &[]))])
        .await
        .unwrap();
    assert_eq!(none[0].tensor.shape().dimensions(), [0, 3]);
}

#[tokio::test]
async fn boxes_and_scores_that_do_not_suit_each_other_are_refused() {
    let error = detector()
        .ask(&[("boxes", fp32(&[1, 3, 4], &BOXES)), ("scores", fp32(&[1, 1, 2], &[0.5, 0.6]))])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.message.contains(
            "operator NonMaxSuppression has boxes of shape [1, 3, 4] and scores of shape [1, 1, 2]"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn of_equal_elements_the_first_is_the_largest_and_the_smallest() {
    for (operator, last, expected) in
        [("ArgMax", 0, [0, 2]), ("ArgMax", 1, [3, 3]), ("ArgMin", 0, [0, 0]), ("ArgMin", 1, [3, 1])]
    {
        let graph = Graph::new(&[("x", Element::FLOAT, &[-1, 4])], Element::INT64);
        let graph = graph.node(
            operator,
            &["x"],
            &[("axis", 1), ("keepdims", 0), ("select_last_index", last)],
            "y",
        );
        let answer = graph
            .ask(&[("x", fp32(&[2, 4], &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 5.0, 5.0]))])
            .await
            .unwrap();
        assert_eq!(integers(&answer), expected, "{operator} {last}");
    }
}

#[tokio::test]
async fn matrices_that_an_optimizer_has_fused_are_multiplied_as_their_attributes_say() {
    let fused = |attributes: &[(&str, i64)], alpha: Option<f32>| {
        let inputs = [("a", Element::FLOAT, &[2, 2][..]), ("b", Element::FLOAT, &[2, 2])];
        let mut graph = Graph::new(&inputs, Element::FLOAT);
        graph = graph.node("FusedMatMul", &["a", "b"], attributes, "y");
        let node = &mut graph.maker.nodes[0];
        node.domain = Some("com.microsoft".to_owned());
        if let Some(alpha) = alpha {
            let mut attribute = integer("alpha", 0);
            (attribute.i, attribute.f) = (None, Some(alpha));
            attribute.r#type = Some(rten_onnx::onnx::AttributeType::FLOAT);
            node.attribute.push(attribute);
        }
        graph
    };
    let (a, b) = (fp32(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), fp32(&[2, 2], &[5.0, 6.0, 7.0, 8.0]));
    for (attributes, alpha, product) in [
        (&[][..], None, [19.0, 22.0, 43.0, 50.0]),
        (&[("transA", 1)], None, [26.0, 30.0, 38.0, 44.0]),
        (&[("transB", 1)], Some(0.5), [8.5, 11.5, 19.5, 26.5]),
        (&[("transA", 1), ("transB", 1)], Some(2.0), [46.0, 62.0, 68.0, 92.0]),
    ] {
        let answer =
            fused(attributes, alpha).ask(&[("a", a.clone()), ("b", b.clone())]).await.unwrap();
        assert_eq!(answer[0].tensor.data().as_ref(), bytes_of(&product), "{attributes:?}");
    }
    let error = fused(&[("transBatchA", 1)], None).refusal().await;
    assert!(
        error.message.contains("operator com.microsoft.FusedMatMul (node")
            && error.message.contains("has transBatchA")
            && error.message.contains("KEYNET_ONNXRUNTIME"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_zero_is_true() {
    let graph = Graph::new(&[("x", Element::FLOAT, &[-1])], Element::BOOL).node(
        "Cast",
        &["x"],
        &[("to", 9)],
        "y",
    );
    let answer = graph.ask(&[("x", fp32(&[6], &[0.5, -0.5, 1e-9, 2.0, 0.0, -0.0]))]).await.unwrap();
    assert_eq!(answer[0].tensor.data().as_ref(), [1, 1, 1, 1, 0, 0]);
    let back = Graph::new(&[("x", Element::INT64, &[-1])], Element::INT64);
    let back = back.node("Cast", &["x"], &[("to", 9)], "b").node("Cast", &["b"], &[("to", 7)], "y");
    assert_eq!(integers(&back.ask(&[("x", int64(&[5, -3, 0]))]).await.unwrap()), [1, 1, 0]);
}

#[tokio::test]
async fn the_sign_of_a_zero_is_zero() {
    let graph =
        Graph::new(&[("x", Element::FLOAT, &[-1])], Element::FLOAT).node("Sign", &["x"], &[], "y");
    let answer =
        graph.ask(&[("x", fp32(&[5], &[0.0, -0.0, 3.0, -0.1, f32::INFINITY]))]).await.unwrap();
    let signs: Vec<_> = answer[0]
        .tensor
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    assert_eq!(signs, [0.0, 0.0, 1.0, -1.0, 1.0]);
}

#[tokio::test]
async fn an_integer_that_needs_more_than_32_bits_is_refused_and_never_wrapped() {
    let two = [("a", Element::INT64, &[-1][..]), ("b", Element::INT64, &[-1])];
    for (operator, a, b) in [
        ("Add", 2_000_000_000, 2_000_000_000),
        ("Sub", -2_000_000_000, 2_000_000_000),
        ("Mul", 100_000, 100_000),
    ] {
        let graph = || Graph::new(&two, Element::INT64).node(operator, &["a", "b"], &[], "y");
        let error = graph().ask(&[("a", int64(&[a])), ("b", int64(&[b]))]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(
            error.message.contains(&format!("operator {operator} (node"))
                && error.message.contains("32 bits"),
            "{error}"
        );
        let small = graph().ask(&[("a", int64(&[7, 0])), ("b", int64(&[3, 0]))]).await.unwrap();
        assert_eq!(small[0].tensor.shape().dimensions(), [2]);
        assert!(graph().ask(&[("a", int64(&[])), ("b", int64(&[]))]).await.is_ok());
    }
    let cast = Graph::new(&[("x", Element::FLOAT, &[-1])], Element::INT64).node(
        "Cast",
        &["x"],
        &[("to", 7)],
        "y",
    );
    assert!(
        cast.ask(&[("x", fp32(&[2], &[3e9, 1.0]))]).await.unwrap_err().message.contains("32 bits")
    );
    let sum = Graph::new(&[("x", Element::INT64, &[-1])], Element::INT64).node(
        "ReduceSum",
        &["x"],
        &[],
        "y",
    );
    assert!(
        sum.ask(&[("x", int64(&[2_000_000_000; 3]))])
            .await
            .unwrap_err()
            .message
            .contains("32 bits")
    );
}

#[tokio::test]
async fn a_constant_that_needs_more_than_32_bits_is_refused_at_load_unless_it_is_a_far_end() {
    let wide = |number: i64| number.to_le_bytes().to_vec();
    let added = Graph::new(&[("x", Element::INT64, &[-1])], Element::INT64).constant(
        "c",
        Element::INT64,
        &[1],
        wide(1 << 40),
    );
    let error = added.node("Add", &["x", "c"], &[], "y").refusal().await;
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error
            .message
            .contains("operator Add (node \"Add for y\") computes with the integer 1099511627776"),
        "{error}"
    );
    assert!(error.message.contains("TRITON_URL"), "{error}");
    let one = || 1_i64.to_le_bytes().to_vec();
    let end = Graph::new(&[("x", Element::INT64, &[-1])], Element::INT64).constant(
        "from",
        Element::INT64,
        &[1],
        one(),
    );
    let end = end.constant("to", Element::INT64, &[1], wide(i64::MAX)).node(
        "Slice",
        &["x", "from", "to"],
        &[],
        "y",
    );
    assert_eq!(integers(&end.ask(&[("x", int64(&[4, 5, 6]))]).await.unwrap()), [5, 6]);
}

#[tokio::test]
async fn fp64_is_passed_on_where_fp32_has_it_and_never_computed_with() {
    let double = |numbers: &[f64]| {
        let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensor(DataType::Fp64, &[numbers.len() as i64], data)
    };
    let passed = || {
        Graph::new(&[("x", Element::DOUBLE, &[-1])], Element::DOUBLE).node(
            "Identity",
            &["x"],
            &[],
            "y",
        )
    };
    let given = double(&[0.5, -2.0]);
    assert_eq!(passed().ask(&[("x", given.clone())]).await.unwrap()[0].tensor.data(), given.data());
    let error = passed().ask(&[("x", double(&[0.1]))]).await.unwrap_err();
    assert!(error.message.contains("input x: element 0 is 0.1"), "{error}");
    let computed = Graph::new(&[("x", Element::DOUBLE, &[-1])], Element::DOUBLE)
        .node("Add", &["x", "x"], &[], "y")
        .refusal()
        .await;
    assert!(
        computed.message.contains("operator Add (node \"Add for y\") computes with FP64"),
        "{computed}"
    );
}

#[tokio::test]
async fn a_refusal_at_load_names_the_operator_the_node_and_the_way_out() {
    let mut graph = Graph::new(&[("x", Element::FLOAT, &[1])], Element::FLOAT);
    graph.inputs = vec![open("x", Element::FLOAT)];
    for (operator, attributes, what) in [
        ("Bernoulli", &[][..], "Bernoulli"),
        ("RandomUniformLike", &[], "draws random numbers"),
        ("LayerNormalization", &[("axis", -1)], "Mean and InvStdDev"),
    ] {
        let mut graph = Graph {
            inputs: graph.inputs.clone(),
            initializers: Vec::new(),
            output: graph.output.clone(),
            maker: Maker::default(),
        };
        let inputs: &[&str] = if operator == "LayerNormalization" { &["x", "x"] } else { &["x"] };
        graph = graph.node(operator, inputs, attributes, "y");
        graph
            .maker
            .nodes
            .iter_mut()
            .filter(|_| operator == "LayerNormalization")
            .for_each(|node| node.output.push("mean".to_owned()));
        let error = graph.refusal().await;
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(what) && error.message.contains("TRITON_URL"), "{error}");
        assert!(
            error.message.starts_with("model m:1: m/1/model.onnx cannot be run in process: "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn weights_lie_in_a_file_of_any_name_inside_the_models_folder() {
    let model = |location: &str| {
        let mut graph = Graph::new(&[("x", Element::FLOAT, &[2])], Element::FLOAT).constant(
            "w",
            Element::FLOAT,
            &[2],
            Vec::new(),
        );
        let weights = &mut graph.initializers[0];
        let entry = rten_onnx::onnx::StringStringEntryProto {
            key: Some("location".to_owned()),
            value: Some(location.to_owned()),
        };
        (weights.raw_data, weights.external_data) = (None, vec![entry]);
        weights.data_location = Some(rten_onnx::onnx::DataLocation::EXTERNAL);
        graph.node("Add", &["x", "w"], &[], "y")
    };
    for location in ["weights.bin", "./weights.bin", "deep/w"] {
        let (folder, backend) = model(location).backend();
        fs::create_dir_all(folder.path().join("m/1/deep")).unwrap();
        for file in ["weights.bin", "deep/w"] {
            fs::write(folder.path().join("m/1").join(file), bytes_of(&[10.0, 20.0])).unwrap();
        }
        let answer = backend
            .predict(request("m", &[("x", fp32(&[2], &[1.0, 2.0]))]), &budget())
            .await
            .unwrap();
        assert_eq!(answer[0].tensor.data().as_ref(), bytes_of(&[11.0, 22.0]));
    }
    for location in ["../weights.bin", "/etc/passwd", "missing"] {
        let error = model(location).refusal().await;
        assert!(error.message.contains("the constant \"w\""), "{error}");
    }
}

#[tokio::test]
async fn a_convolution_of_bytes_is_refused_where_padding_would_take_part_in_its_sums() {
    let graph = |padding: i64, zero_point: u8| {
        let inputs = [("x", Element::UINT8, &[1, 1, -1, -1][..])];
        let mut graph = Graph::new(&inputs, Element::INT32)
            .constant("w", Element::UINT8, &[1, 1, 2, 2], vec![1, 2, 3, 4])
            .constant("x_zero_point", Element::UINT8, &[], vec![1])
            .constant("w_zero_point", Element::UINT8, &[], vec![zero_point])
            .node("ConvInteger", &["x", "w", "x_zero_point", "w_zero_point"], &[("pads", 0)], "y");
        let pads = &mut graph.maker.nodes[0].attribute[0];
        (pads.i, pads.ints) = (None, vec![padding; 4]);
        pads.r#type = Some(rten_onnx::onnx::AttributeType::INTS);
        graph
    };
    for (padding, zero_point, sums) in
        [(0, 2, vec![8]), (0, 0, vec![26]), (1, 0, vec![4, 11, 6, 14, 26, 11, 6, 9, 3])]
    {
        let x = tensor(DataType::Uint8, &[1, 1, 2, 2], vec![2_u8, 3, 4, 4]);
        let answer = graph(padding, zero_point).ask(&[("x", x)]).await.unwrap();
        let expected: Vec<u8> = sums.iter().flat_map(|sum: &i32| sum.to_le_bytes()).collect();
        assert_eq!(answer[0].tensor.data().as_ref(), expected, "{padding} {zero_point}");
    }
    let error = graph(1, 2).refusal().await;
    assert!(
        error.message.contains("operator ConvInteger (node")
            && error.message.contains("has padding and a w_zero_point other than 0"),
        "{error}"
    );
}

#[tokio::test]
async fn an_lstm_that_onnx_runtimes_quantization_made_is_refused_by_name() {
    let mut graph = Graph::new(&[("x", Element::FLOAT, &[-1, 1, 4])], Element::FLOAT);
    graph = graph.node("DynamicQuantizeLSTM", &["x"], &[("hidden_size", 2)], "y");
    graph.maker.nodes[0].domain = Some("com.microsoft".to_owned());
    let error = graph.refusal().await;
    assert!(error.message.contains("operator com.microsoft.DynamicQuantizeLSTM (node"), "{error}");
}

#[tokio::test]
async fn dimensions_of_an_empty_name_are_sizes_of_their_own() {
    let mut graph = Graph::new(&[("x", Element::FLOAT, &[-1, -1, -1])], Element::FLOAT);
    let declared = graph.inputs[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
    for dimension in &mut declared.shape.as_mut().unwrap().dim {
        dimension.dim_param = Some(String::new());
    }
    // As one size, the sum would take 1,000 times the memory that a run may have.
    graph = graph.node("Add", &["x", "x"], &[], "y");
    let x = fp32(&[1, 2, 4_000], &[1.0; 8_000]);
    let answer = graph.ask(&[("x", x)]).await.unwrap();
    assert_eq!(answer[0].tensor.shape().dimensions(), [1, 2, 4_000]);
}
