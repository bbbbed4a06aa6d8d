//! Lines of text, and labels of boxes.

use ab_glyph::{FontArc, OutlinedGlyph, Point, PxScaleFont, ScaleFont as _, point};

use super::{Font, places};
use crate::color::Color;
use crate::error::{Error, Result};
use crate::picture::Picture;

impl Picture {
    /// Writes a label for the box whose corner is at `place` (x, y): black or white on a strip of
    /// `color`, above that corner where there is room, else below it.
    ///
    /// `size` is the height in pixels; by default a 25th of the picture's shorter side, from 16 to
    /// 160. The strip stays inside the picture as far as it fits.
    ///
    /// # Errors
    /// `Unsupported`: the font lacks a character. `Invalid`: the place is not finite, or the size
    /// not from 1 to 1,000.
    pub fn draw_label(
        &mut self,
        font: &Font,
        text: &str,
        place: [f64; 2],
        color: Color,
        size: Option<f64>,
    ) -> Result<()> {
        let size = self.text_size(size)?;
        let font = font.sized(size, text)?;
        let padding = size * 0.25;
        let height = size.round() as u32;
        let width = (text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum::<f32>()
            + 2.0 * padding)
            .ceil() as u32;

        let [left, top] = places(place)?.map(|place| place.round() as u32);
        let left = left.min(self.width().saturating_sub(width));
        let top = top.checked_sub(height).unwrap_or(top);
        self.fill(left..left.saturating_add(width), top..top.saturating_add(height), color);
        let pen = point(left as f32 + padding, top as f32 + font.ascent());
        self.write(&font, text, pen, color.ink());
        Ok(())
    }

    /// Writes a line of text; its upper left corner is at `place` (x, y), rounded to whole pixels.
    /// Size and errors as for [`draw_label`](Self::draw_label).
    ///
    /// # Errors
    /// As for `draw_label`.
    pub fn draw_text(
        &mut self,
        font: &Font,
        text: &str,
        place: [f64; 2],
        color: Color,
        size: Option<f64>,
    ) -> Result<()> {
        let font = font.sized(self.text_size(size)?, text)?;
        let [left, top] = places(place)?.map(|place| place.round() as f32);
        self.write(&font, text, point(left, top + font.ascent()), color);
        Ok(())
    }

    fn text_size(&self, size: Option<f64>) -> Result<f32> {
        match size {
            None => Ok((self.width().min(self.height()) as f32 / 25.0).clamp(16.0, 160.0)),
            Some(size) if (1.0..=1000.0).contains(&size) => Ok(size as f32),
            Some(size) => Err(Error::invalid(format_args!(
                "the size of text is from 1 to 1000 pixels, not {size}"
            ))),
        }
    }

    fn write(&mut self, font: &PxScaleFont<&FontArc>, text: &str, mut pen: Point, ink: Color) {
        for character in text.chars() {
            let id = font.glyph_id(character);
            let glyph = id.with_scale_and_position(font.scale(), pen);
            if let Some(letter) = font.outline_glyph(glyph) {
                self.write_letter(&letter, ink);
            }
            pen.x += font.h_advance(id);
        }
    }

