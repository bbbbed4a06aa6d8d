//! Body of a request: gRPC framing around tensors that are not copied.
//!
//! tonic's codec writes a message into one buffer. Here the message is a sequence of pieces: the
//! encoded head, then for each tensor the key and length of its field and the shared bytes of the
//! tensor itself. Small tensors are copied into the piece before them, which is cheaper than a
//! separate frame. The framing: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::proto::ModelInferRequest;
use keynet_base::error::{Error, Result};

/// Largest tensor that is copied, in bytes.
const SMALL: usize = 4096;
/// Field number of `raw_input_contents`.
const RAW: u32 = 7;
/// Length of the gRPC message prefix: 1-byte compressed flag, 4-byte big-endian length.
const PREFIX: usize = 5;

/// Message that is sent once. Cheap to clone, because its bytes are shared.
#[derive(Debug, Clone)]
pub(super) struct RequestBody {
    pieces: VecDeque<Bytes>,
}

impl RequestBody {
    /// Builds the message of `head`, which has no raw contents, with `tensors` as raw contents.
    ///
    /// # Errors
    /// `too-large`: more than `limit` bytes.
    pub fn new(head: &ModelInferRequest, tensors: &[Bytes], limit: u64) -> Result<Self> {
        let field =
            |tensor: &Bytes| key_len(RAW) + encoded_len_varint(tensor.len() as u64) + tensor.len();
        let length = head.encoded_len() + tensors.iter().map(field).sum::<usize>();
        let Some(framed) = u32::try_from(length).ok().filter(|_| length as u64 <= limit) else {
            return Err(Error::too_large(format!(
                "a request of {length} bytes to model {} is more than the {limit} a message may \
                    have: raise KEYNET_TRITON_MESSAGE_BYTES",
                head.model_name
            )));
        };
        let mut pieces = VecDeque::new();
        let copied: usize = tensors.iter().map(Bytes::len).filter(|length| *length <= SMALL).sum();
        let mut piece =
            BytesMut::with_capacity(PREFIX + head.encoded_len() + tensors.len() * 16 + copied);
        piece.put_u8(0); // not compressed
        piece.put_u32(framed);
        head.encode(&mut piece)
            .map_err(|error| Error::internal(format!("a request cannot be encoded: {error}")))?;
        for tensor in tensors {
            encode_key(RAW, WireType::LengthDelimited, &mut piece);
            encode_varint(tensor.len() as u64, &mut piece);
            if tensor.len() <= SMALL {
                piece.extend_from_slice(tensor);
            } else {
                pieces.push_back(piece.split().freeze());
                pieces.push_back(tensor.clone());
            }
        }
        if !piece.is_empty() {
            pieces.push_back(piece.freeze());
        }
        Ok(Self { pieces })
    }

    /// Returns its size in bytes, including the framing.
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> ModelInferRequest {
        ModelInferRequest {
            model_name: "m".to_owned(),
            model_version: "3".to_owned(),
            ..ModelInferRequest::default()
        }
    }

    #[test]
    fn it_is_what_the_codec_would_have_written_and_large_tensors_are_not_copied() {
        let tensors =
            [vec![1; 3], vec![2; SMALL + 1], Vec::new(), vec![3; 100_000], vec![4; SMALL]]
                .map(Bytes::from);
        let body = RequestBody::new(&head(), &tensors, 1 << 20).unwrap();
        let expected =
            ModelInferRequest { raw_input_contents: tensors.to_vec(), ..head() }.encode_to_vec();
        let written: Vec<u8> = body.pieces.iter().flatten().copied().collect();
        assert_eq!(written[0], 0);
        assert_eq!(written[1..5], u32::try_from(expected.len()).unwrap().to_be_bytes());
        assert_eq!(written[5..], expected);
        for large in [&tensors[1], &tensors[3]] {
            assert!(body.pieces.iter().any(|piece| piece.as_ptr() == large.as_ptr()));
        }
        assert_eq!(body.pieces.len(), 5);
    }

    #[test]
    fn a_message_without_tensors_is_one_piece() {
        assert_eq!(RequestBody::new(&head(), &[], 1 << 20).unwrap().pieces.len(), 1);
    }

    #[test]
    fn a_message_above_the_limit_is_refused_before_it_is_made() {
        let error = RequestBody::new(&head(), &[Bytes::from(vec![0; 1000])], 1000).unwrap_err();
        assert!(error.message.contains("KEYNET_TRITON_MESSAGE_BYTES"), "{error}");
    }
}
