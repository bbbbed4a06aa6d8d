//! What an operator makes of what is known of its inputs.

use rten_onnx::onnx::{DataType, NodeProto};

use super::facts::{Fact, LARGEST, Range};
use super::node::NodeExt;

/// The facts of a node's inputs; `None` for one that is left out.
pub(super) type Inputs<'a> = [Option<&'a Fact>];

/// The inputs whose elements an operator passes on without computing anything of them. `None` for
/// an operator that computes.
pub(super) fn passed_on(operator: &str) -> Option<&'static [usize]> {
    Some(match operator {
        "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose" | "Flatten" | "Gather"
        | "GatherElements" | "GatherND" | "Slice" | "Split" | "Expand" | "Tile"
        | "DepthToSpace" | "SpaceToDepth" | "Trilu" | "Dropout" | "ReduceMax" | "ReduceMin"
        | "TopK" | "MaxPool" | "GlobalMaxPool" | "ReverseSequence" | "Shape" | "Size"
        | "EyeLike" => &[0],
        "Concat" | "Max" | "Min" => &[0, 1, 2, 3, 4, 5, 6, 7],
        "Where" => &[1, 2],
        "Pad" => &[0, 2],
        "Clip" => &[0, 1, 2],
        "OneHot" => &[2],
        "ScatterElements" | "ScatterND" | "Scatter" => &[0, 2],
        _ => return None,
    })
}

/// The element type of each output.
fn elements(node: &NodeProto, inputs: &Inputs<'_>) -> [Option<DataType>; 3] {
    let input = |index: usize| inputs.get(index).copied().flatten().and_then(|fact| fact.element);
    let named = |name: &str| {
        node.integer(name).and_then(|element| i32::try_from(element).ok()).map(DataType)
    };
    let one = |element| [element; 3];
    match node.operator() {
        "Cast" | "BitCast" => one(named("to")),
        "CastLike" => one(input(1)),
        "Shape" | "Size" | "ArgMax" | "ArgMin" | "NonZero" | "NonMaxSuppression"
        | "SequenceLength" => one(Some(DataType::INT64)),
        "TopK" | "MaxPool" => [input(0), Some(DataType::INT64), None],
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Not"
        | "Xor" | "IsInf" | "IsNaN" => one(Some(DataType::BOOL)),
        "ConstantOfShape" => one(node
            .attribute("value")
            .map_or(Some(DataType::FLOAT), |value| value.t.as_ref()?.data_type)),
        "EyeLike" | "RandomNormalLike" | "RandomUniformLike" => one(named("dtype").or(input(0))),
        "RandomNormal" | "RandomUniform" => one(named("dtype").or(Some(DataType::FLOAT))),
        "Multinomial" => one(named("dtype").or(Some(DataType::INT32))),
        "Where" => one(input(1)),
        "OneHot" => one(input(2)),
        "QuantizeLinear" => one(named("output_dtype")
            .filter(|element| element.0 != 0)
            .or(input(2))
            .or(Some(DataType::UINT8))),
        "DynamicQuantizeLinear" => {
            [Some(DataType::UINT8), Some(DataType::FLOAT), Some(DataType::UINT8)]
        }
        "DequantizeLinear" => one(input(1)),
        "MatMulInteger" | "ConvInteger" => one(Some(DataType::INT32)),
        "Dropout" => [input(0), Some(DataType::BOOL), None],
        operator if operator.starts_with("Sequence") || operator.ends_with("Sequence") => one(None),
        _ if node.is_standard() => one(input(0)),
        _ => one(input(0).filter(|element| *element == DataType::FLOAT)),
    }
}

/// The integers that an operator computes, before they are cut to 32 bits. `None` for any.
fn range(node: &NodeProto, inputs: &Inputs<'_>, most_elements: i64) -> Option<Range> {
    let known = |index: usize| inputs.get(index).copied().flatten().map(|fact| fact.range);
    let both = |operation: fn(i64, i64) -> i64| Some(known(0)?.combine(known(1)?, operation));
    let all = |operation: fn(Range, Range) -> Range| {
        inputs.iter().flatten().map(|fact| fact.range).reduce(operation)
    };
    match node.operator() {
        "Shape" | "Size" => Some(Range::new(0, most_elements)),
        "ArgMax" | "ArgMin" | "NonZero" | "NonMaxSuppression" => Some(Range::new(0, most_elements)),
        "Add" => both(i64::saturating_add),
        "Sub" => both(i64::saturating_sub),
        "Mul" => both(i64::saturating_mul),
        "Sum" => all(|one, other| one.combine(other, i64::saturating_add)),
        "Neg" => Some(Range::new(0, 0).combine(known(0)?, i64::saturating_sub)),
        "Abs" => {
            let Range { least, greatest } = known(0)?;
            Some(Range::new(
                if least <= 0 && greatest >= 0 { 0 } else { least.abs().min(greatest.abs()) },
                least.abs().max(greatest.abs()),
            ))
        }
        "Div" => {
            let (Range { least, greatest }, divisor) = (known(0)?, known(1)?);
            let most = least.abs().max(greatest.abs());
            Some(if divisor.least > 0 {
                Range::new(least.min(0), greatest.max(0))
            } else {
                Range::new(-most, most)
            })
        }
        "Mod" => {
            let divisor = known(1)?;
            let most = divisor.least.abs().max(divisor.greatest.abs()) - 1;
            Some(Range::new(
                if divisor.least > 0 && node.integer("fmod") != Some(1) { 0 } else { -most },
                most,
            ))
        }
        "Max" => all(|one, other| {
            Range::new(one.least.max(other.least), one.greatest.max(other.greatest))
        }),
        "Min" => all(|one, other| {
            Range::new(one.least.min(other.least), one.greatest.min(other.greatest))
        }),
        "Clip" => {
            let (least, greatest) =
                (known(1).unwrap_or(Range::ALL).least, known(2).unwrap_or(Range::ALL).greatest);
            let given = known(0)?;
            Some(Range::new(
                given.least.max(least).min(greatest),
                given.greatest.min(greatest).max(least),
            ))
        }
        "Range" => Some(known(0)?.hull(known(1)?)),
        "Relu" => Some(known(0)?.combine(Range::new(0, 0), i64::max)),
        "Sign" => Some(Range::new(-1, 1)),
        "Pad" => Some(known(0)?.hull(known(2).unwrap_or(Range::new(0, 0)))),
        "Trilu" => Some(known(0)?.hull(Range::new(0, 0))),
        "EyeLike" => Some(Range::BOOL),
        "Cast" | "CastLike" => known(0),
        "ScatterElements" | "ScatterND"
            if matches!(node.text("reduction"), Some("add" | "mul")) =>
        {
            None
        }
        operator => {
            let passed = passed_on(operator)?;
            let ranges = inputs.iter().enumerate().filter(|(index, _)| passed.contains(index));
            ranges.filter_map(|(_, fact)| Some(fact.as_ref()?.range)).reduce(Range::hull)
        }
    }
}

