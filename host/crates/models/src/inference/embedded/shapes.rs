//! The shape and the element size of every value in a graph, as far as they are known before a run.

use std::collections::HashMap;

use rten::{DataType as RtenType, Dimension, Model, ValueType};
use rten_onnx::onnx::{self, DataType};

use super::size_expression::Size;

/// The knowledge of a graph's values.
#[derive(Debug)]
pub(super) struct Shapes<'a> {
    /// rten's inference, where rten can load the graph or most of it.
    model: Option<&'a Model>,
    /// Declarations of the file itself.
    declared: HashMap<&'a str, &'a onnx::ValueInfoProto>,
    /// Values have the size that ONNX says; rten computes with 32 bits.
    wide: bool,
}

impl<'a> Shapes<'a> {
    /// The values of a model that rten runs.
    pub fn of_rten(model: &'a Model) -> Self {
        Self { model: Some(model), declared: HashMap::new(), wide: false }
    }

    /// The values of a graph that another engine runs. `outline` is what rten can load of it.
    pub fn of_onnx(graph: &'a onnx::GraphProto, outline: Option<&'a Model>) -> Self {
        let all = graph.input.iter().chain(&graph.value_info).chain(&graph.output);
        let declared = all.filter_map(|info| Some((info.name.as_deref()?, info))).collect();
        Self { model: outline, declared, wide: true }
    }

    /// For each dimension of an input, its symbol; `None` where its size is fixed.
    pub fn symbols(&self, input: &str) -> Vec<Option<String>> {
        let of_rten = self.rten_shape(input).map(|shape| {
            let symbol = |dimension| match dimension {
                Dimension::Symbolic(name) => Some(name),
                Dimension::Fixed(_) => None,
            };
            shape.into_iter().map(symbol).collect()
        });
        of_rten.unwrap_or_else(|| {
            let dimensions = self.declared_shape(input).unwrap_or_default().iter().enumerate();
            let symbol = |(position, dimension)| match declared(input, position, dimension) {
                Size::Symbol(name) => Some(name),
                _ => None,
            };
            dimensions.map(symbol).collect()
        })
    }

    /// The sizes of a value's dimensions.
    pub fn shape(&self, value: &str) -> Option<Vec<Size>> {
        let of_rten = self.rten_shape(value).map(|shape| {
            let size = |dimension| match dimension {
                Dimension::Fixed(size) => Size::Number(i64::try_from(size).unwrap_or(i64::MAX)),
                Dimension::Symbolic(text) => Size::parse(&text),
            };
            shape.into_iter().map(size).collect()
        });
        of_rten.or_else(|| {
            let dimensions = self.declared_shape(value)?.iter().enumerate();
            let size = |(position, dimension)| declared(value, position, dimension);
            Some(dimensions.map(size).collect())
        })
    }

    /// The bytes of one of a value's elements.
    pub fn element_bytes(&self, value: &str) -> u64 {
        let declared = self.declared.get(value).and_then(|info| tensor(info)?.elem_type);
        if let Some(element) = declared {
            return match element {
                DataType::BOOL | DataType::INT8 | DataType::UINT8 => 1,
                DataType::FLOAT16 | DataType::BFLOAT16 | DataType::INT16 | DataType::UINT16 => 2,
                DataType::FLOAT | DataType::INT32 | DataType::UINT32 => 4,
                _ => 8,
            };
        }
        match self.rten_type(value) {
            Some(ValueType::Tensor(RtenType::Int8 | RtenType::UInt8)) => 1,
            Some(ValueType::Tensor(RtenType::Float)) => 4,
            _ if self.wide => 8,
            _ => 4,
        }
    }

    fn rten_type(&self, value: &str) -> Option<ValueType> {
        let model = self.model?;
        model.node_info(model.find_node(value)?)?.dtype()
    }

    fn rten_shape(&self, value: &str) -> Option<Vec<Dimension>> {
        let model = self.model?;
        model.node_info(model.find_node(value)?)?.shape()
    }

    fn declared_shape(&self, value: &str) -> Option<&[onnx::Dimension]> {
        let shape = tensor(self.declared.get(value)?)?.shape.as_ref()?;
        Some(&shape.dim)
    }
}

/// The size of a dimension that a file declares. One without a name is its value's own.
fn declared(value: &str, position: usize, dimension: &onnx::Dimension) -> Size {
    match (dimension.dim_value.filter(|size| *size >= 0), &dimension.dim_param) {
        (Some(size), _) => Size::Number(size),
        (None, Some(name)) if !name.is_empty() => Size::Symbol(name.clone()),
        (None, _) => Size::Symbol(format!("{value}\u{1f}{position}")),
    }
}

fn tensor(info: &onnx::ValueInfoProto) -> Option<&onnx::TypeProtoTensor> {
    info.r#type.as_ref()?.tensor_type.as_ref()
}
