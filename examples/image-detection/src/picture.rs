//! Picture in memory, with conversion to the model's input and to a file.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use keynet_inference_sdk::{Context, Result, ensure};
use std::fmt;
use std::ops::Range;

/// Width and height of the model's input in pixels.
pub const INPUT_SIDE: u32 = 640;

/// Upright RGB picture, eight bits per channel, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Creates a picture from `width * height * 3` bytes.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let expected = width as usize * height as usize * 3;
        ensure!(width > 0 && height > 0, invalid, "the picture is empty: {width}x{height} pixels");
        ensure!(
            rgb.len() == expected,
            "{width}x{height} pixels are {expected} bytes, but there are {}",
            rgb.len()
        );
        Ok(Self { width, height, rgb })
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns some pixels of one row, for drawing; empty outside the picture.
    pub fn pixels_mut(&mut self, row: u32, columns: Range<u32>) -> &mut [[u8; 3]] {
        if row >= self.height {
            return &mut [];
        }
        let start = row as usize * self.width as usize;
        let columns = columns.start.min(self.width) as usize..columns.end.min(self.width) as usize;
        &mut self.rgb.as_chunks_mut().0[start + columns.start..start + columns.end]
    }

    /// Returns the picture turned and mirrored by an EXIF orientation.
    #[must_use]
    pub fn upright(self, orientation: u8) -> Self {
        let (swap_axes, mirror, upside_down) = match orientation {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return self,
        };
        let (width, height) =
            if swap_axes { (self.height, self.width) } else { (self.width, self.height) };
        let mut rgb = Vec::with_capacity(self.rgb.len());
        for y in 0..height {
            let y = if upside_down { height - 1 - y } else { y };
            for x in 0..width {
                let x = if mirror { width - 1 - x } else { x };
                let (column, row) = if swap_axes { (y, x) } else { (x, y) };
                let start = (row as usize * self.width as usize + column as usize) * 3;
                rgb.extend_from_slice(&self.rgb[start..start + 3]);
            }
        }
        Self { width, height, rgb }
    }

    /// Returns the model's input: 3 x 640 x 640 values in 0..1, first all red ones, then green,
    /// then blue.
    ///
    /// The filter is Pillow's `BILINEAR`: a triangle that is wide enough for the reduction, so that
    /// every pixel contributes.
    pub fn to_planes(&self) -> Result<Vec<f32>> {
        let source = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.rgb)?;
        let mut resized = TypedImage::new(INPUT_SIDE, INPUT_SIDE);
        let bilinear =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new().resize_typed(&source, &mut resized, &bilinear)?;

        // All three in one loop: the runtime checks for interruption at the end of each iteration.
        let plane = resized.pixels().len();
        let mut planes = vec![0.0; 3 * plane];
        let (red, rest) = planes.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (((pixel, r), g), b) in resized.pixels().iter().zip(red).zip(green).zip(blue) {
            [*r, *g, *b] = pixel.0.map(|value| f32::from(value) / 255.0);
        }
        Ok(planes)
    }

    /// Encodes a PNG file, optimised for speed rather than size.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut file = Vec::with_capacity(self.rgb.len() / 2);
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        // for photographs, as small as trying all filters on each row, in two thirds of the time
        encoder.set_filter(png::Filter::Paeth);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb).context("cannot encode the picture")?;
        writer.finish()?;
        Ok(file)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::decode::decode;

    impl Picture {
        pub fn rgb(&self) -> &[u8] {
            &self.rgb
        }

        pub fn at(&self, x: u32, y: u32) -> [u8; 3] {
            self.rgb.as_chunks().0[(y * self.width + x) as usize]
        }
    }

    /// Returns a picture in which red increases to the right and green downwards.
    pub fn gradient(width: u32, height: u32) -> Picture {
        let pixels = (0..height).flat_map(|y| {
            (0..width).map(move |x| [(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
        });
        Picture::new(width, height, pixels.flatten().collect()).unwrap()
    }

    #[test]
    fn each_orientation_stands_upright() {
        // 1 2    as each orientation shows it when it is read row by row
        // 3 4
        // 5 6
        let cases: [(u8, u32, [u8; 6]); 9] = [
            (0, 2, [1, 2, 3, 4, 5, 6]),
            (1, 2, [1, 2, 3, 4, 5, 6]),
            (2, 2, [2, 1, 4, 3, 6, 5]),
            (3, 2, [6, 5, 4, 3, 2, 1]),
            (4, 2, [5, 6, 3, 4, 1, 2]),
            (5, 3, [1, 3, 5, 2, 4, 6]),
            (6, 3, [5, 3, 1, 6, 4, 2]),
            (7, 3, [6, 4, 2, 5, 3, 1]),
            (8, 3, [2, 4, 6, 1, 3, 5]),
        ];
        for (orientation, width, expected) in cases {
            let stored =
                Picture::new(2, 3, (1..=6).flat_map(|value| [value; 3]).collect()).unwrap();
            let upright = stored.upright(orientation);
            assert_eq!(upright.width(), width);
            assert!(
                upright.rgb().iter().step_by(3).eq(&expected),
                "{orientation}: {:?}",
                upright.rgb()
            );
        }
    }

    #[test]
    fn planes_hold_the_resized_picture() {
        let plane = (INPUT_SIDE * INPUT_SIDE) as usize;
        let one_colour = Picture::new(1280, 720, [255, 51, 0].repeat(1280 * 720)).unwrap();
        let planes = one_colour.to_planes().unwrap();
        assert_eq!(planes.len(), 3 * plane);
        for (plane, value) in planes.chunks(plane).zip([1.0, 0.2, 0.0]) {
            assert!(plane.iter().all(|v| *v == value));
        }
        // A picture of the model's input size is unchanged.
        assert_eq!(gradient(640, 640).to_planes().unwrap()[639], 254.0 / 255.0);
    }

    #[test]
    fn shrinking_averages_and_does_not_skip() {
        let stripes =
            Picture::new(2560, 640, [[0; 3], [0; 3], [0; 3], [255; 3]].concat().repeat(640 * 640))
                .unwrap();
        let planes = stripes.to_planes().unwrap();
        assert!(planes.iter().all(|value| (0.1..0.45).contains(value)));
        assert!((planes.iter().sum::<f32>() / planes.len() as f32 - 0.25).abs() < 0.01);
    }

    #[test]
    fn encoding_loses_nothing() {
        let picture = gradient(123, 77);
        assert_eq!(decode(&picture.encode().unwrap()).unwrap(), picture);
    }
}
