//! A picture in memory, and its bounds.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result};

/// Bytes that a picture may take: 12 megapixels. An action has 256 MiB by default, and a picture
/// that cannot be compressed is there four times while it is encoded.
pub const MAX_BYTES: usize = 36 << 20;

/// Pixels that a side may have, as in JPEG: resizing takes memory for each column and row.
pub const MAX_SIDE: u32 = 65_535;

/// Upright RGB, eight bits each, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Returns the picture of `width` x `height` pixels whose values are `rgb`: 3 bytes for each
    /// pixel, row by row from the top.
    ///
    /// # Errors
    /// `Invalid`: a side is 0, or `rgb` has another length than `width * height * 3`. `TooLarge`.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let expected = byte_length(width, height)?;
        if rgb.len() != expected {
            return Err(Error::invalid(format_args!(
                "{width}x{height} pixels take {expected} bytes of RGB, but there are {}",
                rgb.len()
            )));
        }
        Ok(Self { width, height, rgb })
    }

    /// Returns a picture all of one color.
    ///
    /// # Errors
    /// `Invalid`: a side is 0. `TooLarge`.
    pub(crate) fn filled(width: u32, height: u32, rgb: [u8; 3]) -> Result<Self> {
        let pixels = byte_length(width, height)? / 3;
        Ok(Self { width, height, rgb: rgb.repeat(pixels) })
    }

    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The values: red, green and blue of each pixel, row by row from the top.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels, row by row from the top.
    pub fn pixels(&self) -> &[[u8; 3]] {
        self.rgb.as_chunks().0
    }

    /// Returns the rectangle of `width` x `height` pixels at this column and row.
    ///
    /// # Errors
    /// `Invalid`: it is empty or not wholly inside the picture.
    pub fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Result<Self> {
        let inside = |start: u32, length: u32, side| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
        };
        if !inside(left, width, self.width) || !inside(top, height, self.height) {
            return Err(Error::invalid(format_args!(
                "{width}x{height} pixels from {left},{top} on are not inside the picture of \
                 {}x{}",
                self.width, self.height
            )));
        }
        let mut rgb = Vec::with_capacity(byte_length(width, height)?);
        for row in top..top + height {
            rgb.extend_from_slice(self.row(row, left..left + width).as_flattened());
        }
        Ok(Self { width, height, rgb })
    }

    /// Copies `other` into this picture, its upper left corner at this column and row.
    pub(crate) fn paste(&mut self, other: &Self, left: u32, top: u32) {
        for (row, pixels) in (top..).zip(other.pixels().chunks(other.width as usize)) {
            let columns = left..left.saturating_add(other.width);
            for (pixel, other) in self.row_mut(row, columns).iter_mut().zip(pixels) {
                *pixel = *other;
            }
        }
    }

    /// Some pixels of one row; none where the picture has none.
    fn row(&self, row: u32, columns: Range<u32>) -> &[[u8; 3]] {
        let range = self.range(row, columns);
        self.pixels().get(range).unwrap_or_default()
    }

    /// Some pixels of one row, for drawing; none where the picture has none.
    pub(crate) fn row_mut(&mut self, row: u32, columns: Range<u32>) -> &mut [[u8; 3]] {
        let range = self.range(row, columns);
        self.rgb.as_chunks_mut().0.get_mut(range).unwrap_or_default()
    }

    fn range(&self, row: u32, columns: Range<u32>) -> Range<usize> {
        if row >= self.height {
            return 0..0;
        }
        let start = row as usize * self.width as usize;
        let column = |column: u32| start + column.min(self.width) as usize;
        column(columns.start)..column(columns.end)
    }
}

/// Returns the bytes of a picture of this size.
///
/// # Errors
/// `Invalid`: a side is 0. `TooLarge`.
pub(crate) fn byte_length(width: u32, height: u32) -> Result<usize> {
    if width == 0 || height == 0 {
        return Err(Error::invalid(format_args!("the picture is empty: {width}x{height} pixels")));
    }
    let bytes = (u64::from(width) * u64::from(height)).saturating_mul(3);
    bounded(usize::try_from(bytes).ok(), width, height)
}

/// Returns `bytes`, `None` if they are more than a `usize` counts, where a picture of this size may
/// take as many.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn bounded(bytes: Option<usize>, width: u32, height: u32) -> Result<usize> {
    if width.max(height) > MAX_SIDE {
        return Err(Error::too_large(format_args!(
            "the picture has {width}x{height} pixels, and a side may have {MAX_SIDE}"
        )));
    }
    bytes.filter(|bytes| *bytes <= MAX_BYTES).ok_or_else(|| {
        Error::too_large(format_args!(
            "the picture has {width}x{height} pixels, which take more than the {} MiB that a \
             decoded picture may take",
            MAX_BYTES >> 20
        ))
    })
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::error::ErrorKind;

    impl Picture {
        pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 3] {
            self.pixels()[(y * self.width + x) as usize]
        }
    }

    /// Red grows to the right, green downwards.
    pub(crate) fn gradient(width: u32, height: u32) -> Picture {
        let pixels = (0..height).flat_map(|y| {
            (0..width).map(move |x| [(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
        });
        Picture::from_rgb(width, height, pixels.flatten().collect()).unwrap()
    }

    #[test]
    fn a_crop_is_the_rectangle_and_nothing_else() {
        let whole = gradient(40, 30);
        let part = whole.crop(10, 5, 7, 25).unwrap();
        assert_eq!((part.width(), part.height()), (7, 25));
        for (x, y) in [(0, 0), (6, 0), (0, 24), (6, 24)] {
            assert_eq!(part.at(x, y), whole.at(x + 10, y + 5));
        }
        assert_eq!(whole.crop(0, 0, 40, 30).unwrap(), whole);
        let outside =
            [(34, 0, 7, 1), (0, 29, 1, 2), (0, 0, 0, 1), (40, 0, 1, 1), (u32::MAX, 0, 2, 1)];
        for (left, top, width, height) in outside {
            let error = whole.crop(left, top, width, height).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().ends_with("not inside the picture of 40x30"), "{error}");
        }
    }

    #[test]
    fn sizes_that_no_picture_has_are_refused() {
        let kind = |width, height| Picture::from_rgb(width, height, vec![]).unwrap_err().kind();
        assert_eq!(kind(0, 5), ErrorKind::Invalid);
        assert_eq!(kind(5, 5), ErrorKind::Invalid);
        assert_eq!(kind(65_536, 1), ErrorKind::TooLarge);
        assert_eq!(kind(65_535, 65_535), ErrorKind::TooLarge);
        assert_eq!(kind(u32::MAX, u32::MAX), ErrorKind::TooLarge);
        assert_eq!(byte_length(4096, 3072).unwrap(), MAX_BYTES);
        assert!(byte_length(4096, 3073).is_err());
    }
}
