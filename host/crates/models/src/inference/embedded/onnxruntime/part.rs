//! The parts of a model that compute a size, each a model of its own: [`super::super::growth`] asks
//! them before a run.

use std::collections::{HashMap, HashSet};

use ort::value::{DynValue, PrimitiveTensorElementType};
use rten_onnx::onnx::GraphProto;

use super::super::super::NamedTensor;
use super::super::graph::names_used;
use super::library::Library;
use super::session::{Session, Stop};
use super::{file, values};

/// The most bytes of a part: what computes a size by little arithmetic has few weights.
const MOST_BYTES: usize = 4 << 20;

/// The parts of a model, by the values that they compute.
#[derive(Debug, Default)]
pub(in super::super) struct Parts(HashMap<String, Part>);

#[derive(Debug)]
struct Part {
    session: Session,
    inputs: HashSet<String>,
}

impl Parts {
    /// Makes the parts that compute `values`. One that is too large, or that cannot be loaded
    /// alone, is left out.
    pub fn new(library: &Library, model: &[u8], graph: &GraphProto, values: &[String]) -> Self {
        let part = |value: &String| {
            let (nodes, used) = ancestors(graph, value);
            let bytes = file::part(model, &nodes, &used, value).ok()?;
            if bytes.len() > MOST_BYTES {
                return None;
            }
            let session = Session::new(library, &bytes).ok()?;
            let inputs = used.iter().map(|name| (*name).to_owned()).collect();
            Some((value.clone(), Part { session, inputs }))
        };
        Self(values.iter().filter_map(part).collect())
    }

    /// The elements of a value for the inputs of a request, if it has at most `most`.
    pub fn compute(&self, value: &str, inputs: &[NamedTensor], most: usize) -> Option<Vec<f64>> {
        if let Some(given) = inputs.iter().find(|given| given.name == value) {
            return numbers(&*values::to_ort(&given.tensor).ok()?, most);
        }
        let part = self.0.get(value)?;
        let used: Vec<_> =
            inputs.iter().filter(|given| part.inputs.contains(&given.name)).cloned().collect();
        let computed = part.session.run(&used, [value].into_iter(), &Stop::new().ok()?).ok()?;
        numbers(computed.first()?, most)
    }
}

/// The places of the nodes that go into a value, and the names of all values that these use.
fn ancestors<'a>(graph: &'a GraphProto, value: &'a str) -> (HashSet<usize>, HashSet<&'a str>) {
    let (mut nodes, mut wanted) = (HashSet::new(), HashSet::from([value]));
    for (index, node) in graph.node.iter().enumerate().rev() {
        if node.output.iter().any(|output| wanted.contains(output.as_str())) {
            let mut used = Vec::new();
            names_used(node, &mut used);
            wanted.extend(used);
            nodes.insert(index);
        }
    }
    (nodes, wanted)
}

fn numbers(value: &DynValue, most: usize) -> Option<Vec<f64>> {
    fn of<T: PrimitiveTensorElementType + Copy>(
        value: &DynValue,
        most: usize,
        number: impl Fn(T) -> f64,
    ) -> Option<Vec<f64>> {
        let (_, elements) = value.try_extract_tensor::<T>().ok()?;
        (elements.len() <= most).then(|| elements.iter().map(|element| number(*element)).collect())
    }
    of(value, most, |number: i64| number as f64)
        .or_else(|| of(value, most, |number: i32| number.into()))
        .or_else(|| of(value, most, |number: f32| number.into()))
        .or_else(|| of(value, most, |number: f64| number))
}
