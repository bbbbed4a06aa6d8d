//! A model's file as ONNX Runtime gets it: in memory, with the weights that lay in files beside it.
//!
//! ONNX Runtime itself opens whatever files a model names, wherever they are. So it is never told
//! where a model lies: every tensor's external data is read here, from inside the model's folder
//! alone (the rule of rten's models), and stands in the file that it gets. All tensors that ONNX
//! knows are gone through: those of attributes, subgraphs, functions and sparse tensors too.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::super::model_files::onnx_file::path_inside;
use super::protobuf::{BYTES, Field, Fields, write_nested};
use keynet_base::quote::quoted;

/// The depth that messages may be nested to, as in protocol buffers.
const MAX_DEPTH: usize = 100;
/// The most bytes of a message.
const MAX_MESSAGE: u64 = i32::MAX as u64;

/// `TensorProto`
const NAME: u64 = 8;
const RAW_DATA: u64 = 9;
const EXTERNAL_DATA: u64 = 13;
const DATA_LOCATION: u64 = 14;

/// The messages that tensors lie in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
    Training,
}

impl Kind {
    /// Returns the message in a field; `None` if no tensor can lie in it.
    fn child(self, field: &Field<'_>) -> Option<Self> {
        Some(match (self, field.number) {
            _ if field.wire != BYTES => return None,
            (Self::Model, 7) | (Self::Attribute, 6 | 11) | (Self::Training, 1 | 2) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Self::Tensor
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            _ => return None,
        })
    }
}

/// Reads a model, with the weights that lie in other files of its folder in their place.
///
/// # Errors
/// Why it cannot be run.
pub(in super::super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let most = most.min(MAX_MESSAGE);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    let too_large = || format!("it has more than {most} bytes, its weights included");
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    if !is_external(Kind::Model, &bytes, 0)? {
        return Ok(bytes);
    }
    let left = most - bytes.len() as u64;
    let mut inliner = Inliner { folder: path.with_file_name(""), left, too_large: &too_large };
    let mut out = Vec::with_capacity(bytes.len());
    inliner.message(Kind::Model, &bytes, &mut out)?;
    Ok(out)
}

