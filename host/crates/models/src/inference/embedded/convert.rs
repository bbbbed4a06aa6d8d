//! Tensors to rten's values and back.
//!
//! rten computes with f32, i32, i8 and u8. Those go in without a copy where the bytes are aligned
//! for the type (else one copy), and come out without a copy. The others are converted, one pass
//! each way: FP16 and FP64 to f32 (results are rounded back), INT64 and BOOL to i32. An element of
//! an input that does not fit is an error: what the graph computes with them is looked at when it
//! is loaded ([`super::graph`]). Bytes are little-endian, and so must the machine be.

use bytes::Bytes;
use half::f16;
use rten::{Value, ValueOrView, ValueView};
use rten_tensor::{AsView, Layout, Tensor as RtenTensor};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::super::{DataType, Shape, Tensor};
use super::graph::is_single;
use keynet_base::budget::Reservation;
use keynet_base::error::{Error, Result};

const _: () = assert!(cfg!(target_endian = "little"), "tensors are little-endian bytes");

/// A tensor as rten takes it. FP64 may be `rounded` to FP32, or must have its numbers.
///
/// # Errors
/// `invalid`: an INT64 element that does not fit 32 bits. The text is to follow the input's name.
pub(super) fn to_rten(tensor: &Tensor, rounded: bool) -> Result<ValueOrView<'_>> {
    let shape: Vec<usize> = tensor
        .shape()
        .dimensions()
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
        .collect();
    let bytes = tensor.data().as_ref();
    match tensor.data_type() {
        DataType::Fp32 => view::<f32, _>(&shape, bytes, f32::from_le_bytes),
        DataType::Int32 => view::<i32, _>(&shape, bytes, i32::from_le_bytes),
        DataType::Int8 => view::<i8, _>(&shape, bytes, i8::from_le_bytes),
        DataType::Uint8 => view::<u8, _>(&shape, bytes, u8::from_le_bytes),
        DataType::Bool => owned(&shape, bytes.iter().map(|byte| i32::from(*byte != 0)).collect()),
        DataType::Int64 => owned(&shape, narrowed(bytes)?),
        DataType::Fp16 => owned(&shape, elements(bytes, |two| f16::from_le_bytes(two).to_f32())),
        DataType::Fp64 if rounded => {
            owned(&shape, elements(bytes, |eight| f64::from_le_bytes(eight) as f32))
        }
        DataType::Fp64 => owned(&shape, singles(bytes)?),
        other => Err(Error::invalid(format!(
            "{other} is not a type that models run in process can take"
        ))),
    }
}

fn elements<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn narrowed(bytes: &[u8]) -> Result<Vec<i32>> {
    let narrow = |(index, chunk): (usize, &[u8; 8])| {
        let wide = i64::from_le_bytes(*chunk);
        // The smallest of 32 bits has no negation there.
        i32::try_from(wide).ok().filter(|narrow| *narrow != i32::MIN).ok_or_else(|| {
            Error::invalid(format!(
                "element {index} is {wide}, and models run in process compute INT64 with 32 bits; \
                    Triton has all 64 (TRITON_URL)"
            ))
        })
    };
    bytes.as_chunks::<8>().0.iter().enumerate().map(narrow).collect()
}

fn singles(bytes: &[u8]) -> Result<Vec<f32>> {
    let single = |(index, chunk): (usize, &[u8; 8])| {
        let double = f64::from_le_bytes(*chunk);
        is_single(double).then_some(double as f32).ok_or_else(|| {
            Error::invalid(format!(
                "element {index} is {double}, and models run in process have FP64 with the \
                    precision and range of FP32; Triton has FP64 (TRITON_URL)"
            ))
        })
    };
    bytes.as_chunks::<8>().0.iter().enumerate().map(single).collect()
}

/// A view of `bytes`, or where they are not aligned a copy.
fn view<'a, T, const N: usize>(
    shape: &[usize],
    bytes: &'a [u8],
    read: impl Fn([u8; N]) -> T,
) -> Result<ValueOrView<'a>>
where
    T: FromBytes + KnownLayout + Immutable + 'static,
    ValueView<'a>: From<rten_tensor::TensorView<'a, T>>,
    Value: From<RtenTensor<T>>,
{
    match <[T]>::ref_from_bytes(bytes) {
        Ok(aligned) => ValueView::from_shape(shape, aligned).map(ValueOrView::from).map_err(misfit),
        Err(_) => owned(shape, elements(bytes, read)),
    }
}

fn owned<'a, T>(shape: &[usize], data: Vec<T>) -> Result<ValueOrView<'a>>
where
    Value: From<RtenTensor<T>>,
{
    Value::from_shape(shape, data).map(ValueOrView::from).map_err(misfit)
}

fn misfit(error: impl std::error::Error) -> Error {
    Error::internal(format!("rten refuses the tensor: {error}"))
}

