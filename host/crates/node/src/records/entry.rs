//! A change of the records, as it is in the journal.

use serde::{Deserialize, Serialize};

use super::error::{RecordsError, Result};
use super::{Accepted, Record};

/// An activation's id as it is stored.
pub(super) type Id = [u8; 16];

/// Size that a record has beside its texts, about: numbers, keys of indexes, page headers.
const ROW_BYTES: usize = 160;

/// A change. The names of the variants and fields can be changed; their order is the format.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// An activation was accepted.
    Accept { id: Id, namespace: &'a str, path: &'a str, start: u64, document: &'a str },
    /// An activation ended.
    Finish {
        id: Id,
        namespace: &'a str,
        path: &'a str,
        start: u64,
        end: u64,
        status: u8,
        document: &'a str,
        response: &'a str,
        logs: &'a str,
    },
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
        let Record { id, namespace, path, start, end, status, document, response, logs } = record;
        Ok(Self::Finish {
            id: parse_id(id)?,
            namespace,
            path,
            start: *start,
            end: *end,
            status: *status,
            document,
            response,
            logs,
        })
    }

    pub fn id(&self) -> Id {
        match self {
            Self::Accept { id, .. } | Self::Finish { id, .. } => *id,
        }
    }

    pub fn namespace(&self) -> &'a str {
        match self {
            Self::Accept { namespace, .. } | Self::Finish { namespace, .. } => namespace,
        }
    }

    /// Returns its size in bytes; that of a record is what it counts in its namespace's usage.
    pub fn bytes(&self) -> usize {
        let texts = match self {
            Self::Accept { path, document, .. } => path.len() + document.len(),
            Self::Finish { path, document, response, logs, .. } => {
                path.len() + document.len() + response.len() + logs.len()
            }
        };
        texts + ROW_BYTES
    }
}
