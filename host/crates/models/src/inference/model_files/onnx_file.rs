//! Reads an ONNX file without its weights, and checks that the file is complete.
//!
//! rten's own reader trusts its input: in version 0.27 a damaged number makes it loop forever
//! (`read_varint` on ten bytes above 127), a damaged length makes it allocate that much, and a
//! truncated file reads as a smaller graph. Therefore every file goes through the reader here,
//! which checks numbers and lengths against the file's size; rten receives the result, encoded
//! again.
//!
//! Tensor data of at most [`INLINE_BYTES`] is read; of larger tensors only the position of the data
//! in the file ([`RawPlace`]).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use rten_onnx::onnx::{DataLocation, GraphProto, ModelProto, TensorProto};
use rten_onnx::protobuf::{DecodeMessage, ErrorKind, OwnedValues, ProtobufError, ReadValue};

/// Field number of `ModelProto.graph`.
const GRAPH: u64 = 7;

/// Largest `bytes` field whose content is read, in bytes.
pub(crate) const INLINE_BYTES: usize = 1024;

/// Reads the model in a file. The raw data of large tensors is replaced by its position in the
/// file.
pub(crate) fn read_model(path: &Path) -> Result<ModelProto, ProtobufError> {
    check_outline(&mut WeightlessReader::open(path)?)?;
    let model = ModelProto::decode(WeightlessReader::open(path)?)?;
    if model.graph.is_some() { Ok(model) } else { Err(ProtobufError::new(ErrorKind::Eof)) }
}

/// Reads the graph in a file.
pub(crate) fn read_graph(path: &Path) -> Result<GraphProto, ProtobufError> {
    read_model(path)?.graph.ok_or_else(|| ProtobufError::new(ErrorKind::Eof))
}

/// Position of a large tensor's raw data in its file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawPlace {
    pub offset: u64,
    pub length: u64,
}

impl RawPlace {
    fn to_bytes(self) -> Vec<u8> {
        [self.offset.to_le_bytes(), self.length.to_le_bytes()].concat()
    }

    /// Decodes the position stored in place of `bytes` bytes of raw data. `None` if `raw` is the
    /// data itself.
    pub fn of(raw: &[u8], bytes: u64) -> Option<Self> {
        let (offset, length) = raw.split_first_chunk()?;
        let place = Self {
            offset: u64::from_le_bytes(*offset),
            length: u64::from_le_bytes(length.try_into().ok()?),
        };
        (bytes > INLINE_BYTES as u64 && place.length == bytes).then_some(place)
    }
}

/// Calls `visit` for every tensor of a graph: initializers, attributes, and those of its subgraphs.
pub(crate) fn for_each_tensor<'a>(graph: &'a GraphProto, visit: &mut impl FnMut(&'a TensorProto)) {
    graph.initializer.iter().for_each(&mut *visit);
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        attribute.t.iter().for_each(&mut *visit);
        attribute.g.iter().for_each(|inner| for_each_tensor(inner, visit));
    }
}

/// Returns the value for a key of a tensor's external data.
pub(crate) fn external_value<'a>(tensor: &'a TensorProto, key: &str) -> Option<&'a str> {
    let external = tensor.data_location == Some(DataLocation::EXTERNAL);
    let entry =
        tensor.external_data.iter().find(|entry| external && entry.key.as_deref() == Some(key))?;
    entry.value.as_deref()
}

/// Returns the files beside the graph that hold its external weights, by their names in the graph.
pub(crate) fn external_files(graph: &GraphProto) -> BTreeSet<&str> {
    let mut files = BTreeSet::new();
    for_each_tensor(graph, &mut |tensor| files.extend(external_value(tensor, "location")));
    files
}

/// Returns the path of such a file, relative to the model's folder. `None` if it is not inside that
/// folder.
pub(crate) fn path_inside(location: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(location).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!path.as_os_str().is_empty()).then_some(path)
}

/// Returns the total size of those files, in bytes.
pub(crate) fn external_bytes(graph: &GraphProto, model: &Path) -> u64 {
    let files: BTreeSet<_> = external_files(graph).into_iter().filter_map(path_inside).collect();
    let folder = model.parent().unwrap_or(Path::new(""));
    files
        .iter()
        .map(|file| std::fs::metadata(folder.join(file)).map_or(0, |metadata| metadata.len()))
        .sum()
}

