//! Nodes of a graph: reading those of a file, making those that take their place.

use rten_onnx::onnx::{AttributeProto, AttributeType, DataType, GraphProto, NodeProto};

use super::facts::Fact;
use keynet_base::quote::shown;

/// Reading a node.
pub(in super::super) trait NodeExt {
    fn operator(&self) -> &str;
    /// `operator Add (node "x")`, for messages.
    fn described(&self) -> String;
    fn attribute(&self, name: &str) -> Option<&AttributeProto>;
    fn integer(&self, name: &str) -> Option<i64>;
    fn text(&self, name: &str) -> Option<&str>;
    fn is_standard(&self) -> bool;
}

impl NodeExt for NodeProto {
    fn operator(&self) -> &str {
        self.op_type.as_deref().unwrap_or_default()
    }

    fn described(&self) -> String {
        let name = self
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .or(self.output.first().map(String::as_str));
        let domain = self
            .domain
            .as_deref()
            .filter(|_| !self.is_standard())
            .map(|domain| format!("{}.", shown(domain)));
        let (domain, operator) = (domain.unwrap_or_default(), shown(self.operator()));
        format!(
            "operator {domain}{operator} (node {})",
            keynet_base::quote::quoted(name.unwrap_or_default())
        )
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.i
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.s.as_deref()
    }

    fn is_standard(&self) -> bool {
        matches!(self.domain.as_deref(), None | Some("" | "ai.onnx"))
    }
}

/// The graphs in a node's attributes.
pub(super) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().filter_map(|attribute| attribute.g.as_ref())
}

/// The names of the values that a node uses, those of its subgraphs included.
pub(in super::super) fn names_used<'a>(node: &'a NodeProto, names: &mut Vec<&'a str>) {
    names.extend(node.input.iter().map(String::as_str).filter(|name| !name.is_empty()));
    for graph in subgraphs(node) {
        graph.node.iter().for_each(|inner| names_used(inner, names));
        names.extend(graph.output.iter().filter_map(|output| output.name.as_deref()));
    }
}

/// Makes nodes whose values have names that no value of a file has.
#[derive(Debug, Default)]
pub(in super::super) struct Maker {
    made: usize,
    pub nodes: Vec<NodeProto>,
}

impl Maker {
    pub fn name(&mut self) -> String {
        self.made += 1;
        format!("keynet\u{1f}{}", self.made)
    }

    /// Adds a node with one output, and returns the output's name.
    pub fn add(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.name();
        self.add_as(operator, inputs, attributes, &output);
        output
    }

    /// As [`Self::add`], with the output's name.
    pub fn add_as(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        output: &str,
    ) {
        self.nodes.push(NodeProto {
            op_type: Some(operator.to_owned()),
            name: Some(format!("{operator} for {output}")),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attributes,
            domain: None,
        });
    }

    pub fn float(&mut self, value: f32) -> String {
        let value =
            AttributeProto { f: Some(value), ..attribute("value_float", AttributeType::FLOAT) };
        self.add("Constant", &[], vec![value])
    }

    /// A vector.
    pub fn floats(&mut self, values: &[f32]) -> String {
        let values = AttributeProto {
            floats: values.to_vec(),
            ..attribute("value_floats", AttributeType::FLOATS)
        };
        self.add("Constant", &[], vec![values])
    }

    /// A scalar of the type of a value.
    pub(super) fn float_like(&mut self, value: f32, like: Option<&Fact>) -> String {
        let constant = self.float(value);
        match like.and_then(|fact| fact.element) {
            Some(element) if element != DataType::FLOAT => self.cast(&constant, element),
            _ => constant,
        }
    }

    /// A scalar.
    pub fn integer(&mut self, value: i64) -> String {
        self.add("Constant", &[], vec![integer("value_int", value)])
    }

    /// A vector.
    pub fn integers(&mut self, values: &[i64]) -> String {
        self.add("Constant", &[], vec![integers("value_ints", values)])
    }

    pub fn cast(&mut self, input: &str, to: DataType) -> String {
        self.add("Cast", &[input], vec![integer("to", i64::from(to.0))])
    }
}

pub(super) fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind), ..AttributeProto::default() }
}

pub(in super::super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::INT) }
}

pub(super) fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::INTS) }
}

/// Sets an attribute.
pub(super) fn set(node: &mut NodeProto, value: AttributeProto) {
    node.attribute.retain(|attribute| attribute.name != value.name);
    node.attribute.push(value);
}
