//! Decoding of PNG and JPEG files to upright RGB. A hostile file results in an error, and never in
//! allocating the memory that its header asks for.

use crate::picture::Picture;
use keynet_inference_sdk::{Error, Result, ensure};
use png::{ColorType, Transformations};
use std::fmt::Display;
use std::io::Cursor;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Largest decoded picture in bytes: 12 megapixels without transparency. The whole action has 256
/// MiB by default, and an incompressible picture is held four times while it is encoded.
const MAX_BYTES: usize = 36 << 20;

/// Largest width and height, which is the limit of JPEG: resizing takes memory for each column and
/// row.
const MAX_SIDE: u32 = 65_535;

/// Decodes a picture and applies its EXIF orientation; transparency is dropped.
pub fn decode(file: &[u8]) -> Result<Picture> {
    match file {
        [0x89, b'P', b'N', b'G', ..] => png(file),
        [0xff, 0xd8, 0xff, ..] => jpeg(file),
        _ => Err(Error::invalid("the picture is neither a PNG nor a JPEG file")),
    }
}

fn png(file: &[u8]) -> Result<Picture> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = reader.info().size();
    let orientation = reader.info().exif_metadata.as_deref().map_or(1, orientation);

    let mut pixels = vec![0; bounded(reader.output_buffer_size(), width, height)?];
    reader.next_frame(&mut pixels).map_err(broken)?;
    let rgb = match reader.output_color_type().0 {
        ColorType::Rgb => pixels,
        ColorType::Rgba => to_rgb::<4>(&pixels, |[r, g, b, _]| [r, g, b]),
        ColorType::GrayscaleAlpha => to_rgb::<2>(&pixels, |[grey, _]| [grey; 3]),
        _ => to_rgb::<1>(&pixels, |[grey]| [grey; 3]),
    };
    Ok(Picture::new(width, height, rgb)?.upright(orientation))
}

fn to_rgb<const CHANNELS: usize>(
    pixels: &[u8],
    pixel: impl Fn([u8; CHANNELS]) -> [u8; 3],
) -> Vec<u8> {
    pixels.as_chunks().0.iter().flat_map(|channels| pixel(*channels)).collect()
}

fn jpeg(file: &[u8]) -> Result<Picture> {
    let any_side = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX);
    // The decoder fills missing data with grey. If the file was cut off, strict mode rejects it
    // instead; if the file has its end marker, small damages are tolerated, as in other decoders.
    let options = any_side.jpeg_set_out_colorspace(ColorSpace::RGB).set_strict_mode(!has_end(file));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| broken("it has no size"))?;
    let (width, height) = (width as u32, height as u32); // 16 bits each in the file

    let mut rgb = vec![0; bounded(decoder.output_buffer_size(), width, height)?];
    decoder.decode_into(&mut rgb).map_err(broken)?;
    let orientation = decoder.exif().map_or(1, |exif| orientation(exif));
    Ok(Picture::new(width, height, rgb)?.upright(orientation))
}

/// Reports whether a JPEG file has its end marker (ITU-T T.81, B.1.1.2), ignoring that of a preview
/// inside a segment.
fn has_end(file: &[u8]) -> bool {
    let mut at = 2; // after the start marker
    while let Some(marker) =
        file.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff))
    {
        at += marker + 1;
        match file.get(at) {
            Some(0xd9) => return true,
            // Data that looks like a marker, a restart marker, or a fill byte: not a segment.
            Some(0 | 1 | 0xd0..=0xd8) => at += 1,
            Some(0xff) => {}
            Some(_) => {
                let length = file
                    .get(at + 1..)
                    .and_then(|rest| rest.first_chunk())
                    .copied()
                    .map_or(0, u16::from_be_bytes);
                at += 1 + usize::from(length);
            }
            None => return false,
        }
    }
    false
}

fn broken(reason: impl Display) -> Error {
    Error::invalid(format_args!("cannot decode the picture: {reason}"))
}

fn bounded(bytes: Option<usize>, width: u32, height: u32) -> Result<usize> {
    let bytes = bytes.unwrap_or(usize::MAX);
    ensure!(
        width.max(height) <= MAX_SIDE,
        invalid,
        "the picture has {width}x{height} pixels, and a side may have {MAX_SIDE}"
    );
    ensure!(
        bytes <= MAX_BYTES,
        invalid,
        "the picture has {width}x{height} pixels, which take more than the {} MiB that a decoded \
            picture may take",
        MAX_BYTES >> 20
    );
    Ok(bytes)
}

