//! The constants of a graph: read from the file or from the files beside it, and handed to rten as
//! they lie in memory.
//!
//! rten's own reader of external files takes only names that end in `.data` or `.onnx_data`, and
//! wants every offset and length. Here a file of any name inside the model's folder is read, and an
//! offset or a length may be left out, as ONNX says.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rten::ModelOptions;
use rten_onnx::onnx::{DataLocation, DataType, StringStringEntryProto, TensorProto};

use super::super::super::model_files::onnx_file::{RawPlace, external_value, path_inside};
use super::facts::{Fact, LARGEST, Range};
use keynet_base::quote::quoted;

/// The most elements of a constant that are looked at one by one later.
const FEW: usize = 64;

/// The files that hold weights, and what was read of them.
#[derive(Debug)]
pub(super) struct Weights {
    file: PathBuf,
    buffers: Vec<Vec<u8>>,
}

impl Weights {
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), buffers: Vec::new() }
    }

    /// Hands what was read to rten.
    pub fn give(self, options: &mut ModelOptions) {
        for (index, buffer) in self.buffers.into_iter().enumerate() {
            options.external_data(&key(index), buffer);
        }
    }

    /// Reads a tensor's data and says what is known of them.
    ///
    /// # Errors
    /// What is wrong with the tensor, after its name.
    pub fn read(&mut self, tensor: &mut TensorProto) -> Result<Fact, String> {
        let elements = tensor
            .dims
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(u64::try_from(*size).ok()?));
        let elements = elements.ok_or("has an invalid shape")?;
        let bytes =
            elements.checked_mul(element_bytes(tensor.data_type)).ok_or("has an invalid shape")?;
        let external = tensor.data_location == Some(DataLocation::EXTERNAL);
        if let Some(data) = if external {
            Some(self.read_beside(tensor, bytes)?)
        } else {
            self.read_place(tensor, bytes)?
        } {
            let fact = inspect(tensor, &data);
            self.hold(tensor, data);
            return Ok(fact);
        }
        let raw = tensor.raw_data.as_ref().map(|raw| raw.borrow().clone());
        if raw.as_ref().is_some_and(|raw| raw.len() as u64 != bytes) {
            return Err(format!("has not the {bytes} bytes of data that its shape says"));
        }
        Ok(inspect(tensor, &raw.unwrap_or_default()))
    }

    /// The data of a tensor whose place in the model's file is known.
    fn read_place(&self, tensor: &TensorProto, bytes: u64) -> Result<Option<Vec<u8>>, String> {
        let place = tensor.raw_data.as_ref().and_then(|raw| RawPlace::of(&raw.borrow(), bytes));
        place.map(|place| read(&self.file, place.offset, place.length)).transpose()
    }

    fn read_beside(&self, tensor: &TensorProto, bytes: u64) -> Result<Vec<u8>, String> {
        let location =
            external_value(tensor, "location").ok_or("does not say in which file its data lie")?;
        let inside = path_inside(location).ok_or_else(|| {
            format!("lies in {}, which is not inside the model's folder", quoted(location))
        })?;
        let number = |key| match external_value(tensor, key) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| format!("has the {key} {}, which is no number", quoted(text))),
        };
        if let Some(length) = number("length")?.filter(|length| *length != bytes) {
            return Err(format!(
                "lies in {length} bytes of {}, but its shape says {bytes}",
                quoted(location)
            ));
        }
        read(&self.file.with_file_name("").join(inside), number("offset")?.unwrap_or(0), bytes)
    }

    fn hold(&mut self, tensor: &mut TensorProto, data: Vec<u8>) {
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value),
        };
        tensor.external_data = vec![
            entry("location", key(self.buffers.len())),
            entry("offset", "0".to_owned()),
            entry("length", data.len().to_string()),
        ];
        tensor.data_location = Some(DataLocation::EXTERNAL);
        tensor.raw_data = None;
        self.buffers.push(data);
    }
}

fn key(index: usize) -> String {
    format!("{index}.data") // an ending that rten takes
}

