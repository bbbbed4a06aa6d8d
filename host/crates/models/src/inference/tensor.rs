//! Tensors: element type, shape, row-major little-endian bytes.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use keynet_base::budget::Reservation;
use keynet_base::error::{Error, Result};
use keynet_base::offload;

macro_rules! data_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $size:expr;)*) => {
        /// Element type. The names of KServe v2, "Tensor Data Types", plus Triton's BF16.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the names are sufficient
        pub enum DataType { $($(#[$doc])* $variant,)* }

        impl DataType {
            /// Every element type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns its name in KServe v2 and Triton, such as `FP32`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the type with this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Returns the size of one element in bytes; `None` for `BYTES`, whose elements vary.
            pub fn size(self) -> Option<u64> {
                match self { $(Self::$variant => $size,)* }
            }
        }
    };
}

data_types! {
    Bool = "BOOL", Some(1);
    Uint8 = "UINT8", Some(1);
    Uint16 = "UINT16", Some(2);
    Uint32 = "UINT32", Some(4);
    Uint64 = "UINT64", Some(8);
    Int8 = "INT8", Some(1);
    Int16 = "INT16", Some(2);
    Int32 = "INT32", Some(4);
    Int64 = "INT64", Some(8);
    Fp16 = "FP16", Some(2);
    Bf16 = "BF16", Some(2);
    Fp32 = "FP32", Some(4);
    Fp64 = "FP64", Some(8);
    Bytes = "BYTES", None;
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Dimensions, outermost first, none negative, whose product fits in 64 bits. Empty for a scalar.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape(Arc<[i64]>);

impl Shape {
    /// Maximum number of dimensions of a tensor.
    pub const MAX_DIMENSIONS: usize = 32;

    /// Checks dimensions that came from outside.
    ///
    /// # Errors
    /// `invalid`: a negative dimension, too many dimensions, or a number of elements that does not
    /// fit in 64 bits.
    pub fn new(dimensions: Vec<i64>) -> Result<Self> {
        let shown = ShapeText(&dimensions);
        if dimensions.len() > Self::MAX_DIMENSIONS {
            return Err(Error::invalid(format!(
                "a tensor has {} dimensions, more than the {} there can be",
                dimensions.len(),
                Self::MAX_DIMENSIONS
            )));
        }
        if dimensions.iter().any(|d| *d < 0) {
            return Err(Error::invalid(format!("shape {shown} has a negative dimension")));
        }
        let nonzero = dimensions.iter().filter(|d| **d != 0);
        if nonzero.copied().try_fold(1_i64, i64::checked_mul).is_none() {
            return Err(Error::invalid(format!(
                "shape {shown} has more elements than can be counted"
            )));
        }
        Ok(Self(dimensions.into()))
    }

    /// Returns the dimensions, outermost first.
    pub fn dimensions(&self) -> &[i64] {
        &self.0
    }

    /// Returns the number of elements: the product of the dimensions, 1 for a scalar.
    pub fn elements(&self) -> u64 {
        self.0.iter().map(|d| d.unsigned_abs()).product()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ShapeText(&self.0).fmt(f)
    }
}

/// Dimensions for a message: `[1,3,640,640]`, with -1 for a dynamic size.
pub(crate) struct ShapeText<'a>(pub &'a [i64]);

impl fmt::Display for ShapeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dimension) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{dimension}")?;
        }
        f.write_str("]")
    }
}

/// Immutable array. Cheap to clone, because its bytes are shared. It holds the [`Reservation`] of
/// its bytes until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Tensor {
    data_type: DataType,
    shape: Shape,
    data: Bytes,
    reservation: Option<Arc<Reservation>>,
}

impl Tensor {
    /// Creates a tensor of `data`: row-major, little-endian; each `BYTES` element is a 4-byte
    /// little-endian length followed by that many bytes. `reservation` is the memory of `data` in
    /// the activation's budget.
    ///
    /// # Errors
    /// `invalid`: `data` does not fill `shape` exactly, or a BOOL is neither 0 nor 1.
    pub fn new(
        data_type: DataType,
        shape: Shape,
        data: Bytes,
        reservation: Option<Reservation>,
    ) -> Result<Self> {
        Self::sharing(data_type, shape, data, reservation.map(Arc::new))
    }

    /// Same as [`Tensor::new`], for an async worker: large data whose elements have to be checked
    /// one by one is checked on the blocking pool.
    ///
    /// # Errors
    /// The same as for [`Tensor::new`], and `timeout` at `deadline`.
    pub async fn check(
        data_type: DataType,
        shape: Shape,
        data: Bytes,
        reservation: Reservation,
        deadline: Instant,
    ) -> Result<Self> {
        let looked_at =
            if matches!(data_type, DataType::Bytes | DataType::Bool) { data.len() } else { 0 };
        let checked = offload::run(looked_at, Some(deadline), move || {
            Self::new(data_type, shape, data, Some(reservation))
        })
        .await;
        checked.unwrap_or_else(|| {
            Err(Error::timeout(
                "a tensor's elements were not checked in the time this activation has left",
            ))
        })
    }

