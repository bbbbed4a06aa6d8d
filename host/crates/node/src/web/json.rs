//! JSON that is read without building it: an action's result may be large and deep, and only its
//! outermost fields decide.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize as _, Deserializer as _};
use serde_json::value::RawValue;

/// Levels of objects that are written on lines of their own. Deeper ones stay on one line, so that
/// the indentation is at most a few times as long as the text.
const MAX_INDENTED: usize = 8;

const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    Object,
    Array,
    Text,
    Number,
    Boolean,
    Null,
}

/// Returns the type of a JSON text.
pub fn type_of(text: &str) -> JsonType {
    match text.trim_start_matches(WHITESPACE).bytes().next() {
        Some(b'{') => JsonType::Object,
        Some(b'[') => JsonType::Array,
        Some(b'"') => JsonType::Text,
        Some(b't' | b'f') => JsonType::Boolean,
        Some(b'-' | b'0'..=b'9') => JsonType::Number,
        _ => JsonType::Null,
    }
}

/// Returns the content of a JSON string; `None` for other values and for half a surrogate pair.
pub fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

/// Calls `member` with each name and value of an object, in the order of the text.
///
/// # Errors
/// The text is not an object, or `member` returned an error.
pub fn each_member<'a, E: fmt::Display>(
    text: &'a str,
    member: impl FnMut(String, &'a str) -> Result<(), E>,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Members(member))?;
    deserializer.end()
}

struct Members<F>(F);

impl<'de, E: fmt::Display, F: FnMut(String, &'de str) -> Result<(), E>> Visitor<'de>
    for Members<F>
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            (self.0)(name, value.get()).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Returns the values of some fields of an object, of each the last that has the name. `None` if
/// the text is not an object.
pub fn fields<'a, const N: usize>(text: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut found = [None; N];
    each_member(text, |name, value| {
        let place = names.iter().zip(&mut found).find(|(other, _)| **other == name);
        if let Some((_, place)) = place {
            *place = Some(value);
        }
        Ok::<_, fmt::Error>(())
    })
    .ok()?;
    Some(found)
}

/// Returns any JSON value as it is written, without space around it.
///
/// # Errors
/// The text is not JSON.
pub fn raw(text: &[u8]) -> Result<&RawValue, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = <&RawValue>::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Writes JSON as OpenWhisk does: members of objects on lines of their own, arrays on one line.
/// Numbers and strings keep their form.
pub fn pretty(text: &str) -> String {
    let mut out = Printer::default();
    let mut rest = text;
    loop {
        let (plain, after) = rest.split_at(rest.find(is_structure).unwrap_or(rest.len()));
        if !plain.is_empty() {
            out.token(plain);
        }
        let mut characters = after.chars();
        match characters.next() {
            None => return out.text,
            Some('"') => {
                let (quoted, after) = after.split_at(length_of_string(after));
                out.token(quoted);
                rest = after;
                continue;
            }
            Some(c) if !WHITESPACE.contains(&c) => out.structure(c),
            Some(_) => {}
        }
        rest = characters.as_str();
    }
}

fn is_structure(c: char) -> bool {
    matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"' | ' ' | '\t' | '\n' | '\r')
}

/// Returns the bytes of the string with which the text begins, both quotes included.
fn length_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[derive(Default)]
struct Printer {
    text: String,
    /// Whether each open object or array is written on several lines.
    open: Vec<bool>,
    lines: usize,
    /// True after an opening bracket.
    is_empty: bool,
}

impl Printer {
    /// Prints a string, a number or a literal.
    fn token(&mut self, text: &str) {
        self.begin();
        self.text.push_str(text);
    }

    /// Begins the first member of an object on a line of its own.
    fn begin(&mut self) {
        if self.is_empty && self.open.last() == Some(&true) {
            self.break_line();
        }
        self.is_empty = false;
    }

    /// Prints a bracket, a comma or a colon.
    fn structure(&mut self, c: char) {
        if matches!(c, '}' | ']') {
            let was_lines = self.open.pop().unwrap_or_default();
            self.lines -= usize::from(was_lines);
            if was_lines && !self.is_empty {
                self.break_line();
            }
            self.is_empty = false;
            self.text.push(c);
            return;
        }
        self.begin();
        self.text.push(c);
        match c {
            '{' | '[' => {
                let lines = c == '{' && self.lines < MAX_INDENTED;
                self.open.push(lines);
                self.lines += usize::from(lines);
                self.is_empty = true;
            }
            ',' if self.open.last() == Some(&true) => self.break_line(),
            ',' | ':' => self.text.push(' '),
            _ => {}
        }
    }

    fn break_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_openwhisk_writes_it() {
        for (text, expected) in [
            ("{\"foobar\":\"foobar\"}", "{\n  \"foobar\": \"foobar\"\n}"),
            (" { } ", "{}"),
            ("[ ]", "[]"),
            ("[1,{\"a\":[],\"b\":{}} , 2]", "[1, {\n  \"a\": [],\n  \"b\": {}\n}, 2]"),
            ("{\"a\":{\"b\":[true,null]}}", "{\n  \"a\": {\n    \"b\": [true, null]\n  }\n}"),
            ("{\"a\\\"{,:\":\"\\\\\"}", "{\n  \"a\\\"{,:\": \"\\\\\"\n}"),
            ("[1e400,0.10,12345678901234567890123]", "[1e400, 0.10, 12345678901234567890123]"),
            ("\"\\ud800\"", "\"\\ud800\""),
        ] {
            assert_eq!(pretty(text), expected);
        }
    }

    #[test]
    fn a_deep_result_does_not_become_a_long_response() {
        let nested =
            |levels: usize, inner: &str| "{\"\":".repeat(levels) + inner + &"}".repeat(levels);
        let members = format!("{{{}\"\":0}}", "\"\":0,".repeat(100_000));
        let deep = nested(100_000, "0");
        let wide = nested(MAX_INDENTED - 1, &members);
        let both = nested(900, &members);
        let arrays = "[".repeat(100_000) + &"]".repeat(100_000);
        for text in [deep, wide, both, arrays] {
            let printed = pretty(&text);
            assert!(printed.len() < 8 * text.len(), "{} of {}", printed.len(), text.len());
            let compact: String = printed.chars().filter(|c| !matches!(c, ' ' | '\n')).collect();
            assert_eq!(compact, text);
        }
    }

    #[test]
    fn fields_are_found_without_reading_the_rest() {
        let text = "{\"a\": [1, {}], \"b\":null,\"a\": 2e3 , \"\\u0063\":\"x\"}";
        assert_eq!(
            fields(text, ["a", "b", "c", "d"]),
            Some([Some("2e3"), Some("null"), Some("\"x\""), None])
        );
        for text in ["[]", "[[\"a\",1]]", "\"a\"", "null", "", "{\"a\":1} x", "{\"a\"}"] {
            assert_eq!(fields(text, ["a"]), None, "{text}");
        }
    }
}
