//! What we use of Triton's `config.pbtxt`.
//!
//! `name`, `platform`, `backend`, `max_batch_size`, `input` and `output` (`name`, `data_type`, `dims`), `default_model_filename` and
//! `version_policy`. Every other field is read over: it tunes Triton (instances, GPUs, batching, warm-up), or is used by clients
//! (`label_filename`). A field that would change what a request means is refused instead:
//! `reshape`, but for the one that Triton needs for a model's scalar, which has no dimensions here.
//! The fields: <https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto>.

use super::super::DataType;
use super::super::model_files::element_type;
use super::super::model_files::text_format::{self, Field, Message, Position, SyntaxError, Value};

/// A model's configuration; the default is what holds without a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ModelConfig {
    /// Must be the folder's name if it is there.
    pub name: Option<String>,
    /// `platform`, or `BACKEND_onnx` made of `backend`.
    pub platform: Option<String>,
    /// 0: the model does not batch, and `dims` are whole shapes. Else `dims` lack the batch, which is dimension 0.
    pub max_batch_size: u32,
    pub inputs: Vec<ConfiguredTensor>,
    pub outputs: Vec<ConfiguredTensor>,
    pub default_model_filename: Option<String>,
    pub version_policy: VersionPolicy,
}

/// One `input` or `output`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConfiguredTensor {
    pub name: String,
    pub data_type: Option<DataType>,
    /// Without the batch where `max_batch_size` is above 0; -1 for any size.
    pub dims: Option<Vec<i64>>,
}

/// Which of the versions that are there can be asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum VersionPolicy {
    /// The highest so many.
    Latest(usize),
    All,
    Specific(Vec<u64>),
}

impl Default for VersionPolicy {
    fn default() -> Self {
        Self::Latest(1)
    }
}

impl ModelConfig {
    /// Reads the text of a `config.pbtxt`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let message = text_format::parse(text)?;
        let max_batch_size = message.last("max_batch_size").map(integer).transpose()?.unwrap_or(0);
        let backend = string(&message, "backend")?;
        Ok(Self {
            name: string(&message, "name")?,
            platform: string(&message, "platform")?.or_else(|| backend.map(|backend| format!("{backend}_onnx"))),
            max_batch_size: u32::try_from(max_batch_size).unwrap_or(0),
            inputs: tensors(&message, "input")?,
            outputs: tensors(&message, "output")?,
            default_model_filename: message.last("default_model_filename").map(file_name).transpose()?.flatten(),
            version_policy: message.last("version_policy").map(version_policy).transpose()?.unwrap_or_default(),
        })
    }
}

fn wrong<T>(at: Position, what: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError { at, what: what.into() })
}

/// A string; empty is as good as absent, as in the message itself.
fn string(message: &Message, name: &str) -> Result<Option<String>, SyntaxError> {
    match message.last(name) {
        None => Ok(None),
        Some(Field { value: Value::String(text), .. }) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(field) => wrong(field.at, format!("`{name}` is a string in quotes")),
    }
}

fn integer(field: &Field) -> Result<i64, SyntaxError> {
    match field.value {
        Value::Integer(number) => Ok(number),
        _ => wrong(field.at, format!("`{}` is an integer", field.name)),
    }
}

fn file_name(field: &Field) -> Result<Option<String>, SyntaxError> {
    match &field.value {
        Value::String(name) if name.is_empty() => Ok(None),
        Value::String(name) if !name.starts_with('.') && !name.contains(['/', '\\', '\0']) => Ok(Some(name.clone())),
        _ => wrong(field.at, format!("`{}` is a file's name, without a folder", field.name)),
    }
}

fn tensors(message: &Message, name: &str) -> Result<Vec<ConfiguredTensor>, SyntaxError> {
    message.all(name).map(tensor).collect()
}

fn tensor(field: &Field) -> Result<ConfiguredTensor, SyntaxError> {
    let Value::Message(message) = &field.value else {
        return wrong(field.at, format!("`{}` is a message in braces", field.name));
    };
    let Some(name) = string(message, "name")? else {
        return wrong(field.at, format!("an `{}` without a name", field.name));
    };
    let mut dims = Some(message.all("dims").map(dimension).collect::<Result<Vec<_>, _>>()?).filter(|dims| !dims.is_empty());
    if let Some(reshape) = message.last("reshape") {
        let scalar = matches!(&reshape.value, Value::Message(shape) if shape.last("shape").is_none());
        if !scalar || dims.as_deref() != Some(&[1]) {
            return wrong(reshape.at, "of `reshape` the embedded backend does only `dims: [ 1 ] reshape: { shape: [ ] }`, a scalar");
        }
        dims = Some(Vec::new());
    }
    Ok(ConfiguredTensor { name, data_type: message.last("data_type").map(data_type).transpose()?, dims })
}

