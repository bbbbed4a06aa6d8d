//! Models of a real Triton, used from inside the sandbox.

use keynet_inference_sdk::{Request, prelude::*};

use crate::models::TYPES;
use crate::{kind, refusal};

pub fn triton() -> Result<Value> {
    Ok(
        json!({ "types": types()?, "add_sub": sums()?, "many": many()?, "stream": stream()?, "metadata": metadata()?, "refused": refused()? }),
    )
}

/// Returns the types whose bytes came back unchanged.
fn types() -> Result<Vec<String>> {
    let identity = Triton::with_model("identity")?;
    let mut same = Vec::new();
    let mut check = |model: &Triton, input: &str, output: &str, sent: &Tensor| -> Result<()> {
        let came = model.predict([(input, sent)])?.take(output)?;
        if came.to_bytes() == sent.to_bytes()
            && came.shape() == sent.shape()
            && came.data_type() == sent.data_type()
        {
            same.push(format!("{} {:?}", sent.data_type(), sent.shape()));
        }
        Ok(())
    };
    // BF16 has a separate model.
    for (data_type, size) in TYPES.into_iter().filter(|(data_type, _)| *data_type != DataType::Bf16)
    {
        let data: Vec<u8> = if data_type == DataType::Bool {
            vec![0, 1, 1]
        } else {
            (0..3 * size as u8).map(|byte| byte.wrapping_mul(37)).collect()
        };
        let name = data_type.to_string();
        check(
            &identity,
            &format!("IN_{name}"),
            &format!("OUT_{name}"),
            &Tensor::from_bytes(data_type, &[3], &data)?,
        )?;
    }
    check(&identity, "IN_FP32", "OUT_FP32", &Tensor::from_bytes(DataType::Fp32, &[0], &[])?)?;
    let words =
        Tensor::from_bytes(DataType::Bytes, &[3], b"\0\0\0\0\x02\0\0\0\xff\0\x03\0\0\0Ada")?;
    check(&identity, "IN_BYTES", "OUT_BYTES", &words)?;
    let brain = Tensor::from_bytes(DataType::Bf16, &[2], &[0xc0, 0x3f, 0, 0xc0])?;
    check(&Triton::with_model("identity_bf16")?, "IN", "OUT", &brain)?;
    Ok(same)
}

fn sums() -> Result<Value> {
    let triton = Triton::with_model("add_sub:1")?;
    let (one, two) =
        (Tensor::from_slice(&[1, 2], &[5_f32, 7.0])?, Tensor::from_slice(&[1, 2], &[1_f32, 2.0])?);
    let both = triton.predict([("INPUT0", &one), ("INPUT1", &two)])?;
    let newest = triton
        .request([("INPUT1", &two), ("INPUT0", &one)])
        .model("add_sub")
        .outputs(["OUTPUT1"])
        .parameter("priority", 1)
        .predict()?;
    // From model to model, without the guest's memory.
    let chained = triton.predict([("INPUT0", &both["OUTPUT0"]), ("INPUT1", &both["OUTPUT1"])])?;
    Ok(json!({
        "names": both.names().collect::<Vec<_>>(),
        "sum": both["OUTPUT0"].to_vec::<f32>()?,
        "newest difference": newest["OUTPUT1"].to_vec::<f32>()?,
        "newest names": newest.names().collect::<Vec<_>>(),
        "chained": chained["OUTPUT0"].to_vec::<f32>()?,
    }))
}

fn many() -> Result<Value> {
    let triton = Triton::with_model("add_sub:1")?;
    let rows: Vec<Tensor> =
        (0..40).map(|row| Tensor::from_slice(&[1, 1], &[row as f32])).collect::<Result<_>>()?;
    let mut requests: Vec<Request<'_>> =
        rows.iter().map(|row| triton.request([("INPUT0", row), ("INPUT1", row)])).collect();
    requests[3] = triton.request([("INPUT0", &rows[3]), ("INPUT1", &rows[3])]).model("nobody");
    let answers = triton.predict_many(requests);
    let right = answers.iter().enumerate().filter(|(row, answer)| {
        answer.as_ref().is_ok_and(|outputs| {
            outputs["OUTPUT0"].item::<f32>().is_ok_and(|sum| sum == 2.0 * *row as f32)
        })
    });
    Ok(
        json!({ "right": right.count(), "wrong": answers.into_iter().filter_map(|answer| answer.err().map(|error| error.kind().to_string())).collect::<Vec<_>>() }),
    )
}

