//! The two streams of the process: results on standard output, everything else on standard error.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use keynet_base::quote;
use keynet_host::{LogSink, Stream};

use crate::errors::ExpectedError;
use crate::ui::secrecy;

/// Use of colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Colours always.
    Always,
    /// Colours never.
    Never,
}

/// Properties of the two streams. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    /// `true` if standard output is a terminal.
    pub reader: bool,
    /// `true` if standard error is a terminal.
    pub watcher: bool,
    /// `true` for colours on standard output, and on standard error.
    colors: (bool, bool),
}

impl Console {
    /// Inspects the streams of the process.
    pub fn new(color: Color) -> Self {
        let (reader, watcher) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let wanted = |terminal: bool| match color {
            Color::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
            Color::Always => true,
            Color::Never => false,
        };
        Self { reader, watcher, colors: (wanted(reader), wanted(watcher)) }
    }

    /// Returns the console of a process whose streams are both pipes.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { reader: false, watcher: false, colors: (false, false) }
    }

    /// Reports whether standard error may be coloured.
    pub fn colored(self) -> bool {
        self.colors.1
    }

    /// Returns the label of an error, for standard error.
    pub fn error_label(self) -> String {
        styled(self.colors.1, "1;31", "error:")
    }

    /// Returns the label of a hint, for standard error.
    pub fn hint_label(self) -> String {
        styled(self.colors.1, "1", "hint:")
    }

    /// Returns a heading, for standard output.
    pub fn heading(self, text: &str) -> String {
        styled(self.colors.0, "1", text)
    }

    /// Writes JSON to standard output: unchanged to a pipe, with [`printable_json`] to a terminal.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub fn print_json(self, json: &str) -> Result<(), ExpectedError> {
        if self.reader { self.print(&printable_json(json)) } else { self.print(json) }
    }

    /// Writes `text` to standard output. A closed pipe is not an error: its reader has read enough.
    ///
    /// # Errors
    /// The stream reports an error, such as a full disk.
    pub fn print(self, text: &str) -> Result<(), ExpectedError> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(ExpectedError::io_on("write", "the result to standard output")(error))
            }
            _ => Ok(()),
        }
    }

    /// Prints a note on standard error.
    pub fn note(self, text: impl fmt::Display) {
        self.say(&format!(
            "{} {}\n",
            styled(self.colors.1, "2", "note:"),
            printable(&secrecy::hide(&text.to_string()))
        ));
    }

    /// Writes whole lines to standard error and ignores errors.
    pub fn say(self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

fn styled(color: bool, code: &str, text: &str) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Sink for an action's lines, which go to standard error from both of its streams.
#[derive(Debug)]
pub struct Logs {
    console: Console,
    prefix: String,
}

impl Logs {
    /// Creates the sink of the only activation.
    pub fn new(console: Console) -> Self {
        Self { console, prefix: String::new() }
    }

    /// Creates the sink of one activation among others, with its number before each line.
    pub fn numbered(console: Console, number: u64) -> Self {
        Self { console, prefix: format!("[{number}] ") }
    }
}

impl LogSink for Logs {
    fn line(&self, _: Stream, line: &[u8]) {
        let mut whole = Vec::with_capacity(self.prefix.len() + line.len() + 1);
        whole.extend_from_slice(self.prefix.as_bytes());
        if self.console.watcher {
            whole.extend_from_slice(printable(&String::from_utf8_lossy(line)).as_bytes());
        } else {
            whole.extend_from_slice(line);
        }
        whole.push(b'\n');
        let _ = io::stderr().lock().write_all(&whole);
    }
}

/// Returns `text` with every character escaped that could control a terminal or mislead its reader:
/// the text of an action or a server is untrusted. Line ends stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, steers)
}

/// Returns `json` escaped like [`printable`]; its value does not change.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    let escape =
        |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    escaped_as(json, steers, escape)
}

/// Returns `text` with the characters escaped that are `unwanted`.
pub fn escaped(text: &str, unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    escaped_as(text, unwanted, |c| c.escape_default().to_string())
}

fn steers(c: char) -> bool {
    quote::steers(c) && c != '\n' && c != '\t'
}

fn escaped_as(
    text: &str,
    unwanted: impl Fn(char) -> bool,
    escape: impl Fn(char) -> String,
) -> Cow<'_, str> {
    if !text.chars().any(&unwanted) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if unwanted(c) { escape(c) } else { c.to_string() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_cannot_steer_the_terminal() {
        assert_eq!(printable("a\tb\nc 안녕"), "a\tb\nc 안녕");
        assert_eq!(printable("\x1b[2Jgone\r\u{9b}1m"), "\\u{1b}[2Jgone\\r\\u{9b}1m");
    }

    #[test]
    fn an_action_cannot_turn_around_what_is_read() {
        assert_eq!(printable("file_\u{202e}gpj.exe\u{200b}"), "file_\\u{202e}gpj.exe\\u{200b}");
        let json = "{\"a\":\"\u{202e}x\u{7f}\u{e0001}\"}\n";
        let shown = printable_json(json);
        assert_eq!(shown, "{\"a\":\"\\u202ex\\u007f\\udb40\\udc01\"}\n");
        let values: [serde_json::Value; 2] =
            [json, &shown].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(values[0], values[1]);
    }

    #[test]
    fn each_stream_has_colours_of_its_own() {
        let console = Console { colors: (false, true), ..Console::plain() };
        assert_eq!(console.error_label(), "\x1b[1;31merror:\x1b[0m");
        assert_eq!(
            (console.heading("hello"), Console::plain().error_label()),
            ("hello".into(), "error:".into())
        );
    }
}