/// An output as the model declares it. `reserve` takes the bytes it will have from a budget.
///
/// # Errors
/// `internal`: the value is of another type than was declared; what `reserve` answers.
pub(super) fn from_rten(
    value: Value,
    declared: DataType,
    reserve: impl FnOnce(u64) -> Result<Reservation>,
) -> Result<Tensor> {
    let shape = value.shape().iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    let shape = Shape::new(shape)?;
    let reservation = reserve(shape.elements().saturating_mul(declared.size().unwrap_or(1)))?;
    let data = match (value, declared) {
        (Value::FloatTensor(data), DataType::Fp32) => share(data),
        (Value::Int32Tensor(data), DataType::Int32) => share(data),
        (Value::Int8Tensor(data), DataType::Int8) => share(data),
        (Value::UInt8Tensor(data), DataType::Uint8) => share(data),
        (Value::Int32Tensor(data), DataType::Bool) => {
            data.iter().map(|element| u8::from(*element != 0)).collect()
        }
        (Value::Int32Tensor(data), DataType::Int64) => {
            spread(&data, |element| i64::from(element).to_le_bytes())
        }
        (Value::FloatTensor(data), DataType::Fp16) => {
            spread(&data, |element| f16::from_f32(element).to_le_bytes())
        }
        (Value::FloatTensor(data), DataType::Fp64) => {
            spread(&data, |element| f64::from(element).to_le_bytes())
        }
        (other, _) => {
            return Err(Error::internal(format!(
                "declared as {declared}, but rten computed {}",
                other.dtype()
            )));
        }
    };
    Tensor::new(declared, shape, data, Some(reservation))
}

fn spread<T: Copy, const N: usize>(data: &RtenTensor<T>, write: impl Fn(T) -> [u8; N]) -> Bytes {
    let mut bytes = Vec::with_capacity(data.len().saturating_mul(N));
    data.iter().for_each(|element| bytes.extend_from_slice(&write(*element)));
    bytes.into()
}

/// The tensor's own buffer as bytes. It may come from rten's pool and be much larger than its
/// elements: then it is cut.
fn share<T>(data: RtenTensor<T>) -> Bytes
where
    T: Copy + Send + IntoBytes + Immutable + 'static,
{
    struct Elements<T>(Vec<T>);
    impl<T: IntoBytes + Immutable> AsRef<[u8]> for Elements<T> {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    let mut elements = data.into_data();
    if elements.len() < elements.capacity() / 8 * 7 {
        elements.shrink_to_fit();
    }
    Bytes::from_owner(Elements(elements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::budget::MemoryBudget;
    use keynet_base::error::ErrorKind;

    fn tensor(data_type: DataType, shape: &[i64], data: impl Into<Bytes>) -> Tensor {
        Tensor::new(data_type, Shape::new(shape.to_vec()).unwrap(), data.into(), None).unwrap()
    }

    fn there_and_back(tensor: &Tensor) -> Result<Tensor> {
        let value = match to_rten(tensor, false)? {
            ValueOrView::Value(value) => value,
            ValueOrView::View(view) => view.to_owned(),
        };
        from_rten(value, tensor.data_type(), |bytes| {
            MemoryBudget::process(1 << 20).reserve(bytes, "an output")
        })
    }

    #[test]
    fn every_type_comes_back_as_it_was() {
        let cases: [(DataType, Vec<u8>); 8] = [
            (DataType::Bool, vec![0, 1]),
            (DataType::Uint8, vec![0, 255]),
            (DataType::Int8, vec![127, 128]),
            (DataType::Int32, [i32::MIN, 7].map(i32::to_le_bytes).concat()),
            (DataType::Int64, [i64::from(i32::MIN) + 1, 7].map(i64::to_le_bytes).concat()),
            (DataType::Fp16, [f16::MAX, f16::NEG_INFINITY].map(f16::to_le_bytes).concat()),
            (DataType::Fp32, [1.5_f32, f32::MAX].map(f32::to_le_bytes).concat()),
            (DataType::Fp64, [1.5_f64, -2.0].map(f64::to_le_bytes).concat()),
        ];
        for (data_type, data) in cases {
            for shape in [&[2][..], &[1, 2, 1], &[2, 1]] {
                let given = tensor(data_type, shape, data.clone());
                let back = there_and_back(&given).unwrap();
                assert_eq!(
                    (back.data_type(), back.shape(), back.data()),
                    (data_type, given.shape(), given.data())
                );
                assert_eq!(back.reserved(), data.len() as u64);
            }
            let scalar = tensor(data_type, &[], data[..data.len() / 2].to_vec());
            assert_eq!(there_and_back(&scalar).unwrap().data(), scalar.data());
            let empty = tensor(data_type, &[3, 0], Bytes::new());
            assert_eq!(there_and_back(&empty).unwrap().shape().dimensions(), [3, 0]);
        }
    }

    #[test]
    fn bytes_that_are_not_aligned_are_copied() {
        let mut bytes = vec![0; 1];
        bytes.extend([1.0_f32, 2.0].map(f32::to_le_bytes).concat());
        let whole = Bytes::from(bytes);
        for data in [whole.slice(1..), Bytes::copy_from_slice(&whole[1..])] {
            let given = tensor(DataType::Fp32, &[2], data);
            assert_eq!(there_and_back(&given).unwrap().data(), given.data());
        }
    }

    #[test]
    fn an_int64_that_does_not_fit_is_refused_not_wrapped() {
        let given = tensor(DataType::Int64, &[2], [1, 1_i64 << 40].map(i64::to_le_bytes).concat());
        let error = there_and_back(&given).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.starts_with("element 1 is 1099511627776"), "{error}");
    }

    #[test]
    fn what_the_graph_declares_wrongly_is_an_error() {
        let value = Value::from_shape([1], vec![1_i32]).unwrap();
        let error = from_rten(value, DataType::Fp32, |bytes| {
            MemoryBudget::process(8).reserve(bytes, "an output")
        })
        .unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Internal, "declared as FP32, but rten computed tensor(i32)")
        );
    }
}
