//! The tensors of a response: slices of the received message, not copies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::call::Reply;
use super::typed::{Unfolded, unfold};
use super::wire::{InferAnswer, OutputTensor, StreamAnswer};
use crate::inference::{DataType, NamedTensor, Shape, Tensor};
use keynet_base::budget::Reservation;
use keynet_base::error::{Error, Result};
use keynet_base::offload;
use keynet_base::quote::{quoted, shown};

/// Bytes of outputs that are in shared memory instead of the message, by output name.
pub(super) type Shared = BTreeMap<String, (Bytes, Arc<Reservation>)>;

/// Response of `ModelInfer`, before its tensors are built.
#[derive(Debug)]
pub(super) struct Outputs {
    response: InferAnswer,
    reserved: Arc<Reservation>,
    /// Bytes of outputs that were sent in typed contents, in the order of the outputs; empty if
    /// they were sent as raw contents.
    unfolded: Vec<Unfolded>,
}

/// Maximum number of outputs for a model that does not declare them.
const MAX_OUTPUTS: usize = 1024;

/// Returns the maximum number of outputs in a response: the number of requested or of declared
/// outputs, whichever is larger. Servers other than Triton return all outputs, regardless of the
/// request.
pub(super) fn most_outputs(wanted: &[String], declared: usize) -> usize {
    match wanted.len().max(declared) {
        0 => MAX_OUTPUTS,
        most => most.min(MAX_OUTPUTS),
    }
}

/// One response of `ModelStreamInfer`.
pub(super) enum Streamed {
    Outputs(Outputs),
    /// Error message of the server, which has no status code.
    Failed(String),
    /// Empty response, which marks the end.
    Nothing,
}

impl Outputs {
    /// Parses a response of `ModelInfer` with at most `most` outputs.
    ///
    /// # Errors
    /// `internal`: it is not such a response, or has more outputs.
    pub fn read(subject: &str, answer: Reply, most: usize) -> Result<Self> {
        let response =
            InferAnswer::read(answer.message, most).map_err(|why| unreadable(subject, &why))?;
        Ok(Self::of(response, answer.reserved))
    }

    /// Returns the version of the model that ran; empty if the server reports none.
    pub fn version(&self) -> &str {
        &self.response.version
    }

    fn of(response: InferAnswer, reserved: Arc<Reservation>) -> Self {
        Self { response, reserved, unfolded: Vec::new() }
    }

    /// Converts typed contents, which servers other than Triton send, to raw bytes. Large contents
    /// are converted on the blocking pool.
    ///
    /// # Errors
    /// `internal`: they do not match their types. `timeout`: the conversion was not complete by
    /// `deadline`.
    pub async fn unfold(mut self, subject: &str, deadline: Instant) -> Result<Self> {
        let typed: usize =
            self.response.outputs.iter().flat_map(|output| &output.contents).map(Bytes::len).sum();
        if typed == 0 || !self.response.raw.is_empty() {
            return Ok(self);
        }
        let unfolding = move || {
            let each = |output: &OutputTensor| {
                let name = || shown(&output.name);
                let data_type =
                    data_type(output).map_err(|error| format!("has output {}: {error}", name()))?;
                unfold(&output.contents, data_type, &self.reserved)
                    .map_err(|why| format!("has output {}, which {why}", name()))
            };
            self.unfolded = self.response.outputs.iter().map(each).collect::<Result<_, _>>()?;
            Ok::<_, String>(self)
        };
        match offload::run(typed, Some(deadline), unfolding).await {
            Some(unfolded) => unfolded.map_err(|why| unreadable(subject, &why)),
            None => {
                Err(Error::timeout(format!("{subject}: the server's answer was not read in time")))
            }
        }
    }

    /// Returns the type and shape of an output whose bytes are not in the message. Triton does not
    /// mark outputs in shared memory: it leaves their raw contents empty.
    pub fn elsewhere(&self, name: &str) -> Option<&OutputTensor> {
        let outputs = &self.response.outputs;
        let index = outputs.iter().position(|output| output.name == name)?;
        let raw = &self.response.raw;
        let inline =
            raw.len() == outputs.len() && raw.get(index).is_some_and(|raw| !raw.is_empty());
        outputs.get(index).filter(|output| !inline && output.contents.is_empty())
    }