/// Checks the outermost fields: they must end where the file ends, and contain a graph.
fn check_outline(reader: &mut WeightlessReader) -> Result<(), ProtobufError> {
    let mut graphs = 0;
    while reader.remaining() > 0 {
        let tag = reader.read_varint()?;
        match tag & 7 {
            0 => drop(reader.read_varint()?),
            1 => drop(reader.read_i64()?),
            2 => {
                let length = reader.read_varint()?;
                reader.skip(usize::try_from(length).unwrap_or(usize::MAX))?;
                graphs += u32::from(tag >> 3 == GRAPH);
            }
            5 => drop(reader.read_i32()?),
            _ => return Err(ProtobufError::new(ErrorKind::InvalidWireType)),
        }
    }
    if graphs == 1 {
        Ok(())
    } else {
        Err(ProtobufError::new(ErrorKind::Eof).with_context(Some("ModelProto"), Some(GRAPH)))
    }
}

/// Reader that skips the content of large `bytes` fields, and reads nothing past the end of the
/// file.
struct WeightlessReader {
    file: BufReader<File>,
    position: u64,
    end: u64,
}

impl WeightlessReader {
    fn open(path: &Path) -> Result<Self, ProtobufError> {
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        Ok(Self { file: BufReader::new(file), position: 0, end })
    }

    fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let mut bytes = [0; N];
        self.check(N)?;
        self.file.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn check(&self, length: usize) -> Result<(), ProtobufError> {
        if length as u64 <= self.remaining() {
            Ok(())
        } else {
            Err(ProtobufError::new(ErrorKind::LengthMismatch))
        }
    }
}

impl ReadValue for WeightlessReader {
    type Types = OwnedValues;

    fn read_i32(&mut self) -> Result<i32, ProtobufError> {
        self.take().map(i32::from_le_bytes)
    }

    fn read_i64(&mut self) -> Result<i64, ProtobufError> {
        self.take().map(i64::from_le_bytes)
    }

    fn read_varint(&mut self) -> Result<u64, ProtobufError> {
        if self.remaining() == 0 {
            // signals the end of the outermost message
            return Err(ProtobufError::new(ErrorKind::Eof));
        }
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 {
                    Err(ProtobufError::new(ErrorKind::InvalidVarint))
                } else {
                    Ok(value)
                };
            }
        }
        Err(ProtobufError::new(ErrorKind::InvalidVarint))
    }

    fn read_bytes(&mut self, length: usize) -> Result<Vec<u8>, ProtobufError> {
        if length <= INLINE_BYTES {
            self.check(length)?;
            let mut bytes = vec![0; length];
            self.file.read_exact(&mut bytes)?;
            self.position += length as u64;
            return Ok(bytes);
        }
        let place = RawPlace { offset: self.position, length: length as u64 };
        self.skip(length)?;
        Ok(place.to_bytes())
    }

    fn read_string(&mut self, length: usize) -> Result<String, ProtobufError> {
        self.check(length)?;
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        self.position += length as u64;
        String::from_utf8(bytes).map_err(|_| ProtobufError::new(ErrorKind::InvalidUtf8))
    }

    fn skip(&mut self, length: usize) -> Result<(), ProtobufError> {
        self.check(length)?;
        self.file.seek_relative(i64::try_from(length).unwrap_or(i64::MAX))?;
        self.position += length as u64;
        Ok(())
    }

    fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_or_damaged_anywhere_is_an_error_or_a_graph() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/add_sub/1/model.onnx");
        let whole = std::fs::read(&file).unwrap();
        let graph = read_graph(&file).unwrap();
        assert_eq!((graph.node.len(), graph.input.len(), graph.output.len()), (2, 2, 2));

        let folder = tempfile::tempdir().unwrap();
        let damaged = folder.path().join("model.onnx");
        for length in 0..whole.len() {
            std::fs::write(&damaged, &whole[..length]).unwrap();
            let opset_is_last = length >= whole.len() - 6;
            assert!(read_graph(&damaged).is_err() || opset_is_last, "cut at {length}");
        }
        for place in 0..whole.len() - 12 {
            for byte in [0x00, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[place..place + 12].fill(byte);
                std::fs::write(&damaged, bytes).unwrap();
                let _either = read_graph(&damaged); // ends, allocates at most the file's size
            }
        }
    }
}