/// Reports whether a tensor of a message says anything of external data.
fn is_external(kind: Kind, message: &[u8], depth: usize) -> Result<bool, String> {
    if depth > MAX_DEPTH {
        return Err(format!("its messages are nested more than {MAX_DEPTH} deep"));
    }
    for field in Fields::new(message) {
        let field = field?;
        if kind == Kind::Tensor {
            if matches!(field.number, EXTERNAL_DATA | DATA_LOCATION) {
                return Ok(true);
            }
        } else if let Some(child) = kind.child(&field)
            && is_external(child, field.value, depth + 1)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Inliner<'a> {
    folder: std::path::PathBuf,
    left: u64,
    too_large: &'a dyn Fn() -> String,
}

impl Inliner<'_> {
    fn message(&mut self, kind: Kind, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        for field in Fields::new(message) {
            let field = field?;
            match kind.child(&field) {
                // Its depth was looked at.
                Some(child) if is_external(child, field.value, 0)? => {
                    write_nested(out, field.number, |out| match child {
                        Kind::Tensor => self.tensor(field.value, out),
                        _ => self.message(child, field.value, out),
                    })?;
                }
                _ => out.extend_from_slice(field.whole),
            }
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let fields = Fields::new(tensor).collect::<Result<Vec<_>, _>>()?;
        // The last of a field that stands there more than once is the one that counts.
        let location = fields.iter().rev().find(|field| field.number == DATA_LOCATION);
        let external = location.and_then(Field::number_value) == Some(1);
        for field in &fields {
            match field.number {
                EXTERNAL_DATA | DATA_LOCATION => {}
                RAW_DATA if external => {}
                _ => out.extend_from_slice(field.whole),
            }
        }
        if !external {
            return Ok(());
        }
        let name = fields.iter().rev().find(|field| field.number == NAME);
        let name = String::from_utf8_lossy(name.map_or(&[], |field| field.value));
        let place = Place::of(&fields).and_then(|place| place.read(&self.folder, self.left));
        let data = match place {
            Ok(Some(data)) => data,
            Ok(None) => return Err((self.too_large)()),
            Err(error) => return Err(format!("the constant {} {error}", quoted(&name))),
        };
        self.left = self.left.saturating_sub(data.len() as u64);
        write_nested(out, RAW_DATA, |out| {
            out.extend_from_slice(&data);
            Ok(())
        })
    }
}

/// The place of external data.
struct Place {
    location: String,
    offset: u64,
    length: Option<u64>,
}

impl Place {
    fn of(tensor: &[Field<'_>]) -> Result<Self, String> {
        let (mut location, mut offset, mut length) = (None, 0, None);
        for entry in tensor.iter().filter(|field| field.number == EXTERNAL_DATA) {
            let (mut key, mut value) = (String::new(), String::new());
            for field in Fields::new(entry.value) {
                let field = field?;
                let text = || String::from_utf8_lossy(field.value).into_owned();
                match field.number {
                    1 => key = text(),
                    2 => value = text(),
                    _ => {}
                }
            }
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("has the {key} {}, which is no number", quoted(&value)))
            };
            match key.as_str() {
                "location" => location = Some(value),
                "offset" => offset = number()?,
                "length" => length = Some(number()?),
                _ => {}
            }
        }
        let location = location.ok_or("does not say in which file its data lie")?;
        Ok(Self { location, offset, length })
    }

    /// Reads the data; `None` for more than `most` bytes.
    fn read(&self, folder: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
        let shown = quoted(&self.location);
        let inside = path_inside(&self.location)
            .ok_or_else(|| format!("lies in {shown}, which is not inside the model's folder"))?;
        let unreadable =
            |error: std::io::Error| format!("lies in {shown}, which cannot be read: {error}");
        let file = File::open(folder.join(inside)).map_err(unreadable)?;
        let whole = file.metadata().map_err(unreadable)?.len();
        let after = whole.saturating_sub(self.offset);
        let length = self.length.unwrap_or(after);
        if length > after {
            return Err(format!(
                "lies in {length} bytes of {shown} from {}, and the file has {whole}",
                self.offset
            ));
        }
        if length > most {
            return Ok(None);
        }
        let mut data = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut data, self.offset).map_err(unreadable)?;
        Ok(Some(data))
    }
}

/// The part of a model that computes one value: the nodes of these places in its graph, and what
/// they use.
///
/// # Errors
/// The file is damaged.
pub(super) fn part(
    model: &[u8],
    nodes: &HashSet<usize>,
    used: &HashSet<&str>,
    output: &str,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for field in Fields::new(model) {
        let field = field?;
        if Kind::Model.child(&field) != Some(Kind::Graph) {
            out.extend_from_slice(field.whole);
            continue;
        }
        write_nested(&mut out, field.number, |out| {
            let mut node = 0;
            for field in Fields::new(field.value) {
                let field = field?;
                let name = match field.number {
                    5 => Some(NAME),
                    11 => Some(1),
                    _ => None,
                };
                let keep = match field.number {
                    1 => {
                        node += 1;
                        nodes.contains(&(node - 1))
                    }
                    5 | 11 => Fields::new(field.value).flatten().any(|inner| {
                        Some(inner.number) == name
                            && str::from_utf8(inner.value).is_ok_and(|name| used.contains(name))
                    }),
                    12..=14 => false,
                    _ => true,
                };
                if keep {
                    out.extend_from_slice(field.whole);
                }
            }
            write_nested(out, 12, |out| {
                write_nested(out, 1, |out| {
                    out.extend_from_slice(output.as_bytes());
                    Ok(())
                })
            })
        })?;
    }
    Ok(out)
}
