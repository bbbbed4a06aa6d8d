//! Pictures that a camera stored turned or mirrored.

use crate::picture::Picture;

impl Picture {
    /// Returns the picture turned and mirrored as an EXIF orientation (1 to 8) demands; as it is
    /// for any other number.
    #[must_use]
    pub(crate) fn upright(self, orientation: u8) -> Self {
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
            if swap_axes { (self.height(), self.width()) } else { (self.width(), self.height()) };
        let (stored, row_length) = (self.pixels(), self.width() as usize);
        let mut rgb = Vec::with_capacity(self.rgb().len());
        for y in 0..height {
            let y = if upside_down { height - 1 - y } else { y };
            for x in 0..width {
                let x = if mirror { width - 1 - x } else { x };
                let (column, row) = if swap_axes { (y, x) } else { (x, y) };
                let pixel = stored.get(row as usize * row_length + column as usize);
                rgb.extend_from_slice(pixel.unwrap_or(&[0; 3]));
            }
        }
        // as many pixels as before, whatever their order
        Self::from_rgb(width, height, rgb).unwrap_or(self)
    }
}

/// Returns the orientation (1 to 8) in a TIFF directory, which is what EXIF is; 1 if there is none.
///
/// EXIF 2.32, sections 4.5 (structure) and 4.6.4 A (tag 0x0112).
pub(crate) fn orientation(exif: &[u8]) -> u8 {
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
        };
        let directory = usize::try_from(directory).ok().filter(|at| *at <= exif.len())?;
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
            let rgb = (1..=6).flat_map(|value| [value; 3]).collect();
            let upright = Picture::from_rgb(2, 3, rgb).unwrap().upright(orientation);
            assert_eq!(upright.width(), width);
            assert!(
                upright.rgb().iter().step_by(3).eq(&expected),
                "{orientation}: {:?}",
                upright.rgb()
            );
        }
    }

    #[test]
    fn a_directory_behind_the_end_is_none() {
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), 1);
        assert_eq!(orientation(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"), 6);
    }
}
