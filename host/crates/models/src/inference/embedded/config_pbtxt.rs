//! What we use of Triton's `config.pbtxt`.
//!
//! `name`, `platform`, `backend`, `max_batch_size`, `input` and `output` (`name`, `data_type`,
//! `dims`, `reshape`), `default_model_filename` and `version_policy`. Every other field is read
//! over: it tunes Triton (instances, GPUs, batching, warm-up), or is used by clients
//! (`label_filename`). What Triton refuses is refused here too: a single field that is written
//! twice, a negative `max_batch_size`, a `reshape` that does not suit its `dims`. The fields:
//! <https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto>.

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
    /// 0: the model does not batch, and `dims` are whole shapes. Else `dims` lack the batch, which
    /// is dimension 0.
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
    /// `reshape`: the shape that the model itself has where a request has `dims`.
    pub reshape: Option<Reshape>,
}

/// The dimensions of a tensor for the model, in the place of those for a request. Without the
/// batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reshape {
    pub requested: Vec<i64>,
    pub of_model: Vec<i64>,
}

impl Reshape {
    /// # Errors
    /// Why there is none.
    fn new(requested: Vec<i64>, of_model: Vec<i64>) -> Result<Self, &'static str> {
        // As Triton: the sizes between two open dimensions are the same number of elements on both
        // sides.
        let products = |dims: &[i64]| {
            let product = |fixed: &[i64]| {
                fixed.iter().fold(1_i64, |product, size| product.saturating_mul(*size))
            };
            dims.split(|size| *size == -1).map(product).collect::<Vec<_>>()
        };
        if products(&requested) == products(&of_model) {
            Ok(Self { requested, of_model })
        } else {
            Err("`reshape` has not the elements of `dims`: their open dimensions (-1) must stand \
                in the same order, with as much between them")
        }
    }

    /// Turns the shape of a request's tensor into the model's; the first `batch` dimensions stay.
    pub fn to_model(&self, shape: &[i64], batch: usize) -> Vec<i64> {
        turned(shape, batch, &self.requested, &self.of_model)
    }

    /// Turns the shape of a model's output into what a request gets.
    pub fn to_request(&self, shape: &[i64], batch: usize) -> Vec<i64> {
        turned(shape, batch, &self.of_model, &self.requested)
    }
}

