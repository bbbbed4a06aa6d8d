//! Operators that rten lacks, or has for some types only, composed of others.
//!
//! ONNX defines most of them as functions: they are written here as there.

use rten_onnx::onnx::{AttributeProto, DataType, NodeProto};

use super::facts::Fact;
use super::node::{Maker, NodeExt, integer, integers};

/// Adds nodes for `node` if it is one of those that are composed. Whether it was.
pub(super) fn compose(node: &NodeProto, inputs: &[Option<&Fact>], maker: &mut Maker) -> bool {
    let fact = |index: usize| inputs.get(index).copied().flatten();
    let float = |name: &str, default: f32| {
        node.attribute(name).and_then(|attribute| attribute.f).unwrap_or(default)
    };
    let (Some(x), Some(output)) = (node.input.first(), node.output.first()) else { return false };
    match node.operator() {
        "Selu" => {
            let (alpha, gamma) = (float("alpha", 1.673_263_2), float("gamma", 1.050_701));
            let elu = maker.add("Elu", &[x], vec![float_attribute("alpha", alpha)]);
            let gamma = maker.float_like(gamma, fact(0));
            maker.add_as("Mul", &[&elu, &gamma], Vec::new(), output);
        }
        "Celu" => {
            let alpha = maker.float_like(float("alpha", 1.0), fact(0));
            let scaled = maker.add("Div", &[x, &alpha], Vec::new());
            let elu = maker.add("Elu", &[&scaled], vec![float_attribute("alpha", 1.0)]);
            maker.add_as("Mul", &[&elu, &alpha], Vec::new(), output);
        }
        "Softplus" => {
            let softplus = softplus(x, fact(0), maker);
            maker.add_as("Identity", &[&softplus], Vec::new(), output);
        }
        "Relu" if fact(0).is_some_and(Fact::is_integer) => {
            let zero = maker.integer(0);
            maker.add_as("Max", &[x, &zero], Vec::new(), output);
        }
        "Mish" => {
            let plus = softplus(x, fact(0), maker);
            let tanh = maker.add("Tanh", &[&plus], Vec::new());
            maker.add_as("Mul", &[x, &tanh], Vec::new(), output);
        }
        "ThresholdedRelu" => {
            let (alpha, zero) =
                (maker.float_like(float("alpha", 1.0), fact(0)), maker.float_like(0.0, fact(0)));
            let above = maker.add("Greater", &[x, &alpha], Vec::new());
            maker.add_as("Where", &[&above, x, &zero], Vec::new(), output);
        }
        "Shrink" if fact(0).is_some_and(Fact::is_float) => {
            let (bias, lambda) = (float("bias", 0.0), float("lambd", 0.5));
            let [bias, lambda, below, zero] =
                [bias, lambda, -lambda, 0.0].map(|value| maker.float_like(value, fact(0)));
            let (plus, minus) = (
                maker.add("Add", &[x, &bias], Vec::new()),
                maker.add("Sub", &[x, &bias], Vec::new()),
            );
            let (is_below, is_above) = (
                maker.add("Less", &[x, &below], Vec::new()),
                maker.add("Greater", &[x, &lambda], Vec::new()),
            );
            let upper = maker.add("Where", &[&is_above, &minus, &zero], Vec::new());
            maker.add_as("Where", &[&is_below, &plus, &upper], Vec::new(), output);
        }
        "IsInf"
            if node.integer("detect_positive") == Some(0)
                || node.integer("detect_negative") == Some(0) =>
        {
            let zero = maker.float_like(0.0, fact(0));
            let side = match (node.integer("detect_positive"), node.integer("detect_negative")) {
                (Some(0), Some(0)) => return false,
                (Some(0), _) => maker.add("Less", &[x, &zero], Vec::new()),
                _ => maker.add("Greater", &[x, &zero], Vec::new()),
            };
            let infinite = maker.add("IsInf", &[x], Vec::new());
            maker.add_as("And", &[&infinite, &side], Vec::new(), output);
        }
        "QuantizeLinear" => return quantize(node, inputs, maker),
        "DynamicQuantizeLinear" => dynamic_quantize(node, maker),
        "Where" if is_small(fact(1)) => in_wider(node, inputs, DataType::INT32, maker),
        "SequenceInsert" if fact(2).is_some_and(|position| position.range.least < 0) => {
            let (Some(value), Some(position)) = (node.input.get(1), node.input.get(2)) else {
                return false;
            };
            // rten counts from behind the last.
            let (zero, length) = (maker.integer(0), maker.add("SequenceLength", &[x], Vec::new()));
            let from_end = maker.add("Add", &[position, &length], Vec::new());
            let negative = maker.add("Less", &[position, &zero], Vec::new());
            let place = maker.add("Where", &[&negative, &from_end, position], Vec::new());
            maker.add_as("SequenceInsert", &[x, value, &place], Vec::new(), output);
        }
        "MatMulInteger"
            if (2..4).any(|index| {
                fact(index).is_some_and(|fact| fact.single && fact.rank != Some(0))
            }) =>
        {
            let mut node = node.clone();
            for (index, input) in node.input.iter_mut().enumerate().skip(2) {
                if fact(index).is_some_and(|fact| fact.single) {
                    let scalar = maker.integers(&[]);
                    *input = maker.add("Reshape", &[input, &scalar], Vec::new());
                }
            }
            maker.nodes.push(node);
        }
        operator if is_small(fact(0)) && IN_WIDER.contains(&operator) => {
            in_wider(node, inputs, DataType::INT32, maker)
        }
        // The elements of a nearest one are copies.
        "Resize" if is_small(fact(0)) && matches!(node.text("mode"), None | Some("nearest")) => {
            in_wider(node, inputs, DataType::FLOAT, maker)
        }
        "MaxPool" if is_small(fact(0)) => in_wider(node, inputs, DataType::FLOAT, maker),
        "Pow"
            if fact(0).is_some_and(Fact::is_float)
                && fact(1).is_some_and(|power| !power.is_float()) =>
        {
            let Some(power) = node.input.get(1) else { return false };
            let power = maker.cast(power, DataType::FLOAT);
            maker.add_as("Pow", &[x, &power], Vec::new(), output);
        }
        "OneHot" if fact(0).is_some_and(Fact::is_float) || fact(1).is_some_and(Fact::is_float) => {
            let mut node = node.clone();
            for (input, fact) in node.input.iter_mut().zip(inputs).take(2) {
                if fact.is_some_and(Fact::is_float) {
                    *input = maker.cast(input, DataType::INT64);
                }
            }
            maker.nodes.push(node);
        }
        "LayerNormalization" if node.output.iter().skip(1).any(|name| !name.is_empty()) => {
            return normalize(node, fact(0), maker);
        }
        "Resize" if node.attribute("axes").is_some() && node.text("mode") != Some("cubic") => {
            return resize(node, fact(0), maker);
        }
        "Squeeze" | "Unsqueeze" if fact(1).is_some_and(|axes| axes.rank == Some(0)) => {
            let Some(axes) = node.input.get(1) else { return false };
            let one = maker.integers(&[1]);
            let axes = maker.add("Reshape", &[axes, &one], Vec::new());
            maker.add_as(node.operator(), &[x, &axes], Vec::new(), output);
        }
        _ => return false,
    }
    true
}

