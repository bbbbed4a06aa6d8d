//! `NonMaxSuppression`, as ONNX and ONNX Runtime compute it: for each picture and each class, the
//! boxes by falling score, without those that overlap one that was taken before.
//!
//! rten 0.27 gives each box to its best class only, lets boxes of different pictures and classes
//! suppress each other, takes the box around two boxes for their union, and needs the corners in
//! order.

use rten::{Value, ValueView};
use rten_onnx::onnx::NodeProto;
use rten_tensor::{Layout, NdTensor, Tensor};

use super::super::node::NodeExt;

/// Its attribute.
#[derive(Debug, Clone)]
pub(in super::super::super) struct NonMaxSuppression {
    /// Boxes are a centre, a width and a height; else two opposite corners.
    centers: bool,
}

/// A box, with its corners in order.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Area {
    /// Two opposite corners, each `y, x`, in any order.
    fn of_corners([y1, x1, y2, x2]: [f32; 4]) -> Self {
        Self { left: x1.min(x2), top: y1.min(y2), right: x1.max(x2), bottom: y1.max(y2) }
    }

    fn of_center([x, y, width, height]: [f32; 4]) -> Self {
        let (half_width, half_height) = (width / 2.0, height / 2.0);
        Self {
            left: x - half_width,
            top: y - half_height,
            right: x + half_width,
            bottom: y + half_height,
        }
    }

    fn size(self) -> f32 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    /// Whether the intersection is more than `threshold` of the union.
    fn overlaps(self, other: Self, threshold: f32) -> bool {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        if width <= 0.0 || height <= 0.0 {
            return false;
        }
        let (intersection, one, two) = (width * height, self.size(), other.size());
        let union = one + two - intersection;
        one > 0.0 && two > 0.0 && union > 0.0 && intersection / union > threshold
    }
}

impl NonMaxSuppression {
    pub fn of(node: &NodeProto) -> Self {
        Self { centers: node.integer("center_point_box") == Some(1) }
    }

