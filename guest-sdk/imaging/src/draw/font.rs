//! The letters of text.

use std::fmt;

use ab_glyph::{Font as _, FontArc, PxScale, PxScaleFont};

use crate::error::{Error, Result};

/// The letters of ASCII and Latin-1; `fonts/README.md` names their source.
const LATIN: &[u8] = include_bytes!("../../fonts/inter-semibold-latin1.otf");

/// A TrueType or OpenType font.
#[derive(Clone)]
pub struct Font(FontArc);

impl Font {
    /// Inter SemiBold with the letters of ASCII and Latin-1, which this crate carries.
    pub fn latin() -> Self {
        let font = FontArc::try_from_slice(LATIN);
        #[expect(clippy::expect_used, reason = "the bytes are this crate's own; a test reads them")]
        Self(font.expect("the crate's own font"))
    }

    /// Reads a TrueType or OpenType font, for text in other scripts.
    ///
    /// # Errors
    /// `Invalid`: it is no such font.
    pub fn parse(file: Vec<u8>) -> Result<Self> {
        FontArc::try_from_vec(file)
            .map(Self)
            .map_err(|_| Error::invalid("the font is neither a TrueType nor an OpenType font"))
    }

    /// Returns the font in letters of this height in pixels.
    ///
    /// # Errors
    /// `Unsupported`: it lacks a character of `text`.
    pub(super) fn sized(&self, size: f32, text: &str) -> Result<PxScaleFont<&FontArc>> {
        match text.chars().find(|character| self.0.glyph_id(*character).0 == 0) {
            Some(missing) => Err(Error::unsupported(format_args!(
                "the font has no {missing:?} (U+{:04X}): draw with one that has it",
                u32::from(missing)
            ))),
            None => Ok(self.0.as_scaled(PxScale::from(size))),
        }
    }
}

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Font({} glyphs)", self.0.glyph_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_crates_font_has_ascii_and_latin_1() {
        let text: String = ('!'..='~').chain('\u{a1}'..='\u{ac}').chain('\u{ae}'..='ÿ').collect();
        assert!(Font::latin().sized(16.0, &text).is_ok());
    }

    #[test]
    fn a_character_that_the_font_lacks_is_named() {
        let error = Font::latin().sized(16.0, "한국어").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("'한' (U+D55C)"), "{error}");
    }

    #[test]
    fn what_is_no_font_is_refused() {
        assert_eq!(Font::parse(b"letters".to_vec()).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(format!("{:?}", Font::parse(LATIN.to_vec()).unwrap()).starts_with("Font("));
    }
}
