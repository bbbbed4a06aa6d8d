//! Arrays that stay in the host until their elements are read.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::OnceLock;

use crate::data_type::{DataType, Element};
use crate::error::{Error, Result};
use crate::{ensure, host};

/// Bytes of which [`Tensor::to_vec`] holds two copies at a time.
const CHUNK: usize = 1 << 20;

/// Immutable array in the host's memory: elements in row-major order.
///
/// It can be passed from storage to a model, from one model to the next and back to storage without
/// its bytes entering the action. Dropping it releases the host's memory.
///
/// ```
/// use keynet_inference_sdk::{DataType, Tensor};
///
/// let tensor = Tensor::from_slice(&[2, 3], &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(tensor.shape(), [2, 3]);
/// assert_eq!(tensor.data_type(), DataType::Fp32);
/// assert_eq!(tensor.read::<f32>(3..5)?, [4.0, 5.0]);
///
/// let mistake = tensor.to_vec::<i64>().unwrap_err();
/// assert_eq!(mistake.message(), "expected a tensor of INT64 elements (i64), but this one has FP32 elements of shape [2, 3]");
/// # Ok::<(), keynet_inference_sdk::Error>(())
/// ```
///
/// # Copies
///
/// | call | copies of the data |
/// |---|---|
/// | [`from_slice`](Self::from_slice), [`from_vec`](Self::from_vec), [`from_bytes`](Self::from_bytes) | one, into the host |
/// | [`elements`](Self::elements), [`to_bytes`](Self::to_bytes), [`read_bytes`](Self::read_bytes) | one, into the action |
/// | [`to_vec`](Self::to_vec), [`read`](Self::read) | two, into the action and into memory aligned for the element type; `to_vec` copies in steps of 1 MiB, so that it needs memory for the data and 1 MiB |
/// | as a model's input, to and from [`Storage`](crate::Storage) | none in the action |
pub struct Tensor {
    host: host::Tensor,
    layout: OnceLock<Layout>,
}

struct Layout {
    data_type: DataType,
    shape: Vec<usize>,
}

impl Tensor {
    /// Copies elements in row-major order into a new tensor; an empty shape makes a scalar.
    ///
    /// # Errors
    /// `Invalid`: the number of elements in the shape is not that of `data`. `TooLarge`: over the
    /// activation's memory limit.
    pub fn from_slice<T: Element>(shape: &[usize], data: &[T]) -> Result<Self> {
        Self::check_count(shape, data.len())?;
        Self::from_bytes(T::DATA_TYPE, shape, bytemuck::cast_slice(data))
    }

    /// Same as [`from_slice`](Self::from_slice), for a vector that is no longer needed.
    ///
    /// # Errors
    /// The same as for [`from_slice`](Self::from_slice).
    pub fn from_vec<T: Element>(shape: &[usize], data: Vec<T>) -> Result<Self> {
        Self::from_slice(shape, &data)
    }

    /// Copies little-endian bytes into a new tensor of any element type.
    ///
    /// # Errors
    /// `Invalid`: the bytes do not fill the shape exactly. `TooLarge`: over the activation's memory
    /// limit.
    pub fn from_bytes(data_type: DataType, shape: &[usize], data: &[u8]) -> Result<Self> {
        let wire = to_wire(shape)?;
        let host = host::Tensor::create(data_type, &wire, data)?;
        Ok(Self { host, layout: OnceLock::from(Layout { data_type, shape: shape.to_vec() }) })
    }