/// `LayerNormalization` whose other outputs are wanted. Whether the number of dimensions is known.
fn normalize(node: &NodeProto, x: Option<&Fact>, maker: &mut Maker) -> bool {
    let (Some(rank), [input, scale, rest @ ..]) =
        (x.and_then(|fact| fact.rank), node.input.as_slice())
    else {
        return false;
    };
    let rank = i64::try_from(rank).unwrap_or(0);
    let axis = node.integer("axis").unwrap_or(-1);
    let axes: Vec<i64> = (if axis < 0 { axis + rank } else { axis }..rank).collect();
    let name = |index: usize, maker: &mut Maker| match node
        .output
        .get(index)
        .filter(|name| !name.is_empty())
    {
        Some(name) => name.clone(),
        None => maker.name(),
    };
    let names = [0, 1, 2].map(|index| name(index, maker));
    let [output, mean, inverse] = &names;
    let over = || vec![integers("axes", &axes), integer("keepdims", 1)];
    maker.add_as("ReduceMean", &[input], over(), mean);
    let distance = maker.add("Sub", &[input, mean], Vec::new());
    let square = maker.add("Mul", &[&distance, &distance], Vec::new());
    let variance = maker.add("ReduceMean", &[&square], over());
    let epsilon =
        maker.float_like(node.attribute("epsilon").and_then(|value| value.f).unwrap_or(1e-5), x);
    let variance = maker.add("Add", &[&variance, &epsilon], Vec::new());
    let deviation = maker.add("Sqrt", &[&variance], Vec::new());
    maker.add_as("Reciprocal", &[&deviation], Vec::new(), inverse);
    let normal = maker.add("Mul", &[&distance, inverse], Vec::new());
    match rest.first().filter(|bias| !bias.is_empty()) {
        None => maker.add_as("Mul", &[&normal, scale], Vec::new(), output),
        Some(bias) => {
            let scaled = maker.add("Mul", &[&normal, scale], Vec::new());
            maker.add_as("Add", &[&scaled, bias], Vec::new(), output);
        }
    }
    true
}