fn stream() -> Result<Value> {
    let triton = Triton::with_model("stream")?;
    let number = |number: i32| Tensor::from_slice(&[1], &[number]);
    let (size, few, lots, what) = (number(2)?, number(3)?, number(1_000_000)?, number(-1)?);
    let mut answers = Vec::new();
    for answer in triton.predict_stream([("COUNT", &few), ("SIZE", &size)])? {
        answers.push(answer?["OUT"].to_vec::<i32>()?);
    }
    // Dropped after the first response, the model stops; it reports that itself.
    let mut endless = triton.predict_stream([("COUNT", &lots), ("SIZE", &size)])?;
    let first = endless.next().context("an answer")??["OUT"].to_vec::<i32>()?;
    drop(endless);
    let after = triton
        .predict_stream([("COUNT", &what), ("SIZE", &size)])?
        .next()
        .context("an answer")??["OUT"]
        .to_vec::<i32>()?;
    Ok(
        json!({ "answers": answers, "first": first, "cancelled": after[1] == 1, "by predict": kind(triton.predict([("COUNT", &few), ("SIZE", &size)])) }),
    )
}

fn metadata() -> Result<Value> {
    let about = Triton::with_model("add_sub")?.metadata()?;
    let inputs: Vec<Value> = about
        .inputs
        .iter()
        .map(|info| json!([info.name, info.data_type.to_string(), info.shape]))
        .collect();
    Ok(
        json!({ "name": about.name, "versions": about.versions, "platform": about.platform, "inputs": inputs }),
    )
}

fn refused() -> Result<Value> {
    let triton = Triton::with_model("add_sub")?;
    let row = Tensor::from_slice(&[1, 1], &[1_f32])?;
    let slow = Tensor::from_slice(&[1, 1], &[20_000])?;
    Ok(json!({
        "shape": refusal(triton.predict([("INPUT0", &Tensor::from_slice(&[1], &[1_f32])?), ("INPUT1", &row)])),
        "model": refusal(triton.request([("INPUT0", &row)]).model("nobody").predict()),
        "time": kind(triton.request([("DELAY_MS", &slow)]).model("slow").timeout(std::time::Duration::from_millis(200)).predict()),
    }))
}

/// Sends one small request.
pub fn add_sub() -> Result<Value> {
    let triton = Triton::with_model("add_sub")?;
    let (one, two) =
        (Tensor::from_slice(&[1, 16], &[3_f32; 16])?, Tensor::from_slice(&[1, 16], &[1_f32; 16])?);
    let outputs = triton.predict([("INPUT0", &one), ("INPUT1", &two)])?;
    Ok(json!({ "sum": outputs["OUTPUT0"].read::<f32>(0..1)? }))
}

/// Sends one large request, with a picture of the golden example's size.
pub fn detect() -> Result<Value> {
    let picture = Tensor::from_vec(&[1, 3, 640, 640], vec![0.5_f32; 3 * 640 * 640])?;
    let outputs = Triton::with_model("detector")?.predict([("images", &picture)])?;
    Ok(json!({ "rows": outputs["detections"].shape()[1] }))
}

/// Returns the version that answered: the versions of `add_sub` differ in the sign of the
/// difference.
pub fn version(model: &str) -> Result<Value> {
    let (one, two) =
        (Tensor::from_slice(&[1, 1], &[1_f32])?, Tensor::from_slice(&[1, 1], &[2_f32])?);
    let difference: f32 = Triton::with_model(model)?
        .predict([("INPUT0", &one), ("INPUT1", &two)])?["OUTPUT1"]
        .item()?;
    Ok(json!({ "version": if difference < 0.0 { 1 } else { 2 } }))
}

/// Sends a large input and receives a large output, with a delay in between for faults.
pub fn mirror(ms: u32) -> Result<Value> {
    let picture = Tensor::from_vec(
        &[1, 3, 640, 640],
        (0..3 * 640 * 640).map(|index| (index % 1000) as f32).collect::<Vec<_>>(),
    )?;
    println!("mirroring for {ms} ms");
    let outputs = Triton::with_model("mirror")?
        .request([("IN", &picture)])
        .parameter("delay_ms", ms)
        .predict()?;
    let mirrored: Vec<f32> = outputs["OUT"].to_vec()?;
    Ok(
        json!({ "right": mirrored.iter().enumerate().all(|(index, value)| *value == -((index % 1000) as f32)) }),
    )
}