fn dimension(field: &Field) -> Result<i64, SyntaxError> {
    match integer(field)? {
        size if size >= -1 => Ok(size),
        _ => wrong(field.at, "a dimension is a size, or -1 for any"),
    }
}

fn data_type(field: &Field) -> Result<DataType, SyntaxError> {
    let found = match &field.value {
        Value::Word(word) => element_type::of_triton(word),
        Value::Integer(number) => element_type::of_triton_number(*number),
        _ => None,
    };
    match found {
        Some(data_type) => Ok(data_type),
        None => wrong(field.at, "`data_type` is one of Triton's types, such as TYPE_FP32"),
    }
}

fn version_policy(field: &Field) -> Result<VersionPolicy, SyntaxError> {
    let Value::Message(policy) = &field.value else {
        return wrong(
            field.at,
            "`version_policy` is a message: { latest { num_versions: 1 } }, { all { } } or { specific { versions: [1] } }",
        );
    };
    match policy.fields.last() {
        Some(Field { name, value: Value::Message(latest), .. }) if &**name == "latest" => {
            let number = latest.last("num_versions").map(integer).transpose()?.unwrap_or(1);
            Ok(VersionPolicy::Latest(usize::try_from(number).unwrap_or(0).max(1)))
        }
        Some(Field { name, value: Value::Message(_), .. }) if &**name == "all" => Ok(VersionPolicy::All),
        Some(Field { name, value: Value::Message(specific), .. }) if &**name == "specific" => {
            let versions = specific.all("versions").map(|version| match integer(version)? {
                number if number > 0 => Ok(number.unsigned_abs()),
                _ => wrong(version.at, "a version is a positive number"),
            });
            Ok(VersionPolicy::Specific(versions.collect::<Result<_, _>>()?))
        }
        _ => wrong(field.at, "`version_policy` is one of `latest`, `all` and `specific`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_read_and_the_rest_read_over() {
        let config = ModelConfig::parse(
            r#"name: "detector" backend: "onnxruntime" max_batch_size: 8
            input { name: "input_0" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [3, 640, 640] }
            output { name: "output_0" data_type: 11 dims: [-1, 6] label_filename: "labels.txt" }
            version_policy: { specific { versions: [1, 3] } }
            instance_group [ { count: 2 kind: KIND_GPU gpus: [0] } ]
            optimization { execution_accelerators { gpu_execution_accelerator: [ { name: "tensorrt" } ] } }
            something_of_next_year: "x""#,
        )
        .unwrap();
        assert_eq!(config.name.as_deref(), Some("detector"));
        assert_eq!(config.platform.as_deref(), Some("onnxruntime_onnx"));
        assert_eq!((config.max_batch_size, config.version_policy), (8, VersionPolicy::Specific(vec![1, 3])));
        assert_eq!(config.inputs[0].dims.as_deref(), Some([3, 640, 640].as_slice()));
        assert_eq!((config.outputs[0].data_type, config.outputs[0].name.as_str()), (Some(DataType::Fp32), "output_0"));
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(ModelConfig::parse("").unwrap(), ModelConfig::default());
        let latest = ModelConfig::parse("version_policy { latest { num_versions: 2 } }").unwrap();
        assert_eq!(latest.version_policy, VersionPolicy::Latest(2));
        assert_eq!(ModelConfig::parse("version_policy { all {} }").unwrap().version_policy, VersionPolicy::All);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, expected) in [
            ("name: detector", "line 1, column 1: `name` is a string in quotes"),
            ("input { name: \"x\"\n data_type: FP32 }", "line 2, column 2: `data_type` is one of Triton's types, such as TYPE_FP32"),
            ("input { name: \"x\" dims: [-2] }", "line 1, column 26: a dimension is a size, or -1 for any"),
            ("output { dims: 1 }", "line 1, column 1: an `output` without a name"),
            ("default_model_filename: \"../x.onnx\"", "line 1, column 1: `default_model_filename` is a file's name, without a folder"),
            ("version_policy { newest { } }", "line 1, column 1: `version_policy` is one of `latest`, `all` and `specific`"),
            ("max_batch_size: \"8\"", "line 1, column 1: `max_batch_size` is an integer"),
        ] {
            assert_eq!(ModelConfig::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        for other in ["dims: [1] reshape { shape: [1, 1] }", "dims: [2] reshape { shape: [] }", "reshape { shape: [] }"] {
            let reshape = ModelConfig::parse(&format!("input {{ name: \"x\" {other} }}")).unwrap_err();
            assert!(reshape.what.contains("a scalar"), "{reshape}");
        }
    }

    #[test]
    fn a_scalar_is_what_triton_shows_with_one_dimension() {
        let config = ModelConfig::parse("output { name: \"x\" dims: [1] reshape { shape: [] } }").unwrap();
        assert_eq!(config.outputs[0].dims.as_deref(), Some([].as_slice()));
    }
}