    /// Same as [`Tensor::new`], for data that is a part of the memory of `reservation`, which is
    /// released with the last part.
    ///
    /// # Errors
    /// The same as for [`Tensor::new`].
    pub(super) fn sharing(
        data_type: DataType,
        shape: Shape,
        data: Bytes,
        reservation: Option<Arc<Reservation>>,
    ) -> Result<Self> {
        let elements = shape.elements();
        match data_type.size() {
            Some(size) => {
                let expected = elements.checked_mul(size);
                if expected != Some(data.len() as u64) {
                    return Err(Error::invalid(format!(
                        "{data_type} of shape {shape} is {} bytes, but the data has {}",
                        expected
                            .map_or_else(|| "more than 2^64".to_owned(), |bytes| bytes.to_string()),
                        data.len()
                    )));
                }
            }
            None => {
                let found = count_byte_elements(&data)?;
                if found != elements {
                    return Err(Error::invalid(format!(
                        "BYTES of shape {shape} has {elements} elements, but the data has {found}"
                    )));
                }
            }
        }
        if data_type == DataType::Bool
            && let Some(wrong) = data.iter().find(|byte| **byte > 1)
        {
            return Err(Error::invalid(format!(
                "an element of a BOOL tensor is {wrong}: it must be 0 or 1"
            )));
        }
        Ok(Self { data_type, shape, data, reservation })
    }

    /// Returns the same elements in another shape.
    ///
    /// # Errors
    /// `invalid`: the shape has a different number of elements.
    pub(super) fn reshaped(self, dimensions: Vec<i64>) -> Result<Self> {
        let shape = Shape::new(dimensions)?;
        if shape.elements() == self.shape.elements() {
            Ok(Self { shape, ..self })
        } else {
            Err(Error::invalid(format!(
                "a tensor of shape {} cannot have the shape {shape}: its elements are not as many",
                self.shape
            )))
        }
    }

    /// Returns the element type.
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Returns the shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns all bytes, row-major and little-endian.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns the number of bytes reserved for it in a budget.
    pub fn reserved(&self) -> u64 {
        self.reservation.as_ref().map_or(0, |held| held.bytes())
    }
}

/// Counts the elements of a `BYTES` tensor's data.
///
/// # Errors
/// `invalid` if a length points past the end.
fn count_byte_elements(data: &[u8]) -> Result<u64> {
    let (mut rest, mut count) = (data, 0);
    while !rest.is_empty() {
        (_, rest) = first_byte_element(rest).ok_or_else(cut_element)?;
        count += 1;
    }
    Ok(count)
}

/// Splits off the first element of a `BYTES` tensor's data; `None` if the data ends within it.
fn first_byte_element(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = data.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*prefix) as usize)
}

fn cut_element() -> Error {
    Error::invalid(
        "BYTES data ends in the middle of an element: each is a 4-byte little-endian length and \
            its bytes",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dimensions: &[i64]) -> Shape {
        Shape::new(dimensions.to_vec()).unwrap()
    }

    #[test]
    fn data_fills_its_shape_exactly() {
        assert!(Tensor::new(DataType::Fp32, shape(&[1, 2]), Bytes::from(vec![0; 8]), None).is_ok());
        assert!(Tensor::new(DataType::Int64, shape(&[]), Bytes::from(vec![0; 8]), None).is_ok());
        assert!(Tensor::new(DataType::Fp16, shape(&[3, 0]), Bytes::new(), None).is_ok());
        let error =
            Tensor::new(DataType::Fp32, shape(&[1, 3]), Bytes::from(vec![0; 8]), None).unwrap_err();
        assert_eq!(error.message, "FP32 of shape [1,3] is 12 bytes, but the data has 8");
    }

    #[test]
    fn a_bool_is_0_or_1() {
        assert!(
            Tensor::new(DataType::Bool, shape(&[2]), Bytes::from_static(&[0, 1]), None).is_ok()
        );
        let error = Tensor::new(DataType::Bool, shape(&[2]), Bytes::from_static(&[0, 2]), None)
            .unwrap_err();
        assert!(error.message.contains("is 2"), "{error}");
    }

    #[test]
    fn strings_of_any_bytes_are_counted() {
        let two = Bytes::from_static(b"\x02\0\0\0\xff\0\0\0\0\0");
        let tensor = Tensor::new(DataType::Bytes, shape(&[2]), two.clone(), None).unwrap();
        let (first, rest) = first_byte_element(tensor.data()).unwrap();
        assert_eq!((first, first_byte_element(rest)), (&b"\xff\0"[..], Some((&[][..], &[][..]))));
        assert!(Tensor::new(DataType::Bytes, shape(&[3]), two, None).is_err());
        assert!(
            Tensor::new(
                DataType::Bytes,
                shape(&[1]),
                Bytes::from_static(b"\xff\xff\xff\xff"),
                None
            )
            .is_err()
        );
    }

    #[tokio::test]
    async fn sixty_mebibytes_of_strings_are_checked_by_the_deadline_and_stay_reserved_until_they_are()
     {
        let budget = keynet_base::budget::MemoryBudget::process(u64::MAX);
        let data = Bytes::from(vec![0; 60 << 20]);
        let check = async |elements: i64, deadline| {
            let reservation = budget.reserve(60 << 20, "a tensor").unwrap();
            Tensor::check(DataType::Bytes, shape(&[elements]), data.clone(), reservation, deadline)
                .await
        };
        let soon = Instant::now() + std::time::Duration::from_secs(60);
        let tensor = check(15 << 20, soon).await.unwrap();
        assert_eq!((tensor.reserved(), budget.used()), (60 << 20, 60 << 20));
        drop(tensor);
        assert_eq!(check(1, soon).await.unwrap_err().kind, keynet_base::ErrorKind::Invalid);
        assert_eq!(
            check(15 << 20, Instant::now()).await.unwrap_err().kind,
            keynet_base::ErrorKind::Timeout
        );
    }

    #[test]
    fn absurd_shapes_are_refused() {
        for absurd in [vec![-1], vec![i64::MAX, 2], vec![i64::MAX, 3, 0], vec![1; 33]] {
            assert!(Shape::new(absurd).is_err());
        }
        assert_eq!(shape(&[i64::MAX, 0]).elements(), 0);
    }
}
