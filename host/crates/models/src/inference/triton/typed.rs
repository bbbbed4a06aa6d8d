//! Tensors in typed contents (`fp32_contents`, `bytes_contents`), which the protocol allows instead
//! of raw bytes: KServe's own servers send them.
//! <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto>

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use half::{bf16, f16};

use super::wire::{Field, Result, next, varint};
use crate::inference::DataType;
use keynet_base::budget::Reservation;

/// Field numbers of `InferTensorContents`.
const BOOL: u32 = 1;
const INT: u32 = 2;
const INT64: u32 = 3;
const UINT: u32 = 4;
const UINT64: u32 = 5;
const FP32: u32 = 6;
const FP64: u32 = 7;
const BYTES: u32 = 8;

/// Subject of the reservation for a tensor's bytes.
const WHAT: &str = "a tensor in typed contents";

/// A tensor's bytes, with the reservation of their memory.
pub(super) type Unfolded = (Bytes, Arc<Reservation>);

/// Returns the bytes of a tensor of `data_type` whose contents were sent as `contents`. If the
/// contents are already in this form, as for most FP32 and FP64 tensors, they are not copied.
/// Otherwise their memory is taken from the budget of `held`, which holds the message, before they
/// are allocated.
///
/// # Errors
/// The contents cannot be parsed, are of another type, or take more memory than the budget has.
pub(super) fn unfold(
    contents: &[Bytes],
    data_type: DataType,
    held: &Arc<Reservation>,
) -> Result<Unfolded> {
    let field = field_of(contents)?;
    let bytes: usize = contents.iter().map(Bytes::len).sum();
    let wrong = || format!("comes in {}", name_of(field));
    match (data_type, field) {
        (_, 0) => Ok((Bytes::new(), Arc::clone(held))),
        (DataType::Fp32, FP32) | (DataType::Fp64, FP64) => joined(contents, field, held),
        (DataType::Fp16 | DataType::Bf16, BYTES) => joined(contents, field, held),
        (DataType::Fp16 | DataType::Bf16, FP32) => halves(contents, data_type, held),
        (DataType::Bytes, BYTES) => strings(contents, held),
        (DataType::Bool, BOOL) => numbers(
            contents,
            bytes,
            1,
            held,
            |value| u8::try_from(value).ok().filter(|value| *value <= 1),
            put_u8,
        ),
        (DataType::Int8, INT | INT64) => numbers(
            contents,
            bytes,
            1,
            held,
            |value| i8::try_from(value.cast_signed()).ok(),
            put_i8,
        ),
        (DataType::Int16, INT | INT64) => numbers(
            contents,
            bytes,
            2,
            held,
            |value| i16::try_from(value.cast_signed()).ok(),
            put_i16,
        ),
        (DataType::Int32, INT | INT64) => numbers(
            contents,
            bytes,
            4,
            held,
            |value| i32::try_from(value.cast_signed()).ok(),
            put_i32,
        ),
        (DataType::Int64, INT | INT64) => {
            numbers(contents, bytes, 8, held, |value| Some(value.cast_signed()), put_i64)
        }
        (DataType::Uint8, UINT | UINT64) => {
            numbers(contents, bytes, 1, held, |value| u8::try_from(value).ok(), put_u8)
        }
        (DataType::Uint16, UINT | UINT64) => {
            numbers(contents, bytes, 2, held, |value| u16::try_from(value).ok(), put_u16)
        }
        (DataType::Uint32, UINT | UINT64) => {
            numbers(contents, bytes, 4, held, |value| u32::try_from(value).ok(), put_u32)
        }
        (DataType::Uint64, UINT | UINT64) => numbers(contents, bytes, 8, held, Some, put_u64),
        _ => Err(wrong()),
    }
}

