//! Element types of tensors, on the host and in Rust.

use std::fmt;

use bytemuck::{AnyBitPattern, NoUninit};

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataType {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned, one byte.
    Uint8,
    /// Unsigned, two bytes.
    Uint16,
    /// Unsigned, four bytes.
    Uint32,
    /// Unsigned, eight bytes.
    Uint64,
    /// Two's complement, one byte.
    Int8,
    /// Two's complement, two bytes.
    Int16,
    /// Two's complement, four bytes.
    Int32,
    /// Two's complement, eight bytes.
    Int64,
    /// IEEE 754 half precision, two bytes.
    Fp16,
    /// bfloat16, two bytes.
    Bf16,
    /// IEEE 754 single precision, four bytes.
    Fp32,
    /// IEEE 754 double precision, eight bytes.
    Fp64,
    /// A byte string of any length, written as a 4-byte little-endian length and then its bytes.
    Bytes,
}

impl DataType {
    /// Returns the size of one element in bytes; `None` for [`Bytes`](Self::Bytes), whose elements
    /// vary in size.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }
}

/// Triton's name of the type, such as `FP32`.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        })
    }
}

/// Rust type with the memory layout of a tensor element: the integers, `f32`, `f64`, `bool`, and
/// with the feature `half` its `f16` and `bf16`. Sealed, because the contract defines the list.
pub trait Element: Copy + NoUninit + sealed::Sealed + 'static {
    /// The host's name of this type.
    const DATA_TYPE: DataType;
}

pub(crate) mod sealed {
    /// Conversion of elements from bytes: every bit pattern is valid, except for `bool`.
    pub trait Sealed: Sized {
        /// Returns the same bytes as a slice, if their address is aligned for the type; always
        /// `None` for `bool`, whose bytes must be checked.
        fn view(bytes: &[u8]) -> Option<&[Self]>;
        /// Copies the elements.
        fn collect(bytes: &[u8]) -> Vec<Self>;
    }
}

fn view<T: AnyBitPattern>(bytes: &[u8]) -> Option<&[T]> {
    bytemuck::try_cast_slice(bytes).ok()
}

macro_rules! elements {
    ($($rust:ty => $data_type:ident,)*) => {$(
        impl sealed::Sealed for $rust {
            fn view(bytes: &[u8]) -> Option<&[Self]> {
                view(bytes)
            }

            fn collect(bytes: &[u8]) -> Vec<Self> {
                bytemuck::pod_collect_to_vec(bytes)
            }
        }

        impl Element for $rust {
            const DATA_TYPE: DataType = DataType::$data_type;
        }
    )*};
}

elements! {
    u8 => Uint8,
    u16 => Uint16,
    u32 => Uint32,
    u64 => Uint64,
    i8 => Int8,
    i16 => Int16,
    i32 => Int32,
    i64 => Int64,
    f32 => Fp32,
    f64 => Fp64,
}

#[cfg(feature = "half")]
elements! {
    half::f16 => Fp16,
    half::bf16 => Bf16,
}

impl sealed::Sealed for bool {
    fn view(_: &[u8]) -> Option<&[Self]> {
        None
    }

    fn collect(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|byte| *byte != 0).collect()
    }
}

impl Element for bool {
    const DATA_TYPE: DataType = DataType::Bool;
}

// Tensors are little-endian (`triton-predict.tensor`), and elements are copied in their memory
// representation.
#[cfg(target_endian = "big")]
compile_error!("keynet-inference-sdk works on little-endian machines only");
