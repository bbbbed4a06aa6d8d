//! Cuts a graph at the operators that are computed here.
//!
//! rten gets one graph: the outputs of those operators are inputs of it, and their inputs are
//! outputs of it. A run is a sequence of stages. Each has rten compute what the stage's own
//! operators need, and what later stages need of the nodes that are only reached now; then the
//! operators are computed here. A graph without such an operator has one stage.

use std::collections::{BTreeSet, HashMap};

use rten_onnx::onnx::{
    DataType, GraphProto, NodeProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};

use super::Guard;
use super::kernels::Kernel;
use super::node::names_used;

/// The stages of a run, in their order.
#[derive(Debug, Default)]
pub(in super::super) struct Cut {
    pub stages: Vec<Stage>,
}

/// What is done between two operators that are computed here.
#[derive(Debug, Default)]
pub(in super::super) struct Stage {
    /// What rten computes for later stages and for the model's outputs, apart from those of the
    /// last stage.
    pub values: Vec<String>,
    pub guards: Vec<Guard>,
    /// Computed when rten has: with the names of the inputs (empty where one is left out) and
    /// outputs.
    pub kernels: Vec<(Kernel, Vec<String>, Vec<String>)>,
}

/// The graph for rten, and the stages of a run.
pub(super) fn cut(
    graph: &GraphProto,
    kernels: Vec<(String, Kernel)>,
    guards: Vec<Guard>,
) -> (GraphProto, Cut) {
    let mut kernels: HashMap<String, Kernel> = kernels.into_iter().collect();
    let levels = levels(graph, &kernels);
    let level = |name: &str| levels.get(name).copied().unwrap_or(0);
    let last = graph
        .output
        .iter()
        .filter_map(|output| output.name.as_deref())
        .map(level)
        .max()
        .unwrap_or(0);
    let mut needed = vec![BTreeSet::new(); last + 1];
    let mut need = |name: &str| {
        if let Some(names) = needed.get_mut(level(name)) {
            names.insert(name.to_owned());
        }
    };
    let mut stages: Vec<Stage> = (0..=last).map(|_| Stage::default()).collect();
    let mut reduced = GraphProto { node: Vec::new(), ..graph.clone() };
    for node in &graph.node {
        let mut used = Vec::new();
        names_used(node, &mut used);
        let at = node.output.first().map_or(0, |name| level(name));
        let kernel = node.output.first().and_then(|name| kernels.remove(name));
        let Some(kernel) = kernel else {
            used.into_iter().filter(|name| level(name) < at).for_each(&mut need);
            reduced.node.push(node.clone());
            continue;
        };
        used.into_iter().for_each(&mut need);
        let infos =
            node.output.iter().enumerate().map(|(index, name)| kernel.output_info(index, name));
        reduced.input.extend(infos);
        let at = at.saturating_sub(1);
        stages.get_mut(at).into_iter().for_each(|stage| {
            stage.kernels.push((kernel.clone(), node.input.clone(), node.output.clone()))
        });
    }
    for output in graph.output.iter().filter_map(|output| output.name.as_deref()) {
        if level(output) < last {
            need(output);
        }
    }
    let computed: BTreeSet<&str> = graph
        .node
        .iter()
        .filter(|node| !is_kernel(node, &reduced))
        .flat_map(|node| &node.output)
        .map(String::as_str)
        .collect();
    let constants: BTreeSet<&str> =
        graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    for (stage, names) in stages.iter_mut().zip(needed) {
        stage.values = names
            .into_iter()
            .filter(|name| computed.contains(name.as_str()) || constants.contains(name.as_str()))
            .collect();
    }
    for guard in guards {
        let at = level(&guard.value);
        stages.get_mut(at).into_iter().for_each(|stage| stage.guards.push(guard.clone()));
    }
    let outputs: BTreeSet<_> =
        graph.output.iter().filter_map(|output| output.name.clone()).collect();
    let extra = stages
        .iter()
        .flat_map(|stage| stage.values.iter().chain(stage.guards.iter().map(|guard| &guard.value)));
    reduced
        .output
        .extend(extra.filter(|name| !outputs.contains(*name)).map(|name| info(name, None, &[])));
    // A value that rten is given is not one that it returns.
    let given: BTreeSet<_> =
        reduced.input.iter().skip(graph.input.len()).filter_map(|info| info.name.clone()).collect();
    reduced.output.retain(|output| output.name.as_ref().is_none_or(|name| !given.contains(name)));
    (reduced, Cut { stages })
}

fn is_kernel(node: &NodeProto, reduced: &GraphProto) -> bool {
    reduced
        .input
        .iter()
        .any(|info| info.name.is_some() && info.name.as_ref() == node.output.first())
}

/// How many kernels, one behind the other, a value is behind.
fn levels(graph: &GraphProto, kernels: &HashMap<String, Kernel>) -> HashMap<String, usize> {
    let mut levels: HashMap<String, usize> = HashMap::new();
    for node in &graph.node {
        let mut used = Vec::new();
        names_used(node, &mut used);
        let before = used.iter().filter_map(|name| levels.get(*name)).copied().max().unwrap_or(0);
        let is_kernel = node.output.first().is_some_and(|name| kernels.contains_key(name));
        for name in &node.output {
            levels.insert(name.clone(), before + usize::from(is_kernel));
        }
    }
    levels
}

/// A value of a type and shape; -1 for a dimension of any size.
pub(in super::super) fn info(
    name: &str,
    element: Option<DataType>,
    shape: &[i64],
) -> ValueInfoProto {
    let dim = shape.iter().map(|size| rten_onnx::onnx::Dimension {
        dim_value: Some(*size).filter(|size| *size >= 0),
        dim_param: None,
    });
    let shape = element.map(|_| TensorShapeProto { dim: dim.collect() });
    let tensor = element.map(|_| TypeProtoTensor { elem_type: element, shape });
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: tensor, sequence: None }),
    }
}
