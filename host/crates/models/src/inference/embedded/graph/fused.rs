//! Operators that ONNX Runtime's optimizer writes into a file where several of ONNX's stood.

use rten_onnx::onnx::NodeProto;

use super::facts::Fact;
use super::node::{Maker, NodeExt, integers};

/// Writes `FusedMatMul`: the product of two matrices, each transposed where its attribute says so,
/// times `alpha`.
///
/// # Errors
/// Why the node cannot be run in process.
pub(super) fn mat_mul(
    node: &NodeProto,
    inputs: &[Option<&Fact>],
    maker: &mut Maker,
) -> Result<(), String> {
    for name in ["transBatchA", "transBatchB"] {
        if node.integer(name).unwrap_or(0) != 0 {
            return Err(format!("has {name}, which is not computed in process"));
        }
    }
    let ([a, b], Some(output)) = (node.input.as_slice(), node.output.first()) else {
        return Err("has not two inputs and an output".to_owned());
    };
    let first = inputs.first().copied().flatten();
    let mut given = Vec::with_capacity(2);
    for (index, (input, name)) in [(a, "transA"), (b, "transB")].into_iter().enumerate() {
        let rank = inputs.get(index).copied().flatten().and_then(|fact| fact.rank);
        given.push(match (node.integer(name).unwrap_or(0), rank) {
            (0, _) | (_, Some(0 | 1)) => input.clone(),
            (_, Some(rank)) => {
                let mut axes: Vec<_> = (0..i64::try_from(rank).unwrap_or(i64::MAX)).collect();
                axes.swap(rank - 2, rank - 1);
                maker.add("Transpose", &[input], vec![integers("perm", &axes)])
            }
            (_, None) => {
                return Err(format!("has {name} for an input whose rank cannot be told"));
            }
        });
    }
    let inputs: Vec<_> = given.iter().map(String::as_str).collect();
    match node.attribute("alpha").and_then(|alpha| alpha.f).unwrap_or(1.0) {
        1.0 => maker.add_as("MatMul", &inputs, Vec::new(), output),
        alpha => {
            let product = maker.add("MatMul", &inputs, Vec::new());
            let alpha = maker.float_like(alpha, first);
            maker.add_as("Mul", &[&product, &alpha], Vec::new(), output);
        }
    }
    Ok(())
}
