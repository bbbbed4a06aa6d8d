//! Foreign text in messages: quoted, escaped and cut.
//!
//! Names, locations and other text that a guest, a caller or a server chose may be long, and may
//! contain characters that steer a terminal or reorder what a person reads. Every message that
//! repeats such text does it through [`quoted`] or [`shown`].

use std::fmt::{self, Write as _};

/// Largest number of characters of foreign text that a message repeats.
pub const MAX_SHOWN: usize = 200;

/// Returns `text` in double quotes, escaped as in Rust and cut after [`MAX_SHOWN`] characters. The
/// length in bytes follows a text that was cut.
pub fn quoted(text: &str) -> Quoted<'_> {
    Quoted { text, quotes: true }
}

/// Returns `text` as [`quoted`] does, without the quotes.
pub fn shown(text: &str) -> Quoted<'_> {
    Quoted { text, quotes: false }
}

/// Returns the text of `value`, cut after `most` characters. Formatting stops there, so that a long
/// rest costs nothing. The text is escaped as by [`shown`], except that line breaks stay.
pub fn bounded(value: impl fmt::Display, most: usize) -> String {
    let mut bounded = Bounded { text: String::new(), left: most };
    if write!(bounded, "{value}").is_err() {
        bounded.text.push('…');
    }
    bounded.text
}

/// Returns a server's message on one line of at most `most` characters, without terminal control
/// characters and without runs of spaces. A line that is cut ends in `…`.
pub fn on_one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut left = most;
    for word in text.split(|c: char| c.is_whitespace() || steers(c)).filter(|word| !word.is_empty())
    {
        let space = usize::from(!line.is_empty());
        let whole = word.chars().count() + space;
        if whole > left {
            if left > space {
                line.extend([' '].into_iter().take(space).chain(word.chars().take(left - space)));
            }
            line.push('…');
            return line;
        }
        line.extend([' '].into_iter().take(space));
        line.push_str(word);
        left -= whole;
    }
    line
}

/// Text with a maximum number of characters.
struct Bounded {
    text: String,
    left: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            match c {
                '\n' => self.text.push(c),
                c if steers(c) => self.text.extend(c.escape_default()),
                c => self.text.push(c),
            }
        }
        Ok(())
    }
}

/// Reports whether a terminal or a reader could take `c` for something other than text: control
/// characters, characters that change the direction of writing, and zero-width characters.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Foreign text as a message shows it. It is not copied: formatting writes at most [`MAX_SHOWN`]
/// characters of it.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a> {
    text: &'a str,
    quotes: bool,
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.text.chars();
        if self.quotes {
            f.write_char('"')?;
        }
        for c in characters.by_ref().take(MAX_SHOWN) {
            match c {
                '"' | '\\' if self.quotes => write!(f, "\\{c}")?,
                c if steers(c) => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        let cut = !characters.as_str().is_empty();
        if cut {
            f.write_char('…')?;
        }
        if self.quotes {
            f.write_char('"')?;
        }
        if cut { write!(f, " ({} bytes)", self.text.len()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_repeated_as_it_is() {
        assert_eq!(quoted("20260131/cät.png").to_string(), r#""20260131/cät.png""#);
        assert_eq!(quoted(r#"a "b" \c"#).to_string(), r#""a \"b\" \\c""#);
        assert_eq!(shown(r#"a "b""#).to_string(), r#"a "b""#);
    }

    #[test]
    fn sixty_mebibytes_in_a_name_are_cut_to_two_hundred_characters() {
        let name = "é".repeat(30 << 20);
        let text = quoted(&name).to_string();
        assert_eq!(text, format!("\"{}…\" (62914560 bytes)", "é".repeat(MAX_SHOWN)));
        assert_eq!(quoted(&"x".repeat(MAX_SHOWN)).to_string().len(), MAX_SHOWN + 2);
    }

    #[test]
    fn a_text_that_never_ends_is_formatted_to_its_limit() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("a\n\u{1b}")?;
                }
            }
        }
        assert_eq!(bounded(Endless, 7), "a\n\\u{1b}a\n\\u{1b}a…");
        assert_eq!(bounded("short", 5), "short");
    }

    #[test]
    fn a_servers_words_are_one_line_with_an_end() {
        for (text, most, expected) in [
            ("a\nb\t c\u{1b}[31m", 20, "a b c [31m"),
            ("\u{202e}abc", 3, "abc"),
            ("abcd", 3, "abc…"),
            ("ab cd", 3, "ab…"),
            ("ab cd", 4, "ab c…"),
            ("  ", 4, ""),
        ] {
            assert_eq!(on_one_line(text, most), expected, "{text:?}");
        }
        assert_eq!(on_one_line(&"é".repeat(1 << 20), 5), "ééééé…");
    }

    #[test]
    fn characters_that_steer_a_terminal_are_escaped() {
        for (text, expected) in [
            ("\u{1b}[31mred", r#""\u{1b}[31mred""#),
            ("line\nbreak", r#""line\nbreak""#),
            ("abc\u{202e}txt.exe", r#""abc\u{202e}txt.exe""#),
            ("\u{2066}\u{feff}\u{200b}", r#""\u{2066}\u{feff}\u{200b}""#),
        ] {
            assert_eq!(quoted(text).to_string(), expected);
        }
    }
}
