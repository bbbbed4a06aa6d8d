//! Plan of a request: the tensors that use shared memory, and their positions.

use std::collections::BTreeMap;

use crate::inference::InferenceRequest;
use crate::inference::signature::{Bound, Port, Signature};

/// Alignment of tensors, in bytes.
const ALIGNMENT: u64 = 64;

/// Part of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Span {
    pub offset: u64,
    pub bytes: u64,
}

/// Tensors that use shared memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Plan {
    pub inputs: BTreeMap<String, Span>,
    pub outputs: BTreeMap<String, Span>,
    /// Size of the region in bytes.
    pub bytes: u64,
}

impl Plan {
    /// Plans all tensors of `threshold` bytes or more; `None` if there are none.
    pub fn new(
        signature: &Signature,
        bound: &Bound,
        request: &InferenceRequest,
        threshold: u64,
    ) -> Option<Self> {
        let mut plan = Self::default();
        for given in &request.inputs {
            let bytes = given.tensor.data().len() as u64;
            if bytes >= threshold {
                let span = plan.append(bytes)?;
                plan.inputs.insert(given.name.clone(), span);
            }
        }
        let batch = batch(signature, request);
        for output in bound.outputs.iter().filter_map(|index| signature.outputs.get(*index)) {
            let Some(bytes) = size(output, batch).filter(|bytes| *bytes >= threshold) else {
                continue;
            };
            let span = plan.append(bytes)?;
            plan.outputs.insert(output.name.clone(), span);
        }
        (plan.bytes > 0).then_some(plan)
    }

    fn append(&mut self, bytes: u64) -> Option<Span> {
        let offset = self.bytes.checked_next_multiple_of(ALIGNMENT)?;
        self.bytes = offset.checked_add(bytes)?;
        Some(Span { offset, bytes })
    }
}

/// Returns the batch size that the inputs share; `None` if the model does not batch.
fn batch(signature: &Signature, request: &InferenceRequest) -> Option<i64> {
    let port = signature.inputs.iter().filter(|port| signature.max_batch_size > 0 && port.batched);
    let mut given =
        port.filter_map(|port| request.inputs.iter().find(|given| given.name == port.name));
    given.next().and_then(|given| given.tensor.shape().dimensions().first().copied())
}

/// Returns the size of an output in bytes, if it is known before the model runs.
fn size(output: &Port, batch: Option<i64>) -> Option<u64> {
    let element = output.data_type.size()?;
    let sizes = output.shape.as_ref()?.iter().enumerate().map(|(position, size)| {
        match (position, size, batch) {
            (0, -1, Some(batch)) => batch,
            (_, size, _) => *size,
        }
    });
    sizes
        .map(|size| u64::try_from(size).ok())
        .try_fold(element, |bytes, size| bytes.checked_mul(size?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::{DataType, ModelRef, NamedTensor, Shape, Tensor};

    fn signature(outputs: &[(&str, DataType, &[i64])], max_batch_size: u32) -> Signature {
        let output = |(name, kind, shape): &(&str, DataType, &[i64])| {
            Port::new((*name).to_owned(), *kind, Some(shape.to_vec()))
        };
        let inputs = vec![
            Port::new("x".to_owned(), DataType::Uint8, Some(vec![-1, -1])),
            Port::new("y".to_owned(), DataType::Uint8, None),
        ];
        Signature {
            label: "m".to_owned(),
            inputs,
            outputs: outputs.iter().map(output).collect(),
            max_batch_size,
        }
    }

    fn request(inputs: &[(&str, &[i64])]) -> InferenceRequest {
        let tensor = |shape: &[i64]| {
            let shape = Shape::new(shape.to_vec()).unwrap();
            let bytes = usize::try_from(shape.elements()).unwrap();
            Tensor::new(DataType::Uint8, shape, vec![0; bytes].into(), None).unwrap()
        };
        InferenceRequest {
            model: ModelRef::Served { name: "m".to_owned(), version: None },
            inputs: inputs
                .iter()
                .map(|(name, shape)| NamedTensor {
                    name: (*name).to_owned(),
                    tensor: tensor(shape),
                })
                .collect(),
            outputs: Vec::new(),
            parameters: serde_json::Map::new(),
        }
    }

    #[test]
    fn what_is_large_and_of_known_size_is_planned() {
        let outputs: &[(&str, DataType, &[i64])] = &[
            ("known", DataType::Fp32, &[-1, 10, 3]),
            ("small", DataType::Fp32, &[-1, 1]),
            ("open", DataType::Fp32, &[-1, -1]),
            ("words", DataType::Bytes, &[-1, 100]),
        ];
        let bound = Bound { inputs: vec![0, 1], outputs: vec![0, 1, 2, 3] };
        let request = request(&[("x", &[2, 70]), ("y", &[2, 1])]);
        let plan = Plan::new(&signature(outputs, 8), &bound, &request, 100).unwrap();
        assert_eq!(plan.inputs, BTreeMap::from([("x".to_owned(), Span { offset: 0, bytes: 140 })]));
        assert_eq!(
            plan.outputs,
            BTreeMap::from([("known".to_owned(), Span { offset: 192, bytes: 240 })])
        );
        assert_eq!(plan.bytes, 432);
        // Without a batch, -1 is unknown.
        let plan = Plan::new(&signature(outputs, 0), &bound, &request, 100).unwrap();
        assert!(plan.outputs.is_empty() && plan.bytes == 140);
        assert_eq!(Plan::new(&signature(outputs, 8), &bound, &request, 1000), None);
    }
}
