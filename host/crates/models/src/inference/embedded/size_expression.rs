//! The sizes rten infers for a dimension: arithmetic over the symbolic dimensions of a model's
//! inputs.
//!
//! rten keeps what its shape inference found as text, such as `batch * 4` or
//! `ceil_div(height, 2) - (a + b)`; this reads that back. Operators bind as rten writes them: `/`
//! closest, then `*`, then `+`, then `-`. Names may be any text an exporter wrote; one that looks
//! like arithmetic is not understood, and its size counts as unknown.

use std::collections::HashMap;

/// One dimension.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Size {
    Number(i64),
    Symbol(String),
    Negative(Box<Size>),
    Of(Operation, Box<Size>, Box<Size>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideUp,
    Max,
    Min,
}

/// From the loosest to the closest.
const INFIX: [(&str, Operation); 4] = [
    (" - ", Operation::Subtract),
    (" + ", Operation::Add),
    (" * ", Operation::Multiply),
    (" / ", Operation::Divide),
];
const FUNCTIONS: [(&str, Operation); 4] = [
    ("ceil_div(", Operation::DivideUp),
    ("max(", Operation::Max),
    ("min(", Operation::Min),
    ("broadcast(", Operation::Max),
];

/// The most spaces, opening parentheses and minus signs in an expression: they say how deep it is
/// nested, and a name in a model may be nothing else.
const MOST_PARTS: usize = 1024;

impl Size {
    /// Reads rten's text. A text that is no arithmetic, or that is longer than any that rten
    /// writes, is a symbol's name.
    pub fn parse(text: &str) -> Self {
        let mut rest = text;
        let parts = text.bytes().filter(|byte| matches!(byte, b' ' | b'(' | b'-')).count();
        let read = if parts <= MOST_PARTS { infix(&mut rest, INFIX.as_slice()) } else { None };
        match read {
            Some(size) if rest.is_empty() => size,
            _ => Self::Symbol(text.to_owned()),
        }
    }

    /// Its value, at least 0; none if a symbol in it is not known.
    pub fn value(&self, symbols: &HashMap<&str, u64>) -> Option<u64> {
        self.signed(symbols).map(|value| u64::try_from(value).unwrap_or(0))
    }

    fn signed(&self, symbols: &HashMap<&str, u64>) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Symbol(name) => {
                symbols.get(name.as_str()).map(|value| i64::try_from(*value).unwrap_or(i64::MAX))
            }
            Self::Negative(of) => Some(of.signed(symbols)?.saturating_neg()),
            Self::Of(operation, left, right) => {
                let (left, right) = (left.signed(symbols)?, right.signed(symbols)?);
                match operation {
                    Operation::Add => Some(left.saturating_add(right)),
                    Operation::Subtract => Some(left.saturating_sub(right)),
                    Operation::Multiply => Some(left.saturating_mul(right)),
                    Operation::Divide => left.checked_div_euclid(right),
                    Operation::DivideUp => {
                        Some(left.checked_neg()?.checked_div_euclid(right)?.saturating_neg())
                    }
                    Operation::Max => Some(left.max(right)),
                    Operation::Min => Some(left.min(right)),
                }
            }
        }
    }
}

/// Terms joined by the first of `operators`; within them the closer ones.
fn infix(rest: &mut &str, operators: &[(&str, Operation)]) -> Option<Size> {
    let Some(((sign, operation), closer)) = operators.split_first() else { return atom(rest) };
    let mut size = infix(rest, closer)?;
    while let Some(after) = rest.strip_prefix(sign) {
        *rest = after;
        size = Size::Of(*operation, Box::new(size), Box::new(infix(rest, closer)?));
    }
    Some(size)
}

fn atom(rest: &mut &str) -> Option<Size> {
    if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let size = infix(rest, INFIX.as_slice())?;
        *rest = rest.strip_prefix(')')?;
        return Some(size);
    }
    for (name, operation) in FUNCTIONS {
        if let Some(after) = rest.strip_prefix(name) {
            *rest = after;
            let left = infix(rest, INFIX.as_slice())?;
            *rest = rest.strip_prefix(", ")?;
            let right = infix(rest, INFIX.as_slice())?;
            *rest = rest.strip_prefix(')')?;
            return Some(Size::Of(operation, Box::new(left), Box::new(right)));
        }
    }
    if let Some(after) = rest.strip_prefix('-') {
        *rest = after;
        return Some(Size::Negative(Box::new(atom(rest)?)));
    }
    let length = rest.find([' ', ',', '(', ')']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(length);
    if word.is_empty() {
        return None;
    }
    *rest = after;
    Some(word.parse().map_or_else(|_| Size::Symbol(word.to_owned()), Size::Number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_dimension_that_is_nothing_but_parentheses_is_a_name() {
        for text in [
            "(".repeat(30_000),
            "-".repeat(30_000),
            "max(".repeat(8_000),
            format!("n{}", " + n".repeat(30_000)),
        ] {
            assert_eq!(Size::parse(&text), Size::Symbol(text));
        }
    }

    #[test]
    fn what_rten_writes_is_read() {
        let symbols = HashMap::from([("n", 5), ("h", 7), ("a b", 3)]);
        for (text, value) in [
            ("12", Some(12)),
            ("n", Some(5)),
            ("a b", Some(3)),
            ("n * 4", Some(20)),
            ("n + 1 * h", Some(12)),
            ("h - n + 1", Some(1)), // h - (n + 1): rten writes the other one as (h - n) + 1
            ("(h - n) + 1", Some(3)),
            ("n * h / 2", Some(15)), // n * (h / 2)
            ("ceil_div(h, 2)", Some(4)),
            ("ceil_div(h + -1, 2) + 1", Some(4)),
            ("max(n, h) * min(n, broadcast(h, 1))", Some(35)),
            ("-n", Some(0)),
            ("n / 0", None),
            ("unknown_1 * 2", None),
            ("n * 99999999999 * 99999999999", Some(i64::MAX.unsigned_abs())),
            ("n *", None),
            ("", None),
        ] {
            assert_eq!(Size::parse(text).value(&symbols), value, "{text}");
        }
        assert_eq!(Size::parse("2 * (x"), Size::Symbol("2 * (x".to_owned()));
    }
}
