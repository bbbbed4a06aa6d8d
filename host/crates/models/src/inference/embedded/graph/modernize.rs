//! Attributes of old opsets, and defaults that rten takes for others, written out as rten reads
//! them.

use rten_onnx::onnx::NodeProto;

use super::facts::Fact;
use super::node::{NodeExt, integer, integers, set};

/// Writes a node of an old opset, or with a default that rten takes for another, as rten reads it.
pub(super) fn modernize(node: &mut NodeProto, inputs: &[Option<&Fact>], opset: i64) {
    let remove = |node: &mut NodeProto, name: &str| {
        node.attribute.retain(|attribute| attribute.name.as_deref() != Some(name))
    };
    match node.operator() {
        "Resize" if opset < 11 => node.op_type = Some("Upsample".to_owned()),
        "BatchNormalization" | "Dropout"
            if node.integer("is_test").is_some_and(|test| test != 0) =>
        {
            remove(node, "is_test")
        }
        "Gemm" => remove(node, "broadcast"),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" if node.attribute("broadcast").is_some() => {
            // Without an axis the dimensions are aligned at the last, as they are today.
            let rank =
                |index: usize| inputs.get(index).copied().flatten().and_then(|fact| fact.rank);
            let last = node.integer("axis").is_none_or(|axis| match (rank(0), rank(1)) {
                (Some(of_first), Some(of_second)) => {
                    i64::try_from(of_first - of_second.min(of_first)) == Ok(axis)
                }
                _ => false,
            });
            if last {
                remove(node, "broadcast");
                remove(node, "axis");
            }
        }
        "Conv" | "ConvTranspose" | "ConvInteger" => {
            let rank =
                |index: usize| inputs.get(index).copied().flatten().and_then(|fact| fact.rank);
            defaults(
                node,
                rank(1).or(rank(0)).map(|rank| rank.saturating_sub(2)),
                &["strides", "dilations"],
            );
        }
        "MaxPool" | "AveragePool" => defaults(node, None, &["strides"]),
        "QuantizeLinear" if node.integer("axis").is_none() => set(node, integer("axis", 1)),
        _ => {}
    }
    if matches!(node.operator(), "MaxPool" | "AveragePool" | "Conv")
        && node.text("auto_pad") == Some("SAME_LOWER")
    {
        same_lower(node);
    }
}

/// Where nothing is skipped the padding follows from the kernel alone, and the larger half of it is
/// at the beginning.
fn same_lower(node: &mut NodeProto) {
    let ints = |name: &str| {
        node.attribute(name).map(|attribute| attribute.ints.clone()).unwrap_or_default()
    };
    let (kernel, strides, dilations) = (ints("kernel_shape"), ints("strides"), ints("dilations"));
    if kernel.is_empty() || strides.iter().any(|stride| *stride != 1) {
        return;
    }
    let total = |(at, size): (usize, &i64)| (size - 1) * dilations.get(at).copied().unwrap_or(1);
    let totals: Vec<i64> = kernel.iter().enumerate().map(total).collect();
    let begin = totals.iter().map(|total| (total + 1) / 2);
    let pads: Vec<i64> = begin.chain(totals.iter().map(|total| total / 2)).collect();
    node.attribute.retain(|attribute| attribute.name.as_deref() != Some("auto_pad"));
    set(node, integers("pads", &pads));
}

/// Writes out attributes whose default is a 1 for every spatial dimension.
fn defaults(node: &mut NodeProto, of_weights: Option<usize>, names: &[&str]) {
    let given = node.attribute("kernel_shape").map(|kernel| kernel.ints.len());
    let Some(spatial) = given.or(of_weights).filter(|spatial| *spatial > 0) else { return };
    for name in names {
        if node.attribute(name).is_none_or(|values| values.ints.is_empty()) {
            set(node, integers(name, &vec![1; spatial]));
        }
    }
    let padded = matches!(node.text("auto_pad"), None | Some("" | "NOTSET" | "VALID"));
    if padded && node.attribute("pads").is_none() {
        set(node, integers("pads", &vec![0; spatial * 2]));
    }
}
