//! What becomes of a model's graph before rten gets it, so that the model answers as ONNX says or
//! is refused when it is loaded.
//!
//! The file is read by our own reader; then, node by node:
//!
//! * [`infer`] follows the ONNX types and the ranges of integers, which rten forgets;
//! * [`refuse`] refuses what neither rten nor anything here computes as ONNX says, naming the
//!   operator, the node and the way out;
//! * [`modernize`] writes out attributes as rten reads them;
//! * [`rewrite`] and [`compose`] write operators that rten computes otherwise, or lacks, with
//!   others that it computes rightly;
//! * [`guard`] sees to it that an integer that needs more than 32 bits is an error;
//! * [`cut`] takes out the operators that are computed here ([`kernels`]): rten runs what is before
//!   them, and what is after them.
//!
//! Nothing here knows requests or limits but those of a model.

mod compose;
mod cut;
mod facts;
mod fused;
mod guard;
mod infer;
pub(super) mod kernels;
mod modernize;
mod node;
mod refuse;
mod rewrite;
mod weights;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rten::{Model, ModelOptions, ShapeInferenceMode};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, ValueInfoProto};

pub(super) use cut::{Cut, Stage};
use facts::{Fact, Range, Scope};
use kernels::Kernel;
use node::Maker;
pub(super) use node::NodeExt;
pub(super) use node::names_used;
use weights::Weights;
pub(super) use weights::is_single;

/// What tests make graphs with.
#[cfg(test)]
pub(super) mod for_tests {
    pub(in super::super) use super::cut::info as value_info;
    pub(in super::super) use super::node::{Maker, integer};
}

/// Where a model runs that cannot be run in process.
pub(super) const WAY_OUT: &str = "ask a Triton server for it (TRITON_URL), run it with ONNX \
    Runtime's library (KEYNET_ONNXRUNTIME), or export the model without it";

/// A model ready for rten.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The file that rten reads.
    pub bytes: Vec<u8>,
    pub options: Box<ModelOptions>,
    /// All nodes, those included that rten does not get, and the inputs and outputs of the file.
    pub graph: GraphProto,
    pub cut: Cut,
    /// FP64 inputs that are only cast to FP32: of their elements the nearest of FP32 are right.
    pub rounded: HashSet<String>,
}

impl Prepared {
    /// Loads the model. rten's inference of shapes panics on a few graphs; they are loaded without
    /// it.
    ///
    /// # Errors
    /// Why rten cannot.
    pub fn load(&self) -> Result<Model, String> {
        let load = |options: &ModelOptions| {
            options.load(self.bytes.clone()).map_err(|error| format!("{error}: {WAY_OUT}"))
        };
        catch_unwind(AssertUnwindSafe(|| load(&self.options))).unwrap_or_else(|_| {
            let mut options = (*self.options).clone();
            load(options.shape_inference(ShapeInferenceMode::Off))
        })
    }
}

/// A number that must be 0 after the run.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The value's name.
    pub value: String,
    /// The node that is guarded.
    pub node: String,
}

/// Prepares a model whose large tensors are still in `file`. `most_elements` is the most that a
/// tensor may have.
///
/// # Errors
/// Why it cannot be run in process.
pub(super) fn prepare(
    model: ModelProto,
    file: &Path,
    most_elements: i64,
) -> Result<Prepared, String> {
    walked(model, file, most_elements, None)
}

/// Loads as much of a model as rten can, for the shapes of its values: another engine runs it.
/// Values that rten does not compute are inputs. `None` if it can load nothing.
pub(super) fn outline(model: ModelProto, file: &Path, most_elements: i64) -> Option<Model> {
    let load = || outlined(model, file, most_elements).ok()?.load().ok();
    catch_unwind(AssertUnwindSafe(load)).ok().flatten()
}

/// Prepares such an outline.
///
/// # Errors
/// A constant is damaged.
pub(super) fn outlined(
    model: ModelProto,
    file: &Path,
    most_elements: i64,
) -> Result<Prepared, String> {
    walked(model, file, most_elements, Some(Vec::new()))
}

