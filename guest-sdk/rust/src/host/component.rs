//! The runtime's imports, and the exports of the attribute macro.

use super::{NamedTensors, Request};
use crate::data_type::DataType;
use crate::error::{Error, ErrorKind, Result};
use bindings::keynet::inference as host;
use host::triton_predict as wire;
use host::types as wire_types;

/// Bindings that `guest-sdk/rust/regenerate` makes of `wit/`; `export_action!` makes a crate a
/// component of the world `action`.
#[rustfmt::skip]
#[allow(missing_docs, unsafe_code, unused_qualifications, clippy::all, clippy::indexing_slicing)]
pub mod bindings;

/// Converts an error of the host. Not a `From` implementation, because the generated type is a
/// `std::error::Error`, and all of those become `Internal`.
fn sdk_error(error: wire_types::Error) -> Error {
    use wire_types::ErrorKind as Wire;
    let kind = match error.kind {
        Wire::Invalid => ErrorKind::Invalid,
        Wire::NotFound => ErrorKind::NotFound,
        Wire::Denied => ErrorKind::Denied,
        Wire::PreconditionFailed => ErrorKind::PreconditionFailed,
        Wire::TooLarge => ErrorKind::TooLarge,
        Wire::Timeout => ErrorKind::Timeout,
        Wire::Unavailable => ErrorKind::Unavailable,
        Wire::Internal => ErrorKind::Internal,
    };
    Error::new(kind, error.message)
}

impl From<Error> for wire_types::Error {
    fn from(error: Error) -> Self {
        use wire_types::ErrorKind as Wire;
        let kind = match error.kind() {
            ErrorKind::Invalid => Wire::Invalid,
            ErrorKind::NotFound => Wire::NotFound,
            ErrorKind::Denied => Wire::Denied,
            ErrorKind::PreconditionFailed => Wire::PreconditionFailed,
            ErrorKind::TooLarge => Wire::TooLarge,
            ErrorKind::Timeout => Wire::Timeout,
            ErrorKind::Unavailable => Wire::Unavailable,
            ErrorKind::Internal => Wire::Internal,
        };
        Self { kind, message: error.message().to_owned() }
    }
}

macro_rules! data_types {
    ($($name:ident => $wire:ident,)*) => {
        impl From<DataType> for wire::DataType {
            fn from(data_type: DataType) -> Self {
                match data_type {
                    $(DataType::$name => Self::$wire,)*
                }
            }
        }

        impl From<wire::DataType> for DataType {
            fn from(data_type: wire::DataType) -> Self {
                match data_type {
                    $(wire::DataType::$wire => Self::$name,)*
                }
            }
        }
    };
}

data_types! {
    Bool => Bool,
    Uint8 => Uint8,
    Uint16 => Uint16,
    Uint32 => Uint32,
    Uint64 => Uint64,
    Int8 => Int8,
    Int16 => Int16,
    Int32 => Int32,
    Int64 => Int64,
    Fp16 => Fp16,
    Bf16 => Bf16,
    Fp32 => Fp32,
    Fp64 => Fp64,
    Bytes => Bytes,
}

pub(crate) struct Tensor(wire::Tensor);

impl Tensor {
    pub fn create(data_type: DataType, shape: &[i64], data: &[u8]) -> Result<Self> {
        Ok(Self(wire::Tensor::create(data_type.into(), shape, data).map_err(sdk_error)?))
    }

    pub fn data_type(&self) -> DataType {
        self.0.data_type().into()
    }

    pub fn shape(&self) -> Vec<i64> {
        self.0.shape()
    }

    pub fn byte_length(&self) -> u64 {
        self.0.byte_length()
    }

    pub fn data(&self) -> Vec<u8> {
        self.0.data()
    }

    pub fn read(&self, offset: u64, length: u64) -> Vec<u8> {
        self.0.read(offset, length)
    }
}

pub(crate) mod user_input {
    use super::{Result, host};

    pub fn get(name: &str) -> Result<Option<String>> {
        Ok(host::user_input::get(name))
    }

    pub fn names() -> Result<Vec<String>> {
        Ok(host::user_input::names())
    }

    pub fn all() -> Result<String> {
        Ok(host::user_input::all())
    }
}

pub(crate) struct PredictionStream(wire::PredictionStream);

impl PredictionStream {
    pub fn next(&self) -> Result<Option<NamedTensors>> {
        Ok(self.0.next().map_err(sdk_error)?.map(outputs))
    }
}

fn outputs(outputs: Vec<wire::Output>) -> NamedTensors {
    outputs.into_iter().map(|output| (output.name, Tensor(output.tensor))).collect()
}

pub(crate) mod triton {
    use super::{NamedTensors, PredictionStream, Request, Result, outputs, sdk_error, wire};
    use crate::triton::{ModelMetadata, TensorInfo};