fn read(path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, String> {
    let name = || quoted(&path.file_name().unwrap_or_default().to_string_lossy()).to_string();
    let failed = |error: std::io::Error| format!("cannot be read from {}: {error}", name());
    let file = File::open(path).map_err(failed)?;
    let there = file.metadata().map_err(failed)?.len();
    if offset.checked_add(length).is_none_or(|end| end > there) {
        return Err(format!(
            "lies in the bytes {offset} to {} of {}, which has {there}",
            offset.saturating_add(length),
            name()
        ));
    }
    let mut data = vec![0; usize::try_from(length).map_err(|_| "is too large".to_owned())?];
    file.read_exact_at(&mut data, offset).map_err(failed)?;
    Ok(data)
}

/// 0 for a type that no model run in process can have: rten refuses it by name.
fn element_bytes(element: Option<DataType>) -> u64 {
    match element {
        Some(DataType::FLOAT | DataType::INT32 | DataType::UINT32) => 4,
        Some(DataType::INT64 | DataType::UINT64 | DataType::DOUBLE) => 8,
        Some(DataType::FLOAT16 | DataType::BFLOAT16 | DataType::INT16 | DataType::UINT16) => 2,
        Some(DataType::BOOL | DataType::INT8 | DataType::UINT8) => 1,
        _ => 0,
    }
}

/// What is known of a constant. `raw` is empty where its data lie in a typed field.
fn inspect(tensor: &TensorProto, raw: &[u8]) -> Fact {
    let single = tensor.dims.iter().all(|size| *size == 1);
    let mut fact = Fact {
        rank: Some(tensor.dims.len()),
        single,
        constant: Some(Vec::new()),
        ..Fact::of(tensor.data_type)
    };
    if tensor.data_type == Some(DataType::FLOAT) && raw.len() / 4 + tensor.float_data.len() <= FEW {
        let held = raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        fact.constant =
            Some(held.chain(tensor.float_data.iter().copied()).map(f64::from).collect());
    }
    let integers = match tensor.data_type {
        Some(DataType::INT64) => integers(
            raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)),
            &tensor.int64_data,
        ),
        Some(DataType::INT32) => integers(
            raw.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()),
            &tensor.int32_data,
        ),
        Some(DataType::BOOL | DataType::UINT8) => {
            integers(raw.iter().map(|byte| i64::from(*byte)), &tensor.int32_data)
        }
        Some(DataType::DOUBLE) => {
            let held = raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
            fact.exact = held.chain(tensor.double_data.iter().copied()).all(is_single);
            None
        }
        _ => None,
    };
    if let Some((range, few)) = integers {
        (fact.range, fact.constant) =
            (range, Some(few.into_iter().map(|number| number as f64).collect()));
    }
    fact
}

/// Whether FP32 has a number of FP64.
pub(in super::super) fn is_single(number: f64) -> bool {
    number.is_nan() || f64::from(number as f32) == number
}

/// The least and the greatest, and all of them if they are few.
fn integers<T: Copy + Into<i64>>(
    raw: impl Iterator<Item = i64>,
    typed: &[T],
) -> Option<(Range, Vec<i64>)> {
    let mut range: Option<Range> = None;
    let mut few = Vec::new();
    let mut count = 0;
    for number in raw.chain(typed.iter().map(|number| (*number).into())) {
        let one = Range::new(number, number);
        range = Some(range.map_or(one, |range| range.hull(one)));
        count += 1;
        if count <= FEW {
            few.push(number);
        }
    }
    if count > FEW {
        few.clear();
    }
    Some((range.unwrap_or(Range::new(0, 0)), few))
}

impl Fact {
    /// The first integer of a constant that 32 bits do not have.
    pub(super) fn beyond(&self) -> Option<i64> {
        let Range { least, greatest } = self.range;
        [least, greatest]
            .into_iter()
            .find(|number| number.abs_diff(0) > LARGEST.unsigned_abs())
            .filter(|_| self.constant.is_some())
    }
}