/// `Resize` of some axes, as one of all. Whether the number of dimensions is known.
fn resize(node: &NodeProto, x: Option<&Fact>, maker: &mut Maker) -> bool {
    let (Some(rank), Some(input)) = (x.and_then(|fact| fact.rank), node.input.first()) else {
        return false;
    };
    let rank = i64::try_from(rank).unwrap_or(0);
    let axes = node.attribute("axes").map(|axes| axes.ints.clone()).unwrap_or_default();
    let axes: Vec<i64> =
        axes.into_iter().map(|axis| if axis < 0 { axis + rank } else { axis }).collect();
    let mut whole = node.clone();
    whole.attribute.retain(|attribute| attribute.name.as_deref() != Some("axes"));
    for (index, given) in
        whole.input.iter_mut().enumerate().skip(2).filter(|(_, given)| !given.is_empty())
    {
        let same = match index {
            2 => maker.floats(&vec![1.0; usize::try_from(rank).unwrap_or(0)]),
            _ => maker.add("Shape", &[input], Vec::new()),
        };
        let places = maker.integers(&axes);
        *given = maker.add("ScatterElements", &[&same, &places, given], vec![integer("axis", 0)]);
    }
    maker.nodes.push(whole);
    true
}

/// `log(1 + exp(x))`, for large elements too: `max(x, 0) + log(1 + exp(-|x|))`.
fn softplus(x: &str, like: Option<&Fact>, maker: &mut Maker) -> String {
    let (zero, one) = (maker.float_like(0.0, like), maker.float_like(1.0, like));
    let size = maker.add("Abs", &[x], Vec::new());
    let below = maker.add("Neg", &[&size], Vec::new());
    let small = maker.add("Exp", &[&below], Vec::new());
    let sum = maker.add("Add", &[&small, &one], Vec::new());
    let logarithm = maker.add("Log", &[&sum], Vec::new());
    let positive = maker.add("Max", &[x, &zero], Vec::new());
    maker.add("Add", &[&positive, &logarithm], Vec::new())
}

/// Operators that rten has for 32 bits, and whose results there, cut to 8 bits, are those of 8
/// bits.
const IN_WIDER: [&str; 20] = [
    "Concat",
    "NonZero",
    "ReduceMax",
    "ReduceMin",
    "Sign",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Mod",
    "Max",
    "Min",
    "Clip",
    "Neg",
    "Abs",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
    "Equal",
];

fn is_small(fact: Option<&Fact>) -> bool {
    matches!(fact.and_then(|fact| fact.element), Some(DataType::INT8 | DataType::UINT8))
}

/// The node on inputs of another type; what has their type comes back in it.
fn in_wider(node: &NodeProto, inputs: &[Option<&Fact>], wider: DataType, maker: &mut Maker) {
    let element = inputs
        .get(usize::from(node.operator() == "Where"))
        .copied()
        .flatten()
        .and_then(|fact| fact.element);
    let mut node = node.clone();
    for (input, fact) in node.input.iter_mut().zip(inputs) {
        if is_small(*fact) {
            *input = maker.cast(input, wider);
        }
    }
    let compares = matches!(
        node.operator(),
        "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Equal" | "NonZero"
    );
    let (Some(output), Some(element), false) = (node.output.first().cloned(), element, compares)
    else {
        maker.nodes.push(node);
        return;
    };
    let name = maker.name();
    node.output = vec![name.clone()];
    maker.nodes.push(node);
    maker.add_as("Cast", &[&name], vec![integer("to", i64::from(element.0))], &output);
}

/// rten multiplies by the inverse of the scale, and so rounds halves to the other side. Whether the
/// scale's shape is known.
fn quantize(node: &NodeProto, inputs: &[Option<&Fact>], maker: &mut Maker) -> bool {
    let fact = |index: usize| inputs.get(index).copied().flatten();
    let (Some(x), Some(scale), Some(output)) =
        (node.input.first(), node.input.get(1), node.output.first())
    else {
        return false;
    };
    let zero = node.input.get(2).filter(|zero| !zero.is_empty());
    let element = fact(2)
        .and_then(|fact| fact.element)
        .or(node.integer("output_dtype").and_then(|to| i32::try_from(to).ok()).map(DataType));
    let (least, greatest) = match element.filter(|element| element.0 != 0) {
        None | Some(DataType::UINT8) => (0.0, 255.0),
        Some(DataType::INT8) => (-128.0, 127.0),
        _ => return false,
    };
    let (Some(rank), Some(of_scale)) =
        (fact(0).and_then(|fact| fact.rank), fact(1).and_then(|fact| fact.rank))
    else {
        return fact(1).is_some_and(|fact| fact.rank == Some(0))
            && quantize_by(node, None, (x, scale, zero, output), (least, greatest), maker);
    };
    let axis = node.integer("axis").unwrap_or(1);
    let axis =
        usize::try_from(if axis < 0 { axis + i64::try_from(rank).unwrap_or(0) } else { axis })
            .unwrap_or(0);
    let shape = (of_scale == 1 && axis < rank)
        .then(|| (0..rank).map(|at| if at == axis { -1 } else { 1 }).collect::<Vec<i64>>());
    quantize_by(node, shape.as_deref(), (x, scale, zero, output), (least, greatest), maker)
}

