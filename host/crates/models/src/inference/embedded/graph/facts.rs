//! What is known of a value of the graph before anything runs: its ONNX element type, and the
//! integers that it may have.
//!
//! rten forgets the difference between INT64, INT32 and BOOL, and between FP64, FP32 and FP16: what
//! is right depends on it.

use std::collections::HashMap;

use rten_onnx::onnx::{DataType, ValueInfoProto};

/// The largest integer, up to its sign, that a model run in process computes with: one less than 32
/// bits have, so that the negation and the absolute value of every integer are integers too.
pub(super) const LARGEST: i64 = i32::MAX as i64;

/// Integers from the least to the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub least: i64,
    pub greatest: i64,
}

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    /// `None` if it is not known, or the value is no tensor.
    pub element: Option<DataType>,
    /// Of integers and booleans.
    pub range: Range,
    /// Whether every element of an FP64 value is one of FP32 too.
    pub exact: bool,
    /// A constant, and its elements if they are few.
    pub constant: Option<Vec<f64>>,
    /// The number of dimensions.
    pub rank: Option<usize>,
    /// Whether it is known to have one element.
    pub single: bool,
}

impl Range {
    pub const ALL: Self = Self { least: -LARGEST, greatest: LARGEST };
    pub const BOOL: Self = Self::new(0, 1);

    pub const fn new(least: i64, greatest: i64) -> Self {
        Self { least, greatest }
    }

    /// The integers of both, and those between them.
    pub fn hull(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }

    /// The results of a monotone operation on the ends.
    pub fn combine(self, other: Self, operation: impl Fn(i64, i64) -> i64) -> Self {
        let ends = [
            operation(self.least, other.least),
            operation(self.least, other.greatest),
            operation(self.greatest, other.least),
            operation(self.greatest, other.greatest),
        ];
        Self {
            least: ends.into_iter().min().unwrap_or(i64::MIN),
            greatest: ends.into_iter().max().unwrap_or(i64::MAX),
        }
    }

    /// Whether 32 bits have all of them.
    pub fn fits(self) -> bool {
        self.least >= -LARGEST && self.greatest <= LARGEST
    }

    /// Those of them that 32 bits have.
    pub fn clamped(self) -> Self {
        Self {
            least: self.least.clamp(-LARGEST, LARGEST),
            greatest: self.greatest.clamp(-LARGEST, LARGEST),
        }
    }

    /// The values that elements of a type have in process.
    fn of(element: Option<DataType>) -> Self {
        match element {
            Some(DataType::BOOL) => Self::BOOL,
            Some(DataType::UINT8) => Self::new(0, 255),
            Some(DataType::INT8) => Self::new(-128, 127),
            _ => Self::ALL,
        }
    }
}

impl Fact {
    /// A value of which only the type is known.
    pub fn of(element: Option<DataType>) -> Self {
        Self {
            element,
            range: Range::of(element),
            exact: false,
            constant: None,
            rank: None,
            single: false,
        }
    }

    /// A declared value.
    pub fn declared(info: &ValueInfoProto) -> Self {
        let tensor = info.r#type.as_ref().and_then(|declared| declared.tensor_type.as_ref());
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        let rank = shape.map(|shape| shape.dim.len());
        let single =
            shape.is_some_and(|shape| shape.dim.iter().all(|size| size.dim_value == Some(1)));
        Self { rank, single, ..Self::of(tensor.and_then(|tensor| tensor.elem_type)) }
    }

    pub fn is_integer(&self) -> bool {
        matches!(self.element, Some(DataType::INT64 | DataType::INT32))
    }

    pub fn is_float(&self) -> bool {
        matches!(self.element, Some(DataType::FLOAT | DataType::FLOAT16 | DataType::DOUBLE))
    }

    /// What is known of a value that may be either.
    pub fn or(&self, other: &Self) -> Self {
        Self {
            element: self.element.filter(|element| other.element == Some(*element)),
            range: self.range.hull(other.range),
            exact: self.exact && other.exact,
            constant: None,
            rank: self.rank.filter(|rank| other.rank == Some(*rank)),
            single: self.single && other.single,
        }
    }
}

/// The values of a graph by their names, and those of the graphs around it.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub outer: Option<&'a Scope<'a>>,
    pub facts: HashMap<String, Fact>,
}

impl Scope<'_> {
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.facts.get(name).or_else(|| self.outer?.get(name))
    }

    pub fn insert(&mut self, name: &str, fact: Fact) {
        self.facts.insert(name.to_owned(), fact);
    }
}
