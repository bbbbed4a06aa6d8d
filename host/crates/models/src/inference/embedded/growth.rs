//! Operators whose output can be far larger than their inputs, by the *values* of an input: `Tile`
//! with its repeats, `ConstantOfShape` with its shape, `Range` with its limit.
//!
//! Shapes do not tell their size ([`super::estimate`]), and rten allocates whatever the values say;
//! an allocation that fails ends the process. So before a run the values they grow by are computed
//! alone, when that is cheap, and the estimate is made again with what they say. It is cheap when
//! the values come from the request by little arithmetic, which is when a caller has a say in them.
//! Where they come out of the network itself they are not looked at, nor inside subgraphs.

use rten_onnx::onnx;

use super::estimate::{MemoryModel, Sizes};

/// The most bytes of intermediate values for which an operand is computed ahead of the run.
const CHEAP: u64 = 4 << 20;
/// The most values an operand has: a size for each dimension, twice for `Pad`.
pub(super) const MAX_OPERAND: usize = 64;

/// The growing operators of a model.
#[derive(Debug)]
pub(super) struct Growth {
    /// In the order of the graph.
    nodes: Vec<GrowingNode>,
}

#[derive(Debug)]
struct GrowingNode {
    kind: Kind,
    data: Option<usize>,
    output: usize,
    operands: Vec<Operand>,
}

#[derive(Debug)]
struct Operand {
    name: String,
    /// What must be computed to know it.
    ancestors: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tile,
    Expand,
    ConstantOfShape,
    Range,
    Scale,
    Resize,
    Pad,
    OneHot,
}

impl Kind {
    /// Of an operator, with the index of the data and of the operands it grows by.
    fn of(operator: &str) -> Option<(Self, Option<usize>, &'static [usize])> {
        Some(match operator {
            "Tile" => (Self::Tile, Some(0), &[1]),
            "Expand" => (Self::Expand, Some(0), &[1]),
            "ConstantOfShape" => (Self::ConstantOfShape, None, &[0]),
            "Range" => (Self::Range, None, &[0, 1, 2]),
            "Upsample" => (Self::Scale, Some(0), &[1]),
            "Resize" => (Self::Resize, Some(0), &[2, 3]),
            "Pad" => (Self::Pad, Some(0), &[1]),
            "OneHot" => (Self::OneHot, Some(0), &[1]),
            _ => return None,
        })
    }

    /// The elements of the output. `shape` is the data's, if it is known; `data` the number of its
    /// elements.
    fn elements(self, shape: Option<&[u64]>, data: u64, operands: &[Vec<f64>]) -> u64 {
        let product = |values: &[f64]| values.iter().map(|value| value.max(0.0)).product::<f64>();
        let first = operands.first().map_or(&[][..], Vec::as_slice);
        let data = data as f64; // an estimate
        let sizes = || shape.unwrap_or_default().iter().map(|size| *size as f64);
        let elements = match self {
            Self::Tile | Self::OneHot | Self::Scale => data * product(first),
            Self::ConstantOfShape => product(first),
            Self::Expand if shape.is_some() => {
                // Aligned at the innermost dimension.
                let rank = first.len().max(sizes().count());
                let padded = |count: usize| std::iter::repeat_n(1.0, rank - count);
                let own = padded(sizes().count()).chain(sizes());
                padded(first.len())
                    .chain(first.iter().copied())
                    .zip(own)
                    .map(|(wanted, own)| wanted.max(own))
                    .product()
            }
            Self::Expand => product(first).max(data),
            Self::Range => match operands
                .iter()
                .map(|operand| operand.first())
                .collect::<Option<Vec<_>>>()
                .as_deref()
            {
                Some([start, limit, delta]) => ((*limit - *start) / *delta).ceil().max(0.0),
                _ => 0.0,
            },
            Self::Resize => match operands.get(1).filter(|sizes| !sizes.is_empty()) {
                Some(sizes) => product(sizes).max(data),
                None => data * product(first).max(1.0),
            },
            Self::Pad => {
                // Any of the paddings may be that of the largest dimension.
                let most = first.iter().copied().fold(0.0, f64::max);
                sizes().map(|size| size + 2.0 * most).product::<f64>().max(data)
            }
        };
        elements as u64 // saturates; NaN is 0
    }
}

