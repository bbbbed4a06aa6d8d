//! The caller's picture: the model's input is made from it, and boxes are drawn into it.

use crate::detection::{Detection, INPUT_SIDE};
use keynet_imaging::{Channels, Color, Filter, Font, Layout, Normalization, Picture};
use keynet_inference_sdk::{Error, Result};

/// Reads a picture; a file that is none is the caller's mistake.
pub fn decode(file: &[u8]) -> Result<Picture> {
    Picture::decode(file).map_err(Error::invalid)
}

/// The model's input: 3 x 640 x 640 values in 0..1, first all red ones, then green, then blue.
pub fn planes(picture: &Picture) -> Result<Vec<f32>> {
    let input = picture.resize(INPUT_SIDE, INPUT_SIDE, Filter::Bilinear)?;
    Ok(input.to_fp32(Layout::Chw, Channels::Rgb, &Normalization::UNIT)?)
}

/// Draws every detection, the best on top: "mug 93%" on a strip of the class's color.
pub fn draw(picture: &mut Picture, detections: &[Detection]) -> Result<()> {
    for Detection { bounds, class, .. } in detections.iter().rev() {
        picture.draw_box(*bounds, Color::of_class(*class), None)?;
    }
    // After all the boxes: no line crosses a letter.
    let font = Font::latin();
    for Detection { label, score, bounds, class } in detections.iter().rev() {
        let [left, top, ..] = *bounds;
        let text = format!("{label} {:.0}%", score * 100.0);
        picture.draw_label(&font, &text, [left, top], Color::of_class(*class), None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::LABELS;

    #[test]
    fn planes_hold_the_resized_picture() {
        let plane = (INPUT_SIDE * INPUT_SIDE) as usize;
        let rgb = [255, 51, 0].repeat(1280 * 720);
        let one_color = Picture::from_rgb(1280, 720, rgb).unwrap();
        let planes = planes(&one_color).unwrap();
        assert_eq!(planes.len(), 3 * plane);
        for (plane, value) in planes.chunks(plane).zip([1.0, 0.2, 0.0]) {
            assert!(plane.iter().all(|v| *v == value));
        }
    }

    #[test]
    fn every_label_is_drawn_in_a_color_of_its_own() {
        let drawn = |class: usize| {
            let bounds = [10.0, 40.0, 90.0, 90.0];
            let detection = Detection { label: LABELS[class], score: 0.5, bounds, class };
            let mut picture = Picture::from_rgb(100, 100, vec![90; 100 * 100 * 3]).unwrap();
            draw(&mut picture, &[detection]).unwrap();
            picture.rgb().to_vec()
        };
        let pictures: std::collections::HashSet<_> = (0..LABELS.len()).map(drawn).collect();
        assert_eq!(pictures.len(), LABELS.len());
    }
}