/// `shape` is one of `from`; what is open there takes the open places of `to` in their order.
fn turned(shape: &[i64], batch: usize, from: &[i64], to: &[i64]) -> Vec<i64> {
    let (kept, rest) = shape.split_at_checked(batch).unwrap_or((shape, &[]));
    let mut open =
        rest.iter().zip(from).filter(|(_, declared)| **declared == -1).map(|(size, _)| *size);
    let rest = to.iter().map(|size| if *size == -1 { open.next().unwrap_or(-1) } else { *size });
    kept.iter().copied().chain(rest).collect()
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

/// Checks the fields that are used here, of any model's configuration.
///
/// # Errors
/// What Triton would not load either, and where it stands.
pub(crate) fn check_config(message: &Message) -> Result<(), SyntaxError> {
    ModelConfig::of(message).map(drop)
}

impl ModelConfig {
    /// Reads the text of a `config.pbtxt`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::of(&text_format::parse(text)?)
    }

    fn of(message: &Message) -> Result<Self, SyntaxError> {
        for name in [
            "name",
            "platform",
            "backend",
            "max_batch_size",
            "default_model_filename",
            "version_policy",
        ] {
            once(message, name)?;
        }
        let max_batch_size =
            message.last("max_batch_size").map(batch_size).transpose()?.unwrap_or(0);
        let backend = string(message, "backend")?;
        Ok(Self {
            name: string(message, "name")?,
            platform: string(message, "platform")?
                .or_else(|| backend.map(|backend| format!("{backend}_onnx"))),
            max_batch_size,
            inputs: tensors(message, "input", max_batch_size > 0)?,
            outputs: tensors(message, "output", max_batch_size > 0)?,
            default_model_filename: message
                .last("default_model_filename")
                .map(file_name)
                .transpose()?
                .flatten(),
            version_policy: message
                .last("version_policy")
                .map(version_policy)
                .transpose()?
                .unwrap_or_default(),
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
        Some(Field { value: Value::String(text), .. }) => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        Some(field) => wrong(field.at, format!("`{name}` is a string in quotes")),
    }
}

/// A single field is written once: Triton does not read a configuration that has it twice.
fn once(message: &Message, name: &str) -> Result<(), SyntaxError> {
    match message.all(name).nth(1) {
        Some(second) => wrong(
            second.at,
            format!("`{name}` is written twice, and Triton refuses that: leave one of them out"),
        ),
        None => Ok(()),
    }
}

fn batch_size(field: &Field) -> Result<u32, SyntaxError> {
    match u32::try_from(integer(field)?) {
        Ok(size) if i32::try_from(size).is_ok() => Ok(size),
        _ => wrong(
            field.at,
            "`max_batch_size` is 0 for a model that does not batch, or the largest batch",
        ),
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
        Value::String(name) if !name.starts_with('.') && !name.contains(['/', '\\', '\0']) => {
            Ok(Some(name.clone()))
        }
        _ => wrong(field.at, format!("`{}` is a file's name, without a folder", field.name)),
    }
}

fn tensors(
    message: &Message,
    name: &str,
    batched: bool,
) -> Result<Vec<ConfiguredTensor>, SyntaxError> {
    message.all(name).map(|field| tensor(field, batched)).collect()
}

fn tensor(field: &Field, batched: bool) -> Result<ConfiguredTensor, SyntaxError> {
    let Value::Message(message) = &field.value else {
        return wrong(field.at, format!("`{}` is a message in braces", field.name));
    };
    for name in ["name", "data_type", "reshape"] {
        once(message, name)?;
    }
    let Some(name) = string(message, "name")? else {
        return wrong(field.at, format!("an `{}` without a name", field.name));
    };
    let data_type = message.last("data_type").map(data_type).transpose()?;
    let dims = Some(message.all("dims").map(dimension).collect::<Result<Vec<_>, _>>()?)
        .filter(|dims| !dims.is_empty());
    let Some(field) = message.last("reshape") else {
        return Ok(ConfiguredTensor { name, data_type, dims, reshape: None });
    };
    let (Value::Message(shape), Some(dims)) = (&field.value, dims) else {
        return wrong(field.at, "`reshape` is a message { shape: [ ] } beside `dims`");
    };
    let shape = shape.all("shape").map(dimension).collect::<Result<Vec<_>, _>>()?;
    if shape.is_empty() && !batched && dims == [1] {
        // What a configuration says of a scalar. Triton has none without batches; here it has no
        // dimensions.
        return Ok(ConfiguredTensor { name, data_type, dims: Some(Vec::new()), reshape: None });
    }
    match Reshape::new(dims.clone(), shape) {
        Ok(reshape) => {
            Ok(ConfiguredTensor { name, data_type, dims: Some(dims), reshape: Some(reshape) })
        }
        Err(what) => wrong(field.at, what),
    }
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
            "`version_policy` is a message: { latest { num_versions: 1 } }, { all { } } or { \
                specific { versions: [1] } }",
        );
    };
    match policy.fields.last() {
        Some(Field { name, value: Value::Message(latest), .. }) if &**name == "latest" => {
            let number = latest.last("num_versions").map(integer).transpose()?.unwrap_or(1);
            Ok(VersionPolicy::Latest(usize::try_from(number).unwrap_or(0).max(1)))
        }
        Some(Field { name, value: Value::Message(_), .. }) if &**name == "all" => {
            Ok(VersionPolicy::All)
        }
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
        assert_eq!(
            (config.max_batch_size, config.version_policy),
            (8, VersionPolicy::Specific(vec![1, 3]))
        );
        assert_eq!(config.inputs[0].dims.as_deref(), Some([3, 640, 640].as_slice()));
        assert_eq!(
            (config.outputs[0].data_type, config.outputs[0].name.as_str()),
            (Some(DataType::Fp32), "output_0")
        );
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(ModelConfig::parse("").unwrap(), ModelConfig::default());
        let latest = ModelConfig::parse("version_policy { latest { num_versions: 2 } }").unwrap();
        assert_eq!(latest.version_policy, VersionPolicy::Latest(2));
        assert_eq!(
            ModelConfig::parse("version_policy { all {} }").unwrap().version_policy,
            VersionPolicy::All
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, expected) in [
            ("name: detector", "line 1, column 1: `name` is a string in quotes"),
            (
                "input { name: \"x\"\n data_type: FP32 }",
                "line 2, column 2: `data_type` is one of Triton's types, such as TYPE_FP32",
            ),
            (
                "input { name: \"x\" dims: [-2] }",
                "line 1, column 26: a dimension is a size, or -1 for any",
            ),
            ("output { dims: 1 }", "line 1, column 1: an `output` without a name"),
            (
                "default_model_filename: \"../x.onnx\"",
                "line 1, column 1: `default_model_filename` is a file's name, without a folder",
            ),
            (
                "version_policy { newest { } }",
                "line 1, column 1: `version_policy` is one of `latest`, `all` and `specific`",
            ),
            ("max_batch_size: \"8\"", "line 1, column 1: `max_batch_size` is an integer"),
        ] {
            assert_eq!(ModelConfig::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        for other in [
            "dims: [2] reshape { shape: [] }",
            "dims: [-1, 4] reshape { shape: [2, -1, 2] }",
            "dims: [-1] reshape { shape: [1] }",
        ] {
            let reshape =
                ModelConfig::parse(&format!("input {{ name: \"x\" {other} }}")).unwrap_err();
            assert!(reshape.what.contains("has not the elements"), "{reshape}");
        }
        assert!(
            ModelConfig::parse("input { name: \"x\" reshape { shape: [] } }")
                .unwrap_err()
                .what
                .contains("beside `dims`")
        );
    }

    #[test]
    fn what_triton_does_not_load_is_refused() {
        for (text, what) in [
            (
                "max_batch_size: 4\nmax_batch_size: 8",
                "line 2, column 1: `max_batch_size` is written twice",
            ),
            ("name: \"a\" name: \"a\"", "line 1, column 11: `name` is written twice"),
            ("max_batch_size: -1", "line 1, column 1: `max_batch_size` is 0 for"),
            ("max_batch_size: 3000000000", "line 1, column 1: `max_batch_size` is 0 for"),
            (
                "input { name: \"x\" data_type: TYPE_FP32 data_type: TYPE_FP32 }",
                "line 1, column 40: `data_type` is written twice",
            ),
        ] {
            let error = ModelConfig::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
        assert_eq!(ModelConfig::parse("\u{feff}max_batch_size: 4").unwrap().max_batch_size, 4);
    }

    #[test]
    fn a_reshape_turns_shapes_and_keeps_the_batch() {
        let config = ModelConfig::parse(
            "max_batch_size: 8 input { name: \"x\" dims: [-1, 4] reshape { shape: [-1, 2, 2] } }",
        )
        .unwrap();
        let reshape = config.inputs[0].reshape.clone().unwrap();
        assert_eq!(reshape.to_model(&[3, 5, 4], 1), [3, 5, 2, 2]);
        assert_eq!(reshape.to_request(&[3, 5, 2, 2], 1), [3, 5, 4]);
        let scalar = ModelConfig::parse(
            "max_batch_size: 8 input { name: \"x\" dims: [1] reshape { shape: [] } }",
        )
        .unwrap();
        assert_eq!(scalar.inputs[0].reshape.clone().unwrap().to_model(&[3, 1], 1), [3]);
    }

    #[test]
    fn a_scalar_is_what_triton_shows_with_one_dimension() {
        let config =
            ModelConfig::parse("output { name: \"x\" dims: [1] reshape { shape: [] } }").unwrap();
        assert_eq!(config.outputs[0].dims.as_deref(), Some([].as_slice()));
    }
}