/// The number of dimensions of the first output, where it follows from those of the inputs.
fn rank(node: &NodeProto, inputs: &Inputs<'_>) -> Option<usize> {
    let of = |index: usize| inputs.get(index).copied().flatten()?.rank;
    let reduces =
        node.operator().starts_with("Reduce") || matches!(node.operator(), "ArgMax" | "ArgMin");
    match node.operator() {
        "Shape" => Some(1),
        "Flatten" | "NonZero" | "NonMaxSuppression" | "Gemm" => Some(2),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Max" | "Min" | "Sum" | "Where"
        | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or"
        | "Xor" => {
            let ranks: Option<Vec<usize>> = inputs.iter().map(|fact| fact.as_ref()?.rank).collect();
            ranks?.into_iter().max()
        }
        "Cast"
        | "CastLike"
        | "Relu"
        | "Transpose"
        | "Softmax"
        | "LogSoftmax"
        | "Sigmoid"
        | "Identity"
        | "Conv"
        | "ConvTranspose"
        | "MaxPool"
        | "AveragePool"
        | "BatchNormalization"
        | "Neg"
        | "Exp"
        | "Abs"
        | "Sqrt"
        | "Tanh"
        | "Clip"
        | "LeakyRelu"
        | "Elu"
        | "Erf"
        | "Log"
        | "Resize"
        | "Pad"
        | "Concat"
        | "Slice"
        | "LayerNormalization"
        | "Dropout"
        | "Round"
        | "Floor"
        | "Ceil"
        | "Reciprocal"
        | "Gelu"
        | "HardSwish"
        | "HardSigmoid"
        | "InstanceNormalization"
        | "Tile"
        | "CumSum"
        | "Not"
        | "Split" => of(0),
        _ if reduces && node.integer("keepdims") != Some(0) => of(0),
        _ if reduces && node.attribute("axes").is_none() && node.input.len() < 2 => Some(0),
        "Unsqueeze" => {
            let given =
                inputs.get(1).copied().flatten().and_then(|fact| {
                    Some(fact.constant.as_ref()?.len()).filter(|count| *count > 0)
                });
            Some(of(0)? + given.or(node.attribute("axes").map(|axes| axes.ints.len()))?)
        }
        "Gather" => Some((of(0)? + of(1)?).checked_sub(1)?),
        _ => None,
    }
}

/// What is known of each output of a node. The ranges are those of the true results, which 32 bits
/// may not have.
pub(super) fn outputs(node: &NodeProto, inputs: &Inputs<'_>, most_elements: i64) -> Vec<Fact> {
    let elements = elements(node, inputs);
    let is_constant = inputs.iter().flatten().all(|fact| fact.constant.is_some())
        && passed_on(node.operator()).is_some();
    let fact = |index: usize| {
        let mut fact = Fact::of(elements.get(index).copied().flatten());
        let counted = matches!(node.operator(), "TopK" | "MaxPool") && index == 1;
        if counted {
            fact.range = Range::new(0, most_elements);
        } else if fact.is_integer() && index == 0 || node.operator() == "Split" {
            let from_float = matches!(node.operator(), "Cast" | "CastLike")
                && inputs.first().copied().flatten().is_none_or(may_be_float);
            fact.range = range(node, inputs, most_elements)
                .filter(|_| !from_float)
                .unwrap_or(unbounded(node));
        }
        if fact.element == Some(DataType::DOUBLE) {
            fact.exact = inputs
                .iter()
                .flatten()
                .all(|fact| fact.element != Some(DataType::DOUBLE) || fact.exact);
        }
        if index == 0 {
            fact.rank = rank(node, inputs);
            fact.constant = is_constant.then(Vec::new);
        }
        fact
    };
    (0..node.output.len()).map(fact).collect()
}

fn may_be_float(fact: &Fact) -> bool {
    fact.element.is_none() || fact.is_float()
}

/// The integers that an operator with no rule here makes: those that may leave the 32 bits, or not.
fn unbounded(node: &NodeProto) -> Range {
    match node.operator() {
        "ScatterElements" | "ScatterND" => Range::new(-LARGEST * LARGEST, LARGEST * LARGEST),
        "Pow" | "ReduceSum" | "ReduceProd" | "ReduceSumSquare" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "CumSum" | "MatMul" | "Gemm" | "Einsum" | "Cast" | "CastLike"
        | "Mean" => Range::new(-LARGEST * LARGEST, LARGEST * LARGEST),
        _ => Range::ALL,
    }
}
