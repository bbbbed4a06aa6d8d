//! Detections: rows of the model's output, converted to named boxes in the caller's picture.

use keynet_inference_sdk::{Context, Result, ensure};
use serde::Serialize;

/// The model sees every picture as a square with sides of this many pixels.
pub const INPUT_SIDE: u32 = 640;

/// The classes of `models/detector`, in the model's order.
pub const LABELS: [&str; 8] =
    ["apple", "car", "clock", "fish", "house", "mug", "sailboat", "umbrella"];

/// Object detected in the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Name of the class.
    pub label: &'static str,
    /// Confidence of the model, in 0..1, to three decimals.
    pub score: f64,
    /// Left, top, right and bottom in pixels of the caller's picture, to a tenth.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// Index of the label in [`LABELS`].
    #[serde(skip)]
    pub class: usize,
}

/// Returns the detections with a score of at least `threshold` in a picture of `width` x `height`
/// pixels, best first.
///
/// `rows` is the model's output for that picture: x1, y1, x2, y2 in pixels of its 640x640 input,
/// score, class. Unused rows have score 0.
pub fn from_rows(rows: &[f32], threshold: f64, width: u32, height: u32) -> Result<Vec<Detection>> {
    let (rows, rest) = rows.as_chunks::<6>();
    ensure!(
        rest.is_empty(),
        "the model's output is not rows of 6 values: {} are left over",
        rest.len()
    );
    let used = |row: &&[f32; 6]| row[4] > 0.0 && f64::from(row[4]) >= threshold;
    let mut found = Vec::new();
    for row in rows.iter().filter(used) {
        let [x1, y1, x2, y2, score, class] = row.map(f64::from);
        let class = class as usize;
        let label = LABELS.get(class).with_context(|| {
            format!("the model has a class {class}, but the labels end before it")
        })?;
        let [left, right] = [x1, x2].map(|x| scaled(x, width));
        let [top, bottom] = [y1, y2].map(|y| scaled(y, height));
        if left < right && top < bottom {
            found.push(Detection {
                label,
                score: rounded(score, 3),
                bounds: [left, top, right, bottom],
                class,
            });
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(found)
}

/// Converts a position in the model's input to one in the picture, limited to its sides.
fn scaled(position: f64, side: u32) -> f64 {
    let side = f64::from(side);
    rounded((position / f64::from(INPUT_SIDE) * side).clamp(0.0, side), 1)
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let unit = 10_f64.powi(decimals);
    (value * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSE: f32 = 4.0;

    #[test]
    fn the_labels_are_the_models() {
        let file = include_str!("../models/detector/labels.txt");
        assert_eq!(file.lines().collect::<Vec<_>>(), LABELS);
    }

    #[test]
    fn boxes_are_scaled_sorted_and_kept_inside_the_picture() {
        let rows = [
            [64.0, 64.0, 320.0, 320.0, 0.6, 0.0],
            [-10.0, 0.0, 640.0, 700.0, 0.91234, HOUSE],
            [0.0, 0.0, 640.0, 640.0, 0.49, 1.0],
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ];
        let found = from_rows(rows.as_flattened(), 0.5, 1280, 320).unwrap();
        assert_eq!(
            found,
            [
                Detection {
                    label: "house",
                    score: 0.912,
                    bounds: [0.0, 0.0, 1280.0, 320.0],
                    class: 4
                },
                Detection {
                    label: "apple",
                    score: 0.6,
                    bounds: [128.0, 32.0, 640.0, 160.0],
                    class: 0
                },
            ]
        );
    }

    #[test]
    fn unused_rows_are_no_detections_at_any_threshold() {
        let rows = [
            [0.0; 6],
            [1.0, 1.0, 9.0, 9.0, f32::NAN, 0.0],
            [9.0, 9.0, 9.0, 9.0, 0.9, 0.0],
            [0.0, 0.0, f32::NAN, 9.0, 0.9, 0.0],
        ];
        assert_eq!(from_rows(rows.as_flattened(), 0.0, 640, 640).unwrap(), []);
    }

    #[test]
    fn another_models_answer_is_an_error() {
        let error = from_rows(&[0.0; 7], 0.5, 640, 640).unwrap_err();
        assert!(error.message().contains("1 are left over"), "{error}");
        let error = from_rows(&[0.0, 0.0, 9.0, 9.0, 0.9, 80.0], 0.5, 640, 640).unwrap_err();
        assert!(error.message().contains("class 80"), "{error}");
    }
}
