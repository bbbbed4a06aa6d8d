//! Conversions between the types of the backends and those of a recording.

use keynet_base::error::{Error, Result};
use keynet_models::inference::{DataType, ModelMetadata, TensorInfo};
use keynet_object_storage::{Location, ObjectInfo};

use super::calls::{Answer, MetadataRecord, ObjectRecord, TensorInfoRecord};
use super::veil::Veil;

impl MetadataRecord {
    pub(super) fn of(metadata: &ModelMetadata) -> Self {
        let infos = |infos: &[TensorInfo]| infos.iter().map(TensorInfoRecord::of).collect();
        Self {
            name: metadata.name.clone(),
            versions: metadata.versions.clone(),
            platform: metadata.platform.clone(),
            inputs: infos(&metadata.inputs),
            outputs: infos(&metadata.outputs),
        }
    }

    /// # Errors
    /// `internal`: an element type does not exist.
    pub(super) fn metadata(self) -> Result<ModelMetadata> {
        let infos = |infos: Vec<TensorInfoRecord>| -> Result<Vec<TensorInfo>> {
            infos.into_iter().map(TensorInfoRecord::info).collect()
        };
        Ok(ModelMetadata {
            name: self.name,
            versions: self.versions,
            platform: self.platform,
            inputs: infos(self.inputs)?,
            outputs: infos(self.outputs)?,
        })
    }
}

impl TensorInfoRecord {
    fn of(info: &TensorInfo) -> Self {
        Self {
            name: info.name.clone(),
            r#type: info.data_type.name().to_owned(),
            shape: info.shape.clone(),
        }
    }

    fn info(self) -> Result<TensorInfo> {
        let data_type = data_type(&self.r#type)?;
        Ok(TensorInfo { name: self.name, data_type, shape: self.shape })
    }
}

impl ObjectRecord {
    pub(super) fn of(info: &ObjectInfo, veil: &Veil) -> Self {
        Self {
            location: veil.location(&info.location),
            size: info.size,
            content_type: info.content_type.clone(),
            etag: info.etag.clone(),
            modified_ms: info.modified_ms,
        }
    }

    /// # Errors
    /// `internal`: the location is none.
    pub(super) fn info(self) -> Result<ObjectInfo> {
        Ok(ObjectInfo {
            location: location(&self.location)?,
            size: self.size,
            content_type: self.content_type,
            etag: self.etag,
            modified_ms: self.modified_ms,
        })
    }
}

/// Returns the element type of this name.
///
/// # Errors
/// `internal`: there is none.
pub(super) fn data_type(name: &str) -> Result<DataType> {
    DataType::named(name).ok_or_else(|| damaged("an element type does not exist"))
}

/// Returns the location that a recorded answer has.
///
/// # Errors
/// `internal`: it is no location.
pub(super) fn location(text: &str) -> Result<Location> {
    Location::parse(text).map_err(|error| damaged(&error.message))
}

/// Returns the error of an answer that does not suit its call.
pub(super) fn unsuitable(answer: &Answer) -> Error {
    let name = match answer {
        Answer::Outputs(_) => "outputs",
        Answer::Stream { .. } => "a stream",
        Answer::Metadata(_) => "metadata",
        Answer::Data(_) => "data",
        Answer::Object(_) => "an object",
        Answer::Stored { .. } => "a stored object",
        Answer::Url(_) => "a URL",
        Answer::WriteGrant { .. } => "a write grant",
        Answer::Page { .. } => "a page",
        Answer::Key(_) => "a key",
        Answer::Done => "nothing",
        Answer::Error(_) => "an error",
        Answer::None => "no answer",
    };
    damaged(&format!("a call is answered with {name}"))
}

/// Returns the error of a recording that was changed.
pub(super) fn damaged(why: &str) -> Error {
    Error::internal(format!("the recording was damaged or changed: {why}"))
}
