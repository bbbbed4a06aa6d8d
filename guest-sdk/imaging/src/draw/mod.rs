//! Draws boxes and text into a picture. Default sizes of lines and letters grow with the picture.

mod font;
mod shapes;
mod text;

pub use font::Font;

use crate::error::{Error, Result};

/// Returns `numbers` if all of them are finite coordinates.
fn places<const COUNT: usize>(numbers: [f64; COUNT]) -> Result<[f64; COUNT]> {
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err(Error::invalid(format_args!("a place to draw at is not a finite number: {numbers:?}")))
    }
}
