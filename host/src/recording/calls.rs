//! Calls of an activation as a recording has them: what was asked, and what was answered.

use keynet_base::error::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::payload::Payload;

/// Call with its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) call: Question,
    pub(super) answer: Answer,
}

/// What was asked. URLs are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all_fields = "kebab-case")]
pub(super) enum Question {
    #[serde(rename = "triton-predict.predict")]
    Predict(ModelRequest),
    #[serde(rename = "triton-predict.predict-stream")]
    PredictStream(ModelRequest),
    #[serde(rename = "triton-predict.metadata")]
    Metadata { model: String },
    #[serde(rename = "storage.new-key")]
    NewKey {},
    #[serde(rename = "storage.get")]
    Get {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_none_match: Option<String>,
    },
    #[serde(rename = "storage.open")]
    Open { location: String },
    #[serde(rename = "storage.object.read")]
    Read { location: String, offset: u64, length: u64 },
    #[serde(rename = "storage.head")]
    Head { location: String },
    #[serde(rename = "storage.put")]
    Put {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_none_match: Option<String>,
        data: Payload,
    },
    #[serde(rename = "storage.create-upload")]
    CreateUpload {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    #[serde(rename = "storage.upload.write")]
    Write { location: String, data: Payload },
    #[serde(rename = "storage.upload.finish")]
    Finish { location: String },
    #[serde(rename = "storage.upload.abort")]
    Abort { location: String },
    #[serde(rename = "storage.presign")]
    Presign {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_seconds: Option<u64>,
    },
    #[serde(rename = "storage.presign-put")]
    PresignPut {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_seconds: Option<u64>,
    },
    #[serde(rename = "storage.list")]
    List {
        prefix: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    },
    #[serde(rename = "storage.delete")]
    Delete { location: String },
}

/// Request to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelRequest {
    pub(super) model: String,
    pub(super) inputs: Vec<TensorRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) outputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) parameters: Map<String, Value>,
}

/// Tensor with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorRecord {
    pub(super) name: String,
    /// Element type, as KServe names it.
    pub(super) r#type: String,
    pub(super) shape: Vec<i64>,
    pub(super) data: Payload,
}

/// What was answered. URLs are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    /// Outputs of a model.
    Outputs(Vec<TensorRecord>),
    /// Responses of a model that may answer many times; `complete` if the guest read all of them.
    Stream {
        items: Vec<StreamItem>,
        complete: bool,
    },
    Metadata(MetadataRecord),
    /// Bytes of an object.
    Data(Payload),
    /// Metadata of an object.
    Object(ObjectRecord),
    Stored {
        location: String,
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<String>,
    },
    Url(String),
    WriteGrant {
        location: String,
        url: String,
    },
    Page {
        objects: Vec<ObjectRecord>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    Key(String),
    Done,
    Error(ErrorRecord),
    /// The activation ended before there was an answer.
    None,
}

/// Response of a model that may answer many times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StreamItem {
    Outputs(Vec<TensorRecord>),
    Error(ErrorRecord),
}

/// Description of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetadataRecord {
    pub(super) name: String,
    pub(super) versions: Vec<String>,
    pub(super) platform: String,
    pub(super) inputs: Vec<TensorInfoRecord>,
    pub(super) outputs: Vec<TensorInfoRecord>,
}

/// Input or output of a model, as it declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorInfoRecord {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) shape: Vec<i64>,
}

/// Metadata of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ObjectRecord {
    pub(super) location: String,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified_ms: Option<u64>,
}

/// Error that a call was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorRecord {
    /// Kind, as the contract names it.
    pub(super) kind: String,
    pub(super) message: String,
}

impl ErrorRecord {
    /// Returns the error; one of an unknown kind is `internal`.
    pub(super) fn error(&self) -> Error {
        const KINDS: [ErrorKind; 8] = [
            ErrorKind::Invalid,
            ErrorKind::NotFound,
            ErrorKind::Denied,
            ErrorKind::PreconditionFailed,
            ErrorKind::TooLarge,
            ErrorKind::Timeout,
            ErrorKind::Unavailable,
            ErrorKind::Internal,
        ];
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == self.kind);
        Error { kind: kind.unwrap_or(ErrorKind::Internal), message: self.message.clone() }
    }
}

impl Question {
    /// Returns the name of the call, as error messages have it.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Predict(_) => "triton-predict.predict",
            Self::PredictStream(_) => "triton-predict.predict-stream",
            Self::Metadata { .. } => "triton-predict.metadata",
            Self::NewKey {} => "storage.new-key",
            Self::Get { .. } => "storage.get",
            Self::Open { .. } => "storage.open",
            Self::Read { .. } => "storage.object.read",
            Self::Head { .. } => "storage.head",
            Self::Put { .. } => "storage.put",
            Self::CreateUpload { .. } => "storage.create-upload",
            Self::Write { .. } => "storage.upload.write",
            Self::Finish { .. } => "storage.upload.finish",
            Self::Abort { .. } => "storage.upload.abort",
            Self::Presign { .. } => "storage.presign",
            Self::PresignPut { .. } => "storage.presign-put",
            Self::List { .. } => "storage.list",
            Self::Delete { .. } => "storage.delete",
        }
    }

    /// Returns the model, the location or the prefix; empty for a new key.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Predict(request) | Self::PredictStream(request) => &request.model,
            Self::Metadata { model } => model,
            Self::NewKey {} => "",
            Self::Get { location, .. }
            | Self::Open { location }
            | Self::Read { location, .. }
            | Self::Head { location }
            | Self::Put { location, .. }
            | Self::CreateUpload { location, .. }
            | Self::Write { location, .. }
            | Self::Finish { location }
            | Self::Abort { location }
            | Self::Presign { location, .. }
            | Self::PresignPut { location, .. }
            | Self::Delete { location } => location,
            Self::List { prefix, .. } => prefix,
        }
    }

    /// Returns the payloads of what was asked, in order.
    pub(super) fn payloads(&self) -> Vec<&Payload> {
        match self {
            Self::Predict(request) | Self::PredictStream(request) => {
                request.inputs.iter().map(|input| &input.data).collect()
            }
            Self::Put { data, .. } | Self::Write { data, .. } => vec![data],
            _ => Vec::new(),
        }
    }

    /// Reports whether it changes objects or makes URLs, so that its answer does not depend on what
    /// a server has.
    pub(super) fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Put { .. }
                | Self::CreateUpload { .. }
                | Self::Write { .. }
                | Self::Finish { .. }
                | Self::Abort { .. }
                | Self::Presign { .. }
                | Self::PresignPut { .. }
                | Self::Delete { .. }
        )
    }
}

impl Answer {
    /// Returns the payloads, in order.
    pub(super) fn payloads(&self) -> Vec<&Payload> {
        match self {
            Self::Outputs(outputs) => outputs.iter().map(|output| &output.data).collect(),
            Self::Data(data) => vec![data],
            Self::Stream { items, .. } => items
                .iter()
                .flat_map(|item| match item {
                    StreamItem::Outputs(outputs) => outputs.as_slice(),
                    StreamItem::Error(_) => &[],
                })
                .map(|output| &output.data)
                .collect(),
            _ => Vec::new(),
        }
    }
}
