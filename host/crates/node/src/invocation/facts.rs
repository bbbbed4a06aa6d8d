//! Facts of a record that are not in its columns, in a binary form.
//!
//! ```text
//! facts = format: u8 | postcard of `Facts`
//! ```
//!
//! Postcard writes neither names nor types: the order and the types of all fields are the format,
//! those of [`Receipt`], [`Limits`] and [`Version`] included. Facts are kept for weeks, so a change of
//! any of them needs a new format: increment [`FORMAT`], keep the former structs beside the new ones,
//! and read each format with its own. Facts of a later format are refused.

use std::borrow::Cow;

use keynet_host::Receipt;
use serde::{Deserialize, Serialize};

use crate::entities::{Limits, Version};

/// Format of the facts that this version writes.
const FORMAT: u8 = 1;

/// Size of most facts in bytes.
const FACTS_BYTES: usize = 256;

/// Error of a stored record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableRecord {
    /// A later version of this program wrote it.
    #[error(
        "the record of activation {id} has format {found}, and this version reads formats up to \
         {FORMAT}: run the version that wrote it, or a later one"
    )]
    Newer {
        /// Activation id.
        id: String,
        /// Format of the record.
        found: u8,
    },
    /// It is not what was written.
    #[error(
        "the record of activation {id} is damaged: restore a backup of the node's data if it is \
         needed"
    )]
    Damaged {
        /// Activation id.
        id: String,
    },
}

