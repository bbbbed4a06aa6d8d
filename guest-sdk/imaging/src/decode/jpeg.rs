//! JPEG, baseline and progressive.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::broken;
use crate::error::{Error, Result};
use crate::orientation::orientation;
use crate::picture::{Picture, bounded};

pub(super) fn decode(file: &[u8]) -> Result<Picture> {
    let any_side = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX);
    // The decoder fills with gray what a file lacks. Of one that was cut off it refuses the rest
    // instead; in one that has its end it goes over small damages, as others do.
    let options = any_side.jpeg_set_out_colorspace(ColorSpace::RGB).set_strict_mode(!has_end(file));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| broken("it has no size"))?;
    let (width, height) = (width as u32, height as u32); // 16 bits each in the file

    let mut rgb = vec![0; bounded(decoder.output_buffer_size(), width, height)?];
    decoder.decode_into(&mut rgb).map_err(failed)?;
    let orientation = decoder.exif().map_or(1, |exif| orientation(exif));
    Ok(Picture::from_rgb(width, height, rgb)?.upright(orientation))
}

fn failed(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::Unsupported(_) => {
            Error::unsupported(format_args!("cannot decode the picture: {error}"))
        }
        error => broken(error),
    }
}

/// Returns whether a JPEG file has its end marker (ITU-T T.81, B.1.1.2), not counting that of a
/// preview inside of a segment.
fn has_end(file: &[u8]) -> bool {
    let mut at = 2; // behind the start marker
    while let Some(marker) =
        file.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff))
    {
        at += marker + 1;
        match file.get(at) {
            Some(0xd9) => return true,
            // Data that looks like a marker, a restart, a fill byte: no segment.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::picture::tests::gradient;

    fn jpeg_file(picture: &Picture, exif: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 95);
        encoder.add_app_segment(1, [b"Exif\0\0", exif].concat()).unwrap();
        let (width, height) = (picture.width() as u16, picture.height() as u16);
        encoder.encode(picture.rgb(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        file
    }

    #[test]
    fn a_photograph_taken_sideways_stands_upright() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        for exif in [little, big] {
            let turned = Picture::decode(&jpeg_file(&gradient(40, 30), exif)).unwrap();
            assert_eq!((turned.width(), turned.height()), (30, 40));
            // A quarter turn clockwise: red, which grew to the right, grows downwards.
            let ([top, ..], [bottom, ..]) = (turned.at(15, 2), turned.at(15, 37));
            assert!(top < 40 && bottom > 215, "{top} {bottom}");
        }
        for nonsense in [b"".as_slice(), b"II*\0\xff\xff\xff\xff", &little[..12], &[0; 40]] {
            let picture = Picture::decode(&jpeg_file(&gradient(40, 30), nonsense)).unwrap();
            assert_eq!(picture.width(), 40);
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
            assert_eq!(Picture::decode(&whole).unwrap().width(), 160);
            let headers = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 20;
            for tenths in 0..10 {
                let cut = headers + (whole.len() - headers) * tenths / 10;
                let error = Picture::decode(&whole[..cut]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{cut}: {error}");
                assert!(error.message().contains("cannot decode"), "{cut}: {error}");
            }
        }
    }

    #[test]
    fn a_jpeg_file_that_lacks_only_its_end_is_read_as_others_read_it() {
        let whole = jpeg_file(&gradient(160, 120), b"");
        let picture = Picture::decode(&whole).unwrap();
        assert_eq!(Picture::decode(&whole[..whole.len() - 2]).unwrap(), picture);
        let more = [&whole[..], b"what a camera adds"].concat();
        assert_eq!(Picture::decode(&more).unwrap(), picture);
    }
}
