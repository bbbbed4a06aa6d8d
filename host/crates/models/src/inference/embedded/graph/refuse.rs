//! What neither rten nor anything here computes as ONNX says.
//!
//! Found by the operator tests of ONNX (`docs/models.md`) and by what users reported. A model with
//! such a node is refused when it is loaded: a wrong answer is worse than none.

use rten_onnx::onnx::{DataType, NodeProto};

use super::WAY_OUT;
use super::facts::{Fact, Range};
use super::infer::passed_on;
use super::node::NodeExt;

/// Checks that a node is computed as ONNX says.
///
/// # Errors
/// Why it is not, to follow the node's description.
pub(super) fn check(
    node: &NodeProto,
    inputs: &[Option<&Fact>],
    outputs: &[Fact],
    opset: i64,
) -> Result<(), String> {
    let checks = [
        wide_constants(node, inputs),
        doubles(node, inputs, outputs),
        attributes(node, inputs, opset),
    ];
    match checks.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some(error) => Err(format!("{error}: {WAY_OUT}")),
    }
}

/// rten keeps the nearest integer of 32 bits of a constant, which is right where it only stands for
/// a far end.
fn wide_constants(node: &NodeProto, inputs: &[Option<&Fact>]) -> Result<(), String> {
    let far_end = |index: usize| match node.operator() {
        "Slice" => index >= 1,
        "NonMaxSuppression" => index == 2,
        operator => passed_on(operator).is_some_and(|passed| passed.contains(&index)),
    };
    let beyond = inputs
        .iter()
        .enumerate()
        .filter(|(index, _)| !far_end(*index))
        .find_map(|(_, fact)| fact.as_ref()?.beyond());
    match beyond {
        Some(wide) => Err(format!(
            "computes with the integer {wide}, which needs more than the 32 bits that a model run \
                in process has"
        )),
        None => Ok(()),
    }
}

