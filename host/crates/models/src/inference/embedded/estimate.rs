//! How much memory a run will take, told from the shapes of its inputs before anything is
//! allocated.
//!
//! When a model is loaded, rten infers the shape of every value in its graph as arithmetic over the
//! inputs' dimensions. For a request those are evaluated, and the nodes are walked in the order of
//! the file with each value alive from the node that makes it to the last that uses it. The
//! estimate is the most that is alive at once, with one half on top for what operators need for
//! themselves and for buffers that rten keeps for reuse within the run. Weights are not counted:
//! they were there before.
//!
//! It is an estimate: fused operators need less. A size that rten cannot infer, because it depends
//! on data, counts as the largest input of the node, which is right for operators that select
//! (NonZero, NonMaxSuppression, Slice) and too little for those that grow;
//! [`super::growth`] looks at those. Subgraphs (If, Loop, Scan) count by their outputs.

use std::collections::HashMap;

use rten_onnx::onnx;

use super::graph::names_used;
use super::shapes::Shapes;
use super::size_expression::Size;

/// What is needed to estimate any run of a model.
#[derive(Debug)]
pub(super) struct MemoryModel {
    /// For each of the graph's inputs, by name: the symbol of each dimension; none where its size
    /// is fixed.
    symbols: HashMap<String, Vec<Option<String>>>,
    values: Vec<ValueSize>,
    nodes: Vec<Node>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
struct ValueSize {
    element_bytes: u64,
    shape: Option<Vec<Size>>,
    /// Weights and inputs: not allocated by a run.
    given: bool,
    /// The last node that uses it, by index; the number of nodes for the graph's outputs.
    last_use: usize,
}

#[derive(Debug)]
struct Node {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    /// Values of which it is the last user.
    frees: Vec<usize>,
}

/// The sizes of all values for one request, as far as they can be told.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    shapes: Vec<Option<Vec<u64>>>,
    elements: Vec<Option<u64>>,
}

impl Sizes {
    /// The dimensions of a value; none where they depend on data.
    pub fn shape(&self, value: usize) -> Option<&[u64]> {
        self.shapes.get(value)?.as_deref()
    }

    /// The number of elements of a value; none where it depends on data.
    pub fn elements(&self, value: usize) -> Option<u64> {
        self.elements.get(value).copied().flatten()
    }

    /// Learns what could not be told from shapes.
    pub fn set_elements(&mut self, value: usize, elements: u64) {
        self.elements.get_mut(value).into_iter().for_each(|known| *known = Some(elements));
    }
}