/// Returns the orientation (1 to 8) in a TIFF directory, the format of EXIF; 1 if there is none.
///
/// EXIF 2.32, sections 4.5 (structure) and 4.6.4 A (tag 0x0112).
fn orientation(exif: &[u8]) -> u8 {
    let little_endian = exif.starts_with(b"II");
    let u16_at = |at: usize| {
        let bytes = *exif.get(at..)?.first_chunk::<2>()?;
        Some(if little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let find = || {
        let directory = *exif.get(4..)?.first_chunk::<4>()?;
        let directory = if little_endian {
            u32::from_le_bytes(directory)
        } else {
            u32::from_be_bytes(directory)
        } as usize;
        let entries = usize::from(u16_at(directory)?);
        let mut entry = (0..entries).map(|entry| directory + 2 + 12 * entry);
        let entry = entry.find(|entry| u16_at(*entry) == Some(0x0112))?;
        u8::try_from(u16_at(entry + 8)?).ok()
    };
    find().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::gradient;
    use keynet_inference_sdk::ErrorKind;
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

    fn jpeg_file(picture: &Picture, exif: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 95);
        encoder.add_app_segment(1, [b"Exif\0\0", exif].concat()).unwrap();
        let (width, height) = (picture.width() as u16, picture.height() as u16);
        encoder.encode(picture.rgb(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        file
    }

    #[test]
    fn every_kind_of_png_becomes_rgb() {
        let cases = [
            (ColorType::Rgb, BitDepth::Eight, [[255, 0, 0]; 8].concat()),
            (ColorType::Rgb, BitDepth::Sixteen, [[255, 255, 0, 0, 0, 0]; 8].concat()),
            (ColorType::Rgba, BitDepth::Eight, [[255, 0, 0, 7]; 8].concat()),
            (ColorType::Indexed, BitDepth::One, vec![0xf0; 2]),
        ];
        for (color, depth, data) in cases {
            let picture = decode(&png_file(color, depth, &data)).unwrap();
            assert_eq!(
                picture,
                Picture::new(4, 2, [[255, 0, 0]; 8].concat()).unwrap(),
                "{color:?} {depth:?}"
            );
        }
        let cases = [
            (ColorType::Grayscale, BitDepth::Eight, vec![85; 8]),
            (ColorType::Grayscale, BitDepth::Two, vec![0x55; 2]),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, [[85, 7]; 8].concat()),
        ];
        for (color, depth, data) in cases {
            let picture = decode(&png_file(color, depth, &data)).unwrap();
            assert_eq!(picture, Picture::new(4, 2, vec![85; 24]).unwrap(), "{color:?} {depth:?}");
        }
    }

    #[test]
    fn a_photograph_taken_sideways_stands_upright() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        for exif in [little, big] {
            let turned = decode(&jpeg_file(&gradient(40, 30), exif)).unwrap();
            assert_eq!((turned.width(), turned.height()), (30, 40));
            // A quarter turn clockwise: red, which increased to the right, now increases downwards.
            let ([top, ..], [bottom, ..]) = (turned.at(15, 2), turned.at(15, 37));
            assert!(top < 40 && bottom > 215, "{top} {bottom}");
        }
        for nonsense in [b"".as_slice(), b"II*\0\xff\xff\xff\xff", &little[..12], &[0; 40]] {
            assert_eq!(decode(&jpeg_file(&gradient(40, 30), nonsense)).unwrap().width(), 40);
        }
    }

    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        let mut bomb = jpeg_file(&gradient(16, 16), b"");
        let frame = bomb.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]); // height, width
        let mut other_bomb = Vec::new();
        let mut writer = png::Encoder::new(&mut other_bomb, 60_000, 50_000).write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, b"few").unwrap();
        drop(writer);
        for (file, size) in [(bomb, "65535x65535"), (other_bomb, "60000x50000")] {
            let error = decode(&file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(size), "{error}");
        }
    }

    #[test]
    fn a_jpeg_file_that_ends_early_is_refused() {
        let plain = jpeg_file(&gradient(160, 120), b"");
        let mut progressive = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut progressive, 95);
        encoder.set_progressive(true);
        encoder.encode(gradient(160, 120).rgb(), 160, 120, jpeg_encoder::ColorType::Rgb).unwrap();
        // The end of a preview is not the end of the file.
        let preview = jpeg_file(&gradient(160, 120), b"II*\0\x08\0\0\0\0\0\xff\xd8\xff\xd9");
        for whole in [plain, progressive, preview] {
            assert_eq!(decode(&whole).unwrap().width(), 160);
            let headers = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 20;
            for tenths in 0..10 {
                let cut = headers + (whole.len() - headers) * tenths / 10;
                let error = decode(&whole[..cut]).unwrap_err();
                assert!(
                    error.kind() == ErrorKind::Invalid
                        && error.message().contains(
                            "cannot decode"
                        ),
                    "{cut}: {error}"
                );
            }
        }
    }

    #[test]
    fn a_jpeg_file_that_lacks_only_its_end_is_read_as_others_read_it() {
        let whole = jpeg_file(&gradient(160, 120), b"");
        assert_eq!(decode(&whole[..whole.len() - 2]).unwrap(), decode(&whole).unwrap());
        let more = [&whole[..], b"what a camera adds"].concat();
        assert_eq!(decode(&more).unwrap(), decode(&whole).unwrap());
    }

    #[test]
    fn a_picture_of_one_endless_row_is_refused() {
        let mut file = Vec::new();
        let mut writer = png::Encoder::new(&mut file, 12_000_000, 1).write_header().unwrap();
        writer.write_image_data(&vec![0; 12_000_000]).unwrap();
        drop(writer);
        let error = decode(&file).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Invalid && error.message().contains("12000000x1"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_picture_is_the_callers_fault() {
        let cut = &gradient(40, 30).encode().unwrap()[..100];
        let cases = [
            (b"GIF89a\0\0".as_slice(), "neither"),
            (b"", "neither"),
            (cut, "cannot decode"),
            (b"\xff\xd8\xff\xe0", "cannot decode"),
        ];
        for (file, text) in cases {
            let error = decode(file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(text), "{error}");
        }
    }
}