/// FP64 is computed as FP32: right where elements are only passed on or compared, and FP32 has all
/// of them.
fn doubles(node: &NodeProto, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Result<(), String> {
    let is_double = |fact: &Fact| fact.element == Some(DataType::DOUBLE);
    let mut given = inputs.iter().flatten().filter(|fact| is_double(fact)).peekable();
    if given.peek().is_none() && !outputs.iter().any(is_double) {
        return Ok(());
    }
    let exact = given.all(|fact| fact.exact);
    let first = inputs.first().copied().flatten();
    let right = match node.operator() {
        "Cast" | "CastLike" if outputs.iter().any(is_double) => {
            first.is_some_and(|fact| match fact.element {
                Some(
                    DataType::FLOAT
                    | DataType::FLOAT16
                    | DataType::BOOL
                    | DataType::INT8
                    | DataType::UINT8,
                ) => true,
                Some(DataType::INT64 | DataType::INT32) => {
                    fact.range.least >= -(1 << 24) && fact.range.greatest <= 1 << 24
                }
                _ => exact,
            })
        }
        // The nearest of FP32 is the nearest of FP32.
        "Cast" | "CastLike" => {
            exact || outputs.iter().all(|fact| fact.element == Some(DataType::FLOAT))
        }
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "IsNaN" | "IsInf"
        | "ArgMax" | "ArgMin" | "NonZero" | "Neg" | "Abs" | "If" | "Loop" | "ConstantOfShape" => {
            exact
        }
        operator => passed_on(operator).is_some() && exact,
    };
    match right {
        true => Ok(()),
        false => Err("computes with FP64 (DOUBLE), of which a model run in process has no more \
            than FP32's precision"
            .to_owned()),
    }
}

/// Attributes, inputs and outputs that rten takes for others, or refuses only when it runs.
fn attributes(node: &NodeProto, inputs: &[Option<&Fact>], opset: i64) -> Result<(), String> {
    if !node.is_standard() {
        return match (node.domain.as_deref(), node.operator()) {
            // rten infers the shapes of its outputs as if its weights lay as those of LSTM.
            (Some("com.microsoft"), "DynamicQuantizeLSTM") => {
                Err("is not computed in process".to_owned())
            }
            _ => Ok(()),
        };
    }
    let used =
        |names: &[String], index: usize| names.get(index).is_some_and(|name| !name.is_empty());
    let fact = |index: usize| inputs.get(index).copied().flatten();
    let spatial = node.attribute("kernel_shape").map(|kernel| kernel.ints.len());
    let of_weights = fact(1).and_then(|fact| fact.rank).map(|rank| rank.saturating_sub(2));
    let refused = match node.operator() {
        "Conv" | "ConvTranspose" | "ConvInteger"
            if spatial.or(of_weights).is_some_and(|spatial| spatial > 2) =>
        {
            "has three spatial dimensions"
        }
        "MaxPool" | "AveragePool" if spatial.is_some_and(|spatial| spatial > 2) => {
            "has three spatial dimensions"
        }
        "Conv" | "ConvTranspose" | "ConvInteger" | "MaxPool" | "AveragePool"
            if node.text("auto_pad") == Some("SAME_LOWER") =>
        {
            "has auto_pad SAME_LOWER"
        }
        "ConvInteger" if is_padded(node) && used(&node.input, 3) && !is_zero(fact(3)) => {
            "has padding and a w_zero_point other than 0"
        }
        "MaxPool" if used(&node.output, 1) => "has the output Indices",
        "Pad" if used(&node.input, 3) => "has the input axes",
        "GridSample" if fact(0).and_then(|fact| fact.rank).is_some_and(|rank| rank > 4) => {
            "has three spatial dimensions"
        }
        "GRU" if node.integer("linear_before_reset").unwrap_or(0) == 0 => {
            "has linear_before_reset 0"
        }
        "PRelu" if opset < 7 => "is of an opset before 7",
        "LayerNormalization"
            if (used(&node.output, 1) || used(&node.output, 2))
                && fact(0).and_then(|fact| fact.rank).is_none() =>
        {
            "has the outputs Mean and InvStdDev"
        }
        "Dropout"
            if used(&node.input, 2)
                && fact(2).is_none_or(|training| training.constant.as_deref() != Some(&[0.0])) =>
        {
            "is in training mode"
        }
        "DFT" | "STFT" => "needs more than FP32's precision",
        "RandomUniform" | "RandomUniformLike" | "Multinomial" => "draws random numbers",
        "AveragePool"
            if node.integer("count_include_pad") == Some(1)
                && node.integer("ceil_mode") == Some(1) =>
        {
            "has count_include_pad and ceil_mode"
        }
        operator
            if OF_FLOATS.contains(&operator)
                && fact(0).and_then(|fact| fact.element).is_some()
                && !fact(0).is_some_and(Fact::is_float) =>
        {
            "has an input of integers"
        }
        "Resize"
            if fact(0).is_some_and(|fact| fact.element.is_some() && !fact.is_float())
                && !is_small_and_nearest(node, fact(0)) =>
        {
            "has an input of integers"
        }
        "Resize" if far_from_aligned(node, inputs) => {
            "has coordinate_transformation_mode align_corners with scales that are not whole"
        }
        _ => return Ok(()),
    };
    Err(format!("{refused}, which is not computed in process"))
}

/// Reports whether a convolution may reach beyond the edges of its input.
fn is_padded(node: &NodeProto) -> bool {
    match node.text("auto_pad") {
        None | Some("NOTSET") => {
            node.attribute("pads").is_some_and(|pads| pads.ints.iter().any(|pad| *pad != 0))
        }
        Some(mode) => mode != "VALID",
    }
}

/// Reports whether all elements of an integer constant are known to be 0.
fn is_zero(fact: Option<&Fact>) -> bool {
    fact.is_some_and(|fact| fact.constant.is_some() && fact.range == Range::new(0, 0))
}

/// Operators that ONNX has for integers too, and rten for floats only.
const OF_FLOATS: [&str; 8] = [
    "MatMul",
    "Gemm",
    "Einsum",
    "ReduceMean",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "PRelu",
];

fn is_small_and_nearest(node: &NodeProto, input: Option<&Fact>) -> bool {
    let is_small =
        matches!(input.and_then(|fact| fact.element), Some(DataType::UINT8 | DataType::INT8));
    is_small && matches!(node.text("mode"), None | Some("nearest"))
}

/// Whether the corners of a size that is no whole number would be aligned: rten, as ONNX Runtime,
/// takes the size that was cut.
fn far_from_aligned(node: &NodeProto, inputs: &[Option<&Fact>]) -> bool {
    let given = |index: usize| node.input.get(index).is_some_and(|name| !name.is_empty());
    let scales = || inputs.get(2).copied().flatten().and_then(|fact| fact.constant.as_ref());
    node.text("coordinate_transformation_mode") == Some("align_corners")
        && given(2)
        && !(given(3) && scales().is_none_or(Vec::is_empty))
        && scales().is_none_or(|scales| {
            scales.is_empty() || scales.iter().any(|scale| scale.fract() != 0.0)
        })
}
