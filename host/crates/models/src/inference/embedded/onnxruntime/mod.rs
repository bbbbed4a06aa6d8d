//! ONNX Runtime as the engine of models in process, where its library is found at run time.
//!
//! It runs every model then; rten runs them where there is no library. The limits are the same:
//! the memory of a run is estimated before it, threads are one pool for all models, and nothing of
//! a model but the file that is asked for is opened by the library itself ([`file`]): no external
//! data, no library of custom operators. Its arena, which would keep the memory of the largest run,
//! is off. What it can do beyond rten: a run is ended at the caller's deadline, between two
//! operators.

mod file;
mod library;
mod part;
mod protobuf;
mod refuse;
mod session;
mod values;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) use file::read as inlined;
pub(super) use library::{Library, library};
pub(super) use part::Parts;
pub(super) use session::{Session, Stop};
pub(super) use values::from_ort;

use super::super::DataType;

/// The element types of inputs and outputs: all that the contract has.
pub(super) const SUPPORTED: &[DataType] = DataType::ALL;
