//! Tensors to ONNX Runtime's values and back.
//!
//! Every type of the contract has its equal there. A tensor goes in without a copy where its bytes
//! are aligned for the type (else one copy); strings, and booleans, which may be any byte here,
//! are copied. What comes out is copied, so that a tensor that is kept keeps no model in memory.

use bytes::Bytes;
use half::{bf16, f16};
use ort::session::SessionInputValue;
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor as OrtTensor, TensorRef};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::super::super::{DataType, Shape, Tensor};
use keynet_base::budget::Reservation;
use keynet_base::error::{Error, Result};
use keynet_base::quote::shown;

/// A tensor as ONNX Runtime takes it.
///
/// # Errors
/// `invalid`: an element of BYTES that is not text. The message is to follow the input's name.
pub(super) fn to_ort(tensor: &Tensor) -> Result<SessionInputValue<'_>> {
    match tensor.data_type() {
        DataType::Bool => {
            let elements: Vec<bool> = tensor.data().iter().map(|byte| *byte != 0).collect();
            OrtTensor::from_array((dimensions(tensor), elements)).map(Into::into).map_err(refused)
        }
        DataType::Uint8 => view::<u8>(tensor),
        DataType::Uint16 => view::<u16>(tensor),
        DataType::Uint32 => view::<u32>(tensor),
        DataType::Uint64 => view::<u64>(tensor),
        DataType::Int8 => view::<i8>(tensor),
        DataType::Int16 => view::<i16>(tensor),
        DataType::Int32 => view::<i32>(tensor),
        DataType::Int64 => view::<i64>(tensor),
        DataType::Fp16 => view::<f16>(tensor),
        DataType::Bf16 => view::<bf16>(tensor),
        DataType::Fp32 => view::<f32>(tensor),
        DataType::Fp64 => view::<f64>(tensor),
        DataType::Bytes => {
            let elements = texts(tensor.data())?;
            OrtTensor::from_string_array((dimensions(tensor), elements.as_slice()))
                .map(Into::into)
                .map_err(refused)
        }
    }
}

fn dimensions(tensor: &Tensor) -> Vec<i64> {
    tensor.shape().dimensions().to_vec()
}

fn refused(error: ort::Error) -> Error {
    Error::internal(format!("ONNX Runtime refuses the tensor: {}", shown(error.message())))
}

/// A view of a tensor's bytes, or where they are not aligned a copy.
fn view<T>(tensor: &Tensor) -> Result<SessionInputValue<'_>>
where
    T: PrimitiveTensorElementType
        + std::fmt::Debug
        + Copy
        + FromBytes
        + KnownLayout
        + Immutable
        + 'static,
{
    let (shape, bytes) = (dimensions(tensor), tensor.data().as_ref());
    match <[T]>::ref_from_bytes(bytes) {
        Ok(aligned) => TensorRef::from_array_view((shape, aligned)).map(Into::into),
        Err(_) => {
            let read = |chunk: &[u8]| T::read_from_bytes(chunk).ok();
            let elements: Vec<T> = bytes.chunks(size_of::<T>()).filter_map(read).collect();
            OrtTensor::from_array((shape, elements)).map(Into::into)
        }
    }
    .map_err(refused)
}

/// The elements of BYTES: each a length of four bytes, and its bytes.
fn texts(data: &[u8]) -> Result<Vec<String>> {
    let (mut rest, mut texts) = (data, Vec::new());
    while let Some((length, following)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (text, after) = following
            .split_at_checked(length)
            .ok_or_else(|| Error::invalid("an element ends after the data does"))?;
        let index = texts.len();
        let text = str::from_utf8(text).ok().filter(|text| !text.contains('\0'));
        texts.push(text.map(str::to_owned).ok_or_else(|| {
            Error::invalid(format!(
                "element {index} is not text: models run in process take BYTES that are UTF-8 \
                 without a zero byte"
            ))
        })?);
        rest = after;
    }
    Ok(texts)
}

/// An output as the model declares it. `reserve` takes the bytes it will have from a budget.
///
/// # Errors
/// `internal`: the value is of another type than was declared; what `reserve` answers.
pub(in super::super) fn from_ort(
    value: &DynValue,
    declared: DataType,
    reserve: impl FnOnce(u64) -> Result<Reservation>,
) -> Result<Tensor> {
    match declared {
        DataType::Bool => copy(value, declared, reserve, |elements: &[bool]| {
            elements.iter().map(|element| u8::from(*element)).collect()
        }),
        DataType::Uint8 => plain::<u8>(value, declared, reserve),
        DataType::Uint16 => plain::<u16>(value, declared, reserve),
        DataType::Uint32 => plain::<u32>(value, declared, reserve),
        DataType::Uint64 => plain::<u64>(value, declared, reserve),
        DataType::Int8 => plain::<i8>(value, declared, reserve),
        DataType::Int16 => plain::<i16>(value, declared, reserve),
        DataType::Int32 => plain::<i32>(value, declared, reserve),
        DataType::Int64 => plain::<i64>(value, declared, reserve),
        DataType::Fp16 => plain::<f16>(value, declared, reserve),
        DataType::Bf16 => plain::<bf16>(value, declared, reserve),
        DataType::Fp32 => plain::<f32>(value, declared, reserve),
        DataType::Fp64 => plain::<f64>(value, declared, reserve),
        DataType::Bytes => strings(value, reserve),
    }
}

fn other_type(declared: DataType, error: &ort::Error) -> Error {
    Error::internal(format!(
        "declared as {declared}, but ONNX Runtime computed another: {}",
        shown(error.message())
    ))
}

fn plain<T>(
    value: &DynValue,
    declared: DataType,
    reserve: impl FnOnce(u64) -> Result<Reservation>,
) -> Result<Tensor>
where
    T: PrimitiveTensorElementType + IntoBytes + Immutable,
{
    copy(value, declared, reserve, |elements: &[T]| Bytes::copy_from_slice(elements.as_bytes()))
}

fn copy<T: PrimitiveTensorElementType>(
    value: &DynValue,
    declared: DataType,
    reserve: impl FnOnce(u64) -> Result<Reservation>,
    bytes: impl FnOnce(&[T]) -> Bytes,
) -> Result<Tensor> {
    let (shape, elements) =
        value.try_extract_tensor::<T>().map_err(|error| other_type(declared, &error))?;
    let reservation = reserve(size_of_val(elements) as u64)?;
    Tensor::new(declared, Shape::new(shape.to_vec())?, bytes(elements), Some(reservation))
}

fn strings(value: &DynValue, reserve: impl FnOnce(u64) -> Result<Reservation>) -> Result<Tensor> {
    let (shape, texts) =
        value.try_extract_strings().map_err(|error| other_type(DataType::Bytes, &error))?;
    let bytes: usize = texts.iter().map(|text| text.len() + 4).sum();
    let reservation = reserve(bytes as u64)?;
    let mut data = Vec::with_capacity(bytes);
    for text in &texts {
        let length = u32::try_from(text.len())
            .map_err(|_| Error::too_large("an element has more than 4 GiB"))?;
        data.extend_from_slice(&length.to_le_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    Tensor::new(DataType::Bytes, Shape::new(shape.to_vec())?, data.into(), Some(reservation))
}
