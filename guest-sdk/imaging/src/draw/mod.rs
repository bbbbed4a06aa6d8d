//! Boxes and text onto a picture. Unless they have sizes, lines and letters grow with it.

mod font;
mod shapes;
mod text;

pub use font::Font;

use crate::error::{Error, Result};

/// Returns `numbers` if all of them are places.
fn places<const COUNT: usize>(numbers: [f64; COUNT]) -> Result<[f64; COUNT]> {
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err(Error::invalid(format_args!("a place to draw at is not a finite number: {numbers:?}")))
    }
}
