//! Pictures for inference actions: from a PNG or JPEG file to a model's input, and from detections
//! to a file.
//!
//! ```
//! use keynet_imaging::{Channels, Color, Filter, Font, Layout, Normalization, Picture};
//!
//! # fn main() -> keynet_imaging::Result<()> {
//! # let file = Picture::from_rgb(40, 30, vec![90; 40 * 30 * 3])?.encode_png()?;
//! let mut picture = Picture::decode(&file)?;
//!
//! // the model's input: FP32, shape [3, 640, 640]
//! let boxed = picture.letter_box(640, 640, Filter::Bilinear, Color::new(114, 114, 114))?;
//! let input = boxed.picture.to_fp32(Layout::Chw, Channels::Rgb, &Normalization::UNIT)?;
//! assert_eq!(input.len(), 3 * 640 * 640);
//!
//! // its answer, in pixels of that input, drawn into the caller's picture
//! let bounds = boxed.to_source([160.0, 160.0, 480.0, 400.0]);
//! let color = Color::of_class(5);
//! picture.draw_box(bounds, color, None)?;
//! picture.draw_label(&Font::latin(), "mug 93%", [bounds[0], bounds[1]], color, None)?;
//! let file = picture.encode_jpeg(85)?;
//! # assert!(file.starts_with(&[0xff, 0xd8]));
//! # Ok(())
//! # }
//! ```
//!
//! A picture is RGB with 8 bits for each value, and takes `width * height * 3` bytes. Places are in
//! pixels from its left and top edge. It is bounded: [`MAX_SIDE`] pixels a side, [`MAX_BYTES`] in
//! all. A file that claims more is refused by its header.
//!
//! Not for animations (the first frame of an animated PNG is read), color profiles (values are
//! taken as sRGB), transparency (dropped) or other formats than PNG and JPEG.

mod color;
mod decode;
mod draw;
mod encode;
mod error;
mod orientation;
mod picture;
mod resize;
mod tensor;

pub use crate::color::Color;
pub use crate::draw::Font;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::picture::{MAX_BYTES, MAX_SIDE, Picture};
pub use crate::resize::{Filter, LetterBoxed};
pub use crate::tensor::{Channels, Layout, Normalization};
