//! A change of the records, as it is in the journal.

use serde::{Deserialize, Serialize, Serializer};

use super::error::{RecordsError, Result};
use super::{Accepted, Content, Record};

/// An activation's id as it is stored.
pub(super) type Id = [u8; 16];

/// Size that a record has beside its texts and facts, about: numbers, keys of indexes, page headers.
const ROW_BYTES: usize = 160;

/// What the database has of an ended activation in columns of their own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ended<'a> {
    pub id: Id,
    pub namespace: &'a str,
    pub path: &'a str,
    pub start: u64,
    pub end: u64,
    pub status: u8,
}

/// A change. The names of the variants and fields can be changed; their order is the format. New
/// variants follow the last one: a journal of the version before is still applied.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// An activation was accepted.
    Accept { id: Id, namespace: &'a str, path: &'a str, start: u64, document: &'a str },
    /// An activation ended, and its record is JSON.
    FinishJson {
        #[serde(borrow)]
        ended: Ended<'a>,
        document: &'a str,
        response: &'a str,
        logs: &'a str,
    },
    /// An activation ended.
    Finish {
        #[serde(borrow)]
        ended: Ended<'a>,
        #[serde(serialize_with = "bytes")]
        facts: &'a [u8],
        result: &'a str,
        logs: &'a str,
    },
}

/// Serialises bytes together; serde's own way takes them one by one.
fn bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Parses an activation id.
pub(super) fn parse_id(text: &str) -> Result<Id> {
    let mut id = Id::default();
    match hex::decode_to_slice(text, &mut id) {
        Ok(()) => Ok(id),
        Err(_) => Err(RecordsError::Id { id: text.to_owned() }),
    }
}

impl<'a> Entry<'a> {
    pub fn accept(accepted: &'a Accepted) -> Result<Self> {
        let Accepted { id, namespace, path, start, document } = accepted;
        Ok(Self::Accept { id: parse_id(id)?, namespace, path, start: *start, document })
    }

    pub fn finish(record: &'a Record) -> Result<Self> {
        let Record { id, namespace, path, start, end, status, content, result, logs } = record;
        let (id, start, end, status) = (parse_id(id)?, *start, *end, *status);
        let ended = Ended { id, namespace, path, start, end, status };
        Ok(match content {
            Content::Facts(facts) => Self::Finish { ended, facts, result, logs },
            Content::Document(document) => {
                Self::FinishJson { ended, document, response: result, logs }
            }
        })
    }

    pub fn id(&self) -> Id {
        match self {
            Self::Accept { id, .. } => *id,
            Self::FinishJson { ended, .. } | Self::Finish { ended, .. } => ended.id,
        }
    }

    pub fn namespace(&self) -> &'a str {
        match self {
            Self::Accept { namespace, .. } => namespace,
            Self::FinishJson { ended, .. } | Self::Finish { ended, .. } => ended.namespace,
        }
    }

    /// Returns its size in bytes; that of a record is what it counts in its namespace's usage.
    pub fn bytes(&self) -> usize {
        let content = match self {
            Self::Accept { path, document, .. } => path.len() + document.len(),
            Self::FinishJson { ended, document, response, logs } => {
                ended.path.len() + document.len() + response.len() + logs.len()
            }
            Self::Finish { ended, facts, result, logs } => {
                ended.path.len() + facts.len() + result.len() + logs.len()
            }
        };
        content + ROW_BYTES
    }
}
