//! Tensors and models: those of `host/crates/models/tests/models`.

use keynet_inference_sdk::{Request, prelude::*};

use crate::{kind, refusal};

/// Element types, with the size of an element; the size of `BYTES` varies.
pub const TYPES: [(DataType, usize); 13] = [
    (DataType::Bool, 1),
    (DataType::Uint8, 1),
    (DataType::Uint16, 2),
    (DataType::Uint32, 4),
    (DataType::Uint64, 8),
    (DataType::Int8, 1),
    (DataType::Int16, 2),
    (DataType::Int32, 4),
    (DataType::Int64, 8),
    (DataType::Fp16, 2),
    (DataType::Bf16, 2),
    (DataType::Fp32, 4),
    (DataType::Fp64, 8),
];

pub fn tensors() -> Result<Value> {
    let mut same = Vec::new();
    for (data_type, size) in TYPES {
        let data: Vec<u8> = if data_type == DataType::Bool {
            vec![0, 1, 1, 0, 1, 0]
        } else {
            (0..6 * size as u8).collect()
        };
        let tensor = Tensor::from_bytes(data_type, &[2, 3], &data)?;
        let (contract_type, contract_shape) = crate::contract::type_and_shape(data_type, &data);
        if tensor.to_bytes() == data
            && tensor.byte_length() == data.len() as u64
            && tensor.read_bytes(size as u64, 2 * size as u64) == data[size..3 * size]
            && contract_type == data_type
            && contract_shape == [2, 3]
        {
            same.push(data_type.to_string());
        }
    }
    let words = Tensor::from_strings(&[3], &["", "Ada", "안녕"])?;
    let scalar = Tensor::from_slice(&[], &[1.5_f32])?;
    let five = Tensor::from_slice(&[5], &[1_u8, 2, 3, 4, 5])?;
    Ok(json!({
        "same": same,
        "words": words.to_strings()?,
        "bytes of words": words.byte_length(),
        "scalar": scalar.item::<f32>()?,
        "beyond its end": [five.read_bytes(3, 100), five.read_bytes(5, 1), five.read_bytes(u64::MAX, u64::MAX)],
        "empty": Tensor::from_bytes(DataType::Fp32, &[0, 7], &[])?.byte_length(),
        "too little data": refusal(Tensor::from_bytes(DataType::Fp32, &[2], &[0; 7])),
        "too much data": refusal(Tensor::from_bytes(DataType::Uint8, &[2], &[0; 3])),
        "cut words": refusal(Tensor::from_bytes(DataType::Bytes, &[1], &[9, 0, 0, 0, 1])),
    }))
}

pub fn predict() -> Result<Value> {
    let triton = Triton::with_model("add_sub")?;
    let one = Tensor::from_vec(&[1, 16], vec![3_f32; 16])?;
    let two = Tensor::from_vec(&[1, 16], vec![1_f32; 16])?;
    let both = triton.predict([("INPUT0", &one), ("INPUT1", &two)])?;
    // In any order of inputs, with the outputs in the requested order.
    let turned = triton
        .request([("INPUT1", &two), ("INPUT0", &one)])
        .outputs(["OUTPUT1", "OUTPUT0"])
        .parameter("priority", 1)
        .predict()?;
    let short = Tensor::from_vec(&[1, 15], vec![3_f32; 15])?;
    let whole = Tensor::from_vec(&[1, 16], vec![3_i32; 16])?;
    let number = Tensor::from_slice(&[1], &[1_f32])?;
    let version = |model: &str| -> Result<f32> {
        Triton::with_model(model)?.predict([("x", &number)])?["y"].item()
    };
    Ok(json!({
        "names": both.names().collect::<Vec<_>>(),
        "shape": both["OUTPUT0"].shape(),
        "sum": both["OUTPUT0"].read::<f32>(0..1)?,
        "difference": both["OUTPUT1"].read::<f32>(15..16)?,
        "turned": turned.names().collect::<Vec<_>>(),
        "chained": triton.predict([("INPUT0", &both["OUTPUT0"]), ("INPUT1", &both["OUTPUT1"])])?["OUTPUT0"].read::<f32>(0..1)?,
        "newest version": version("versions")?,
        "version 1": version("versions:1")?,
        "version that is not served": refusal(version("versions:10")),
        "no such model": kind(triton.request([("x", &one)]).model("nobody").predict()),
        "wrong shape": refusal(triton.predict([("INPUT0", &short), ("INPUT1", &two)])),
        "wrong type": refusal(triton.predict([("INPUT0", &whole), ("INPUT1", &two)])),
        "wrong name": refusal(triton.predict([("INPUT2", &one), ("INPUT1", &two)])),
        "missing input": refusal(triton.predict([("INPUT1", &two)])),
        "no such output": refusal(triton.request([("INPUT0", &one), ("INPUT1", &two)]).outputs(["OUTPUT9"]).predict()),
        "a parameter that is a list": refusal(triton.request([("INPUT0", &one), ("INPUT1", &two)]).parameter("p", json!([1])).predict()),
        "of a registry": refusal(triton.request([("x", &one)]).model("models:/add_sub@best").predict()),
        "not a name": refusal(triton.request([("x", &one)]).model("../secret").predict()),
        "no time": kind(triton.request([("INPUT0", &one), ("INPUT1", &two)]).timeout(std::time::Duration::ZERO).predict()),
    }))
}

