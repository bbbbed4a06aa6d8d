//! Protocol buffers' text format, parsed without a schema into a tree.
//!
//! Triton's `config.pbtxt` is written in it. Parsers that know a message's schema reject unknown
//! fields, but the files here may be written for any version of Triton; so this parser keeps every
//! field and leaves its meaning to the caller (such as the embedded models' `config_pbtxt`). The
//! grammar: <https://protobuf.dev/reference/protobuf/textformat-spec/>. A list `name: [a, b]` is
//! equivalent to `name: a name: b`, and is parsed as that. Extension and `Any` values are not
//! interpreted: their names are kept as written.

use std::fmt;
use std::sync::Arc;

use keynet_base::quote::shown;

/// Maximum nesting depth of messages.
const MAX_DEPTH: usize = 64;

/// Position in the text; line and column start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Syntax error and its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {}", shown(.what))]
pub(crate) struct SyntaxError {
    pub at: Position,
    pub what: String,
}

/// Message: its fields, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Message {
    pub fields: Vec<Field>,
}

/// One value of a field; a repeated field has several with the same name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// Shared by the values of a list, of which there may be many.
    pub name: Arc<str>,
    pub value: Value,
    pub at: Position,
}

/// Value as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Message(Message),
    String(String),
    Integer(i64),
    /// Any number that is not a 64-bit integer.
    Float(f64),
    /// Enum value, `true`, `false`, `inf`, `nan`.
    Word(String),
}

impl Message {
    /// Returns every value of the field `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| &*field.name == name)
    }

    /// Returns the last value of the field `name`: the effective one if a singular field is written
    /// twice.
    pub fn last(&self, name: &str) -> Option<&Field> {
        self.fields.iter().rev().find(|field| &*field.name == name)
    }
}

/// Parses a whole text.
pub(crate) fn parse(text: &str) -> Result<Message, SyntaxError> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        at: Position { line: 1, column: 1 },
    };
    reader.skip_space();
    reader.fields(None, 0)
}

