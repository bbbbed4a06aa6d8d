//! Field-by-field parsing of received messages.
//!
//! A decoded message can be a hundred times as large as its bytes: two bytes are enough for an
//! output. Therefore the fields of a message are counted before it is decoded, and a response with
//! tensors is not decoded at all: the required fields are sliced out of its bytes. The encoding:
//! <https://protobuf.dev/programming-guides/encoding/>.

use bytes::{Buf as _, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::inference::Shape;
use keynet_base::quote::quoted;

/// Maximum length of the name of an output or of its element type, in bytes.
const MAX_NAME: usize = 1 << 10;
/// Maximum number of parts of an output's typed contents: the protocol has one.
const MAX_PARTS: usize = 16;
/// Bytes of a model's version that are kept: Triton's are numbers of 64 bits.
const MAX_VERSION: usize = 20;
/// Maximum length of an error text, in bytes.
const MAX_ERROR: usize = 4 << 10;

/// Result whose error is a text that follows "the server's answer".
pub(super) type Result<T> = std::result::Result<T, String>;

/// One field of a message.
pub(super) enum Field {
    Number(u64),
    /// String, bytes, a message or packed numbers, as a slice of the message's own bytes.
    Bytes(Bytes),
    /// Bytes of a fixed-size number.
    Fixed(Bytes),
    /// Start or end of a group, which is not used.
    Other,
}

/// Field of a message that is a message itself: its number and its own nested messages.
#[derive(Debug)]
pub struct Nested(pub u32, pub &'static [Nested]);

/// Outputs of a `ModelInfer` response.
#[derive(Debug, Default)]
pub(super) struct InferAnswer {
    /// Version of the model that ran, as the server reports it; empty if it reports none.
    pub version: String,
    pub outputs: Vec<OutputTensor>,
    pub raw: Vec<Bytes>,
}

/// Output without its raw bytes.
#[derive(Debug, Default)]
pub(super) struct OutputTensor {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
    /// Parts of its typed contents, if any, as slices of the message.
    pub contents: Vec<Bytes>,
}

/// One message of `ModelStreamInfer`.
#[derive(Debug, Default)]
pub(super) struct StreamAnswer {
    /// Beginning of the server's error text; empty if there is no error.
    pub error: String,
    pub infer: InferAnswer,
}

impl InferAnswer {
    /// Parses a `ModelInferResponse` of at most `most` outputs, whose bytes are slices of the
    /// message.
    ///
    /// # Errors
    /// It is not such a message, or exceeds the limits on fields.
    pub fn read(message: Bytes, most: usize) -> Result<Self> {
        let mut answer = Self::default();
        answer.merge(message, most)?;
        Ok(answer)
    }

    fn merge(&mut self, mut message: Bytes, most: usize) -> Result<()> {
        while let Some((number, field)) = next(&mut message)? {
            match (number, field) {
                (2, Field::Bytes(version)) => {
                    let version = version.get(..MAX_VERSION).unwrap_or(&version);
                    self.version = String::from_utf8_lossy(version).into_owned();
                }
                (5, Field::Bytes(output)) if self.outputs.len() < most => {
                    self.outputs.push(OutputTensor::read(output)?)
                }
                (6, Field::Bytes(raw)) if self.raw.len() < most => self.raw.push(raw),
                (5 | 6, Field::Bytes(_)) => {
                    return Err(format!(
                        "has more outputs than the {most} that were asked for or the model has"
                    ));
                }
                (5 | 6, _) => return Err("cannot be read: an output is a number".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }
}

impl OutputTensor {
    fn read(mut message: Bytes) -> Result<Self> {
        let mut output = Self::default();
        while let Some((number, field)) = next(&mut message)? {
            match (number, field) {
                (1, Field::Bytes(text)) => output.name = name(&text)?,
                (2, Field::Bytes(text)) => output.datatype = name(&text)?,
                (3, Field::Bytes(mut packed)) => {
                    while packed.has_remaining() {
                        output.dimension(varint(&mut packed)?)?;
                    }
                }
                (3, Field::Number(dimension)) => output.dimension(dimension)?,
                (5, Field::Bytes(part)) if output.contents.len() < MAX_PARTS => {
                    output.contents.push(part)
                }
                (5, _) => {
                    return Err(format!(
                        "has output {} in more than {MAX_PARTS} parts",
                        quoted(&output.name)
                    ));
                }
                _ => {}
            }
        }
        Ok(output)
    }

    fn dimension(&mut self, dimension: u64) -> Result<()> {
        if self.shape.len() == Shape::MAX_DIMENSIONS {
            let (name, most) = (quoted(&self.name), Shape::MAX_DIMENSIONS);
            return Err(format!(
                "has output {name} of more than the {most} dimensions there can be"
            ));
        }
        self.shape.push(dimension.cast_signed());
        Ok(())
    }
}

impl StreamAnswer {
    /// Parses a `ModelStreamInferResponse`, in the same way as [`InferAnswer::read`].
    ///
    /// # Errors
    /// The same as for [`InferAnswer::read`].
    pub fn read(mut message: Bytes, most: usize) -> Result<Self> {
        let mut answer = Self::default();
        while let Some((number, field)) = next(&mut message)? {
            match (number, field) {
                (1, Field::Bytes(text)) => {
                    answer.error = String::from_utf8_lossy(text.get(..MAX_ERROR).unwrap_or(&text))
                        .into_owned();
                }
                (2, Field::Bytes(infer)) => answer.infer.merge(infer, most)?,
                _ => {}
            }
        }
        Ok(answer)
    }
}

/// Checks that a message, including nested messages, has at most `most` fields.
///
/// # Errors
/// There are more, or it cannot be parsed.
pub(super) fn check_fields(mut message: Bytes, nested: &[Nested], most: usize) -> Result<()> {
    let mut left = most;
    count(&mut message, nested, &mut left).map_err(|why| match left {
        0 => format!("has more than the {most} fields that are accepted"),
        _ => why,
    })
}

fn count(message: &mut Bytes, nested: &[Nested], left: &mut usize) -> Result<()> {
    while let Some((number, field)) = next(message)? {
        *left = left.checked_sub(1).ok_or("has too many fields")?;
        if let (Some(Nested(_, within)), Field::Bytes(mut message)) =
            (nested.iter().find(|Nested(known, _)| *known == number), field)
        {
            count(&mut message, within, left)?;
        }
    }
    Ok(())
}

/// Takes the next field off a message; `None` at its end.
pub(super) fn next(message: &mut Bytes) -> Result<Option<(u32, Field)>> {
    if !message.has_remaining() {
        return Ok(None);
    }
    let (number, kind) = decode_key(message).map_err(unreadable)?;
    let field = match kind {
        WireType::Varint => Field::Number(varint(message)?),
        WireType::LengthDelimited => {
            let length = usize::try_from(varint(message)?)
                .ok()
                .filter(|length| *length <= message.len())
                .ok_or_else(cut)?;
            Field::Bytes(message.split_to(length))
        }
        WireType::SixtyFourBit => fixed(message, 8)?,
        WireType::ThirtyTwoBit => fixed(message, 4)?,
        // The fields of a group follow as if they were the message's own.
        WireType::StartGroup | WireType::EndGroup => Field::Other,
    };
    Ok(Some((number, field)))
}

fn fixed(message: &mut Bytes, bytes: usize) -> Result<Field> {
    if message.len() < bytes {
        return Err(cut());
    }
    Ok(Field::Fixed(message.split_to(bytes)))
}

pub(super) fn varint(message: &mut Bytes) -> Result<u64> {
    decode_varint(message).map_err(unreadable)
}

fn name(text: &[u8]) -> Result<String> {
    if text.len() > MAX_NAME {
        return Err(format!(
            "has a name of {} bytes, and no more than {MAX_NAME} are accepted",
            text.len()
        ));
    }
    String::from_utf8(text.to_vec()).map_err(|_| "has a name that is not UTF-8".to_owned())
}

fn cut() -> String {
    "cannot be read: a field is longer than its message".to_owned()
}

fn unreadable(error: prost::DecodeError) -> String {
    format!("cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::super::proto::{
        ModelInferResponse, ModelStreamInferResponse, model_infer_response::InferOutputTensor,
    };
    use super::*;

    fn response() -> ModelInferResponse {
        let output = |name: &str, shape: &[i64]| InferOutputTensor {
            name: name.to_owned(),
            datatype: "FP32".to_owned(),
            shape: shape.to_vec(),
            ..InferOutputTensor::default()
        };
        ModelInferResponse {
            model_name: "m".to_owned(),
            outputs: vec![output("a", &[-1, 300, 2]), output("b", &[])],
            raw_output_contents: vec![Bytes::from_static(b"1234"), Bytes::new()],
            ..ModelInferResponse::default()
        }
    }

    #[test]
    fn it_reads_what_the_codec_has_written_and_copies_no_tensor() {
        let message = Bytes::from(response().encode_to_vec());
        let answer = InferAnswer::read(message.clone(), 2).unwrap();
        let read: Vec<_> = answer
            .outputs
            .iter()
            .map(|output| (output.name.as_str(), output.datatype.as_str(), output.shape.as_slice()))
            .collect();
        assert_eq!(read, [("a", "FP32", [-1, 300, 2].as_slice()), ("b", "FP32", &[])]);
        assert_eq!(answer.raw, [Bytes::from_static(b"1234"), Bytes::new()]);
        assert!(message.as_ptr_range().contains(&answer.raw[0].as_ptr()));
        let streamed = ModelStreamInferResponse {
            error_message: "no".to_owned(),
            infer_response: Some(response()),
        };
        let streamed = StreamAnswer::read(streamed.encode_to_vec().into(), 2).unwrap();
        assert_eq!((streamed.error.as_str(), streamed.infer.outputs.len()), ("no", 2));
        // A shape that is not packed, and unknown fields.
        let unpacked =
            [&[0x18, 3, 0x18, 4][..], &[0x3d, 0, 0, 0, 0], &[0x41, 0, 0, 0, 0, 0, 0, 0, 0]]
                .concat();
        assert_eq!(OutputTensor::read(unpacked.into()).unwrap().shape, [3, 4]);
    }

    #[test]
    fn twenty_mebibytes_of_empty_outputs_are_refused_at_the_first_too_many() {
        let empty: Bytes = [0x2a, 0].repeat(10 << 20).into();
        assert!(InferAnswer::read(empty, 2).unwrap_err().contains("more outputs than the 2"));
        let raw: Bytes = [0x32, 0].repeat(10 << 20).into();
        assert!(InferAnswer::read(raw, 2).unwrap_err().contains("more outputs than the 2"));
    }

    #[test]
    fn an_output_has_a_name_and_a_shape_of_bounded_size() {
        let told = |output: InferOutputTensor| {
            let message =
                ModelInferResponse { outputs: vec![output], ..ModelInferResponse::default() }
                    .encode_to_vec();
            InferAnswer::read(message.into(), 1).unwrap_err()
        };
        let long = InferOutputTensor { name: "n".repeat(1025), ..InferOutputTensor::default() };
        assert!(told(long).contains("a name of 1025 bytes"));
        let deep = InferOutputTensor {
            name: "n".to_owned(),
            shape: vec![1; 33],
            ..InferOutputTensor::default()
        };
        assert!(told(deep).contains("output \"n\" of more than the 32 dimensions"));
        let words =
            ModelStreamInferResponse { error_message: "e".repeat(1 << 20), infer_response: None };
        assert_eq!(
            StreamAnswer::read(words.encode_to_vec().into(), 1).unwrap().error.len(),
            MAX_ERROR
        );
    }

    #[test]
    fn what_is_cut_or_malformed_is_an_error_and_nothing_else() {
        let whole = response().encode_to_vec();
        for length in 0..whole.len() {
            let _ = InferAnswer::read(Bytes::copy_from_slice(&whole[..length]), 2);
            assert!(InferAnswer::read([&whole[..length], &[0xff; 11]].concat().into(), 2).is_err());
        }
    }

    #[test]
    fn fields_are_counted_in_the_messages_within_too() {
        const NESTED: &[Nested] = &[Nested(1, &[Nested(2, &[])])];
        let entry = |number: u8, bytes: &[u8]| {
            [&[(number << 3) | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
        };
        let message = entry(1, &entry(2, &[0x08, 1, 0x08, 2]));
        let message = Bytes::from(message);
        assert_eq!(check_fields(message.clone(), NESTED, 4), Ok(()));
        assert!(check_fields(message, NESTED, 3).unwrap_err().contains("more than the 3 fields"));
        // A field that is a string in the schema is not parsed.
        assert_eq!(check_fields(entry(5, &[0xff; 20]).into(), NESTED, 1), Ok(()));
        assert!(
            check_fields(entry(1, &[0xff; 20]).into(), NESTED, 9)
                .unwrap_err()
                .contains("cannot be read")
        );
    }
}
