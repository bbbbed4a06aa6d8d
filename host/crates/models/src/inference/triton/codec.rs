//! Small calls: the path of each method, and a codec that counts the fields of a response before it
//! decodes it.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

use super::proto::{
    ModelConfigRequest, ModelConfigResponse, ModelMetadataRequest, ModelMetadataResponse,
    ModelReadyRequest, ModelReadyResponse, ModelStatisticsRequest, ModelStatisticsResponse,
    RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelLoadRequest,
    RepositoryModelLoadResponse, RepositoryModelUnloadRequest, RepositoryModelUnloadResponse,
    ServerReadyRequest, ServerReadyResponse, SystemSharedMemoryRegisterRequest,
    SystemSharedMemoryRegisterResponse, SystemSharedMemoryStatusRequest,
    SystemSharedMemoryStatusResponse, SystemSharedMemoryUnregisterRequest,
    SystemSharedMemoryUnregisterResponse,
};
use super::wire::{Nested, check_fields};

/// Maximum size of a response in bytes: descriptions and statistics of models.
const MAX_ANSWER: usize = 1 << 20;
/// Maximum size of the index of a server's models, in bytes.
const MAX_INDEX: usize = 4 << 20;
/// Maximum number of fields of one response, including those of nested messages: an index of 13,000
/// models. A decoded field takes at most 240 bytes.
const MAX_FIELDS: usize = 1 << 16;

/// Request that has one small response.
pub trait SmallCall: Message + Send + Sync + 'static {
    /// Path of the method.
    const PATH: &'static str;
    /// Fields of the response that are messages.
    const NESTED: &'static [Nested];
    /// Maximum size of the response, in bytes.
    const LIMIT: usize;
    /// Type of the response.
    type Reply: Message + Default + Send + Sync + 'static;
}

macro_rules! calls {
    ($($method:literal: $request:ty => $answer:ty, $nested:expr, $limit:expr;)*) => {
        $(impl SmallCall for $request {
            const PATH: &'static str = concat!("/inference.GRPCInferenceService/", $method);
            const NESTED: &'static [Nested] = $nested;
            const LIMIT: usize = $limit;
            type Reply = $answer;
        })*
    };
}

const LEAF: &[Nested] = &[];
const SPENT: &[Nested] = &[
    Nested(1, LEAF),
    Nested(2, LEAF),
    Nested(3, LEAF),
    Nested(4, LEAF),
    Nested(5, LEAF),
    Nested(6, LEAF),
];
const STATISTICS: &[Nested] = &[Nested(1, &[Nested(6, SPENT), Nested(7, &[Nested(3, LEAF)])])];

calls! {
    "ServerReady": ServerReadyRequest => ServerReadyResponse, LEAF, MAX_ANSWER;
    "ModelReady": ModelReadyRequest => ModelReadyResponse, LEAF, MAX_ANSWER;
    "ModelMetadata": ModelMetadataRequest => ModelMetadataResponse, &[Nested(4, LEAF), Nested(5, LEAF)], MAX_ANSWER;
    "ModelConfig": ModelConfigRequest => ModelConfigResponse, &[Nested(1, &[Nested(5, LEAF), Nested(19, LEAF)])], MAX_ANSWER;
    "ModelStatistics": ModelStatisticsRequest => ModelStatisticsResponse, STATISTICS, MAX_ANSWER;
    "RepositoryIndex": RepositoryIndexRequest => RepositoryIndexResponse, &[Nested(1, LEAF)], MAX_INDEX;
    "RepositoryModelLoad": RepositoryModelLoadRequest => RepositoryModelLoadResponse, LEAF, MAX_ANSWER;
    "RepositoryModelUnload": RepositoryModelUnloadRequest => RepositoryModelUnloadResponse, LEAF, MAX_ANSWER;
    "SystemSharedMemoryStatus":
        SystemSharedMemoryStatusRequest => SystemSharedMemoryStatusResponse, &[Nested(1, &[Nested(2, LEAF)])], MAX_ANSWER;
    "SystemSharedMemoryRegister": SystemSharedMemoryRegisterRequest => SystemSharedMemoryRegisterResponse, LEAF, MAX_ANSWER;
    "SystemSharedMemoryUnregister": SystemSharedMemoryUnregisterRequest => SystemSharedMemoryUnregisterResponse, LEAF, MAX_ANSWER;
}

/// Protobuf codec for gRPC, limited to [`MAX_FIELDS`].
#[derive(Debug)]
pub(super) struct BoundedCodec<Q>(PhantomData<Q>);

impl<Q> Default for BoundedCodec<Q> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Q: SmallCall> Codec for BoundedCodec<Q> {
    type Encode = Q;
    type Decode = Q::Reply;
    type Encoder = ProstEncoder<Q>;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<Q, Q::Reply>::default().encoder()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<Q: SmallCall> Decoder for BoundedCodec<Q> {
    type Item = Q::Reply;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Q::Reply>, Status> {
        let message = bytes::Buf::copy_to_bytes(message, bytes::Buf::remaining(message));
        check_fields(message.clone(), Q::NESTED, MAX_FIELDS)
            .map_err(|why| Status::resource_exhausted(format!("the server's answer {why}")))?;
        Q::Reply::decode(message).map(Some).map_err(|error| {
            Status::internal(format!("the server's answer cannot be read: {error}"))
        })
    }
}