    fn request<'a>(request: Request<'a>) -> wire::Request<'a> {
        wire::Request {
            model: request.model.to_owned(),
            inputs: request
                .inputs
                .into_iter()
                .map(|(name, tensor)| wire::Input { name: name.to_owned(), tensor: &tensor.0 })
                .collect(),
            outputs: request.outputs.to_vec(),
            timeout_ms: request.timeout_ms,
            parameters: request.parameters,
        }
    }

    pub fn ready() -> Result<()> {
        Ok(())
    }

    pub fn predict(one: Request<'_>) -> Result<NamedTensors> {
        Ok(outputs(wire::predict(&request(one)).map_err(sdk_error)?))
    }

    pub fn predict_many(many: Vec<Request<'_>>) -> Vec<Result<NamedTensors>> {
        let many: Vec<_> = many.into_iter().map(request).collect();
        wire::predict_many(&many)
            .into_iter()
            .map(|one| Ok(outputs(one.map_err(sdk_error)?)))
            .collect()
    }

    pub fn predict_stream(one: Request<'_>) -> Result<PredictionStream> {
        Ok(PredictionStream(wire::predict_stream(&request(one)).map_err(sdk_error)?))
    }

    pub fn metadata(model: &str) -> Result<ModelMetadata> {
        let metadata = wire::metadata(model).map_err(sdk_error)?;
        let infos = |infos: Vec<wire::TensorInfo>| {
            infos
                .into_iter()
                .map(|info| TensorInfo {
                    name: info.name,
                    data_type: info.data_type.into(),
                    shape: info.shape,
                })
                .collect()
        };
        Ok(ModelMetadata {
            name: metadata.name,
            versions: metadata.versions,
            platform: metadata.platform,
            inputs: infos(metadata.inputs),
            outputs: infos(metadata.outputs),
        })
    }
}

pub(crate) struct Object(host::storage::Object);

impl Object {
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    pub fn content_type(&self) -> Option<String> {
        self.0.content_type()
    }

    pub fn etag(&self) -> Option<String> {
        self.0.etag()
    }

    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        Ok(self.0.read(offset, length).map_err(sdk_error)?)
    }

    pub fn to_tensor(&self, data_type: DataType, shape: &[i64]) -> Result<Tensor> {
        Ok(Tensor(self.0.to_tensor(data_type.into(), shape).map_err(sdk_error)?))
    }
}

pub(crate) struct Upload(host::storage::Upload);

impl Upload {
    pub fn write(&self, data: &[u8]) -> Result<()> {
        Ok(self.0.write(data).map_err(sdk_error)?)
    }

    pub fn finish(&self) -> Result<crate::storage::Stored> {
        Ok(self.0.finish().map_err(sdk_error)?.into())
    }

    pub fn abort(&self) -> Result<()> {
        Ok(self.0.abort().map_err(sdk_error)?)
    }
}

impl From<host::storage::Stored> for crate::storage::Stored {
    fn from(stored: host::storage::Stored) -> Self {
        Self { location: stored.location, url: stored.url, etag: stored.etag }
    }
}

pub(crate) mod storage {
    use std::time::{Duration, UNIX_EPOCH};

    use super::host::storage as wire;
    use super::{Object, Result, Tensor, Upload, sdk_error};
    use crate::storage::{ObjectInfo, Stored, WriteGrant};

    fn info(info: wire::ObjectInfo) -> ObjectInfo {
        ObjectInfo {
            location: info.location,
            size: info.size,
            content_type: info.content_type,
            etag: info.etag,
            modified: info
                .modified_ms
                .and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms))),
        }
    }

    pub fn ready() -> Result<()> {
        Ok(())
    }

    pub fn get(location: &str, if_none_match: Option<&str>) -> Result<Vec<u8>> {
        Ok(wire::get(location, if_none_match).map_err(sdk_error)?)
    }

    pub fn open(location: &str) -> Result<Object> {
        Ok(Object(wire::open(location).map_err(sdk_error)?))
    }

    pub fn head(location: &str) -> Result<ObjectInfo> {
        Ok(info(wire::head(location).map_err(sdk_error)?))
    }

    pub fn put(
        data: &[u8],
        location: Option<&str>,
        content_type: Option<&str>,
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Stored> {
        Ok(wire::put(data, location, content_type, if_match, if_none_match)
            .map_err(sdk_error)?
            .into())
    }

    pub fn put_tensor(
        tensor: &Tensor,
        location: Option<&str>,
        content_type: Option<&str>,
    ) -> Result<Stored> {
        Ok(wire::put_tensor(&tensor.0, location, content_type).map_err(sdk_error)?.into())
    }

    pub fn create_upload(location: Option<&str>, content_type: Option<&str>) -> Result<Upload> {
        Ok(Upload(wire::create_upload(location, content_type).map_err(sdk_error)?))
    }

    pub fn presign(location: &str, ttl_seconds: Option<u32>) -> Result<String> {
        Ok(wire::presign(location, ttl_seconds).map_err(sdk_error)?)
    }

    pub fn presign_put(
        location: Option<&str>,
        content_type: Option<&str>,
        ttl_seconds: Option<u32>,
    ) -> Result<WriteGrant> {
        let grant = wire::presign_put(location, content_type, ttl_seconds).map_err(sdk_error)?;
        Ok(WriteGrant { location: grant.location, url: grant.url })
    }

    pub fn list(prefix: &str, cursor: Option<&str>) -> Result<(Vec<ObjectInfo>, Option<String>)> {
        let page = wire::list(prefix, cursor).map_err(sdk_error)?;
        Ok((page.objects.into_iter().map(info).collect(), page.next))
    }

    pub fn delete(location: &str) -> Result<()> {
        Ok(wire::delete(location).map_err(sdk_error)?)
    }
}
