//! The data of a model's input.

use half::f16;

use crate::error::{Error, Result};
use crate::picture::Picture;

/// The order of a tensor's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channels, rows, columns, as PyTorch has it: first all reds, then all greens, then all blues.
    Chw,
    /// Rows, columns, channels, as TensorFlow has it: pixel by pixel.
    Hwc,
}

/// The channels of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as models trained with OpenCV take it.
    Bgr,
    /// One: the brightness (ITU-R 601), as Pillow's mode `L`.
    Gray,
}

/// From a channel's byte to a value: `(byte / divisor - mean) / std`, each step in 32 bits, as
/// torchvision does it.
///
/// The means and deviations are in the order of the tensor's channels; for [`Channels::Gray`] the
/// first of each is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// 255 for values of 0 to 1; 1 for values of 0 to 255. Not 0.
    pub divisor: f32,
    /// 0 for none.
    pub mean: [f32; 3],
    /// 1 for none; not 0.
    pub std: [f32; 3],
}

impl Normalization {
    /// Values from 0 to 1.
    pub const UNIT: Self = Self { divisor: 255.0, mean: [0.0; 3], std: [1.0; 3] };
    /// Values from 0 to 255.
    pub const NONE: Self = Self { divisor: 1.0, mean: [0.0; 3], std: [1.0; 3] };
    /// The means and deviations of ImageNet, which most classifiers were trained with, for
    /// [`Channels::Rgb`].
    pub const IMAGENET: Self =
        Self { divisor: 255.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// Returns the value of each byte in each channel.
    fn tables<T: Copy>(&self, value: impl Fn(f32) -> T) -> Result<[[T; 256]; 3]> {
        let Self { divisor, mean, std } = *self;
        let finite =
            divisor.is_finite() && mean.iter().chain(&std).all(|number| number.is_finite());
        if !finite || divisor == 0.0 || std.contains(&0.0) {
            return Err(Error::invalid(format_args!(
                "the normalization has divisor {divisor}, mean {mean:?} and std {std:?}: all must \
                 be finite, divisor and std not 0"
            )));
        }
        let table = |mean: f32, std: f32| {
            std::array::from_fn(|byte| value((byte as f32 / divisor - mean) / std))
        };
        let ([mean_0, mean_1, mean_2], [std_0, std_1, std_2]) = (mean, std);
        Ok([table(mean_0, std_0), table(mean_1, std_1), table(mean_2, std_2)])
    }
}

impl Picture {
    /// Returns the data of a UINT8 tensor, each value as it is.
    ///
    /// Its shape is [C, height, width] or [height, width, C], with C 3, or 1 for
    /// [`Channels::Gray`].
    pub fn to_uint8(&self, layout: Layout, channels: Channels) -> Vec<u8> {
        match (layout, channels) {
            (Layout::Hwc, Channels::Rgb) => self.rgb().to_vec(),
            _ => self.values(layout, channels, |[one, two, three]| [one, two, three], |gray| gray),
        }
    }

    /// Returns the data of an FP32 tensor, normalized; shape as for [`to_uint8`](Self::to_uint8).
    ///
    /// # Errors
    /// `Invalid`: a number of the normalization is 0 where it must not be, or not finite.
    pub fn to_fp32(
        &self,
        layout: Layout,
        channels: Channels,
        normalization: &Normalization,
    ) -> Result<Vec<f32>> {
        self.normalized(layout, channels, &normalization.tables(|value| value)?)
    }

    /// Returns the bytes of [`to_fp32`](Self::to_fp32), 4 for each value, little-endian.
    ///
    /// # Errors
    /// As for `to_fp32`.
    pub fn to_fp32_bytes(
        &self,
        layout: Layout,
        channels: Channels,
        normalization: &Normalization,
    ) -> Result<Vec<u8>> {
        let tables = normalization.tables(f32::to_le_bytes)?;
        Ok(self.normalized(layout, channels, &tables)?.into_flattened())
    }

    /// Returns the data of an FP16 tensor, 2 bytes for each value, little-endian; otherwise as
    /// [`to_fp32`](Self::to_fp32).
    ///
    /// # Errors
    /// As for `to_fp32`.
    pub fn to_fp16_bytes(
        &self,
        layout: Layout,
        channels: Channels,
        normalization: &Normalization,
    ) -> Result<Vec<u8>> {
        let tables = normalization.tables(|value| f16::from_f32(value).to_le_bytes())?;
        Ok(self.normalized(layout, channels, &tables)?.into_flattened())
    }