/// Facts of a record. Its id, namespace, path, start, end and status are stored beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts<'a> {
    /// Namespace of the action; `None` if it is that of the record.
    pub(super) owner: Option<&'a str>,
    /// Version of the action.
    pub(super) version: Version,
    /// Kind of the action.
    pub(super) kind: &'a str,
    /// Limits of the action.
    pub(super) limits: Limits,
    /// Digest of the component, as the action has it.
    pub(super) digest: Option<&'a str>,
    /// `true` for a sequence.
    pub(super) is_sequence: bool,
    /// Time in the queue, in milliseconds.
    pub(super) waited: u64,
    /// Time to load the action, in milliseconds; `None` if it was loaded.
    pub(super) load: Option<u64>,
    /// `None` if it did not run.
    pub(super) receipt: Option<Cow<'a, Receipt>>,
    /// Id of the trace; `None` if traces are off.
    pub(super) trace: Option<[u8; 16]>,
    /// Activation id of the sequence that it is a part of.
    pub(super) cause: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Returns the binary form.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FACTS_BYTES);
        bytes.push(FORMAT);
        // Serialising numbers and texts to memory cannot fail.
        postcard::to_extend(self, bytes).unwrap_or_default()
    }

    /// Reads the binary form of the facts of the activation called `id`.
    ///
    /// # Errors
    /// A later version wrote them; they are damaged.
    pub(super) fn read(id: &str, bytes: &'a [u8]) -> Result<Self, UnreadableRecord> {
        let damaged = || UnreadableRecord::Damaged { id: id.to_owned() };
        let (format, facts) = bytes.split_first().ok_or_else(damaged)?;
        match *format {
            0 => Err(damaged()),
            FORMAT => match postcard::take_from_bytes(facts) {
                Ok((facts, [])) => Ok(facts),
                _ => Err(damaged()),
            },
            found => Err(UnreadableRecord::Newer { id: id.to_owned(), found }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use keynet_base::digest::Digest;
    use keynet_host::capabilities::ModelUse;

    use super::*;

    pub(in super::super) const ID: &str = "0123456789abcdef0123456789abcdef";
    pub(in super::super) const LIMITS: Limits =
        Limits { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 };

    /// A receipt in which no two numbers are the same.
    fn receipt() -> Receipt {
        Receipt {
            component: Some(Digest::of(b"component")),
            total_ns: 1_000_001,
            queued_ns: 2,
            instantiate_ns: 3,
            spare: true,
            guest_ns: 4,
            answer_ns: 5,
            computing_ns: 6,
            inference_ns: 7,
            inference_calls: 8,
            inference_engine: Some("triton".into()),
            models: vec![ModelUse { name: "detector".into(), version: "3".into(), calls: 8 }],
            inference_sent: 9,
            inference_received: 10,
            storage_ns: 11,
            storage_calls: 12,
            storage_written: 13,
            storage_read: 14,
            memory_peak: 65_536,
            memory_wasm: 16,
            log_bytes: 17,
            logs_cut: true,
        }
    }

    /// Facts in which nothing is absent.
    pub(in super::super) fn all() -> Facts<'static> {
        Facts {
            owner: Some("tools"),
            version: Version::FIRST.next(),
            kind: "wasm:component",
            limits: LIMITS,
            digest: Some("sha256:1b"),
            is_sequence: false,
            waited: 300,
            load: Some(40),
            receipt: Some(Cow::Owned(receipt())),
            trace: Some([0xab; 16]),
            cause: Some("fedcba9876543210fedcba9876543210"),
        }
    }

    /// Facts in which everything is absent that can be.
    pub(in super::super) fn few() -> Facts<'static> {
        Facts {
            owner: None,
            version: Version::FIRST,
            kind: "sequence",
            limits: LIMITS,
            digest: None,
            is_sequence: true,
            waited: 0,
            load: None,
            receipt: None,
            trace: None,
            cause: None,
        }
    }

    #[test]
    fn facts_are_read_as_they_were_written() {
        let ran = Facts { receipt: Some(Cow::Owned(Receipt::default())), ..few() };
        for facts in [all(), few(), ran] {
            assert_eq!(Facts::read(ID, &facts.to_bytes()), Ok(facts));
        }
    }

    /// If this fails, the records of released versions are not read any more: see the top of the file.
    #[test]
    fn the_facts_that_format_1_wrote_are_read() {
        let all_bytes = concat!(
            "010105746f6f6c730000020e7761736d3a636f6d706f6e656e74e0d40380020a0101097368613235",
            "363a316200ac0201280101206985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c",
            "2bf512fac1843d02030104050607080106747269746f6e01086465746563746f72013308090a0b0c",
            "0d0e80800410110101abababababababababababababababab012066656463626139383736353433",
            "32313066656463626139383736353433323130",
        );
        let few_bytes = "01000000010873657175656e6365e0d40380020a0100010000000000";
        for (bytes, facts) in [(all_bytes, all()), (few_bytes, few())] {
            let bytes = hex::decode(bytes).unwrap();
            assert_eq!(Facts::read(ID, &bytes), Ok(facts.clone()));
            assert_eq!(hex::encode(facts.to_bytes()), hex::encode(bytes));
        }
    }

    #[test]
    fn facts_of_a_later_version_are_refused_with_both_formats() {
        let mut bytes = all().to_bytes();
        bytes[0] = 2;
        let error = Facts::read(ID, &bytes).unwrap_err();
        assert_eq!(error, UnreadableRecord::Newer { id: ID.to_owned(), found: 2 });
        let text = error.to_string();
        assert!(
            text.contains(ID) && text.contains("format 2") && text.contains("up to 1"),
            "{text}"
        );
    }

    #[test]
    fn facts_that_were_cut_or_changed_are_an_error_that_names_the_activation() {
        let error = UnreadableRecord::Damaged { id: ID.to_owned() };
        assert!(error.to_string().contains(ID));
        let damaged = Err(error);
        for whole in [all().to_bytes(), few().to_bytes()] {
            for cut in 0..whole.len() {
                assert_eq!(Facts::read(ID, &whole[..cut]), damaged, "cut at {cut}");
            }
            let longer = [&whole[..], b"0"].concat();
            assert_eq!(Facts::read(ID, &longer), damaged);
            let zero = [&[0], &whole[1..]].concat();
            assert_eq!(Facts::read(ID, &zero), damaged);
            // Anything is read without a panic.
            for at in 1..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 0xff;
                let _ = Facts::read(ID, &changed);
            }
        }
    }
}
