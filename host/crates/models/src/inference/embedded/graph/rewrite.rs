//! Operators that rten computes in another way than ONNX says, written with others that it computes
//! rightly.
//!
//! | operator | rten 0.27 | here |
//! |---|---|---|
//! | `Cast` to BOOL | keeps the number, cut to an integer | `Not(Equal(Cast(x, FLOAT), 0))` |
//! | `CastLike` | as `Cast`, and forgets which type it is like | `Cast` to that type |
//! | `Sign` of FP | 1 or -1 for a zero | its product with `x ≠ 0` |
//! | `ArgMax`, `ArgMin` | the last of equal elements | of the reversed axis, counted from its end |
//! | `Softmax`, `LogSoftmax` before opset 13 | one axis | of all axes from that one on: `Flatten`, `Softmax`, `Reshape` |
//! | `FusedMatMul` of ONNX Runtime | not at all | `Transpose`, `MatMul`, `Mul` |
//! | `Conv`, pooling without `strides`, … | refused, or as if for two dimensions | the defaults of ONNX, written out |

use rten_onnx::onnx::{DataType, NodeProto};

use super::compose::compose;
use super::facts::Fact;
use super::fused;
use super::node::{Maker, NodeExt, integer, set};

/// Adds to `maker` the nodes for `node`. `opset` is the version of ONNX's own operators.
///
/// # Errors
/// Why the node cannot be run in process.
pub(super) fn rewrite(
    mut node: NodeProto,
    inputs: &[Option<&Fact>],
    opset: i64,
    maker: &mut Maker,
) -> Result<(), String> {
    if !node.is_standard() {
        return match (node.domain.as_deref(), node.operator()) {
            (Some("com.microsoft"), "FusedMatMul") => fused::mat_mul(&node, inputs, maker),
            _ => {
                maker.nodes.push(node);
                Ok(())
            }
        };
    }
    let first = inputs.first().copied().flatten();
    if compose(&node, inputs, maker) {
        return Ok(());
    }
    match node.operator() {
        "CastLike" => {
            let like = inputs.get(1).copied().flatten().and_then(|fact| fact.element);
            let like = like.ok_or("casts to the type of a value whose type cannot be told")?;
            node.op_type = Some("Cast".to_owned());
            node.input.truncate(1);
            set(&mut node, integer("to", i64::from(like.0)));
            return cast(node, maker);
        }
        "Cast" => return cast(node, maker),
        "Sign" if first.is_none_or(|fact| !fact.is_integer()) => sign(node, first, maker)?,
        "ArgMax" | "ArgMin" => {
            if first
                .is_some_and(|fact| matches!(fact.element, Some(DataType::INT8 | DataType::UINT8)))
                && let Some(input) = node.input.first_mut()
            {
                *input = maker.cast(input, DataType::INT32);
            }
            first_of_equals(node, maker);
        }
        "Softmax" | "LogSoftmax" if opset < 13 => of_all_axes(node, first, maker),
        _ => maker.nodes.push(node),
    }
    Ok(())
}

fn cast(node: NodeProto, maker: &mut Maker) -> Result<(), String> {
    if node.integer("to") != Some(i64::from(DataType::BOOL.0)) {
        maker.nodes.push(node);
        return Ok(());
    }
    let (Some(input), Some(output)) = (node.input.first(), node.output.first()) else {
        return Err("has no input or output".to_owned());
    };
    let number = maker.cast(input, DataType::FLOAT);
    let zero = maker.float(0.0);
    let equal = maker.add("Equal", &[&number, &zero], Vec::new());
    maker.add_as("Not", &[&equal], Vec::new(), output);
    Ok(())
}

/// Infinite and NaN elements too: `Sign` of NaN is NaN, of an infinity 1 or -1.
fn sign(mut node: NodeProto, input: Option<&Fact>, maker: &mut Maker) -> Result<(), String> {
    let element = input.filter(|fact| fact.is_float()).and_then(|fact| fact.element);
    let element = element.ok_or("has an input whose type cannot be told")?;
    let (Some(input), Some(output)) = (node.input.first().cloned(), node.output.first_mut()) else {
        return Err("has no input or output".to_owned());
    };
    let name = maker.name();
    let output = std::mem::replace(output, name.clone());
    maker.nodes.push(node);
    let zero = maker.float(0.0);
    let equal = maker.add("Equal", &[&input, &zero], Vec::new());
    let other = maker.add("Not", &[&equal], Vec::new());
    let factor = maker.cast(&other, element);
    maker.add_as("Mul", &[&name, &factor], Vec::new(), &output);
    Ok(())
}

fn first_of_equals(mut node: NodeProto, maker: &mut Maker) {
    let last = node.integer("select_last_index") == Some(1);
    node.attribute.retain(|attribute| attribute.name.as_deref() != Some("select_last_index"));
    let axis = node.integer("axis").unwrap_or(0);
    let (false, Some(input), Some(output)) =
        (last, node.input.first().cloned(), node.output.first().cloned())
    else {
        maker.nodes.push(node);
        return;
    };
    let [from, to, step] = [-1, i64::from(i32::MIN), -1].map(|value| maker.integers(&[value]));
    let axes = maker.integers(&[axis]);
    let reversed = maker.add("Slice", &[&input, &from, &to, &axes, &step], Vec::new());
    let found = maker.name();
    node.input = vec![reversed];
    node.output = vec![found.clone()];
    maker.nodes.push(node);
    let shape = maker.add("Shape", &[&input], Vec::new());
    let at = maker.integer(axis);
    let size = maker.add("Gather", &[&shape, &at], vec![integer("axis", 0)]);
    let one = maker.integer(1);
    let end = maker.add("Sub", &[&size, &one], Vec::new());
    maker.add_as("Sub", &[&end, &found], Vec::new(), &output);
}

fn of_all_axes(mut node: NodeProto, first: Option<&Fact>, maker: &mut Maker) {
    let axis = node.integer("axis").unwrap_or(1);
    let last = axis == -1
        || first.and_then(|fact| fact.rank).is_some_and(|rank| i64::try_from(rank) == Ok(axis + 1));
    let (Some(input), Some(output)) = (node.input.first().cloned(), node.output.first().cloned())
    else {
        return;
    };
    set(&mut node, integer("axis", -1));
    if last {
        maker.nodes.push(node);
        return;
    }
    let flat = maker.add("Flatten", &[&input], vec![integer("axis", axis)]);
    let name = maker.name();
    node.input = vec![flat];
    node.output = vec![name.clone()];
    maker.nodes.push(node);
    let shape = maker.add("Shape", &[&input], Vec::new());
    maker.add_as("Reshape", &[&name, &shape], Vec::new(), &output);
}