struct Reader<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Reader<'a> {
    /// Parses fields until `end`, which is consumed, or until the end of the text.
    fn fields(&mut self, end: Option<char>, depth: usize) -> Result<Message, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error("messages lie too deep in one another"));
        }
        let mut message = Message::default();
        loop {
            match (self.peek(), end) {
                (None, None) => return Ok(message),
                (None, Some(end)) => {
                    return Err(self.error(format!("the text ends where `{end}` is missing")));
                }
                (Some(c), Some(end)) if c == end => {
                    self.take(c);
                    return Ok(message);
                }
                _ => self.field(&mut message, depth)?,
            }
        }
    }

    fn field(&mut self, message: &mut Message, depth: usize) -> Result<(), SyntaxError> {
        let at = self.at;
        let name: Arc<str> = self.field_name()?.into();
        let colon = self.take(':');
        match self.peek() {
            Some('[') => {
                self.take('[');
                if !self.take(']') {
                    loop {
                        let at = self.at;
                        message.fields.push(Field {
                            name: Arc::clone(&name),
                            value: self.value(depth)?,
                            at,
                        });
                        if self.take(']') {
                            break;
                        }
                        if !self.take(',') {
                            return Err(self.error("expected `,` or `]` in a list"));
                        }
                    }
                }
            }
            Some('{' | '<') => message.fields.push(Field { name, value: self.value(depth)?, at }),
            _ if colon => message.fields.push(Field { name, value: self.value(depth)?, at }),
            _ => return Err(self.error(format!("expected `:` or `{{` after `{name}`"))),
        }
        let _separator = self.take(',') || self.take(';');
        Ok(())
    }

    fn field_name(&mut self) -> Result<String, SyntaxError> {
        if self.peek() == Some('[') {
            let length = self
                .rest
                .find(']')
                .ok_or_else(|| self.error("expected `]` after a field's name"))?;
            let name = self.advance(length + 1).to_owned();
            self.skip_space();
            return Ok(name);
        }
        let name = self.word();
        if name.is_empty() {
            Err(self.error("expected a field's name"))
        } else {
            Ok(name.to_owned())
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        match self.peek() {
            Some('{') => {
                self.take('{');
                Ok(Value::Message(self.fields(Some('}'), depth + 1)?))
            }
            Some('<') => {
                self.take('<');
                Ok(Value::Message(self.fields(Some('>'), depth + 1)?))
            }
            Some('"' | '\'') => self.string(),
            Some(c) if c == '-' || c == '.' || c.is_ascii_digit() => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                Ok(Value::Word(self.word().to_owned()))
            }
            Some(c) => Err(self.error(format!("expected a value, found `{c}`"))),
            None => Err(self.error("the text ends where a value is missing")),
        }
    }

    fn number(&mut self) -> Result<Value, SyntaxError> {
        let at = self.at;
        let wrong = |text: &str| SyntaxError { at, what: format!("`{text}` is not a number") };
        let negative = self.take('-');
        let sign = if negative { "-" } else { "" };
        if self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            let word = self.word();
            return Ok(Value::Word(format!("{sign}{word}")));
        }
        let mut after_exponent = false;
        let length = self
            .rest
            .find(|c: char| {
                let belongs = c.is_ascii_alphanumeric()
                    || c == '.'
                    || (after_exponent && matches!(c, '+' | '-'));
                after_exponent = matches!(c, 'e' | 'E') && !self.rest.starts_with("0x");
                !belongs
            })
            .unwrap_or(self.rest.len());
        let text = self.advance(length);
        self.skip_space();
        let integer =
            if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                i64::from_str_radix(&format!("{sign}{digits}"), 16)
            } else if text.len() > 1
                && text.starts_with('0')
                && text.bytes().all(|b| b.is_ascii_digit())
            {
                i64::from_str_radix(&format!("{sign}{text}"), 8)
            } else {
                format!("{sign}{text}").parse()
            };
        if let Ok(integer) = integer {
            return Ok(Value::Integer(integer));
        }
        let float: f64 = text.trim_end_matches(['f', 'F']).parse().map_err(|_| wrong(text))?;
        Ok(Value::Float(if negative { -float } else { float }))
    }

    /// Parses one or more quoted strings, which are concatenated to one value.
    fn string(&mut self) -> Result<Value, SyntaxError> {
        let at = self.at;
        let mut bytes = Vec::new();
        while let Some(quote @ ('"' | '\'')) = self.peek() {
            self.advance(1);
            loop {
                match self.peek() {
                    None | Some('\n') => {
                        return Err(self.error(format!("a string without its closing {quote}")));
                    }
                    Some(c) if c == quote => break,
                    Some('\\') => self.escape(&mut bytes)?,
                    Some(c) => bytes.extend_from_slice(self.advance(c.len_utf8()).as_bytes()),
                }
            }
            self.take(quote);
        }
        String::from_utf8(bytes)
            .map(Value::String)
            .map_err(|_| SyntaxError { at, what: "a string that is not UTF-8".to_owned() })
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        self.advance(1);
        let at = self.at;
        let wrong = |what: &str| SyntaxError { at, what: what.to_owned() };
        let Some(kind) = self.peek() else {
            return Err(wrong("a string without its closing quote"));
        };
        let digits = |text: &str, most: usize, radix: u32| {
            text.bytes().take(most).take_while(|b| char::from(*b).is_digit(radix)).count()
        };
        if kind.is_digit(8) {
            let text = self.advance(digits(self.rest, 3, 8));
            bytes.push(
                u8::from_str_radix(text, 8).map_err(|_| wrong("an octal escape past \\377"))?,
            );
            return Ok(());
        }
        self.advance(kind.len_utf8());
        let byte = match kind {
            'n' => b'\n',
            't' => b'\t',
            'r' => b'\r',
            'a' => 7,
            'b' => 8,
            'v' => 11,
            'f' => 12,
            '\\' | '\'' | '"' | '?' => kind as u8,
            'x' | 'X' => {
                let text = self.advance(digits(self.rest, 2, 16));
                u8::from_str_radix(text, 16)
                    .map_err(|_| wrong("expected hexadecimal digits after \\x"))?
            }
            'u' | 'U' => {
                let text = self.advance(digits(self.rest, if kind == 'u' { 4 } else { 8 }, 16));
                let c = u32::from_str_radix(text, 16).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| wrong("an escape that is not a character"))?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            other => return Err(wrong(&format!("unknown escape \\{other}"))),
        };
        bytes.push(byte);
        Ok(())
    }

    /// Consumes letters, digits, `_` and `.`; may be empty.
    fn word(&mut self) -> &'a str {
        let length = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
            .unwrap_or(self.rest.len());
        let word = self.advance(length);
        self.skip_space();
        word
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Consumes `c` and the space after it, if it is next.
    fn take(&mut self, c: char) -> bool {
        let next = self.peek() == Some(c);
        if next {
            self.advance(c.len_utf8());
            self.skip_space();
        }
        next
    }

    fn skip_space(&mut self) {
        loop {
            let length = match self.peek() {
                Some('#') => self.rest.find('\n').unwrap_or(self.rest.len()),
                Some(c) if c.is_ascii_whitespace() || c == '\u{b}' => 1,
                _ => return,
            };
            self.advance(length);
        }
    }

    /// Consumes `length` bytes, which must end on a character boundary.
    fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        for c in taken.chars() {
            if c == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn error(&self, what: impl Into<String>) -> SyntaxError {
        SyntaxError { at: self.at, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, name: &str) -> Vec<Value> {
        parse(text).unwrap().all(name).map(|field| field.value.clone()).collect()
    }

    #[test]
    fn a_config_as_people_write_it() {
        let text = r#"
            # a detector
            name: "detector"  platform: 'onnxruntime_onnx'; max_batch_size: 8,
            input [ { name: "input_0" data_type: TYPE_FP32 dims: [ 3, 640, 640 ] } ]
            output < name: "output_0", dims: -1 dims: 6 >
            instance_group: { count: 1 kind: KIND_CPU }
            parameters { key: "x" value: { string_value: "1" } }
            dynamic_batching { }
        "#;
        let config = parse(text).unwrap();
        assert_eq!(config.last("name").unwrap().value, Value::String("detector".into()));
        assert_eq!(config.last("name").unwrap().at, Position { line: 3, column: 13 });
        let Value::Message(input) = &config.last("input").unwrap().value else {
            panic!("{config:?}")
        };
        let dims: Vec<_> = input.all("dims").map(|f| f.value.clone()).collect();
        assert_eq!(dims, [Value::Integer(3), Value::Integer(640), Value::Integer(640)]);
        assert_eq!(input.last("data_type").unwrap().value, Value::Word("TYPE_FP32".into()));
        let Value::Message(output) = &config.last("output").unwrap().value else {
            panic!("{config:?}")
        };
        assert_eq!(output.all("dims").count(), 2);
        assert_eq!(
            config.last("dynamic_batching").unwrap().value,
            Value::Message(Message::default())
        );
    }

    #[test]
    fn numbers_words_and_strings() {
        assert_eq!(values("a: 0x1F a: 017 a: -5 a: 0", "a"), [31, 15, -5, 0].map(Value::Integer));
        assert_eq!(
            values("a: 1.5 a: .5 a: 2f a: -1e-3 a: 1E+2", "a"),
            [1.5, 0.5, 2.0, -0.001, 100.0].map(Value::Float)
        );
        assert_eq!(values("a: -inf a: true", "a"), ["-inf", "true"].map(|w| Value::Word(w.into())));
        let text = r#"a: "one " 'two'
            # between
            "\t\"\x41\102\u00e9" a: "" "#;
        assert_eq!(values(text, "a"), ["one two\t\"ABé", ""].map(|s| Value::String(s.into())));
        assert_eq!(values("a: [] b: [1]", "a"), []);
        assert_eq!(values("[x.y/z.T] { a: 1 } a: 2", "a"), [Value::Integer(2)]);
        assert_eq!(parse(" \u{b}\r\n").unwrap(), Message::default());
    }

    #[test]
    fn errors_say_where() {
        for (text, expected) in [
            ("name \"x\"", "line 1, column 6: expected `:` or `{` after `name`"),
            ("a: 1\n  b: }", "line 2, column 6: expected a value, found `}`"),
            ("input {\n  name: \"x\"\n", "line 3, column 1: the text ends where `}` is missing"),
            ("a: \"x\ny\"", "line 1, column 6: a string without its closing \""),
            ("a: [1 2]", "line 1, column 7: expected `,` or `]` in a list"),
            ("a: 12monkeys", "line 1, column 4: `12monkeys` is not a number"),
            ("a: \"\\q\"", "line 1, column 6: unknown escape \\q"),
            ("a: \"\\777\"", "line 1, column 6: an octal escape past \\377"),
            ("a: \"\\xff\"", "line 1, column 4: a string that is not UTF-8"),
            ("a:", "line 1, column 3: the text ends where a value is missing"),
            ("}", "line 1, column 1: expected a field's name"),
            ("é: 1", "line 1, column 1: expected a field's name"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert!(parse(&"a{".repeat(100_000)).unwrap_err().what.contains("too deep"));
    }
}