    /// Builds the tensors: those of `wanted` in that order, or all. Those in `shared` take their
    /// bytes from there.
    ///
    /// # Errors
    /// `internal`: the server's response is incomplete or inconsistent.
    pub fn tensors(
        self,
        subject: &str,
        wanted: &[String],
        mut shared: Shared,
    ) -> Result<Vec<NamedTensor>> {
        let wrong = |why: String| Error::internal(format!("{subject}: the server's answer {why}"));
        let Self { response, reserved, unfolded } = self;
        let InferAnswer { outputs: described, raw, .. } = response;
        let each = described.len() == raw.len();
        let mut raw = raw.into_iter().map(|data| (data, Arc::clone(&reserved))).chain(unfolded);
        let mut tensors = Vec::with_capacity(described.len());
        for output in described {
            let (data, reserved) = match shared.remove(&output.name) {
                Some(found) => {
                    if each {
                        raw.next();
                    }
                    found
                }
                None => match raw.next() {
                    Some(found) => found,
                    None => {
                        return Err(wrong(format!(
                            "has no bytes for output {}",
                            shown(&output.name)
                        )));
                    }
                },
            };
            let tensor = tensor(&output, data, reserved)
                .map_err(|error| wrong(format!("has output {}: {error}", shown(&output.name))))?;
            tensors.push(NamedTensor { name: output.name, tensor });
        }
        if wanted.is_empty() {
            return Ok(tensors);
        }
        let take = |name: &String| {
            let found = tensors
                .iter()
                .position(|there| there.name == *name)
                .map(|index| tensors.swap_remove(index));
            found.ok_or_else(|| {
                wrong(format!("lacks output {name}: the model made none for these inputs"))
            })
        };
        wanted.iter().map(take).collect()
    }
}

impl Streamed {
    /// Parses one response of `ModelStreamInfer` with at most `most` outputs.
    ///
    /// # Errors
    /// `internal`: it is not such a response, or has more outputs.
    pub fn read(subject: &str, answer: Reply, most: usize) -> Result<Self> {
        let streamed =
            StreamAnswer::read(answer.message, most).map_err(|why| unreadable(subject, &why))?;
        Ok(match streamed.infer {
            _ if !streamed.error.is_empty() => Self::Failed(streamed.error),
            response if !response.outputs.is_empty() => {
                Self::Outputs(Outputs::of(response, answer.reserved))
            }
            _ => Self::Nothing,
        })
    }
}

fn unreadable(subject: &str, why: &str) -> Error {
    Error::internal(format!("{subject}: the server's answer {why}"))
}

fn tensor(output: &OutputTensor, data: Bytes, reserved: Arc<Reservation>) -> Result<Tensor> {
    Tensor::sharing(data_type(output)?, Shape::new(output.shape.clone())?, data, Some(reserved))
}

