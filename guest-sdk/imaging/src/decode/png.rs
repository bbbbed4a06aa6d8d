//! PNG, every kind of it.

use std::io::Cursor;

use png::{ColorType, DecodingError, Transformations};

use super::broken;
use crate::error::{Error, Result};
use crate::orientation::orientation;
use crate::picture::{Picture, bounded};

pub(super) fn decode(file: &[u8]) -> Result<Picture> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(failed)?;
    let (width, height) = reader.info().size();
    let orientation = reader.info().exif_metadata.as_deref().map_or(1, orientation);

    let mut pixels = vec![0; bounded(reader.output_buffer_size(), width, height)?];
    reader.next_frame(&mut pixels).map_err(failed)?;
    let rgb = match reader.output_color_type().0 {
        ColorType::Rgb => pixels,
        ColorType::Rgba => to_rgb::<4>(&pixels, |[r, g, b, _]| [r, g, b]),
        ColorType::GrayscaleAlpha => to_rgb::<2>(&pixels, |[gray, _]| [gray; 3]),
        _ => to_rgb::<1>(&pixels, |[gray]| [gray; 3]),
    };
    Ok(Picture::from_rgb(width, height, rgb)?.upright(orientation))
}

fn failed(error: DecodingError) -> Error {
    match error {
        DecodingError::LimitsExceeded => Error::too_large(format_args!(
            "cannot decode the picture: {}",
            DecodingError::LimitsExceeded
        )),
        error => broken(error),
    }
}

fn to_rgb<const CHANNELS: usize>(
    pixels: &[u8],
    pixel: impl Fn([u8; CHANNELS]) -> [u8; 3],
) -> Vec<u8> {
    pixels.as_chunks().0.iter().flat_map(|channels| pixel(*channels)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use png::BitDepth;

    fn png_file(color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 4, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.set_palette(vec![0, 0, 0, 255, 0, 0]);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    #[test]
    fn every_kind_of_png_becomes_rgb() {
        let red = [[255, 0, 0]; 8].concat();
        let gray = vec![85; 24];
        let cases = [
            (ColorType::Rgb, BitDepth::Eight, [[255, 0, 0]; 8].concat(), &red),
            (ColorType::Rgb, BitDepth::Sixteen, [[255, 255, 0, 0, 0, 0]; 8].concat(), &red),
            (ColorType::Rgba, BitDepth::Eight, [[255, 0, 0, 7]; 8].concat(), &red),
            (ColorType::Indexed, BitDepth::One, vec![0xf0; 2], &red),
            (ColorType::Grayscale, BitDepth::Eight, vec![85; 8], &gray),
            (ColorType::Grayscale, BitDepth::Two, vec![0x55; 2], &gray),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, [[85, 7]; 8].concat(), &gray),
        ];
        for (color, depth, data, expected) in cases {
            let picture = Picture::decode(&png_file(color, depth, &data)).unwrap();
            assert_eq!((picture.width(), picture.height()), (4, 2));
            assert_eq!(picture.rgb(), expected, "{color:?} {depth:?}");
        }
    }

    #[test]
    fn a_picture_of_one_endless_row_is_refused() {
        let mut file = Vec::new();
        let mut writer = png::Encoder::new(&mut file, 12_000_000, 1).write_header().unwrap();
        writer.write_image_data(&vec![0; 12_000_000]).unwrap();
        drop(writer);
        let error = Picture::decode(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.message().contains("12000000x1"), "{error}");
    }
}
