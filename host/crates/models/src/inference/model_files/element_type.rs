//! Names of the element types in ONNX and Triton.

use rten_onnx::onnx;

use crate::inference::DataType;

/// Triton's names, in the order of their numbers, which start at 1.
const TRITON: [(&str, DataType); 14] = [
    ("TYPE_BOOL", DataType::Bool),
    ("TYPE_UINT8", DataType::Uint8),
    ("TYPE_UINT16", DataType::Uint16),
    ("TYPE_UINT32", DataType::Uint32),
    ("TYPE_UINT64", DataType::Uint64),
    ("TYPE_INT8", DataType::Int8),
    ("TYPE_INT16", DataType::Int16),
    ("TYPE_INT32", DataType::Int32),
    ("TYPE_INT64", DataType::Int64),
    ("TYPE_FP16", DataType::Fp16),
    ("TYPE_FP32", DataType::Fp32),
    ("TYPE_FP64", DataType::Fp64),
    ("TYPE_STRING", DataType::Bytes),
    ("TYPE_BF16", DataType::Bf16),
];

/// Returns the type with this name in `config.pbtxt`, such as `TYPE_FP32`.
pub(crate) fn of_triton(name: &str) -> Option<DataType> {
    TRITON.iter().find(|(known, _)| *known == name).map(|(_, data_type)| *data_type)
}

/// Returns the type with this number in `config.pbtxt`.
pub(crate) fn of_triton_number(number: i64) -> Option<DataType> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    TRITON.get(index).map(|(_, data_type)| *data_type)
}

/// Returns the name of a type in `config.pbtxt`.
pub(crate) fn to_triton(data_type: DataType) -> &'static str {
    TRITON.iter().find(|(_, known)| *known == data_type).map_or("TYPE_INVALID", |(name, _)| name)
}

/// Returns the type of an ONNX element type; `None` for types that the contract does not have.
pub(crate) fn of_onnx(element: onnx::DataType) -> Option<DataType> {
    Some(match element {
        onnx::DataType::FLOAT => DataType::Fp32,
        onnx::DataType::UINT8 => DataType::Uint8,
        onnx::DataType::INT8 => DataType::Int8,
        onnx::DataType::UINT16 => DataType::Uint16,
        onnx::DataType::INT16 => DataType::Int16,
        onnx::DataType::INT32 => DataType::Int32,
        onnx::DataType::INT64 => DataType::Int64,
        onnx::DataType::STRING => DataType::Bytes,
        onnx::DataType::BOOL => DataType::Bool,
        onnx::DataType::FLOAT16 => DataType::Fp16,
        onnx::DataType::DOUBLE => DataType::Fp64,
        onnx::DataType::UINT32 => DataType::Uint32,
        onnx::DataType::UINT64 => DataType::Uint64,
        onnx::DataType::BFLOAT16 => DataType::Bf16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_name_and_a_number_of_tritons() {
        for (index, (name, data_type)) in TRITON.iter().enumerate() {
            assert_eq!(of_triton(name), Some(*data_type));
            assert_eq!(of_triton_number(index as i64 + 1), Some(*data_type));
            assert_eq!(to_triton(*data_type), *name);
        }
        assert_eq!(
            (of_triton("TYPE_INVALID"), of_triton_number(0), of_triton_number(15)),
            (None, None, None)
        );
    }
}