fn data_type(output: &OutputTensor) -> Result<DataType> {
    let known = DataType::named(&output.datatype);
    known.ok_or_else(|| {
        Error::internal(format!(
            "elements of {}, which this version does not know",
            quoted(&output.datatype)
        ))
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::super::proto::{ModelInferResponse, model_infer_response::InferOutputTensor};
    use super::*;
    use keynet_base::budget::MemoryBudget;

    fn output(name: &str, datatype: &str, shape: &[i64]) -> InferOutputTensor {
        InferOutputTensor {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
            ..InferOutputTensor::default()
        }
    }

    fn answered(outputs: Vec<InferOutputTensor>, raw: &[&'static [u8]]) -> Outputs {
        let raw_output_contents = raw.iter().map(|raw| Bytes::from_static(raw)).collect();
        let response =
            ModelInferResponse { outputs, raw_output_contents, ..ModelInferResponse::default() };
        let message = Bytes::from(response.encode_to_vec());
        let reserved =
            MemoryBudget::process(1 << 20).reserve(message.len() as u64, "an answer").unwrap();
        Outputs::read("model m", Reply { message, reserved: Arc::new(reserved) }, MAX_OUTPUTS)
            .unwrap()
    }

    fn two() -> Vec<InferOutputTensor> {
        vec![output("a", "UINT8", &[2]), output("b", "BYTES", &[1])]
    }

    #[test]
    fn outputs_come_in_the_order_asked_for_and_share_the_message() {
        let tensors = answered(two(), &[b"\x01\x02", b"\x01\0\0\0\xff"]).tensors(
            "model m",
            &["b".to_owned(), "a".to_owned()],
            Shared::new(),
        );
        let tensors = tensors.unwrap();
        assert_eq!(
            tensors.iter().map(|output| output.name.as_str()).collect::<Vec<_>>(),
            ["b", "a"]
        );
        assert_eq!(tensors[1].tensor.data().as_ref(), [1, 2]);
        assert_eq!(tensors[0].tensor.reserved(), tensors[1].tensor.reserved());
    }

    #[test]
    fn outputs_of_shared_memory_may_or_may_not_have_an_empty_place() {
        for raw in [&[b"".as_slice(), b"\0\0\0\0"][..], &[b"\0\0\0\0"]] {
            let held = Arc::new(MemoryBudget::process(2).reserve(2, "an output").unwrap());
            let shared = Shared::from([("a".to_owned(), (Bytes::from_static(&[7, 8]), held))]);
            let tensors = answered(two(), raw).tensors("model m", &[], shared).unwrap();
            assert_eq!(
                (tensors[0].tensor.data().as_ref(), tensors[1].tensor.data().len()),
                ([7, 8].as_slice(), 4)
            );
        }
    }

    #[tokio::test]
    async fn outputs_in_typed_contents_are_as_those_in_raw_bytes() {
        let contents = |field: u8, bytes: &[u8]| {
            [&[(field << 3) | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
        };
        let mut message = Vec::new();
        for (output, field, bytes) in [
            (output("y", "FP32", &[1]), 6, &[0, 0, 0, 0x40][..]),
            (output("s", "BYTES", &[1]), 8, b"hi"),
        ] {
            let mut output = output.encode_to_vec();
            output.extend(contents(5, &contents(field, bytes)));
            message.extend(contents(5, &output));
        }
        let reserved = Arc::new(
            MemoryBudget::process(1 << 20).reserve(message.len() as u64, "an answer").unwrap(),
        );
        let outputs =
            Outputs::read("model m", Reply { message: message.into(), reserved }, MAX_OUTPUTS)
                .unwrap();
        let outputs = outputs
            .unfold("model m", Instant::now() + std::time::Duration::from_secs(60))
            .await
            .unwrap();
        let tensors =
            outputs.tensors("model m", &["s".to_owned(), "y".to_owned()], Shared::new()).unwrap();
        let data: Vec<_> = tensors.iter().map(|output| output.tensor.data().to_vec()).collect();
        assert_eq!(data, [b"\x02\0\0\0hi".to_vec(), vec![0, 0, 0, 0x40]]);
    }

    #[test]
    fn an_answer_that_is_not_whole_is_the_servers_fault() {
        for (outputs, raw, wanted, text) in [
            (two(), &[b"\x01\x02".as_slice()][..], &[][..], "no bytes for output b"),
            (
                vec![output("a", "UINT8", &[3])],
                &[b"\x01\x02"],
                &[],
                "UINT8 of shape [3] is 3 bytes, but the data has 2",
            ),
            (vec![output("a", "FP8", &[1])], &[b"\x01"], &[], "\"FP8\""),
            (vec![output("a", "UINT8", &[-1])], &[b"\x01"], &[], "negative dimension"),
            (two(), &[b"\x01\x02", b"\0\0\0\0"], &["c".to_owned()], "lacks output c"),
        ] {
            let error =
                answered(outputs, raw).tensors("model m", wanted, Shared::new()).unwrap_err();
            assert!(
                error.message.contains(text) && error.kind == keynet_base::ErrorKind::Internal,
                "{error}"
            );
        }
    }
}