    /// Creates a tensor of BYTES elements from strings or byte strings.
    ///
    /// ```
    /// # use keynet_inference_sdk::Tensor;
    /// let words = Tensor::from_strings(&[2], &["cat", "dog"])?;
    /// assert_eq!(words.to_strings()?, ["cat", "dog"]);
    /// # Ok::<(), keynet_inference_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`: the number of elements in the shape is not that of `strings`. `TooLarge`: a
    /// string has 4 GiB or more, or over the activation's memory limit.
    pub fn from_strings<S: AsRef<[u8]>>(shape: &[usize], strings: &[S]) -> Result<Self> {
        Self::check_count(shape, strings.len())?;
        let size = strings.iter().map(|string| string.as_ref().len() + 4).sum();
        let mut data = Vec::with_capacity(size);
        for string in strings {
            let string = string.as_ref();
            let length = u32::try_from(string.len())
                .map_err(|_| Error::too_large("a string of a tensor is 4 GiB or more"))?;
            data.extend_from_slice(&length.to_le_bytes());
            data.extend_from_slice(string);
        }
        Self::from_bytes(DataType::Bytes, shape, &data)
    }

    fn check_count(shape: &[usize], given: usize) -> Result<()> {
        let count = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        ensure!(
            count == Some(given),
            invalid,
            "a tensor of shape {shape:?} has {} elements, but {given} were given",
            count.map_or_else(|| "too many".to_owned(), |count| count.to_string())
        );
        Ok(())
    }

    /// Returns the element type.
    pub fn data_type(&self) -> DataType {
        self.layout().data_type
    }

