//! The fields of a protocol buffers message, one after another, as they lie in memory.

/// Wire types.
pub(super) const VARINT: u8 = 0;
pub(super) const BYTES: u8 = 2;

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub number: u64,
    pub wire: u8,
    /// Its value: the content of a field of bytes, else as it is written.
    pub value: &'a [u8],
    /// All of it, its tag included.
    pub whole: &'a [u8],
}

impl Field<'_> {
    /// The value of a varint.
    pub fn number_value(&self) -> Option<u64> {
        (self.wire == VARINT).then(|| varint(&mut &*self.value)).flatten()
    }
}

/// Walks the fields of a message.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn read(&mut self) -> Option<Field<'a>> {
        let start = self.rest;
        let mut rest = self.rest;
        let tag = varint(&mut rest)?;
        let wire = (tag & 7) as u8;
        let before = rest;
        let value = match wire {
            VARINT => {
                varint(&mut rest)?;
                before.get(..before.len() - rest.len())?
            }
            1 => take(&mut rest, 8)?,
            BYTES => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                take(&mut rest, length)?
            }
            5 => take(&mut rest, 4)?,
            _ => return None,
        };
        self.rest = rest;
        Some(Field { number: tag >> 3, wire, value, whole: start.get(..start.len() - rest.len())? })
    }
}

impl<'a> Iterator for Fields<'a> {
    /// `Err` for a field that is damaged: the last that is returned.
    type Item = Result<Field<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or_else(|| "it is damaged, or has a field of a kind ONNX has not".to_owned()))
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Writes a varint.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a field of bytes whose content `write` adds. Its length is written as five bytes, which
/// readers take as they take fewer.
///
/// # Errors
/// Those of `write`; more than 2 GiB, which no message may have.
pub(super) fn write_nested(
    out: &mut Vec<u8>,
    number: u64,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    write_varint(out, number << 3 | u64::from(BYTES));
    let place = out.len();
    out.extend_from_slice(&[0; 5]);
    write(out)?;
    let length = out.len().saturating_sub(place + 5) as u64;
    if length > i32::MAX as u64 {
        return Err("its weights are more than the 2 GiB that one message may have".to_owned());
    }
    for (index, byte) in out.iter_mut().skip(place).take(5).enumerate() {
        let more = if index < 4 { 0x80 } else { 0 };
        *byte = (length >> (7 * index)) as u8 & 0x7f | more;
    }
    Ok(())
}
