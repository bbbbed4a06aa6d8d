//! Integers of more than 32 bits, which rten does not have.
//!
//! Inputs of a request that 32 bits do not have are refused before the run, constants when the
//! model is loaded. What remains is arithmetic whose result may leave the 32 bits, and the cast of
//! a large float. Where the ranges of its inputs do not rule that out ([`super::infer`]), a guard
//! is put beside the operator: the same operator on floats, and the number of its elements that are
//! too large (or not a number). After the run that number must be 0, else the answer is refused.
//! For most models there is no guard at all, and the values that have one are few and small.

use rten_onnx::onnx::{DataType, NodeProto};

use super::facts::Fact;
use super::node::{Maker, NodeExt, integer};

/// The largest result that is let through: below 2^31 by more than FP32 rounds there.
const LIMIT: f32 = 2_147_483_000.0;

/// The number of inputs, from the first on, that an operator computes with, for those that have a
/// guard.
fn operands(operator: &str) -> Option<usize> {
    Some(match operator {
        "ReduceSum" | "ReduceSumSquare" | "ReduceProd" | "ReduceL1" | "CumSum" | "Cast" => 1,
        "Add" | "Sub" | "Mul" | "Pow" | "MatMul" => 2,
        "Gemm" => 3,
        "Sum" | "Mean" => usize::MAX,
        _ => return None,
    })
}

/// Adds the nodes that guard `node`, and returns the name of the number that must be 0.
///
/// # Errors
/// There is no guard for such a node: why it cannot be run in process.
pub(super) fn add(
    node: &NodeProto,
    inputs: &[Option<&Fact>],
    maker: &mut Maker,
) -> Result<String, String> {
    let too_wide = || {
        "computes integers that may need more than the 32 bits that a model run in process has"
            .to_owned()
    };
    let operands = operands(node.operator()).ok_or_else(too_wide)?;
    let mut shadow = node.clone();
    for (input, fact) in shadow.input.iter_mut().zip(inputs).take(operands) {
        if fact.is_some_and(|fact| !fact.is_float()) {
            *input = maker.cast(input, DataType::FLOAT);
        }
    }
    let result = match node.operator() {
        "Cast" => shadow.input.first().cloned().ok_or_else(too_wide)?,
        _ => {
            let name = maker.name();
            shadow.output = vec![name.clone()];
            shadow.name = Some(format!("guard of {}", node.described()));
            maker.nodes.push(shadow);
            name
        }
    };
    let size = maker.add("Abs", &[&result], Vec::new());
    let limit = maker.float(LIMIT);
    let fits = maker.add("LessOrEqual", &[&size, &limit], Vec::new());
    let fails = maker.add("Not", &[&fits], Vec::new());
    let fails = maker.cast(&fails, DataType::FLOAT);
    let name = maker.add("ReduceSum", &[&fails], vec![integer("keepdims", 0)]);
    Ok(name)
}
