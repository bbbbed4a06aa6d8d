//! Operators that are computed here and not by rten.

mod cubic_resize;
mod non_max_suppression;

use rten::{Value, ValueView};
use rten_onnx::onnx::{DataType, NodeProto, ValueInfoProto};

use super::cut::info;
use super::node::NodeExt;
use cubic_resize::CubicResize;
use non_max_suppression::NonMaxSuppression;

/// One of them, with its attributes.
#[derive(Debug, Clone)]
pub(in super::super) enum Kernel {
    NonMaxSuppression(NonMaxSuppression),
    CubicResize(CubicResize),
}

impl Kernel {
    /// The kernel of a node; `None` if rten computes it.
    ///
    /// # Errors
    /// Why the node cannot be computed.
    pub(super) fn of(node: &NodeProto) -> Result<Option<Self>, String> {
        Ok(match node.operator() {
            "NonMaxSuppression" if node.is_standard() => {
                Some(Self::NonMaxSuppression(NonMaxSuppression::of(node)))
            }
            "Resize" if node.is_standard() && node.text("mode") == Some("cubic") => {
                Some(Self::CubicResize(CubicResize::of(node)?))
            }
            _ => None,
        })
    }

    /// An output as rten gets it, as an input.
    pub(super) fn output_info(&self, _index: usize, name: &str) -> ValueInfoProto {
        match self {
            Self::NonMaxSuppression(_) => info(name, Some(DataType::INT64), &[-1, 3]),
            Self::CubicResize(_) => info(name, None, &[]),
        }
    }

    /// Its name in ONNX.
    pub(in super::super) fn operator(&self) -> &'static str {
        match self {
            Self::NonMaxSuppression(_) => "NonMaxSuppression",
            Self::CubicResize(_) => "Resize",
        }
    }

    /// Computes it. An input that is left out is `None`.
    ///
    /// # Errors
    /// Why the inputs do not suit it.
    pub(in super::super) fn run(
        &self,
        inputs: &[Option<ValueView<'_>>],
    ) -> Result<Vec<Value>, String> {
        match self {
            Self::NonMaxSuppression(kernel) => kernel.run(inputs).map(|selected| vec![selected]),
            Self::CubicResize(kernel) => kernel.run(inputs).map(|resized| vec![resized]),
        }
    }
}