impl MemoryModel {
    pub fn new(graph: &onnx::GraphProto, shapes: &Shapes<'_>) -> Self {
        let names = graph.input.iter().filter_map(|info| info.name.as_deref());
        let symbols = names.map(|name| (name.to_owned(), shapes.symbols(name))).collect();
        let mut this =
            Self { symbols, values: Vec::new(), nodes: Vec::new(), by_name: HashMap::new() };
        for weight in &graph.initializer {
            let shape = weight.dims.iter().map(|size| Size::Number(*size)).collect();
            this.insert(
                weight.name.as_deref().unwrap_or_default(),
                ValueSize { element_bytes: 4, shape: Some(shape), given: true, last_use: 0 },
            );
        }
        for input in &graph.input {
            let index = this.value(input.name.as_deref().unwrap_or_default(), shapes);
            this.values.get_mut(index).into_iter().for_each(|value| value.given = true);
        }
        for (position, node) in graph.node.iter().enumerate() {
            let mut used = Vec::new();
            names_used(node, &mut used);
            let inputs: Vec<_> = used.into_iter().map(|name| this.value(name, shapes)).collect();
            let outputs: Vec<_> = node
                .output
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| this.value(name, shapes))
                .collect();
            for index in inputs.iter().chain(&outputs) {
                this.values.get_mut(*index).into_iter().for_each(|value| value.last_use = position);
            }
            this.nodes.push(Node { inputs, outputs, frees: Vec::new() });
        }
        for output in &graph.output {
            let index = this.value(output.name.as_deref().unwrap_or_default(), shapes);
            this.values
                .get_mut(index)
                .into_iter()
                .for_each(|value| value.last_use = graph.node.len());
        }
        for (index, value) in this.values.iter().enumerate() {
            this.nodes.get_mut(value.last_use).into_iter().for_each(|node| node.frees.push(index));
        }
        this
    }

    fn insert(&mut self, name: &str, value: ValueSize) -> usize {
        let index = self.values.len();
        self.values.push(value);
        self.by_name.insert(name.to_owned(), index);
        index
    }

    fn value(&mut self, name: &str, shapes: &Shapes<'_>) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let (element_bytes, shape) = (shapes.element_bytes(name), shapes.shape(name));
        self.insert(name, ValueSize { element_bytes, shape, given: false, last_use: 0 })
    }

    /// A value of the graph by its name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether the size of a value follows from the shapes of the inputs alone.
    pub fn follows_from_shapes(&self, value: usize) -> bool {
        let symbols =
            self.symbols.values().flatten().flatten().map(|symbol| (symbol.as_str(), 1)).collect();
        self.values.get(value).is_some_and(|value| value.shape(&symbols).is_some())
    }

    /// The values that go into a value, directly or not; weights and inputs excluded.
    pub fn ancestors(&self, value: usize) -> Vec<usize> {
        let mut found = vec![false; self.values.len()];
        let mark = |index: usize, found: &mut Vec<bool>| {
            found.get_mut(index).into_iter().for_each(|found| *found = true)
        };
        mark(value, &mut found);
        for node in self.nodes.iter().rev() {
            if node.outputs.iter().any(|output| found.get(*output) == Some(&true)) {
                node.outputs.iter().chain(&node.inputs).for_each(|index| mark(*index, &mut found));
            }
        }
        let computed = found
            .iter()
            .zip(&self.values)
            .enumerate()
            .filter(|(_, (found, value))| **found && !value.given);
        computed.map(|(index, _)| index).collect()
    }

    /// The sizes for inputs of these names and shapes.
    pub fn sizes<'a>(&self, inputs: impl Iterator<Item = (&'a str, &'a [i64])>) -> Sizes {
        let mut symbols: HashMap<&str, u64> = HashMap::new();
        for (name, shape) in inputs {
            for (symbol, size) in self.symbols.get(name).into_iter().flatten().zip(shape) {
                if let Some(symbol) = symbol {
                    // A symbol that two inputs share should be the same in both; if not, rten will
                    // say so.
                    let known = symbols.entry(symbol).or_default();
                    *known = (*known).max(size.unsigned_abs());
                }
            }
        }
        let shapes: Vec<_> = self.values.iter().map(|value| value.shape(&symbols)).collect();
        let product = |shape: &Vec<u64>| {
            shape.iter().fold(1_u64, |product, size| product.saturating_mul(*size))
        };
        Sizes { elements: shapes.iter().map(|shape| shape.as_ref().map(product)).collect(), shapes }
    }

    /// The bytes of every value. One that cannot be told counts as the largest input of its node.
    pub fn bytes(&self, sizes: &Sizes) -> Vec<u64> {
        let known = |(index, value): (usize, &ValueSize)| {
            value.element_bytes.saturating_mul(sizes.elements(index).unwrap_or(0))
        };
        let mut bytes: Vec<u64> = self.values.iter().enumerate().map(known).collect();
        for node in &self.nodes {
            let largest = node.inputs.iter().map(|index| at(&bytes, *index)).max().unwrap_or(0);
            for index in node.outputs.iter().filter(|index| sizes.elements(**index).is_none()) {
                bytes.get_mut(*index).into_iter().for_each(|bytes| *bytes = largest);
            }
        }
        bytes
    }

    /// The most bytes that a run has at once, its outputs included.
    pub fn most(&self, bytes: &[u64]) -> u64 {
        let (mut alive, mut most) = (0_u64, 0_u64);
        for node in &self.nodes {
            alive = node
                .outputs
                .iter()
                .fold(alive, |alive, index| alive.saturating_add(at(bytes, *index)));
            most = most.max(alive);
            for index in node
                .frees
                .iter()
                .filter(|index| self.values.get(**index).is_some_and(|value| !value.given))
            {
                alive = alive.saturating_sub(at(bytes, *index));
            }
        }
        most.saturating_add(most / 2)
    }
}

impl ValueSize {
    fn shape(&self, symbols: &HashMap<&str, u64>) -> Option<Vec<u64>> {
        self.shape.as_ref()?.iter().map(|size| size.value(symbols)).collect()
    }
}

fn at(bytes: &[u64], index: usize) -> u64 {
    bytes.get(index).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::inference::model_files::onnx_file::read_graph;

    fn bytes(model: &str, inputs: &[(&str, &[i64])]) -> u64 {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/models")
            .join(model)
            .join("1/model.onnx");
        let model = rten::Model::load_file(&file).unwrap();
        let memory = MemoryModel::new(&read_graph(&file).unwrap(), &Shapes::of_rten(&model));
        let sizes = memory.sizes(inputs.iter().copied());
        memory.most(&memory.bytes(&sizes))
    }

    #[test]
    fn what_is_alive_at_once_counts_and_half_again() {
        // x^32: the result of one product while the next is made
        assert_eq!(bytes("slow", &[("x", &[100, 100])]), 2 * 40_000 * 3 / 2);
        // column, row and their product
        assert_eq!(bytes("outer", &[("x", &[100])]), (400 + 400 + 40_000) * 3 / 2);
        assert_eq!(bytes("outer", &[("x", &[60_000])]), (2 * 240_000 + 14_400_000_000) * 3 / 2);
        assert_eq!(bytes("linear", &[("x", &[i64::MAX / 2, 3])]), u64::MAX);
    }
}
