//! Outlines and areas.

use std::ops::Range;

use super::places;
use crate::color::Color;
use crate::error::Result;
use crate::picture::Picture;

impl Picture {
    /// Draws the outline of a rectangle (left, top, right, bottom), `line` pixels wide and inside
    /// of it; by default 2 pixels, or a 160th of the picture's shorter side if that is more.
    ///
    /// Edges are rounded to whole pixels; what lies outside of the picture is clipped.
    ///
    /// # Errors
    /// `Invalid`: an edge is not a finite number.
    pub fn draw_box(&mut self, bounds: [f64; 4], color: Color, line: Option<u32>) -> Result<()> {
        let [left, top, right, bottom] = places(bounds)?.map(|edge| edge.round() as u32);
        let line = line.unwrap_or_else(|| (self.width().min(self.height()) / 160).max(2));
        let (columns, rows) = (left..right, top..bottom);
        self.fill(columns.clone(), start(&rows, line), color);
        self.fill(columns.clone(), end(&rows, line), color);
        self.fill(start(&columns, line), rows.clone(), color);
        self.fill(end(&columns, line), rows, color);
        Ok(())
    }

    /// Fills a rectangle, as far as it lies in the picture.
    pub(super) fn fill(&mut self, columns: Range<u32>, rows: Range<u32>, color: Color) {
        for row in rows.start..rows.end.min(self.height()) {
            self.row_mut(row, columns.clone()).fill(color.rgb());
        }
    }
}

/// The first `length` numbers of `range`.
fn start(range: &Range<u32>, length: u32) -> Range<u32> {
    range.start..range.start.saturating_add(length).min(range.end)
}

/// The last `length` numbers of `range`.
fn end(range: &Range<u32>, length: u32) -> Range<u32> {
    range.end.saturating_sub(length).max(range.start)..range.end
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAY: [u8; 3] = [90; 3];

    fn drawn(width: u32, height: u32, bounds: [f64; 4], line: Option<u32>) -> Picture {
        let mut picture = Picture::filled(width, height, GRAY).unwrap();
        picture.draw_box(bounds, Color::of_class(5), line).unwrap();
        picture
    }

    #[test]
    fn a_box_has_a_frame_and_its_inside_stays() {
        let picture = drawn(400, 400, [100.0, 150.0, 300.0, 350.0], None);
        for (x, y) in [(100, 200), (101, 200), (299, 200), (200, 349), (250, 150)] {
            assert_eq!(picture.at(x, y), Color::of_class(5).rgb(), "{x} {y}");
        }
        for (x, y) in [(99, 200), (300, 200), (200, 350), (200, 250), (102, 200)] {
            assert_eq!(picture.at(x, y), GRAY, "{x} {y}");
        }
    }

    #[test]
    fn lines_grow_with_the_picture_unless_they_have_a_width() {
        let line = |side: u32, line| {
            let picture = drawn(side, side, [0.0, 0.0, f64::from(side), f64::from(side)], line);
            (0..side).take_while(|x| picture.at(*x, side / 2) != GRAY).count()
        };
        assert_eq!((line(64, None), line(640, None), line(2000, None)), (2, 4, 12));
        assert_eq!((line(64, Some(7)), line(64, Some(0)), line(64, Some(u32::MAX))), (7, 0, 64));
    }

    #[test]
    fn nothing_is_drawn_outside_of_any_picture() {
        for (width, height) in [(1, 1), (3, 200), (200, 3), (50, 50)] {
            let (right, bottom) = (f64::from(width), f64::from(height));
            for bounds in [
                [0.0, 0.0, right, bottom],
                [right - 1.0, bottom - 1.0, right, bottom],
                [0.0, 0.0, 0.4, 0.4],
                [-1e9, -5.0, 1e300, 1e9],
                [right, bottom, 0.0, 0.0],
            ] {
                drawn(width, height, bounds, None);
            }
        }
        let error = Picture::filled(9, 9, GRAY)
            .unwrap()
            .draw_box([0.0, f64::NAN, 1.0, 1.0], Color::BLACK, None)
            .unwrap_err();
        assert!(error.message().contains("NaN"), "{error}");
    }
}