/// Returns the number of the field that the contents use; 0 if they are empty.
fn field_of(contents: &[Bytes]) -> Result<u32> {
    let mut found = 0;
    for part in contents {
        let mut part = part.clone();
        while let Some((number, _)) = next(&mut part)? {
            match number {
                BOOL..=BYTES if found == 0 || found == number => found = number,
                BOOL..=BYTES => {
                    return Err(format!(
                        "comes both in {} and in {}",
                        name_of(found),
                        name_of(number)
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

fn name_of(field: u32) -> &'static str {
    match field {
        BOOL => "bool_contents",
        INT => "int_contents",
        INT64 => "int64_contents",
        UINT => "uint_contents",
        UINT64 => "uint64_contents",
        FP32 => "fp32_contents",
        FP64 => "fp64_contents",
        _ => "bytes_contents",
    }
}

/// Calls `each` with the pieces of a field: packed numbers, one number, one string.
fn pieces(contents: &[Bytes], field: u32, mut each: impl FnMut(Field) -> Result<()>) -> Result<()> {
    for part in contents {
        let mut part = part.clone();
        while let Some((number, piece)) = next(&mut part)? {
            if number == field {
                each(piece)?;
            }
        }
    }
    Ok(())
}

fn reserve(held: &Arc<Reservation>, bytes: usize) -> Result<Arc<Reservation>> {
    held.more(bytes as u64, WHAT)
        .map(Arc::new)
        .map_err(|error| format!("is too large: {}", error.message))
}

/// Concatenates the pieces of a field: numbers of a fixed size are already encoded as in a tensor.
fn joined(contents: &[Bytes], field: u32, held: &Arc<Reservation>) -> Result<Unfolded> {
    let (mut first, mut count, mut length) = (Bytes::new(), 0, 0);
    pieces(contents, field, |piece| {
        let (Field::Bytes(bytes) | Field::Fixed(bytes)) = piece else {
            return Err(unreadable(field));
        };
        length += bytes.len();
        count += 1;
        if count == 1 {
            first = bytes;
        }
        Ok(())
    })?;
    if count <= 1 {
        return Ok((first, Arc::clone(held)));
    }
    let reserved = reserve(held, length)?;
    let mut all = BytesMut::with_capacity(length);
    pieces(contents, field, |piece| {
        if let Field::Bytes(bytes) | Field::Fixed(bytes) = piece {
            all.put(bytes);
        }
        Ok(())
    })?;
    Ok((all.freeze(), reserved))
}

/// Encodes strings as in raw contents: each preceded by its length in four bytes.
fn strings(contents: &[Bytes], held: &Arc<Reservation>) -> Result<Unfolded> {
    let mut length = 0_usize;
    pieces(contents, BYTES, |piece| {
        let Field::Bytes(text) = piece else { return Err(unreadable(BYTES)) };
        length = length.saturating_add(4).saturating_add(text.len());
        Ok(())
    })?;
    let reserved = reserve(held, length)?;
    let mut all = BytesMut::with_capacity(length);
    pieces(contents, BYTES, |piece| {
        if let Field::Bytes(text) = piece {
            all.put_u32_le(u32::try_from(text.len()).map_err(|_| unreadable(BYTES))?);
            all.put(text);
        }
        Ok(())
    })?;
    Ok((all.freeze(), reserved))
}

/// Decodes variable-length numbers: at most one in each of `bytes`, each of `size` bytes in a
/// tensor.
fn numbers<T>(
    contents: &[Bytes],
    bytes: usize,
    size: usize,
    held: &Arc<Reservation>,
    read: impl Fn(u64) -> Option<T>,
    put: impl Fn(&mut BytesMut, T),
) -> Result<Unfolded> {
    let field = field_of(contents)?;
    let count = count_numbers(contents, field)?.min(bytes);
    let length = count.saturating_mul(size);
    let reserved = reserve(held, length)?;
    let mut all = BytesMut::with_capacity(length);
    let mut add = |value: u64| {
        put(
            &mut all,
            read(value).ok_or_else(|| {
                format!("has a number in {} that its type cannot hold", name_of(field))
            })?,
        );
        Ok(())
    };
    pieces(contents, field, |piece| match piece {
        Field::Number(value) => add(value),
        Field::Bytes(mut packed) => {
            while packed.has_remaining() {
                add(varint(&mut packed)?)?;
            }
            Ok(())
        }
        Field::Fixed(_) | Field::Other => Err(unreadable(field)),
    })?;
    Ok((all.freeze(), reserved))
}

/// Counts the variable-length numbers: each ends in a byte whose highest bit is not set.
fn count_numbers(contents: &[Bytes], field: u32) -> Result<usize> {
    let mut count = 0;
    pieces(contents, field, |piece| {
        count += match piece {
            Field::Bytes(packed) => packed.iter().filter(|byte| **byte < 0x80).count(),
            _ => 1,
        };
        Ok(())
    })?;
    Ok(count)
}

/// Converts numbers of half precision that were sent in single precision; the conversion must be
/// exact.
fn halves(contents: &[Bytes], data_type: DataType, held: &Arc<Reservation>) -> Result<Unfolded> {
    let (whole, _kept) = joined(contents, FP32, held)?;
    let length = whole.len() / 2;
    let reserved = reserve(held, length)?;
    let mut all = BytesMut::with_capacity(length);
    for bytes in whole.as_chunks::<4>().0 {
        let value = f32::from_le_bytes(*bytes);
        let (half, back) = match data_type {
            DataType::Fp16 => (f16::from_f32(value).to_bits(), f16::from_f32(value).to_f32()),
            _ => (bf16::from_f32(value).to_bits(), bf16::from_f32(value).to_f32()),
        };
        if back != value && !value.is_nan() {
            return Err(format!(
                "has the number {value} in {}, which its type cannot hold",
                name_of(FP32)
            ));
        }
        all.put_u16_le(half);
    }
    Ok((all.freeze(), reserved))
}

fn unreadable(field: u32) -> String {
    format!("has {} that cannot be read", name_of(field))
}

macro_rules! puts {
    ($($name:ident: $type:ty;)*) => {
        $(fn $name(all: &mut BytesMut, value: $type) {
            all.put_slice(&value.to_le_bytes());
        })*
    };
}

puts! {
    put_u8: u8;
    put_i8: i8;
    put_u16: u16;
    put_i16: i16;
    put_u32: u32;
    put_i32: i32;
    put_u64: u64;
    put_i64: i64;
}

#[cfg(test)]
mod tests {
    use prost::encoding::{WireType, encode_key, encode_varint};

    use super::*;
    use keynet_base::budget::MemoryBudget;

    fn packed(field: u32, bytes: &[u8]) -> Bytes {
        let mut message = BytesMut::new();
        encode_key(field, WireType::LengthDelimited, &mut message);
        encode_varint(bytes.len() as u64, &mut message);
        message.put_slice(bytes);
        message.freeze()
    }

    fn varints(field: u32, values: &[i64]) -> Bytes {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| encode_varint(value.cast_unsigned(), &mut bytes));
        packed(field, &bytes)
    }

    fn budget(bytes: u64) -> (MemoryBudget, Arc<Reservation>) {
        let budget = MemoryBudget::process(bytes);
        let held = Arc::new(budget.reserve(0, "an answer").unwrap());
        (budget, held)
    }

    fn read(contents: &[Bytes], data_type: DataType) -> Result<Vec<u8>> {
        unfold(contents, data_type, &budget(1 << 20).1).map(|(bytes, _)| bytes.to_vec())
    }

    #[test]
    fn each_type_has_its_contents() {
        let floats: Vec<u8> =
            [2.0_f32, -0.5].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(read(&[packed(FP32, &floats)], DataType::Fp32).unwrap(), floats);
        assert_eq!(
            read(&[varints(INT, &[-1, 127, -128])], DataType::Int8).unwrap(),
            [0xff, 0x7f, 0x80]
        );
        assert_eq!(read(&[varints(INT, &[-2])], DataType::Int32).unwrap(), (-2_i32).to_le_bytes());
        assert_eq!(
            read(&[varints(INT64, &[i64::MIN])], DataType::Int64).unwrap(),
            i64::MIN.to_le_bytes()
        );
        assert_eq!(read(&[varints(UINT64, &[-1])], DataType::Uint64).unwrap(), [0xff; 8]);
        assert_eq!(
            read(&[varints(UINT, &[65_535, 0])], DataType::Uint16).unwrap(),
            [0xff, 0xff, 0, 0]
        );
        assert_eq!(read(&[varints(BOOL, &[1, 0])], DataType::Bool).unwrap(), [1, 0]);
        let strings = [packed(BYTES, b"hi"), packed(BYTES, b"")].concat();
        assert_eq!(read(&[strings.into()], DataType::Bytes).unwrap(), b"\x02\0\0\0hi\0\0\0\0");
        assert_eq!(
            read(&[packed(FP32, &floats)], DataType::Fp16).unwrap(),
            [0x00, 0x40, 0x00, 0xb8]
        );
        assert_eq!(read(&[packed(BYTES, &[1, 2, 3, 4])], DataType::Fp16).unwrap(), [1, 2, 3, 4]);
        assert_eq!(read(&[], DataType::Fp32).unwrap(), Vec::<u8>::new());
        // Numbers that are not packed, in two parts of the message.
        let single = |value: u8| Bytes::from(vec![(6 << 3) | 5, 0, 0, 0, value]);
        assert_eq!(
            read(&[single(1), single(2)], DataType::Fp32).unwrap(),
            [0, 0, 0, 1, 0, 0, 0, 2]
        );
        assert_eq!(
            read(&[vec![INT as u8 * 8, 5, INT as u8 * 8, 6].into()], DataType::Int16).unwrap(),
            [5, 0, 6, 0]
        );
    }

    #[test]
    fn what_does_not_fit_the_type_is_refused() {
        for (contents, data_type, text) in [
            (varints(INT, &[128]), DataType::Int8, "cannot hold"),
            (varints(BOOL, &[2]), DataType::Bool, "cannot hold"),
            (varints(INT, &[1]), DataType::Fp32, "comes in int_contents"),
            (packed(FP32, &1e-30_f32.to_le_bytes()), DataType::Fp16, "cannot hold"),
            (
                [varints(INT, &[1]), varints(UINT, &[1])].concat().into(),
                DataType::Int32,
                "both in int_contents and in uint_contents",
            ),
            (packed(INT, &[0x80]), DataType::Int32, "cannot be read"),
        ] {
            let error = read(&[contents], data_type).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn numbers_are_counted_before_they_are_unfolded_and_floats_are_not_copied() {
        let (memory, held) = budget(1000);
        let contents = [varints(INT64, &[1; 200])];
        let error = unfold(&contents, DataType::Int64, &held).unwrap_err();
        assert!(error.contains("too large") && memory.used() == 0, "{error}");
        let (_, reserved) = unfold(&[varints(INT64, &[1; 100])], DataType::Int64, &held).unwrap();
        assert_eq!((memory.used(), reserved.bytes()), (800, 800));
        let floats = packed(FP32, &[0; 4000]);
        let (bytes, _) = unfold(std::slice::from_ref(&floats), DataType::Fp32, &held).unwrap();
        assert!(floats.as_ptr_range().contains(&bytes.as_ptr()));
    }
}