fn quantize_by(
    node: &NodeProto,
    shape: Option<&[i64]>,
    (x, scale, zero, output): (&str, &str, Option<&String>, &str),
    (least, greatest): (f32, f32),
    maker: &mut Maker,
) -> bool {
    if node.integer("block_size").unwrap_or(0) != 0 {
        return false;
    }
    let placed = |name: &str, maker: &mut Maker| match shape {
        None => name.to_owned(),
        Some(shape) => {
            let shape = maker.integers(shape);
            maker.add("Reshape", &[name, &shape], Vec::new())
        }
    };
    let scale = placed(scale, maker);
    let divided = divide(x, &scale, maker);
    let mut rounded = maker.add("Round", &[&divided], Vec::new());
    if let Some(zero) = zero {
        let zero = placed(zero, maker);
        let zero = maker.cast(&zero, DataType::FLOAT);
        rounded = maker.add("Add", &[&rounded, &zero], Vec::new());
    }
    let (lowest, highest) = (maker.float(least), maker.float(greatest));
    let cut = maker.add("Clip", &[&rounded, &lowest, &highest], Vec::new());
    let to = if least < 0.0 { DataType::INT8 } else { DataType::UINT8 };
    maker.add_as("Cast", &[&cut], vec![integer("to", i64::from(to.0))], output);
    true
}

/// `x / y`. rten would multiply with the inverse of a single number, which differs in the last bit.
fn divide(x: &str, y: &str, maker: &mut Maker) -> String {
    let shape = maker.add("Shape", &[x], Vec::new());
    let whole = maker.add("Expand", &[y, &shape], Vec::new());
    maker.add("Div", &[x, &whole], Vec::new())
}

/// As ONNX defines it; the scale of a tensor of zeros is 1, as ONNX Runtime has it.
fn dynamic_quantize(node: &NodeProto, maker: &mut Maker) {
    let Some(x) = node.input.first() else { return };
    let output = |index: usize, maker: &mut Maker| match node
        .output
        .get(index)
        .filter(|name| !name.is_empty())
    {
        Some(name) => name.clone(),
        None => maker.name(),
    };
    let names = [output(0, maker), output(1, maker), output(2, maker)];
    let [quantized, scale, zero_point] = &names;
    let (zero, one, steps) = (maker.float(0.0), maker.float(1.0), maker.float(255.0));
    let mut end = |reduce: &str, cut: &str| {
        let end = maker.add(reduce, &[x], vec![integer("keepdims", 0)]);
        maker.add(cut, &[&end, &zero], Vec::new())
    };
    let (least, greatest) = (end("ReduceMin", "Min"), end("ReduceMax", "Max"));
    let range = maker.add("Sub", &[&greatest, &least], Vec::new());
    let step = maker.add("Div", &[&range, &steps], Vec::new());
    let empty = maker.add("Equal", &[&range, &zero], Vec::new());
    maker.add_as("Where", &[&empty, &one, &step], Vec::new(), scale);
    let below = maker.add("Sub", &[&zero, &least], Vec::new());
    let below = maker.add("Div", &[&below, scale], Vec::new());
    let below = maker.add("Clip", &[&below, &zero, &steps], Vec::new());
    let origin = maker.add("Round", &[&below], Vec::new());
    maker.add_as("Cast", &[&origin], vec![integer("to", i64::from(DataType::UINT8.0))], zero_point);
    let divided = divide(x, scale, maker);
    let rounded = maker.add("Round", &[&divided], Vec::new());
    let moved = maker.add("Add", &[&rounded, &origin], Vec::new());
    let cut = maker.add("Clip", &[&moved, &zero, &steps], Vec::new());
    maker.add_as("Cast", &[&cut], vec![integer("to", i64::from(DataType::UINT8.0))], quantized);
}

fn float_attribute(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        f: Some(value),
        ..super::node::attribute(name, rten_onnx::onnx::AttributeType::FLOAT)
    }
}
