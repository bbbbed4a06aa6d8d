//! From a PNG or JPEG file to upright RGB. A hostile file costs an error, never the memory its
//! header asks for.

mod jpeg;
mod png;

use std::fmt::Display;

use crate::error::{Error, Result};
use crate::picture::Picture;

impl Picture {
    /// Reads a PNG or JPEG file, turned as its EXIF orientation demands.
    ///
    /// Transparency is dropped and 16 bits become 8. A JPEG file that only lacks its end marker, or
    /// has it and small damages, is read as other decoders read it.
    ///
    /// # Errors
    /// `Invalid`: the file is damaged or cut short. `Unsupported`: it is neither PNG nor JPEG, or
    /// of a kind of JPEG that is not read (arithmetic coding). `TooLarge`: by its header.
    pub fn decode(file: &[u8]) -> Result<Self> {
        match file {
            [0x89, b'P', b'N', b'G', ..] => png::decode(file),
            [0xff, 0xd8, 0xff, ..] => jpeg::decode(file),
            _ => Err(Error::unsupported("the picture is neither a PNG nor a JPEG file")),
        }
    }
}

fn broken(reason: impl Display) -> Error {
    Error::invalid(format_args!("cannot decode the picture: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::picture::tests::gradient;

    #[test]
    fn what_is_no_picture_is_refused() {
        let cut = &gradient(40, 30).encode_png().unwrap()[..100];
        let cases = [
            (b"GIF89a\0\0".as_slice(), ErrorKind::Unsupported, "neither"),
            (b"", ErrorKind::Unsupported, "neither"),
            (cut, ErrorKind::Invalid, "cannot decode"),
            (b"\xff\xd8\xff\xe0", ErrorKind::Invalid, "cannot decode"),
        ];
        for (file, kind, text) in cases {
            let error = Picture::decode(file).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(text), "{error}");
        }
    }

    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        let mut bomb = gradient(16, 16).encode_jpeg(95).unwrap();
        let frame = bomb.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]); // height, width
        let mut other_bomb = Vec::new();
        let encoder = ::png::Encoder::new(&mut other_bomb, 60_000, 50_000);
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(::png::chunk::IDAT, b"few").unwrap();
        drop(writer);
        for (file, size) in [(bomb, "65535x65535"), (other_bomb, "60000x50000")] {
            let error = Picture::decode(&file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(error.message().contains(size), "{error}");
        }
    }
}
