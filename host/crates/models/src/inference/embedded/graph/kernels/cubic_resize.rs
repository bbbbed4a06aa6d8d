//! `Resize` of mode `cubic`, as ONNX says; rten 0.27 computes it as linear.
//!
//! One axis after the other: each new element is a sum of four, with the weights of a cubic
//! convolution.

use rten::{Value, ValueView};
use rten_onnx::onnx::NodeProto;
use rten_tensor::{Layout, Tensor, TensorView};

use super::super::node::NodeExt;

/// The most elements of a result.
const MOST: usize = 1 << 30;

/// Its attributes.
#[derive(Debug, Clone)]
pub(in super::super::super) struct CubicResize {
    coordinates: Coordinates,
    coefficient: f32,
    exclude_outside: bool,
    axes: Option<Vec<i64>>,
}

/// Where an element of the result lies among those of the input (`coordinate_transformation_mode`).
#[derive(Debug, Clone, Copy)]
enum Coordinates {
    HalfPixel,
    PytorchHalfPixel,
    HalfPixelSymmetric,
    AlignCorners,
    Asymmetric,
}

/// How an axis changes.
#[derive(Debug, Clone, Copy)]
struct Axis {
    from: usize,
    to: usize,
    scale: f32,
}

impl CubicResize {
    /// # Errors
    /// An attribute that is not computed here, to follow the node's description.
    pub fn of(node: &NodeProto) -> Result<Self, String> {
        let coordinates = match node.text("coordinate_transformation_mode").unwrap_or("half_pixel")
        {
            "half_pixel" => Coordinates::HalfPixel,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            other => {
                return Err(format!(
                    "has the coordinate_transformation_mode {}, which is not computed in process",
                    keynet_base::quote::quoted(other)
                ));
            }
        };
        if node.integer("antialias").is_some_and(|antialias| antialias != 0) {
            return Err("has antialias, which is not computed in process".to_owned());
        }
        if node.text("keep_aspect_ratio_policy").is_some_and(|policy| policy != "stretch") {
            return Err(
                "has a keep_aspect_ratio_policy, which is not computed in process".to_owned()
            );
        }
        Ok(Self {
            coordinates,
            coefficient: node.attribute("cubic_coeff_a").and_then(|value| value.f).unwrap_or(-0.75),
            exclude_outside: node.integer("exclude_outside") == Some(1),
            axes: node.attribute("axes").map(|axes| axes.ints.clone()),
        })
    }