    /// Selects boxes: rows of the picture, the class and the box.
    ///
    /// # Errors
    /// Why the inputs do not suit it.
    pub fn run(&self, inputs: &[Option<ValueView<'_>>]) -> Result<Value, String> {
        let [Some(ValueView::FloatTensor(boxes)), Some(ValueView::FloatTensor(scores)), ..] =
            inputs
        else {
            return Err("needs boxes and scores of FP32".to_owned());
        };
        let ([pictures, count, 4], [scored, classes, each]) =
            (size3(boxes.shape())?, size3(scores.shape())?)
        else {
            return Err(format!(
                "needs boxes of shape [pictures,boxes,4], got {:?}",
                boxes.shape()
            ));
        };
        if pictures != scored || count != each {
            return Err(format!(
                "has boxes of shape {:?} and scores of shape {:?}, which do not suit each other",
                boxes.shape(),
                scores.shape()
            ));
        }
        let most = match inputs.get(2).and_then(Option::as_ref) {
            Some(ValueView::Int32Tensor(most)) => most.iter().next().copied().unwrap_or(0),
            _ => 0,
        };
        let number = |index: usize| match inputs.get(index).and_then(Option::as_ref) {
            Some(ValueView::FloatTensor(number)) => number.iter().next().copied(),
            _ => None,
        };
        let (overlap, least) = (number(3).unwrap_or(0.0), number(4));
        if !(0.0..=1.0).contains(&overlap) {
            return Err(format!("needs an iou_threshold from 0 to 1, got {overlap}"));
        }
        let (boxes, scores) = (boxes.to_contiguous(), scores.to_contiguous());
        let (boxes, scores) = (boxes.data(), scores.data());
        let mut rows = Vec::new();
        for (picture, boxes) in boxes.chunks_exact((count * 4).max(1)).enumerate().take(pictures) {
            let areas: Vec<Area> =
                boxes.as_chunks().0.iter().map(|numbers| self.area(*numbers)).collect();
            let of_picture =
                scores.chunks_exact(count.max(1)).skip(picture * classes).take(classes);
            for (class, scores) in of_picture.enumerate() {
                for index in
                    select(&areas, scores, usize::try_from(most).unwrap_or(0), overlap, least)
                {
                    rows.extend(
                        [picture, class, index]
                            .map(|index| i32::try_from(index).unwrap_or(i32::MAX)),
                    );
                }
            }
        }
        let selected = NdTensor::<i32, 2>::try_from_data([rows.len() / 3, 3], rows)
            .map_err(|error| error.to_string())?;
        Ok(Value::from(Tensor::from(selected)))
    }

    fn area(&self, numbers: [f32; 4]) -> Area {
        if self.centers { Area::of_center(numbers) } else { Area::of_corners(numbers) }
    }
}

fn size3(shape: &[usize]) -> Result<[usize; 3], String> {
    shape
        .try_into()
        .map_err(|_| format!("needs boxes and scores of three dimensions, got {shape:?}"))
}

/// The boxes of one class, by falling score; of equal scores the first.
fn select(
    areas: &[Area],
    scores: &[f32],
    most: usize,
    overlap: f32,
    least: Option<f32>,
) -> Vec<usize> {
    let mut candidates: Vec<(usize, f32)> = scores
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, score)| least.is_none_or(|least| *score > least))
        .collect();
    candidates.sort_by(|(_, one), (_, other)| {
        other.partial_cmp(one).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut selected: Vec<(usize, Area)> = Vec::new();
    for (index, _) in candidates {
        if selected.len() >= most {
            break;
        }
        let Some(area) = areas.get(index).copied() else { continue };
        if !selected.iter().any(|(_, taken)| area.overlaps(*taken, overlap)) {
            selected.push((index, area));
        }
    }
    selected.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        centers: bool,
        boxes: (&[usize], &[f32]),
        scores: (&[usize], &[f32]),
        most: i32,
        overlap: f32,
        least: Option<f32>,
    ) -> Vec<[i32; 3]> {
        let tensor = |(shape, data): (&[usize], &[f32])| {
            Value::from(Tensor::from_data(shape, data.to_vec()))
        };
        let number = |number: f32| Value::from(Tensor::from_data(&[1], vec![number]));
        let values = [
            tensor(boxes),
            tensor(scores),
            Value::from(Tensor::from_data(&[], vec![most])),
            number(overlap),
        ];
        let least = least.map(number);
        let mut inputs: Vec<_> = values.iter().map(|value| Some(value.as_view())).collect();
        inputs.push(least.as_ref().map(Value::as_view));
        let Value::Int32Tensor(rows) = NonMaxSuppression { centers }.run(&inputs).unwrap() else {
            panic!()
        };
        rows.into_data().as_chunks().0.to_vec()
    }

    const BOXES: [f32; 12] = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.02, 1.02, 0.0, 10.0, 1.0, 11.0];

    #[test]
    fn each_class_and_each_picture_has_its_own_boxes() {
        let scores = [0.9, 0.8, 0.7, 0.45, 0.4, 0.35];
        let rows = run(false, (&[1, 3, 4], &BOXES), (&[1, 2, 3], &scores), 10, 0.5, Some(0.0));
        assert_eq!(rows, [[0, 0, 0], [0, 0, 2], [0, 1, 0], [0, 1, 2]]);
        let twice = [BOXES, BOXES].concat();
        let rows = run(false, (&[2, 3, 4], &twice), (&[2, 1, 3], &scores), 10, 0.5, None);
        assert_eq!(rows, [[0, 0, 0], [0, 0, 2], [1, 0, 0], [1, 0, 2]]);
        assert_eq!(
            run(false, (&[2, 3, 4], &twice), (&[2, 1, 3], &scores), 1, 0.5, Some(0.5)),
            [[0, 0, 0]]
        );
        assert!(
            run(false, (&[1, 3, 4], &BOXES), (&[1, 1, 3], &scores[..3]), 0, 0.5, None).is_empty()
        );
    }

    #[test]
    fn corners_may_be_swapped_and_boxes_may_be_centers() {
        let swapped = [1.0, 1.0, 0.0, 0.0, 0.0, 1.02, 1.02, 0.0, 1.0, 11.0, 0.0, 10.0];
        let rows =
            run(false, (&[1, 3, 4], &swapped), (&[1, 1, 3], &[0.9, 0.8, 0.7]), 10, 0.5, None);
        assert_eq!(rows, [[0, 0, 0], [0, 0, 2]]);
        let centers = [0.5, 0.5, 1.0, 1.0, 0.51, 0.51, 1.02, 1.02, 10.5, 0.5, 1.0, 1.0];
        let rows = run(true, (&[1, 3, 4], &centers), (&[1, 1, 3], &[0.9, 0.8, 0.7]), 10, 0.5, None);
        assert_eq!(rows, [[0, 0, 0], [0, 0, 2]]);
    }

    #[test]
    fn of_equal_scores_the_first_box_is_taken() {
        let rows = run(false, (&[1, 3, 4], &BOXES), (&[1, 1, 3], &[0.5, 0.5, 0.5]), 10, 0.5, None);
        assert_eq!(rows, [[0, 0, 0], [0, 0, 2]]);
        assert_eq!(
            run(false, (&[1, 3, 4], &BOXES), (&[1, 1, 3], &[0.5, 0.5, 0.5]), 10, 1.0, Some(0.4))
                .len(),
            3
        );
    }

    #[test]
    fn no_box_and_no_class_select_nothing() {
        assert!(run(false, (&[1, 0, 4], &[]), (&[1, 2, 0], &[]), 10, 0.5, None).is_empty());
        assert!(run(false, (&[1, 3, 4], &BOXES), (&[1, 0, 3], &[]), 10, 0.5, None).is_empty());
    }
}