impl Growth {
    pub fn new(graph: &onnx::GraphProto, memory: &MemoryModel) -> Self {
        let growing = |node: &onnx::NodeProto| {
            let (kind, data, operands) = Kind::of(node.op_type.as_deref()?)?;
            let output = memory.find(node.output.first()?)?;
            if memory.follows_from_shapes(output) {
                return None;
            }
            let operand = |index: &usize| {
                let name = node.input.get(*index).filter(|name| !name.is_empty())?;
                Some(Operand {
                    name: name.clone(),
                    ancestors: memory.ancestors(memory.find(name)?),
                })
            };
            let data = data.and_then(|index| memory.find(node.input.get(index)?));
            Some(GrowingNode {
                kind,
                data,
                output,
                operands: operands.iter().filter_map(operand).collect(),
            })
        };
        Self { nodes: graph.node.iter().filter_map(growing).collect() }
    }

    /// Whether there is anything to look at.
    pub fn is_possible(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// The values that operators grow by.
    pub fn operands(&self) -> Vec<String> {
        let operands = self.nodes.iter().flat_map(|node| &node.operands);
        let mut names: Vec<_> = operands.map(|operand| operand.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Adds to `sizes` what the values of the request say. `compute` returns the elements of a
    /// value.
    pub fn refine(
        &self,
        memory: &MemoryModel,
        sizes: &mut Sizes,
        compute: impl Fn(&str) -> Option<Vec<f64>>,
    ) {
        for node in &self.nodes {
            let bytes = memory.bytes(sizes);
            let cost = |operand: &Operand| {
                operand
                    .ancestors
                    .iter()
                    .filter_map(|index| bytes.get(*index))
                    .fold(0_u64, |sum, bytes| sum.saturating_add(*bytes))
            };
            if node.operands.iter().any(|operand| cost(operand) > CHEAP) {
                continue;
            }
            let operands: Vec<_> =
                node.operands.iter().filter_map(|operand| compute(&operand.name)).collect();
            if operands.len() == node.operands.len() {
                let data = node.data.and_then(|data| sizes.elements(data)).unwrap_or(1);
                let elements = node.kind.elements(
                    node.data.and_then(|data| sizes.shape(data)),
                    data,
                    &operands,
                );
                sizes.set_elements(node.output, elements);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_operator_makes_of_its_operands() {
        let shape = Some(&[2_u64, 3][..]);
        for (kind, operands, elements) in [
            (Kind::Tile, vec![vec![4.0, 5.0]], 120),
            (Kind::OneHot, vec![vec![10.0]], 60),
            (Kind::ConstantOfShape, vec![vec![60_000.0, 60_000.0]], 3_600_000_000),
            (Kind::ConstantOfShape, vec![vec![f64::from(i32::MAX); 8]], u64::MAX),
            (Kind::ConstantOfShape, vec![vec![-1.0, 5.0]], 0),
            (Kind::Expand, vec![vec![7.0, 1.0, 3.0]], 42),
            (Kind::Range, vec![vec![0.0], vec![10.0], vec![3.0]], 4),
            (Kind::Range, vec![vec![0.0], vec![10.0], vec![0.0]], u64::MAX),
            (Kind::Resize, vec![vec![1.0, 4.0]], 24),
            (Kind::Resize, vec![vec![], vec![20.0, 30.0]], 600),
            (Kind::Pad, vec![vec![0.0, 1.0, 0.0, 1.0]], 20),
        ] {
            assert_eq!(kind.elements(shape, 6, &operands), elements, "{kind:?} {operands:?}");
        }
    }
}