/// Prepares a model. Where there are `holes`, a node that cannot be run is left out, and its
/// outputs are among them.
fn walked(
    mut model: ModelProto,
    file: &Path,
    most_elements: i64,
    holes: Option<Vec<String>>,
) -> Result<Prepared, String> {
    let mut graph = model.graph.take().unwrap_or_default();
    forget_empty_names(&mut graph);
    let standard = model
        .opset_import
        .iter()
        .find(|set| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx")));
    let opset = standard.and_then(|set| set.version).unwrap_or(1);
    let mut walk = Walk {
        weights: Weights::new(file),
        maker: Maker::default(),
        opset,
        most_elements,
        guards: Vec::new(),
        rounded: HashSet::new(),
        kernels: Vec::new(),
        holes,
    };
    let rounded = only_rounded(&graph);
    walk.rounded = rounded.clone();
    walk.graph(&mut graph, None, &[])?;
    let Walk { weights, guards, kernels, holes, .. } = walk;
    for name in holes.into_iter().flatten() {
        let declared = graph.value_info.iter().chain(&graph.output);
        let info = declared.clone().find(|info| info.name.as_deref() == Some(&*name)).cloned();
        graph.input.push(info.unwrap_or_else(|| cut::info(&name, None, &[])));
    }
    let (reduced, cut) = cut::cut(&graph, kernels, guards);
    model.graph = Some(reduced);
    // rten tells an ONNX file by it.
    model.ir_version.get_or_insert(8);
    let bytes =
        model.write_buf().map_err(|error| format!("it cannot be written for rten: {error}"))?;
    let mut options = Box::new(ModelOptions::with_all_ops());
    weights.give(&mut options);
    Ok(Prepared { bytes, options, graph, cut, rounded })
}

/// Makes dimensions whose name is empty dimensions without a name: rten would take all of them for
/// the same size.
fn forget_empty_names(graph: &mut GraphProto) {
    let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    let declared = values.filter_map(|value| value.r#type.as_mut()?.tensor_type.as_mut());
    for dimension in declared.filter_map(|tensor| tensor.shape.as_mut()).flat_map(|s| &mut s.dim) {
        dimension.dim_param.take_if(|name| name.is_empty());
    }
}

struct Walk {
    weights: Weights,
    maker: Maker,
    opset: i64,
    most_elements: i64,
    guards: Vec<Guard>,
    rounded: HashSet<String>,
    /// By the names of their nodes' first outputs.
    kernels: Vec<(String, Kernel)>,
    /// The outputs of nodes that were left out. `None` if such a node is an error.
    holes: Option<Vec<String>>,
}

impl Walk {
    /// Goes through a graph, whose inputs have what `given` says where it says anything, and
    /// returns what its outputs are.
    fn graph(
        &mut self,
        graph: &mut GraphProto,
        outer: Option<&Scope<'_>>,
        given: &[Option<Fact>],
    ) -> Result<Vec<Option<Fact>>, String> {
        let mut scope = Scope { outer, ..Scope::default() };
        for (index, info) in graph.input.iter().enumerate() {
            let declared = Fact::declared(info);
            let mut fact = given.get(index).cloned().flatten().unwrap_or(declared);
            // The elements of a request's FP64 inputs are looked at when they come.
            fact.exact |= outer.is_none()
                && info.name.as_ref().is_none_or(|name| !self.rounded.contains(name));
            scope.insert(info.name.as_deref().unwrap_or_default(), fact);
        }
        for tensor in &mut graph.initializer {
            let name = tensor.name.clone().unwrap_or_default();
            let fact = self.weights.read(tensor).map_err(|error| {
                format!("the constant {} {error}", keynet_base::quote::quoted(&name))
            })?;
            scope.insert(&name, fact);
        }
        let outside = std::mem::take(&mut self.maker.nodes);
        let walked = self.nodes(std::mem::take(&mut graph.node), &mut scope);
        graph.node = std::mem::replace(&mut self.maker.nodes, outside);
        walked?;
        if self.holes.is_some() && outer.is_none() {
            return Ok(Vec::new());
        }
        graph.output.iter().map(|info| output_fact(info, &scope)).collect()
    }

    fn nodes(&mut self, nodes: Vec<NodeProto>, scope: &mut Scope<'_>) -> Result<(), String> {
        let outermost = scope.outer.is_none();
        for node in nodes {
            let (described, outputs) = (node.described(), node.output.clone());
            let made = self.maker.nodes.len();
            let Err(error) = self.node(node, scope, outermost) else { continue };
            match &mut self.holes {
                Some(holes) if outermost => {
                    self.maker.nodes.truncate(made);
                    holes.extend(outputs.into_iter().filter(|output| !output.is_empty()));
                }
                _ => return Err(format!("{described} {error}")),
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        mut node: NodeProto,
        scope: &mut Scope<'_>,
        outermost: bool,
    ) -> Result<(), String> {
        if node.operator() == "Constant" && node.is_standard() {
            let fact = self.constant(&mut node)?;
            scope.insert(node.output.first().map_or("", String::as_str), fact);
            self.maker.nodes.push(node);
            return Ok(());
        }
        if node.name.as_deref().unwrap_or_default().is_empty() {
            // So that rten's own errors name it; no value is called so.
            node.name = node.output.first().map(|output| format!("node of {output}"));
        }
        for attribute in &mut node.attribute {
            if let Some(tensor) = &mut attribute.t {
                self.weights.read(tensor)?;
            }
        }
        let inner = self.subgraphs(&mut node, scope)?;
        let inputs: Vec<_> = node.input.iter().map(|name| scope.get(name)).collect();
        let mut outputs = infer::outputs(&node, &inputs, self.most_elements);
        for (output, fact) in outputs.iter_mut().zip(inner) {
            *output = fact;
        }
        modernize::modernize(&mut node, &inputs, self.opset);
        refuse::check(&node, &inputs, &outputs, self.opset)?;
        let kernel = Kernel::of(&node).map_err(|error| format!("{error}: {WAY_OUT}"))?;
        let (guarded, names) = (node.clone(), node.output.clone());
        match kernel {
            Some(_) if !outermost => {
                return Err(format!(
                    "stands inside a subgraph, where it cannot be run in process: {WAY_OUT}"
                ));
            }
            Some(kernel) => {
                self.kernels.push((names.first().cloned().unwrap_or_default(), kernel));
                self.maker.nodes.push(node);
            }
            None => rewrite::rewrite(node, &inputs, self.opset, &mut self.maker)
                .map_err(|error| format!("{error}: {WAY_OUT}"))?,
        }
        if outputs
            .iter()
            .any(|fact| fact.is_integer() && !fact.range.fits() && fact.constant.is_none())
        {
            if !outermost {
                return Err(format!(
                    "stands inside a subgraph and computes integers that may need more than the 32 \
                        bits that a model run in process has: {WAY_OUT}"
                ));
            }
            let value = guard::add(&guarded, &inputs, &mut self.maker)
                .map_err(|error| format!("{error}: {WAY_OUT}"))?;
            self.guards.push(Guard { value, node: guarded.described() });
        }
        for (name, mut fact) in names.iter().zip(outputs) {
            if fact.constant.is_none() {
                fact.range = fact.range.clamped();
            }
            scope.insert(name, fact);
        }
        Ok(())
    }

    fn constant(&mut self, node: &mut NodeProto) -> Result<Fact, String> {
        let Some(attribute) = node.attribute.first_mut() else {
            return Err("has no value".to_owned());
        };
        if let Some(tensor) = &mut attribute.t {
            return self.weights.read(tensor);
        }
        let constant = Fact { constant: Some(Vec::new()), ..Fact::of(None) };
        let integers = |values: &[i64], rank| {
            let range = values
                .iter()
                .map(|value| Range::new(*value, *value))
                .reduce(Range::hull)
                .unwrap_or(Range::new(0, 0));
            let element = Some(DataType::INT64);
            Fact {
                element,
                range,
                constant: Some(values.iter().map(|value| *value as f64).collect()),
                rank: Some(rank),
                ..Fact::of(None)
            }
        };
        Ok(match attribute.name.as_deref() {
            Some("value_int") => integers(&[attribute.i.unwrap_or_default()], 0),
            Some("value_ints") => integers(&attribute.ints, 1),
            Some("value_float") => {
                let number = vec![attribute.f.unwrap_or_default().into()];
                Fact {
                    element: Some(DataType::FLOAT),
                    rank: Some(0),
                    constant: Some(number),
                    ..constant
                }
            }
            Some("value_floats") => {
                let numbers = attribute.floats.iter().map(|number| f64::from(*number)).collect();
                Fact {
                    element: Some(DataType::FLOAT),
                    rank: Some(1),
                    constant: Some(numbers),
                    ..constant
                }
            }
            _ => constant,
        })
    }

    /// Goes through the graphs in a node's attributes, and returns what is known of the node's
    /// outputs by them.
    fn subgraphs(&mut self, node: &mut NodeProto, scope: &Scope<'_>) -> Result<Vec<Fact>, String> {
        let is_loop = node.operator() == "Loop";
        let carried =
            node.input.iter().skip(2).map(|name| {
                scope.get(name).map(|fact| Fact { rank: None, ..Fact::of(fact.element) })
            });
        let count =
            Fact { range: Range::new(0, facts::LARGEST - 1), ..Fact::of(Some(DataType::INT64)) };
        let given: Vec<_> = match is_loop {
            true => [Some(count), None].into_iter().chain(carried).collect(),
            false => Vec::new(),
        };
        let mut outputs: Option<Vec<Option<Fact>>> = None;
        for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
            let found = self.graph(graph, Some(scope), &given)?;
            outputs = Some(match outputs {
                None => found,
                Some(other) => other
                    .iter()
                    .zip(&found)
                    .map(|(one, other)| Some(one.as_ref()?.or(other.as_ref()?)))
                    .collect(),
            });
        }
        // The first output of a loop's body is its condition. What it passes on may have any value
        // of its type.
        let outputs = outputs.unwrap_or_default().into_iter().skip(usize::from(is_loop));
        Ok(outputs
            .map(|fact| match fact {
                Some(fact) if is_loop => Fact::of(fact.element),
                Some(fact) => fact,
                None => Fact::of(None),
            })
            .collect())
    }
}

/// The FP64 inputs of a graph that are only cast to FP32.
fn only_rounded(graph: &GraphProto) -> HashSet<String> {
    let is_double = |info: &&ValueInfoProto| Fact::declared(info).element == Some(DataType::DOUBLE);
    let mut rounded: HashSet<String> =
        graph.input.iter().filter(is_double).filter_map(|info| info.name.clone()).collect();
    for node in graph.node.iter().filter(|node| {
        node.operator() != "Cast" || node.integer("to") != Some(i64::from(DataType::FLOAT.0))
    }) {
        let mut used = Vec::new();
        names_used(node, &mut used);
        for name in used {
            rounded.remove(name);
        }
    }
    for name in graph.output.iter().filter_map(|output| output.name.as_ref()) {
        rounded.remove(name);
    }
    rounded
}

/// What is known of a graph's output.
///
/// # Errors
/// It has elements that are not what ONNX says.
fn output_fact(info: &ValueInfoProto, scope: &Scope<'_>) -> Result<Option<Fact>, String> {
    let name = info.name.as_deref().unwrap_or_default();
    let fact = scope.get(name);
    if let Some(wide) = fact.and_then(Fact::beyond) {
        return Err(format!(
            "the output {} has the integer {wide}, which needs more than 32 bits: {WAY_OUT}",
            keynet_base::quote::quoted(name)
        ));
    }
    Ok(fact.cloned())
}