    /// Writes one letter, its edges blended into what is there.
    fn write_letter(&mut self, letter: &OutlinedGlyph, ink: Color) {
        let bounds = letter.px_bounds();
        let (width, height) = (self.width() as f32, self.height() as f32);
        let (corner, end) = (bounds.min, bounds.max);
        if end.x <= 0.0 || end.y <= 0.0 || corner.x >= width || corner.y >= height {
            return;
        }
        letter.draw(|x, y, coverage| {
            let (x, y) = (corner.x + x as f32, corner.y + y as f32);
            if x < 0.0 || y < 0.0 {
                return;
            }
            let (x, y) = (x as u32, y as u32);
            for pixel in self.row_mut(y, x..x.saturating_add(1)) {
                for (below, ink) in pixel.iter_mut().zip(ink.rgb()) {
                    let ground = f32::from(*below);
                    let blended = ground + (f32::from(ink) - ground) * coverage.clamp(0.0, 1.0);
                    *below = blended.round() as u8;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAY: [u8; 3] = [90; 3];
    const MUG: Color = Color::new(255, 136, 26);

    fn labeled(width: u32, height: u32, place: [f64; 2]) -> Picture {
        let mut picture = Picture::filled(width, height, GRAY).unwrap();
        picture.draw_label(&Font::latin(), "mug 93%", place, MUG, None).unwrap();
        picture
    }

    /// How many pixels of some columns and rows have this color.
    fn count(picture: &Picture, color: [u8; 3]) -> usize {
        picture.pixels().iter().filter(|pixel| **pixel == color).count()
    }

    #[test]
    fn a_label_stands_above_its_corner_or_below_where_there_is_no_room() {
        let above = labeled(400, 400, [100.0, 150.0]);
        assert_eq!((above.at(100, 134), above.at(100, 149)), (MUG.rgb(), MUG.rgb()));
        assert_eq!((above.at(100, 133), above.at(100, 150)), (GRAY, GRAY));
        assert!(count(&above, [0; 3]) > 30, "the label is written");
        let below = labeled(400, 400, [100.0, 7.0]);
        assert_eq!(
            (below.at(100, 6), below.at(100, 7), below.at(100, 22)),
            (GRAY, MUG.rgb(), MUG.rgb())
        );
        let right = labeled(400, 400, [399.0, 150.0]);
        assert_eq!(right.at(399, 134), MUG.rgb());
        assert_eq!(count(&right, [0; 3]), count(&above, [0; 3]));
    }

    #[test]
    fn letters_grow_with_the_picture_unless_they_have_a_size() {
        let ink = |side: u32, size| {
            let mut picture = Picture::filled(side, side, GRAY).unwrap();
            picture.draw_text(&Font::latin(), "mug", [5.0, 5.0], Color::WHITE, size).unwrap();
            count(&picture, [255; 3])
        };
        assert!(ink(1000, None) > 3 * ink(400, None));
        assert_eq!(ink(1000, Some(16.0)), ink(400, None));
        assert_eq!(ink(400, Some(16.0)), ink(300, Some(16.0)));
    }

    #[test]
    fn text_is_clipped_at_each_side() {
        for place in [[-20.0, 5.0], [45.0, 5.0], [5.0, -9.0], [5.0, 46.0], [-1e9, 1e300]] {
            let mut picture = Picture::filled(50, 50, GRAY).unwrap();
            picture.draw_text(&Font::latin(), "mug 93%", place, Color::WHITE, None).unwrap();
            for (width, height) in [(1, 1), (3, 200), (200, 3)] {
                labeled(width, height, place);
            }
        }
        // What is left of the first letter is not drawn again at the edge.
        let mut picture = Picture::filled(50, 50, GRAY).unwrap();
        picture.draw_text(&Font::latin(), "l", [-30.0, 5.0], Color::WHITE, None).unwrap();
        assert_eq!(count(&picture, GRAY), 2500);
    }

    #[test]
    fn sizes_and_places_that_are_none_are_refused() {
        let mut picture = Picture::filled(50, 50, GRAY).unwrap();
        let font = Font::latin();
        for (place, size) in [
            ([0.0, 0.0], Some(0.0)),
            ([0.0, 0.0], Some(1000.5)),
            ([0.0, 0.0], Some(f64::NAN)),
            ([f64::INFINITY, 0.0], None),
        ] {
            assert!(picture.draw_text(&font, "x", place, Color::WHITE, size).is_err());
            assert!(picture.draw_label(&font, "x", place, Color::WHITE, size).is_err());
        }
        assert_eq!(count(&picture, GRAY), 2500);
    }
}
