//! Drawing of boxes and labels. Lines and letters scale with the picture.

use crate::detection::Detection;
use crate::picture::Picture;
use ab_glyph::{Font, FontRef, OutlinedGlyph, PxScale, ScaleFont, point};
use keynet_inference_sdk::Result;
use std::ops::Range;

type Colour = [u8; 3];

/// Font with the letters of ASCII and Latin-1; `fonts/README.md` describes its source.
const FONT: &[u8] = include_bytes!("../fonts/inter-semibold-latin1.otf");

/// Colours of the classes, in turn; distinct from each other and from most pictures.
const COLOURS: [Colour; 10] = [
    [255, 77, 77],
    [26, 163, 255],
    [255, 204, 0],
    [0, 204, 136],
    [204, 102, 255],
    [255, 136, 26],
    [77, 230, 230],
    [255, 102, 178],
    [153, 221, 51],
    [90, 90, 235],
];
const BLACK: Colour = [0; 3];
const WHITE: Colour = [255; 3];

/// Draws every detection, the best on top.
pub fn draw(picture: &mut Picture, detections: &[Detection]) -> Result<()> {
    let font = FontRef::try_from_slice(FONT)?;
    let short_side = picture.width().min(picture.height());
    let line = (short_side / 160).max(2);
    let text_size = (short_side as f32 / 25.0).clamp(16.0, 160.0);

    for detection in detections.iter().rev() {
        frame(picture, edges(detection), line, colour(detection.class));
    }
    // After all the frames, so that no line crosses a letter.
    for detection in detections.iter().rev() {
        label(picture, detection, &font, text_size);
    }
    Ok(())
}

fn edges(detection: &Detection) -> [u32; 4] {
    detection.bounds.map(|edge| edge.round() as u32)
}

fn colour(class: usize) -> Colour {
    COLOURS[class % COLOURS.len()]
}

/// Draws a frame with lines of width `line` just inside the box.
fn frame(picture: &mut Picture, [left, top, right, bottom]: [u32; 4], line: u32, colour: Colour) {
    fill(picture, left..right, top..top + line, colour);
    fill(picture, left..right, bottom.saturating_sub(line)..bottom, colour);
    fill(picture, left..left + line, top..bottom, colour);
    fill(picture, right.saturating_sub(line)..right, top..bottom, colour);
}

/// Draws a label such as "mug 93%" on a strip of the class's colour: above the box if there is
/// room, else inside it.
fn label(picture: &mut Picture, detection: &Detection, font: &FontRef, size: f32) {
    let text = format!("{} {:.0}%", detection.label, detection.score * 100.0);
    let font = font.as_scaled(PxScale::from(size));
    let padding = size * 0.25;
    let height = size.round() as u32;
    let width = (text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum::<f32>()
        + 2.0 * padding)
        .ceil() as u32;

    let [left, top, ..] = edges(detection);
    let left = left.min(picture.width().saturating_sub(width));
    let top = top.checked_sub(height).unwrap_or(top);
    let colour = colour(detection.class);
    fill(picture, left..left + width, top..top + height, colour);

    let ink = if luminance(colour) > 110.0 { BLACK } else { WHITE };
    let mut pen = point(left as f32 + padding, top as f32 + font.ascent());
    for character in text.chars() {
        let id = font.glyph_id(character);
        if let Some(letter) = font.outline_glyph(id.with_scale_and_position(font.scale(), pen)) {
            write(picture, &letter, ink);
        }
        pen.x += font.h_advance(id);
    }
}

fn luminance([red, green, blue]: Colour) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

/// Draws one letter, with its edges blended into the picture.
fn write(picture: &mut Picture, letter: &OutlinedGlyph, ink: Colour) {
    let corner = letter.px_bounds().min;
    letter.draw(|x, y, coverage| {
        // Never negative: a label begins inside the picture, even if it is clipped on the right and
        // below.
        let (x, y) = ((corner.x + x as f32) as u32, (corner.y + y as f32) as u32);
        for pixel in picture.pixels_mut(y, x..x + 1) {
            for (below, ink) in pixel.iter_mut().zip(ink) {
                let below_f = f32::from(*below);
                *below =
                    (below_f + (f32::from(ink) - below_f) * coverage.clamp(0.0, 1.0)).round() as u8;
            }
        }
    });
}

/// Fills a rectangle with one colour, as far as it lies in the picture.
fn fill(picture: &mut Picture, columns: Range<u32>, rows: Range<u32>, colour: Colour) {
    for row in rows.start..rows.end.min(picture.height()) {
        picture.pixels_mut(row, columns.clone()).fill(colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::LABELS;

    const GREY: Colour = [90; 3];

    fn mug(bounds: [f64; 4]) -> Detection {
        Detection { label: "mug", score: 0.93, bounds, class: 5 }
    }

    fn drawn(width: u32, height: u32, detections: &[Detection]) -> Picture {
        let mut picture =
            Picture::new(width, height, GREY.repeat((width * height) as usize)).unwrap();
        draw(&mut picture, detections).unwrap();
        picture
    }

    #[test]
    fn a_box_has_a_frame_and_a_label_and_its_inside_stays() {
        let picture = drawn(400, 400, &[mug([100.0, 150.0, 300.0, 350.0])]);
        for (x, y) in [(100, 200), (101, 200), (299, 200), (200, 349), (250, 150)] {
            assert_eq!(picture.at(x, y), COLOURS[5], "{x} {y}");
        }
        for (x, y) in [(98, 200), (301, 200), (200, 351), (200, 250), (105, 200)] {
            assert_eq!(picture.at(x, y), GREY, "{x} {y}");
        }
        let ink = (100..180).flat_map(|x| (134..150).map(move |y| (x, y)));
        assert!(
            ink.filter(|&(x, y)| picture.at(x, y) == BLACK).count() > 30,
            "the label is written"
        );
    }

    #[test]
    fn lines_and_letters_grow_with_the_picture() {
        let line = |side: u32| {
            let picture = drawn(side, side, &[mug([0.0, 0.0, f64::from(side), f64::from(side)])]);
            (0..side).take_while(|x| picture.at(*x, side / 2) == COLOURS[5]).count()
        };
        assert_eq!((line(64), line(640), line(2000)), (2, 4, 12));
    }

    #[test]
    fn nothing_is_drawn_outside_any_picture() {
        for (width, height) in [(1, 1), (3, 200), (200, 3), (50, 50)] {
            let (right, bottom) = (f64::from(width), f64::from(height));
            let boxes = [
                [0.0, 0.0, right, bottom],
                [right - 1.0, bottom - 1.0, right, bottom],
                [0.0, 0.0, 0.4, 0.4],
            ];
            drawn(width, height, &boxes.map(mug));
        }
    }

    #[test]
    fn every_label_can_be_written_and_has_a_colour_of_its_own() {
        let font = FontRef::try_from_slice(FONT).unwrap();
        assert!(LABELS.concat().chars().chain('!'..='~').all(|c| font.glyph_id(c).0 != 0));
        assert!(LABELS.len() <= COLOURS.len());
    }
}