    fn normalized<T: Copy + Default>(
        &self,
        layout: Layout,
        channels: Channels,
        [one, two, three]: &[[T; 256]; 3],
    ) -> Result<Vec<T>> {
        // A byte is always inside its table.
        let value =
            |table: &[T; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
        let pixel = |[a, b, c]: [u8; 3]| [value(one, a), value(two, b), value(three, c)];
        Ok(self.values(layout, channels, pixel, |gray| value(one, gray)))
    }

    /// Returns the values of all pixels: `pixel` makes those of three channels, in the tensor's
    /// order, and `gray` that of one.
    fn values<T: Copy + Default>(
        &self,
        layout: Layout,
        channels: Channels,
        pixel: impl Fn([u8; 3]) -> [T; 3],
        gray: impl Fn(u8) -> T,
    ) -> Vec<T> {
        let pixels = self.pixels();
        match (channels, layout) {
            (Channels::Gray, _) => pixels.iter().map(|rgb| gray(brightness(*rgb))).collect(),
            (Channels::Rgb, Layout::Chw) => planes(pixels, |rgb| pixel(*rgb)),
            (Channels::Bgr, Layout::Chw) => planes(pixels, |[r, g, b]| pixel([*b, *g, *r])),
            (Channels::Rgb, Layout::Hwc) => pixels.iter().flat_map(|rgb| pixel(*rgb)).collect(),
            (Channels::Bgr, Layout::Hwc) => {
                pixels.iter().flat_map(|[r, g, b]| pixel([*b, *g, *r])).collect()
            }
        }
    }
}

fn planes<T: Copy + Default>(pixels: &[[u8; 3]], values: impl Fn(&[u8; 3]) -> [T; 3]) -> Vec<T> {
    // All three in one loop: the runtime's check for interruption comes at the end of each round.
    let mut planes = vec![T::default(); 3 * pixels.len()];
    let (one, rest) = planes.split_at_mut(pixels.len());
    let (two, three) = rest.split_at_mut(pixels.len());
    for (((pixel, one), two), three) in pixels.iter().zip(one).zip(two).zip(three) {
        [*one, *two, *three] = values(pixel);
    }
    planes
}

/// Returns the brightness by ITU-R 601, rounded as Pillow does it.
fn brightness([red, green, blue]: [u8; 3]) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471;
    ((sum + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::gradient;

    /// Two pixels beside each other.
    fn two() -> Picture {
        Picture::from_rgb(2, 1, vec![255, 51, 0, 1, 2, 3]).unwrap()
    }

    #[test]
    fn layouts_and_channels_order_the_bytes() {
        let cases = [
            (Layout::Hwc, Channels::Rgb, vec![255, 51, 0, 1, 2, 3]),
            (Layout::Hwc, Channels::Bgr, vec![0, 51, 255, 3, 2, 1]),
            (Layout::Chw, Channels::Rgb, vec![255, 1, 51, 2, 0, 3]),
            (Layout::Chw, Channels::Bgr, vec![0, 3, 51, 2, 255, 1]),
            (Layout::Chw, Channels::Gray, vec![106, 2]),
            (Layout::Hwc, Channels::Gray, vec![106, 2]),
        ];
        for (layout, channels, expected) in cases {
            assert_eq!(two().to_uint8(layout, channels), expected, "{layout:?} {channels:?}");
            let floats = two().to_fp32(layout, channels, &Normalization::NONE).unwrap();
            assert!(floats.iter().copied().eq(expected.iter().copied().map(f32::from)));
        }
    }

    #[test]
    fn every_byte_is_normalized_as_torchvision_does() {
        let rgb = (0..=255).flat_map(|byte| [byte; 3]).collect();
        let all = Picture::from_rgb(16, 16, rgb).unwrap();
        let unit = all.to_fp32(Layout::Chw, Channels::Rgb, &Normalization::UNIT).unwrap();
        assert!(unit.iter().zip((0..=255_u8).cycle()).all(|(v, b)| *v == f32::from(b) / 255.0));
        let imagenet = Normalization::IMAGENET;
        let values = all.to_fp32(Layout::Hwc, Channels::Rgb, &imagenet).unwrap();
        let near = |at: usize, expected: f32| (values[at] - expected).abs() < 1e-5;
        assert!(near(0, -2.117_904) && near(1, -2.035_714) && near(2, -1.804_444), "{values:?}");
        assert!(near(765, 2.248_908) && near(766, 2.428_571) && near(767, 2.64), "{values:?}");
    }

    #[test]
    fn bytes_are_the_values_little_endian() {
        let picture = gradient(33, 21);
        let imagenet = Normalization::IMAGENET;
        let floats = picture.to_fp32(Layout::Chw, Channels::Bgr, &imagenet).unwrap();
        let bytes = picture.to_fp32_bytes(Layout::Chw, Channels::Bgr, &imagenet).unwrap();
        assert!(floats.iter().flat_map(|value| value.to_le_bytes()).eq(bytes));
        let halves = picture.to_fp16_bytes(Layout::Chw, Channels::Bgr, &imagenet).unwrap();
        assert_eq!(halves.len(), 33 * 21 * 3 * 2);
        let half = |at: usize| f16::from_le_bytes([halves[2 * at], halves[2 * at + 1]]).to_f32();
        assert!((0..floats.len()).all(|at| (half(at) - floats[at]).abs() < 2e-3));
    }

    #[test]
    fn a_normalization_without_a_result_is_refused() {
        let unit = Normalization::UNIT;
        for wrong in [
            Normalization { divisor: 0.0, ..unit },
            Normalization { std: [1.0, 0.0, 1.0], ..unit },
            Normalization { mean: [f32::NAN, 0.0, 0.0], ..unit },
            Normalization { divisor: f32::INFINITY, ..unit },
        ] {
            let error = two().to_fp32(Layout::Chw, Channels::Rgb, &wrong).unwrap_err();
            assert!(error.message().contains("divisor and std not 0"), "{error}");
        }
    }
}
