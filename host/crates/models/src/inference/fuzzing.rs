//! Fuzzing of tensors and of the names of models; see [`keynet_base::fuzzing`].

use bytes::Bytes;

pub(crate) use super::embedded::fuzzing::check_config;
pub use super::embedded::fuzzing::{config_pbtxt, model_graph, size_expression};
pub use super::triton::fuzzing::triton_answer;
use super::{DataType, ModelRef, Shape, Tensor};
use keynet_base::fuzzing::{checked, text};

/// Parses a tensor: a byte for its type, one for the number of its dimensions, each dimension in
/// two bytes, and its data.
pub fn tensor(data: &[u8]) {
    let [data_type, dimensions, rest @ ..] = data else { return };
    let Some(data_type) = DataType::ALL.get(usize::from(*data_type) % DataType::ALL.len()) else {
        return;
    };
    let (sizes, data) = rest.split_at(rest.len().min(usize::from(dimensions % 40) * 2));
    let sizes = sizes.as_chunks::<2>().0.iter().map(|size| i64::from(i16::from_le_bytes(*size)));
    // The two ends of the 16-bit range stand for the ends of the 64-bit range.
    let sizes = sizes.map(|size| if size.unsigned_abs() > 0x7ff0 { size << 48 } else { size });
    let Some(shape) = checked(Shape::new(sizes.collect())) else { return };
    let data = Bytes::copy_from_slice(data);
    let Some(tensor) = checked(Tensor::new(*data_type, shape, data.clone(), None)) else { return };
    match data_type.size() {
        Some(size) => assert_eq!(tensor.shape().elements() * size, data.len() as u64),
        None => {
            let (mut rest, mut elements) = (tensor.data().as_ref(), 0);
            while let Some((length, following)) = rest.split_first_chunk::<4>() {
                let Some(after) = following.get(u32::from_le_bytes(*length) as usize..) else {
                    panic!("an element ends after the data does")
                };
                (rest, elements) = (after, elements + 1);
            }
            assert_eq!((elements, rest.len()), (tensor.shape().elements(), 0));
        }
    }
}

/// Parses a model name from an action. A name that is sent to a model server never leaves the
/// repository's folder.
pub fn model_ref(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(model) = checked(text.parse::<ModelRef>()) else { return };
    assert_eq!(model.to_string().parse().ok(), Some(model.clone()), "{model}");
    assert!(!model.name().contains(['/', ':']) && !model.name().is_empty());
    if let Some((name, _)) = checked(model.served()) {
        assert!(!name.contains(['/', '\\']) && !name.starts_with('.'), "{name}");
    }
}
