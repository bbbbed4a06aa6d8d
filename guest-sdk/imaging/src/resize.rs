//! Pictures of another size.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::color::Color;
use crate::error::{Error, Result};
use crate::picture::{Picture, byte_length};

/// The value of a pixel that is made of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The nearest pixel: fast and rough, for masks.
    Nearest,
    /// The mean of what a pixel covers: OpenCV's `INTER_AREA`, Pillow's `BOX`.
    Area,
    /// A triangle as wide as the shrinking needs, so that no pixel is passed over: Pillow's
    /// `BILINEAR`. For most models.
    Bilinear,
    /// Pillow's `BICUBIC`.
    Bicubic,
    /// Pillow's `LANCZOS`: the best for people, the slowest.
    Lanczos,
}

impl Filter {
    fn algorithm(self) -> ResizeAlg {
        ResizeAlg::Convolution(match self {
            Self::Nearest => return ResizeAlg::Nearest,
            Self::Area => FilterType::Box,
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Lanczos => FilterType::Lanczos3,
        })
    }
}

/// A picture with its contents fitted into another size, and the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterBoxed {
    /// The new picture.
    pub picture: Picture,
    /// The size of the contents over that of the original.
    pub scale: f64,
    /// Columns of the border at the left.
    pub left: u32,
    /// Rows of the border above.
    pub top: u32,
}

impl LetterBoxed {
    /// Returns where a rectangle of this picture (left, top, right, bottom) is in the original.
    pub fn to_source(&self, [left, top, right, bottom]: [f64; 4]) -> [f64; 4] {
        let column = |x: f64| (x - f64::from(self.left)) / self.scale;
        let row = |y: f64| (y - f64::from(self.top)) / self.scale;
        [column(left), row(top), column(right), row(bottom)]
    }
}

impl Picture {
    /// Returns the picture in this size, whatever becomes of its proportions.
    ///
    /// # Errors
    /// `Invalid`: a side is 0. `TooLarge`.
    pub fn resize(&self, width: u32, height: u32, filter: Filter) -> Result<Self> {
        let mut rgb = vec![0; byte_length(width, height)?];
        let source = TypedImageRef::<U8x3>::from_buffer(self.width(), self.height(), self.rgb())
            .map_err(failed)?;
        let mut target =
            TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).map_err(failed)?;
        let options = ResizeOptions::new().resize_alg(filter.algorithm());
        Resizer::new().resize_typed(&source, &mut target, &options).map_err(failed)?;
        Self::from_rgb(width, height, rgb)
    }

    /// Returns a picture of this size with the whole of this one in its middle, as large as its
    /// proportions allow, and a border of `color` (114, 114, 114 for the YOLO family).
    ///
    /// # Errors
    /// As for [`resize`](Self::resize).
    pub fn letter_box(
        &self,
        width: u32,
        height: u32,
        filter: Filter,
        color: Color,
    ) -> Result<LetterBoxed> {
        let mut picture = Self::filled(width, height, color.rgb())?;
        let ratio = |side: u32, of: u32| f64::from(side) / f64::from(of);
        let scale = ratio(width, self.width()).min(ratio(height, self.height()));
        let scaled = |of: u32, most: u32| {
            let side = (f64::from(of) * scale).round() as u32;
            side.clamp(1, most)
        };
        let (inner_width, inner_height) =
            (scaled(self.width(), width), scaled(self.height(), height));
        let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
        picture.paste(&self.resize(inner_width, inner_height, filter)?, left, top);
        Ok(LetterBoxed { picture, scale, left, top })
    }
}

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::invalid(format_args!("cannot resize the picture: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::picture::tests::gradient;

    const FILTERS: [Filter; 5] =
        [Filter::Nearest, Filter::Area, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

    #[test]
    fn each_filter_keeps_what_is_in_the_picture() {
        let one_color = Picture::filled(1280, 720, [255, 51, 0]).unwrap();
        for filter in FILTERS {
            let resized = one_color.resize(100, 200, filter).unwrap();
            assert_eq!(resized, Picture::filled(100, 200, [255, 51, 0]).unwrap(), "{filter:?}");
            let small = gradient(640, 640).resize(64, 64, filter).unwrap();
            let (expected, found) = (gradient(64, 64).at(32, 50), small.at(32, 50));
            assert!(expected.iter().zip(found).all(|(a, b)| a.abs_diff(b) <= 4), "{filter:?}");
        }
        assert_eq!(gradient(64, 64).resize(64, 64, Filter::Bilinear).unwrap(), gradient(64, 64));
    }

    #[test]
    fn shrinking_averages_and_does_not_skip() {
        let stripes = [[0; 3], [0; 3], [0; 3], [255; 3]].concat().repeat(640 * 640);
        let stripes = Picture::from_rgb(2560, 640, stripes).unwrap();
        let small = stripes.resize(640, 640, Filter::Bilinear).unwrap();
        assert!(small.rgb().iter().all(|value| (25..115).contains(value)));
        let sum: u64 = small.rgb().iter().map(|value| u64::from(*value)).sum();
        assert!((sum as f64 / small.rgb().len() as f64 - 63.75).abs() < 2.5);
    }

    #[test]
    fn a_letter_box_has_borders_and_the_way_back() {
        let border = Color::new(114, 114, 114);
        let boxed = gradient(200, 100).letter_box(640, 640, Filter::Bilinear, border).unwrap();
        assert_eq!((boxed.scale, boxed.left, boxed.top), (3.2, 0, 160));
        for (x, y) in [(0, 0), (639, 159), (0, 480), (639, 639)] {
            assert_eq!(boxed.picture.at(x, y), border.rgb(), "{x} {y}");
        }
        assert_ne!(boxed.picture.at(320, 160), border.rgb());
        assert_ne!(boxed.picture.at(320, 479), border.rgb());
        assert_eq!(boxed.to_source([0.0, 160.0, 640.0, 480.0]), [0.0, 0.0, 200.0, 100.0]);

        let boxed = gradient(30, 31).letter_box(64, 32, Filter::Area, border).unwrap();
        assert_eq!((boxed.left, boxed.top), (16, 0));
        let thin = gradient(2000, 1).letter_box(64, 64, Filter::Area, border).unwrap();
        assert_eq!((thin.left, thin.top), (0, 31));
    }

    #[test]
    fn sizes_that_no_picture_has_are_refused() {
        for (width, height, kind) in [
            (0, 1, ErrorKind::Invalid),
            (1, 65_536, ErrorKind::TooLarge),
            (60_000, 60_000, ErrorKind::TooLarge),
        ] {
            let error = gradient(4, 4).resize(width, height, Filter::Area).unwrap_err();
            assert_eq!(error.kind(), kind);
            let boxed = gradient(4, 4).letter_box(width, height, Filter::Area, Color::BLACK);
            assert_eq!(boxed.unwrap_err().kind(), kind);
        }
    }
}