    /// Returns the dimensions, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.layout().shape
    }

    /// Returns the number of elements; 1 for a scalar.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Reports whether it has no elements, because one of its dimensions is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of its data in bytes.
    pub fn byte_length(&self) -> u64 {
        self.host.byte_length()
    }

    /// Copies all elements into a vector.
    ///
    /// # Errors
    /// `Invalid`: `T` is not its element type; the message names the actual one.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_type::<T>()?;
        let mut elements = Vec::with_capacity(self.len());
        let total = self.byte_length();
        let mut offset = 0;
        while offset < total {
            let chunk = self.host.read(offset, CHUNK as u64);
            ensure!(!chunk.is_empty(), "the tensor's data ends at byte {offset} of {total}");
            offset += chunk.len() as u64;
            elements.append(&mut T::collect(&chunk));
        }
        Ok(elements)
    }

    /// Reads all elements for access as a slice: half the copies of [`to_vec`](Self::to_vec).
    ///
    /// ```
    /// # use keynet_inference_sdk::Tensor;
    /// # let tensor = Tensor::from_slice(&[4], &[0.1_f32, 0.9, 0.3, 0.2])?;
    /// let scores = tensor.elements::<f32>()?;
    /// let best = scores.iter().copied().fold(f32::MIN, f32::max);
    /// assert_eq!(best, 0.9);
    /// # Ok::<(), keynet_inference_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`: `T` is not its element type; the message names the actual one.
    pub fn elements<T: Element>(&self) -> Result<Elements<T>> {
        self.check_type::<T>()?;
        Ok(Elements::new(self.host.data(), self.shape().to_vec()))
    }

    /// Reads the elements of a range, counted in row-major order: a part of a large tensor.
    ///
    /// # Errors
    /// `Invalid`: `T` is not its element type, or the range is not within `0..len()`.
    pub fn read<T: Element>(&self, range: Range<usize>) -> Result<Vec<T>> {
        self.check_type::<T>()?;
        let Range { start, end } = range;
        ensure!(
            start <= end && end <= self.len(),
            invalid,
            "the elements {start}..{end} do not lie in a tensor with {} elements",
            self.len()
        );
        let size = size_of::<T>() as u64;
        Ok(T::collect(&self.read_bytes(start as u64 * size, (end - start) as u64 * size)))
    }

    /// Returns the only element of a scalar or of a tensor such as `[1, 1]`.
    ///
    /// # Errors
    /// `Invalid`: `T` is not its element type, or it does not have exactly one element.
    pub fn item<T: Element>(&self) -> Result<T> {
        ensure!(
            self.len() == 1,
            invalid,
            "expected one element, but the tensor's shape is {:?}",
            self.shape()
        );
        self.read(0..1)?
            .first()
            .copied()
            .ok_or_else(|| Error::internal("the tensor's only element could not be read"))
    }

    /// Reads all its data, little-endian; also for element types without a Rust type (FP16 and BF16
    /// without the feature `half`).
    pub fn to_bytes(&self) -> Vec<u8> {
        self.host.data()
    }

    /// Reads `length` bytes of its data from byte `offset` on; fewer, or no bytes, at the end of
    /// the data.
    pub fn read_bytes(&self, offset: u64, length: u64) -> Vec<u8> {
        self.host.read(offset, length)
    }

    /// Reads the elements of a BYTES tensor as text.
    ///
    /// # Errors
    /// `Invalid`: its elements are not BYTES, or one of them is not UTF-8: see
    /// [`to_byte_strings`](Self::to_byte_strings).
    pub fn to_strings(&self) -> Result<Vec<String>> {
        self.to_byte_strings()?
            .into_iter()
            .enumerate()
            .map(|(index, bytes)| {
                String::from_utf8(bytes).map_err(|error| {
                    Error::invalid(format_args!(
                        "element {index} of the tensor is not UTF-8 text: {}",
                        error.utf8_error()
                    ))
                })
            })
            .collect()
    }

    /// Reads the elements of a BYTES tensor.
    ///
    /// # Errors
    /// `Invalid`: its elements are not BYTES.
    pub fn to_byte_strings(&self) -> Result<Vec<Vec<u8>>> {
        let layout = self.layout();
        ensure!(
            layout.data_type == DataType::Bytes,
            invalid,
            "expected a tensor of BYTES elements (strings), but this one has {} elements of shape \
                {:?}",
            layout.data_type,
            layout.shape
        );
        let data = self.to_bytes();
        let mut rest = data.as_slice();
        let mut strings = Vec::new();
        while !rest.is_empty() {
            let cut = rest.split_first_chunk::<4>().and_then(|(length, after)| {
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                after.split_at_checked(length)
            });
            let Some((string, after)) = cut else {
                return Err(Error::internal(format_args!(
                    "element {} of the tensor is cut short",
                    strings.len()
                )));
            };
            strings.push(string.to_vec());
            rest = after;
        }
        Ok(strings)
    }

    fn check_type<T: Element>(&self) -> Result<()> {
        let layout = self.layout();
        ensure!(
            layout.data_type == T::DATA_TYPE,
            invalid,
            "expected a tensor of {} elements ({}), but this one has {} elements of shape {:?}",
            T::DATA_TYPE,
            std::any::type_name::<T>().rsplit("::").next().unwrap_or_default(),
            layout.data_type,
            layout.shape
        );
        Ok(())
    }

    fn layout(&self) -> &Layout {
        self.layout.get_or_init(|| Layout {
            data_type: self.host.data_type(),
            // A tensor that fits in the host's memory has no dimension larger than usize, unless
            // another one is 0.
            shape: self
                .host
                .shape()
                .into_iter()
                .map(|size| usize::try_from(size).unwrap_or(usize::MAX))
                .collect(),
        })
    }

    pub(crate) fn from_host(host: host::Tensor) -> Self {
        Self { host, layout: OnceLock::new() }
    }

    pub(crate) fn host(&self) -> &host::Tensor {
        &self.host
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn into_host(self) -> host::Tensor {
        self.host
    }
}

/// Converts a shape to the contract's type.
pub(crate) fn to_wire(shape: &[usize]) -> Result<Vec<i64>> {
    shape
        .iter()
        .map(|size| {
            i64::try_from(*size).map_err(|_| {
                Error::invalid(format_args!("the shape {shape:?} has too large a dimension"))
            })
        })
        .collect()
}

/// Shows element type and shape, not the data.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?})", self.data_type(), self.shape())
    }
}

