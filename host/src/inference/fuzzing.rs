//! Fuzzing of tensors and of the names of models; see [`crate::fuzzing`].

use bytes::Bytes;

pub(crate) use super::embedded::fuzzing::check_config;
pub use super::embedded::fuzzing::{config_pbtxt, size_expression};
use super::tensor::byte_elements;
pub use super::triton::fuzzing::triton_answer;
use super::{DataType, ModelRef, Shape, Tensor};
use crate::fuzzing::{checked, text};

/// A tensor: a byte for its type, one for the number of its dimensions, each dimension in two bytes, and its data.
pub fn tensor(data: &[u8]) {
    let [data_type, dimensions, rest @ ..] = data else { return };
    let Some(data_type) = DataType::ALL.get(usize::from(*data_type) % DataType::ALL.len()) else { return };
    let (sizes, data) = rest.split_at(rest.len().min(usize::from(dimensions % 40) * 2));
    let sizes = sizes.as_chunks::<2>().0.iter().map(|size| i64::from(i16::from_le_bytes(*size)));
    // Two sizes stand for those at the ends of their range.
    let sizes = sizes.map(|size| if size.unsigned_abs() > 0x7ff0 { size << 48 } else { size });
    let Some(shape) = checked(Shape::new(sizes.collect())) else { return };
    let data = Bytes::copy_from_slice(data);
    let Some(tensor) = checked(Tensor::new(*data_type, shape, data.clone(), None)) else { return };
    match data_type.size() {
        Some(size) => assert_eq!(tensor.shape().elements() * size, data.len() as u64),
        None => {
            let elements: Vec<_> = byte_elements(tensor.data()).filter_map(checked).collect();
            assert_eq!(elements.len() as u64, tensor.shape().elements());
            let whole: Vec<u8> = elements
                .iter()
                .flat_map(|element| u32::try_from(element.len()).unwrap_or(u32::MAX).to_le_bytes().into_iter().chain(element.to_vec()))
                .collect();
            assert_eq!(whole, data, "its elements are not its data");
        }
    }
}

/// How an action names a model. A name never leaves the repository's folder.
pub fn model_ref(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(model) = checked(text.parse::<ModelRef>()) else { return };
    assert_eq!(model.to_string().parse().ok(), Some(model.clone()), "{model}");
    assert!(!model.name().contains(['/', '\\']) && !model.name().starts_with('.') && !model.name().is_empty());
    checked(model.served());
}