pub fn predict_many() -> Result<Value> {
    let triton = Triton::with_model("linear")?;
    let rows: Vec<Tensor> = (0..5)
        .map(|row| Tensor::from_slice(&[1, 3], &[row as f32, 0.0, 0.0]))
        .collect::<Result<_>>()?;
    let mut requests: Vec<Request<'_>> =
        rows.iter().map(|row| triton.request([("x", row)])).collect();
    requests[2] = triton.request([("x", &rows[2])]).model("nobody");
    requests[4] = triton.request([("z", &rows[4])]);
    let answers = triton.predict_many(requests);
    let told: Vec<Value> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok(outputs) => outputs["y"].to_vec::<f32>().map(|row| json!(row)),
            Err(error) => Ok(json!(error.kind().to_string())),
        })
        .collect::<Result<_>>()?;
    Ok(json!({ "answers": told, "none asked": triton.predict_many([]).len() }))
}

pub fn predict_stream() -> Result<Value> {
    let triton = Triton::with_model("linear")?;
    let row = Tensor::from_slice(&[1, 3], &[1_f32, 1.0, 1.0])?;
    let mut answers = Vec::new();
    for answer in triton.predict_stream([("x", &row)])? {
        answers.push(answer?["y"].to_vec::<f32>()?);
    }
    let refused = match triton.predict_stream([("z", &row)]) {
        Err(error) => refusal::<()>(Err(error)),
        Ok(mut stream) => stream.next().map_or_else(|| "it ended".to_owned(), refusal),
    };
    Ok(json!({ "answers": answers, "wrong name": refused }))
}

pub fn metadata() -> Result<Value> {
    let about = |model: &str| -> Result<Value> {
        let about = Triton::with_model(model)?.metadata()?;
        let infos = |infos: &[keynet_inference_sdk::TensorInfo]| -> Vec<Value> {
            infos
                .iter()
                .map(|info| json!([info.name, info.data_type.to_string(), info.shape]))
                .collect()
        };
        Ok(json!({
            "name": about.name,
            "versions": about.versions,
            "platform": about.platform,
            "inputs": infos(&about.inputs),
            "outputs": infos(&about.outputs),
        }))
    };
    Ok(json!({
        "classify": about("classify")?,
        "add_sub": about("add_sub")?,
        "versions": about("versions")?["versions"],
        "nobody": kind(about("nobody")),
    }))
}

/// Runs any model with one FP32 input `in` of two dimensions.
pub fn ask(model: &str) -> Result<Value> {
    let tensor = Tensor::from_slice(&[1, 2], &[1.5_f32, -2.0])?;
    let outputs = Triton::with_model(model)?.predict([("in", &tensor)])?;
    Ok(json!({ "out": outputs["out"].to_vec::<f32>()? }))
}