/// Elements of a tensor in the action's memory: a read-only slice in row-major order.
///
/// In a hot loop, take the slice once: `let scores: &[f32] = &elements;`.
pub struct Elements<T> {
    bytes: Vec<u8>,
    /// Aligned or checked copy, if the address of `bytes` is not aligned for `T`, or not every byte
    /// is a valid `T`.
    copied: Option<Vec<T>>,
    shape: Vec<usize>,
}

impl<T: Element> Elements<T> {
    fn new(bytes: Vec<u8>, shape: Vec<usize>) -> Self {
        match T::view(&bytes) {
            Some(_) => Self { bytes, copied: None, shape },
            None => Self { copied: Some(T::collect(&bytes)), bytes: Vec::new(), shape },
        }
    }

    /// Returns the tensor's dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

impl<T: Element> Deref for Elements<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.copied {
            Some(copied) => copied,
            None => T::view(&self.bytes).unwrap_or_default(),
        }
    }
}

impl<'a, T: Element> IntoIterator for &'a Elements<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_wrong_count_names_both_counts() {
        let error = Tensor::from_slice(&[2, 2], &[1_u8, 2, 3]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.message(), "a tensor of shape [2, 2] has 4 elements, but 3 were given");
        assert!(Tensor::from_slice::<u8>(&[usize::MAX, 2], &[]).is_err());
    }

    #[test]
    fn every_way_to_read_gives_the_same() -> Result<()> {
        let data: Vec<f64> = (0..300_000).map(f64::from).collect();
        let tensor = Tensor::from_vec(&[3, 100_000], data.clone())?;
        assert_eq!(tensor.to_vec::<f64>()?, data);
        assert_eq!(&*tensor.elements::<f64>()?, data.as_slice());
        assert_eq!(tensor.read::<f64>(299_998..300_000)?, [299_998.0, 299_999.0]);
        assert_eq!(tensor.to_bytes().len(), 2_400_000);
        assert_eq!(
            tensor.read::<f64>(0..300_001).unwrap_err().message(),
            "the elements 0..300001 do not lie in a tensor with 300000 elements"
        );
        Ok(())
    }

    #[test]
    fn scalars_booleans_and_empty_tensors() -> Result<()> {
        let scalar = Tensor::from_slice(&[], &[7_i64])?;
        assert_eq!((scalar.len(), scalar.item::<i64>()?), (1, 7));
        let flags = Tensor::from_slice(&[2], &[true, false])?;
        assert_eq!(flags.to_vec::<bool>()?, [true, false]);
        assert_eq!(&*flags.elements::<bool>()?, [true, false]);
        let empty = Tensor::from_slice::<f32>(&[0, 4], &[])?;
        assert!(empty.is_empty() && empty.elements::<f32>()?.is_empty());
        Ok(())
    }

    #[test]
    fn strings_of_any_length() -> Result<()> {
        let tensor = Tensor::from_strings(&[1, 3], &["", "고양이", "x"])?;
        assert_eq!(tensor.data_type(), DataType::Bytes);
        assert_eq!(tensor.to_strings()?, ["", "고양이", "x"]);
        let binary = Tensor::from_strings(&[1], &[[0xff_u8, 0xfe]])?;
        assert_eq!(binary.to_byte_strings()?, [[0xff, 0xfe]]);
        assert!(
            binary
                .to_strings()
                .unwrap_err()
                .message()
                .starts_with("element 0 of the tensor is not UTF-8 text")
        );
        assert!(Tensor::from_bytes(DataType::Bytes, &[1], &[9, 0, 0, 0, 1]).is_err());
        Ok(())
    }

    #[cfg(feature = "half")]
    #[test]
    fn half_precision() -> Result<()> {
        let data = [half::f16::from_f32(0.5), half::f16::from_f32(-2.0)];
        let tensor = Tensor::from_slice(&[2], &data)?;
        assert_eq!(tensor.data_type(), DataType::Fp16);
        assert_eq!(tensor.to_vec::<half::f16>()?, data);
        Ok(())
    }
}
