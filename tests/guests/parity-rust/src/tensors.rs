//! Tensors of each element type, to a model and back.

use half::{bf16, f16};
use keynet_inference_sdk::prelude::*;

/// Creates a tensor of `type` and `shape` with `values`, sends it through `model` if there is one,
/// and returns the result.
pub fn through() -> Result<Value> {
    let shape: Vec<usize> = UserInput::require("shape")?;
    let wanted: String = UserInput::require("type")?;
    let tensor = match wanted.as_str() {
        "BOOL" => Tensor::from_vec(&shape, UserInput::require::<Vec<bool>>("values")?),
        "UINT8" => Tensor::from_vec(&shape, UserInput::require::<Vec<u8>>("values")?),
        "UINT16" => Tensor::from_vec(&shape, UserInput::require::<Vec<u16>>("values")?),
        "UINT32" => Tensor::from_vec(&shape, UserInput::require::<Vec<u32>>("values")?),
        "UINT64" => Tensor::from_vec(&shape, UserInput::require::<Vec<u64>>("values")?),
        "INT8" => Tensor::from_vec(&shape, UserInput::require::<Vec<i8>>("values")?),
        "INT16" => Tensor::from_vec(&shape, UserInput::require::<Vec<i16>>("values")?),
        "INT32" => Tensor::from_vec(&shape, UserInput::require::<Vec<i32>>("values")?),
        "INT64" => Tensor::from_vec(&shape, UserInput::require::<Vec<i64>>("values")?),
        "FP16" => Tensor::from_vec(&shape, floats()?.into_iter().map(f16::from_f64).collect()),
        "BF16" => Tensor::from_vec(&shape, floats()?.into_iter().map(bf16::from_f64).collect()),
        "FP32" => {
            Tensor::from_vec(&shape, floats()?.into_iter().map(|value| value as f32).collect())
        }
        "FP64" => Tensor::from_vec(&shape, floats()?),
        "BYTES" => Tensor::from_strings(&shape, &UserInput::require::<Vec<String>>("values")?),
        other => bail!(invalid, "there is no type `{other}`"),
    }?;
    let tensor = match UserInput::get::<String>("model")? {
        Some(model) => {
            let (input, output) =
                (UserInput::get::<String>("input")?, UserInput::get::<String>("output")?);
            let (input, output) =
                (input.as_deref().unwrap_or("in"), output.as_deref().unwrap_or("out"));
            Triton::with_model(model)?.predict([(input, &tensor)])?.take(output)?
        }
        None => tensor,
    };
    let values = match tensor.data_type() {
        DataType::Bool => json!(tensor.to_vec::<bool>()?),
        DataType::Uint8 => json!(tensor.to_vec::<u8>()?),
        DataType::Uint16 => json!(tensor.to_vec::<u16>()?),
        DataType::Uint32 => json!(tensor.to_vec::<u32>()?),
        DataType::Uint64 => json!(tensor.to_vec::<u64>()?),
        DataType::Int8 => json!(tensor.to_vec::<i8>()?),
        DataType::Int16 => json!(tensor.to_vec::<i16>()?),
        DataType::Int32 => json!(tensor.to_vec::<i32>()?),
        DataType::Int64 => json!(tensor.to_vec::<i64>()?),
        DataType::Fp16 => {
            json!(tensor.to_vec::<f16>()?.into_iter().map(f64::from).collect::<Vec<_>>())
        }
        DataType::Bf16 => {
            json!(tensor.to_vec::<bf16>()?.into_iter().map(f64::from).collect::<Vec<_>>())
        }
        DataType::Fp32 => {
            json!(tensor.to_vec::<f32>()?.into_iter().map(f64::from).collect::<Vec<_>>())
        }
        DataType::Fp64 => json!(tensor.to_vec::<f64>()?),
        _ => json!(tensor.to_strings()?),
    };
    Ok(
        json!({ "type": tensor.data_type().to_string(), "shape": tensor.shape(), "bytes": tensor.byte_length(), "values": values }),
    )
}

fn floats() -> Result<Vec<f64>> {
    UserInput::require("values")
}

/// Sends a tensor of 12 MiB to a model and back.
pub fn big() -> Result<Value> {
    let (rows, columns) = (1536_usize, 2048);
    let data: Vec<f32> = (0..rows * columns).map(|at| (at % 1000) as f32).collect();
    let tensor = Tensor::from_vec(&[rows, columns], data)?;
    let out = Triton::with_model("identity_fp32")?.predict([("in", &tensor)])?.take("out")?;
    let last = out.read::<f32>(rows * columns - 2..rows * columns)?;
    let sum: f64 = out.to_vec::<f32>()?.into_iter().map(f64::from).sum();
    Ok(json!({ "shape": out.shape(), "bytes": out.byte_length(), "last": last, "sum": sum }))
}