    /// Resizes the first input.
    ///
    /// # Errors
    /// Why the inputs do not suit it.
    pub fn run(&self, inputs: &[Option<ValueView<'_>>]) -> Result<Value, String> {
        let Some(Some(ValueView::FloatTensor(data))) = inputs.first() else {
            return Err("needs an input of floats".to_owned());
        };
        let axes = self.axes(data, inputs)?;
        let mut shape = data.shape().to_vec();
        let mut elements = data.to_contiguous().data().to_vec();
        for (index, axis) in axes {
            if axis.from == axis.to && (axis.scale - 1.0).abs() < f32::EPSILON {
                continue;
            }
            let total = shape
                .iter()
                .enumerate()
                .map(|(at, size)| if at == index { axis.to } else { *size });
            total
                .clone()
                .try_fold(1_usize, usize::checked_mul)
                .filter(|total| *total <= MOST)
                .ok_or("makes a tensor that is too large")?;
            let inner: usize = shape.iter().skip(index + 1).product();
            elements = self.resize_axis(&elements, axis, inner);
            shape = total.collect();
        }
        Tensor::try_from_data(shape.as_slice(), elements)
            .map(Value::from)
            .map_err(|error| error.to_string())
    }

    /// The axes that are named, with what becomes of them.
    fn axes(
        &self,
        data: &TensorView<'_, f32>,
        inputs: &[Option<ValueView<'_>>],
    ) -> Result<Vec<(usize, Axis)>, String> {
        let rank = data.ndim();
        let indices: Vec<usize> = match &self.axes {
            None => (0..rank).collect(),
            Some(axes) => {
                let index = |axis: &i64| {
                    usize::try_from(if *axis < 0 { axis + rank as i64 } else { *axis })
                        .ok()
                        .filter(|axis| *axis < rank)
                };
                axes.iter()
                    .map(index)
                    .collect::<Option<_>>()
                    .ok_or("has axes that its input lacks")?
            }
        };
        let from = |index: usize| data.shape().get(index).copied().unwrap_or(1);
        let changes: Vec<Axis> = match (
            inputs.get(2).and_then(Option::as_ref),
            inputs.get(3).and_then(Option::as_ref),
        ) {
            (_, Some(ValueView::Int32Tensor(sizes))) if !sizes.is_empty() => {
                let axis = |(index, to): (&usize, &i32)| {
                    let (from, to) = (from(*index), usize::try_from(*to).unwrap_or(0));
                    Axis { from, to, scale: to as f32 / from as f32 }
                };
                indices.iter().zip(sizes.iter()).map(axis).collect()
            }
            (Some(ValueView::FloatTensor(scales)), _) if !scales.is_empty() => {
                let axis = |(index, scale): (&usize, &f32)| Axis {
                    from: from(*index),
                    to: (from(*index) as f32 * scale) as usize,
                    scale: *scale,
                };
                indices.iter().zip(scales.iter()).map(axis).collect()
            }
            _ => return Err("has neither scales nor sizes".to_owned()),
        };
        if changes.len() != indices.len()
            || changes.iter().any(|axis| axis.from == 0 || axis.scale <= 0.0)
        {
            return Err("has scales or sizes that do not suit its input".to_owned());
        }
        Ok(indices.into_iter().zip(changes).collect())
    }

    fn resize_axis(&self, elements: &[f32], axis: Axis, inner: usize) -> Vec<f32> {
        let taps: Vec<_> = (0..axis.to).map(|index| self.taps(index, axis)).collect();
        let line = axis.from * inner;
        let mut made = Vec::with_capacity(elements.len() / axis.from * axis.to);
        for line in elements.chunks_exact(line.max(1)) {
            for (from, weights) in &taps {
                let rows =
                    from.map(|from| line.get(from * inner..(from + 1) * inner).unwrap_or_default());
                made.extend((0..inner).map(|at| {
                    rows.iter()
                        .zip(weights)
                        .map(|(row, weight)| row.get(at).copied().unwrap_or_default() * weight)
                        .sum::<f32>()
                }));
            }
        }
        made
    }

    /// The four elements that one of the result is made of, and their weights.
    fn taps(&self, index: usize, axis: Axis) -> ([usize; 4], [f32; 4]) {
        let at = self.original(index as f32, axis);
        let first = at.floor() - 1.0;
        let distance = at - at.floor();
        let a = self.coefficient;
        let near = |x: f32| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
        let far = |x: f32| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
        let mut weights =
            [far(distance + 1.0), near(distance), near(1.0 - distance), far(2.0 - distance)];
        let last = axis.from as f32 - 1.0;
        let places = [0.0, 1.0, 2.0, 3.0].map(|offset| first + offset);
        if self.exclude_outside {
            for (weight, place) in weights.iter_mut().zip(places) {
                if place < 0.0 || place > last {
                    *weight = 0.0;
                }
            }
            let sum: f32 = weights.iter().sum();
            weights = weights.map(|weight| weight / sum);
        }
        (places.map(|place| place.clamp(0.0, last) as usize), weights)
    }

    fn original(&self, index: f32, axis: Axis) -> f32 {
        let half = (index + 0.5) / axis.scale - 0.5;
        let (from, to) = (axis.from as f32, axis.to as f32);
        match self.coordinates {
            Coordinates::HalfPixel => half,
            Coordinates::PytorchHalfPixel => {
                if axis.to > 1 {
                    half
                } else {
                    0.0
                }
            }
            Coordinates::HalfPixelSymmetric => from / 2.0 * (1.0 - to / (from * axis.scale)) + half,
            Coordinates::AlignCorners => {
                if axis.to > 1 {
                    index * (from - 1.0) / (to - 1.0)
                } else {
                    0.0
                }
            }
            Coordinates::Asymmetric => index / axis.scale,
        }
    }
}
