//! A model's `config.pbtxt`: the one that came with it, or one generated from its ONNX graph.
//!
//! The text of a file that came with the model stays unchanged; only the served versions are
//! appended at its end, unless it configures them itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use rten_onnx::onnx::{GraphProto, ValueInfoProto};

use super::repository::failed;
use crate::inference::embedded::check_config;
use crate::inference::model_files::text_format::{self, Message, Value};
use crate::inference::model_files::{MAX_CONFIG_BYTES, element_type};
use keynet_base::error::{Error, Result};
use keynet_base::quote::shown;

/// File name of the configuration.
pub(super) const CONFIG: &str = "config.pbtxt";

/// Configuration text and its parsed form; the default is empty.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    text: String,
    message: Message,
}

impl Configuration {
    /// Reads the configuration in the folder of a model; `None` if there is no such file.
    ///
    /// # Errors
    /// `invalid`: it is not in the text format, naming the line.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(CONFIG);
        let mut text = String::new();
        let read = std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, &error)),
            Ok(_) if text.len() as u64 > MAX_CONFIG_BYTES => {
                return Err(Error::too_large(format!(
                    "the model's {CONFIG} is larger than the {MAX_CONFIG_BYTES} bytes that are read"
                )));
            }
            Ok(_) => {}
        }
        Self::parse(text).map(Some)
    }

    fn parse(text: String) -> Result<Self> {
        let wrong = |error: text_format::SyntaxError| {
            Error::invalid(format!("the model's {CONFIG}, {error}"))
        };
        let message = text_format::parse(&text).map_err(wrong)?;
        check_config(&message).map_err(wrong)?;
        Ok(Self { text, message })
    }

    /// Generates a configuration for the graph of an ONNX file: its inputs without initializer, its
    /// outputs, and -1 for dynamic dimensions. The model does not batch: the first dimension is
    /// treated like the others, as in the file. `labels` is the label file of its only output.
    ///
    /// # Errors
    /// `invalid`: an input or output that the server does not support, naming it.
    pub fn of_graph(name: &str, graph: &GraphProto, labels: Option<&str>) -> Result<Self> {
        let initialized: BTreeSet<_> =
            graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
        let inputs = graph
            .input
            .iter()
            .filter(|info| !initialized.contains(info.name.as_deref().unwrap_or_default()));
        let inputs = inputs.map(|info| port("input", info, None)).collect::<Result<Vec<_>>>()?;
        let labels = labels.filter(|_| graph.output.len() == 1);
        let outputs = graph
            .output
            .iter()
            .map(|info| port("output", info, labels))
            .collect::<Result<Vec<_>>>()?;
        let mut text = format!(
            "# Made of the model's ONNX graph.\nname: {}\nplatform: \
                \"onnxruntime_onnx\"\nmax_batch_size: 0\n",
            quoted(name)
        );
        for (kind, ports) in [("input", inputs), ("output", outputs)] {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{kind} [\n{}\n]", ports.join(",\n"));
        }
        Self::parse(text)
    }

    /// Checks that the configuration belongs to the model `name`, because the server compares its
    /// name with the folder's.
    ///
    /// # Errors
    /// `invalid`: the configuration has another name.
    pub fn check_name(&self, name: &str) -> Result<()> {
        match self.string("name") {
            Some(other) if other != name => Err(Error::invalid(format!(
                "the model's {CONFIG} says name: {other:?}, and it is to be deployed as {name:?}: \
                    deploy it as {other}, or leave the name out there"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that Triton, if it is to load the model, supports the configuration: Triton has no
    /// tensors without dimensions, unless the model batches.
    ///
    /// # Errors
    /// `invalid`: an input or output without dimensions, naming it.
    pub fn check_scalars(&self, for_triton: bool) -> Result<()> {
        let batched = matches!(
            self.message.last("max_batch_size").map(|field| &field.value),
            Some(Value::Integer(1..))
        );
        if !for_triton || batched {
            return Ok(());
        }
        for kind in ["input", "output"] {
            for field in self.message.all(kind) {
                let Value::Message(tensor) = &field.value else { continue };
                let Some(Value::Message(reshape)) =
                    tensor.last("reshape").map(|field| &field.value)
                else {
                    continue;
                };
                if reshape.last("shape").is_none() {
                    return Err(Error::invalid(format!(
                        "the model's {kind} {} is a scalar, without dimensions, which Triton has \
                            for no model that does not batch: export the model with the shape [1] \
                            in its place, or run it in process (unset TRITON_URL)",
                        shown(string(tensor, "name").unwrap_or_default())
                    )));
                }
            }
        }
        Ok(())
    }

    /// Returns `default_model_filename`.
    ///
    /// # Errors
    /// `invalid`: it is not a file name.
    pub fn model_file(&self) -> Result<Option<&str>> {
        self.string("default_model_filename").map(plain).transpose()
    }

    /// Returns the `label_filename` of every output that has one.
    ///
    /// # Errors
    /// `invalid`: one of them is not a file name.
    pub fn label_files(&self) -> Result<BTreeSet<&str>> {
        let outputs = self.message.all("output").filter_map(|field| match &field.value {
            Value::Message(output) => string(output, "label_filename"),
            _ => None,
        });
        outputs.map(plain).collect()
    }

    /// Returns the text, with a policy that serves `versions` if it has no version policy.
    pub fn serving(&self, versions: &BTreeSet<u64>) -> String {
        if self.has_policy() {
            return self.text.clone();
        }
        let versions: Vec<_> = versions.iter().map(u64::to_string).collect();
        format!(
            "{}\nversion_policy: {{ specific {{ versions: [ {} ] }} }}\n",
            self.text.trim_end(),
            versions.join(", ")
        )
    }

    /// Reports whether the configuration has a version policy.
    pub fn has_policy(&self) -> bool {
        self.message.last("version_policy").is_some()
    }

    fn string(&self, name: &str) -> Option<&str> {
        string(&self.message, name)
    }
}

/// Returns a field that is a non-empty string.
fn string<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    match &message.last(name)?.value {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn plain(name: &str) -> Result<&str> {
    match name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        false => Ok(name),
        true => Err(Error::invalid(format!(
            "the model's {CONFIG} names the file {name:?}, which is no file beside it"
        ))),
    }
}

/// Formats one `input` or `output`.
fn port(kind: &str, info: &ValueInfoProto, labels: Option<&str>) -> Result<String> {
    let name = info.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Error::invalid(format!(
            "the graph has an {kind} without a name, which no request could name: export the model \
                again"
        )));
    }
    let without = |what: &str| {
        Error::invalid(format!(
            "the graph does not say {what} of its {kind} {}: put a {CONFIG} beside the ONNX file",
            shown(name)
        ))
    };
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|declared| declared.tensor_type.as_ref())
        .ok_or_else(|| without("the tensor type"))?;
    let data_type = tensor
        .elem_type
        .and_then(element_type::of_onnx)
        .ok_or_else(|| without("an element type that Triton has"))?;
    let shape = tensor.shape.as_ref().ok_or_else(|| without("the number of dimensions"))?;
    let sizes: Vec<_> = shape
        .dim
        .iter()
        .map(|dim| dim.dim_value.filter(|size| *size > 0).unwrap_or(-1).to_string())
        .collect();
    let dims = match sizes.as_slice() {
        // Triton has no tensors without dimensions: it represents them with one dimension.
        [] => "dims: [ 1 ] reshape: { shape: [ ] }".to_owned(),
        sizes => format!("dims: [ {} ]", sizes.join(", ")),
    };
    let labels =
        labels.map(|file| format!(" label_filename: {}", quoted(file))).unwrap_or_default();
    Ok(format!(
        "  {{ name: {} data_type: {} {dims}{labels} }}",
        quoted(name),
        element_type::to_triton(data_type)
    ))
}

/// Formats a string of the text format.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            c => quoted.push(c),
        }
    }
    format!("\"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::model_files::onnx_file::read_graph;

    fn given(text: &str) -> Configuration {
        Configuration::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn a_graph_says_what_its_model_takes() {
        let graph = read_graph(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/add_sub/1/model.onnx"),
        )
        .unwrap();
        let made = Configuration::of_graph("add_sub", &graph, Some("labels.txt")).unwrap();
        assert_eq!(
            made.serving(&[3].into()),
            "# Made of the model's ONNX graph.\n\
             name: \"add_sub\"\n\
             platform: \"onnxruntime_onnx\"\n\
             max_batch_size: 0\n\
             input [\n  { name: \"INPUT0\" data_type: TYPE_FP32 dims: [ -1, 16 ] },\n  { \
             name: \"INPUT1\" data_type: TYPE_FP32 dims: [ -1, 16 ] }\n]\n\
             output [\n  { name: \"OUTPUT0\" data_type: TYPE_FP32 dims: [ -1, 16 ] },\n  { \
             name: \"OUTPUT1\" data_type: TYPE_FP32 dims: [ -1, 16 ] }\n]\n\
             version_policy: { specific { versions: [ 3 ] } }\n"
        );
        let weights: Vec<_> =
            graph.initializer.iter().filter_map(|tensor| tensor.name.clone()).collect();
        assert!(
            weights.iter().all(|name| !made.text.contains(&format!("\"{name}\""))),
            "{weights:?}"
        );
    }

    #[test]
    fn what_came_with_the_model_is_kept() {
        let config = given(
            "name: 'a'\nversion_policy { all {} }\noutput { name: 'o' \
            label_filename: \"l.txt\" }\n# a comment",
        );
        assert_eq!(config.serving(&[3].into()), config.text);
        assert_eq!(config.label_files().unwrap(), ["l.txt"].into());
        assert!(config.check_name("a").is_ok());
        assert!(config.check_name("b").unwrap_err().message.contains("deploy it as a"));
        assert_eq!(
            given("# a").serving(&[1, 4].into()),
            "# a\nversion_policy: { specific { \
            versions: [ 1, 4 ] } }\n"
        );
        for wrong in [
            "output { name: 'o' label_filename: '../l' }",
            "output { name: 'o' label_filename: '/l' }",
        ] {
            assert!(given(wrong).label_files().is_err(), "{wrong}");
        }
        assert!(Configuration::parse("default_model_filename: 'x/y'".to_owned()).is_err());
        let twice =
            Configuration::parse("max_batch_size: 4\nmax_batch_size: 8".to_owned()).unwrap_err();
        assert!(
            twice
                .message
                .contains("config.pbtxt, line 2, column 1: `max_batch_size` is written twice"),
            "{twice}"
        );
        assert!(Configuration::parse("name:".to_owned()).unwrap_err().message.contains("line 1"));
    }

    #[test]
    fn a_scalar_is_refused_for_a_triton_that_would_not_load_it() {
        let scalar = "name: \"sr\" dims: [ 1 ] reshape: { shape: [ ] }";
        for kind in ["input", "output"] {
            let config = given(&format!("{kind} [ {{ {scalar} }} ]"));
            let error = config.check_scalars(true).unwrap_err();
            assert!(
                error.message.starts_with(&format!("the model's {kind} sr is a scalar")),
                "{error}"
            );
            assert!(config.check_scalars(false).is_ok());
            assert!(
                given(&format!("max_batch_size: 8 {kind} [ {{ {scalar} }} ]"))
                    .check_scalars(true)
                    .is_ok()
            );
        }
        assert!(
            given("input { name: \"x\" dims: [ 1 ] reshape { shape: [ 1, 1 ] } }")
                .check_scalars(true)
                .is_ok()
        );
    }

    #[test]
    fn names_of_any_text_are_written() {
        for name in ["a \"b\" \\ c", "é\n\u{85}\u{1}", "images"] {
            let read = given(&format!("name: {}", quoted(name)));
            assert_eq!(read.string("name"), Some(name));
        }
    }
}
