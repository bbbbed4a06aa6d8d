//! Nodes that ONNX Runtime computes otherwise than ONNX says, found by the operator tests of ONNX
//! (`docs/models.md`). A model with such a node is refused when it is loaded.

use rten_onnx::onnx::{GraphProto, NodeProto, TensorProto};

use super::super::graph::NodeExt;

/// The ways out for a model that ONNX Runtime refuses, or that it computes otherwise.
const WAY_OUT: &str = "export the model without it, or ask a Triton server for it by another of its \
    backends (TRITON_URL)";

/// Checks that the nodes of a graph, and of the graphs in them, are computed as ONNX says.
///
/// # Errors
/// The first that is not.
pub(super) fn check(graph: &GraphProto) -> Result<(), String> {
    within(&[graph])
}

fn within(graphs: &[&GraphProto]) -> Result<(), String> {
    let Some(graph) = graphs.last() else { return Ok(()) };
    for node in &graph.node {
        if let Some(refused) = refused(node, graphs).filter(|_| node.is_standard()) {
            return Err(format!(
                "{} {refused}, which ONNX Runtime computes otherwise than ONNX says: {WAY_OUT}",
                node.described()
            ));
        }
        for inner in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
            within(&[graphs, &[inner]].concat())?;
        }
    }
    Ok(())
}

fn refused(node: &NodeProto, graphs: &[&GraphProto]) -> Option<&'static str> {
    let given = |index: usize| node.input.get(index).filter(|name| !name.is_empty());
    match node.operator() {
        "AveragePool"
            if node.integer("count_include_pad") == Some(1)
                && node.integer("ceil_mode") == Some(1) =>
        {
            Some("has count_include_pad and ceil_mode")
        }
        "MaxUnpool" if given(2).is_some() => Some("has the input output_shape"),
        "Resize"
            if node.text("coordinate_transformation_mode") == Some("align_corners")
                && given(3).is_none()
                && !given(2).is_some_and(|scales| are_whole(scales, graphs)) =>
        {
            Some("has coordinate_transformation_mode align_corners with scales that are not whole")
        }
        _ => None,
    }
}

/// Reports whether a value is a constant of whole numbers.
fn are_whole(name: &str, graphs: &[&GraphProto]) -> bool {
    let constant = |graph: &&&GraphProto| {
        let initializer =
            graph.initializer.iter().find(|tensor| tensor.name.as_deref() == Some(name));
        let made = |node: &&NodeProto| node.output.first().is_some_and(|output| output == name);
        match initializer {
            Some(tensor) => floats(tensor),
            None => {
                let attribute = graph.node.iter().find(made)?.attribute.first()?;
                attribute.t.as_ref().map_or_else(|| Some(attribute.floats.clone()), floats)
            }
        }
    };
    let found = graphs.iter().rev().find_map(|graph| constant(&graph));
    found
        .is_some_and(|scales| !scales.is_empty() && scales.iter().all(|scale| scale.fract() == 0.0))
}

fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let raw = tensor.raw_data.as_ref().map(|raw| raw.borrow().clone());
    match raw {
        None => Some(tensor.float_data.clone()),
        Some(raw) => {
            Some(raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
    }
}

/// Returns ONNX Runtime's own text on a model that it does not load, with the way out. Places in
/// its source are left out.
pub(super) fn reason(text: &str) -> String {
    let text = text.rsplit(" was false. ").next().unwrap_or(text);
    let text = text.strip_prefix("Load model from memory failed:").unwrap_or(text).trim();
    format!("ONNX Runtime: {}: {WAY_OUT}", keynet_base::quote::shown(text.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_refusal_names_no_place_in_onnx_runtimes_source() {
        let text = "Exception during initialization: /onnxruntime_src/rnn.h:48 onnxruntime::RNN \
            layout_ == 0 was false. Batchwise recurrent operations are not supported.";
        let reason = reason(text);
        assert!(
            reason.starts_with("ONNX Runtime: Batchwise recurrent operations are not supported: "),
            "{reason}"
        );
    }
}
