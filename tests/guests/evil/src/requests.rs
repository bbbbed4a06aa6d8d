//! Attacks on `triton-predict`: names, parameters, shapes and data of any size.

use keynet_inference_sdk::prelude::*;

use crate::bindings::keynet::inference::triton_predict::{
    self as triton, DataType, Input, Request, Tensor,
};
use crate::{Attack, Attempt};

/// Model of `host/crates/models/tests/models`, with one input `x`, so that a request is not
/// rejected merely because the model does not exist.
const MODEL: &str = "linear";

/// Requests of one `predict-many`.
const MANY: usize = 256;

pub fn attempt(attack: &Attack) -> Option<Attempt> {
    Some(match attack.r#do.as_str() {
        // Many small members: parsed into a tree, they take many times the size of their text.
        "flat-parameters" => predict(Request { parameters: flat(attack.bytes()), ..request() }),
        "nested-parameters" => predict(Request { parameters: nested(attack.bytes()), ..request() }),
        "long-parameter" => {
            predict(Request { parameters: format!("{{\"a\":\"{}\"}}", attack.long()), ..request() })
        }
        "long-parameter-name" => {
            predict(Request { parameters: format!("{{\"{}\":[]}}", attack.long()), ..request() })
        }
        "long-model" => predict(Request { model: attack.long(), ..request() }),
        "long-model-metadata" => {
            triton::metadata(&attack.long()).map(|found| json!(found.name.len()))
        }
        "long-input" => with_tensor(|tensor| {
            predict(Request { inputs: vec![Input { name: attack.long(), tensor }], ..request() })
        }),
        "long-output" => predict(Request { outputs: vec![attack.long()], ..request() }),
        "many-inputs" => with_tensor(|tensor| {
            let inputs = (0..attack.count).map(|_| Input { name: String::new(), tensor }).collect();
            predict(Request { inputs, ..request() })
        }),
        "many-outputs" => {
            predict(Request { outputs: vec![String::new(); attack.count], ..request() })
        }
        "many-dimensions" => Tensor::create(DataType::Uint8, &vec![1; attack.count], &[0])
            .map(|tensor| json!(tensor.shape().len())),
        "empty-strings" => {
            // Four bytes of zero are one empty string.
            let data = vec![0; attack.bytes()];
            let strings = i64::try_from(data.len() / 4).unwrap_or(i64::MAX);
            Tensor::create(DataType::Bytes, &[strings], &data)
                .map(|tensor| json!(tensor.byte_length()))
        }
        "booleans" => {
            let data = vec![1; attack.bytes()];
            let length = i64::try_from(data.len()).unwrap_or(i64::MAX);
            Tensor::create(DataType::Bool, &[length], &data)
                .map(|tensor| json!(tensor.byte_length()))
        }
        // The largest request, as many times as one call accepts.
        "predict-many" => {
            let share = attack.bytes() / MANY;
            let requests =
                Vec::from_iter((0..MANY).map(|_| Request { parameters: flat(share), ..request() }));
            let mut answers = triton::predict_many(&requests);
            answers.swap_remove(0).map(|outputs| json!(outputs.len()))
        }
        // A model that computes for long: `count` rows and columns of zeros.
        "run-model" => {
            let side = i64::try_from(attack.count).unwrap_or(i64::MAX);
            let zeros = vec![0; attack.count * attack.count * size_of::<f32>()];
            Tensor::create(DataType::Fp32, &[side, side], &zeros).and_then(|tensor| {
                let inputs = vec![Input { name: "x".to_owned(), tensor: &tensor }];
                predict(Request { model: attack.text.clone(), inputs, ..request() })
            })
        }
        "predict" => predict(Request { model: attack.text.clone(), ..request() }),
        "metadata" => triton::metadata(&attack.text).map(|found| json!(found.name)),
        _ => return None,
    })
}

fn request() -> Request<'static> {
    Request {
        model: MODEL.to_owned(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        timeout_ms: None,
        parameters: String::new(),
    }
}

fn predict(request: Request<'_>) -> Attempt {
    let outputs = triton::predict(&request)?;
    Ok(json!(outputs.len()))
}

fn with_tensor(attempt: impl FnOnce(&Tensor) -> Attempt) -> Attempt {
    attempt(&Tensor::create(DataType::Uint8, &[1], &[0])?)
}

fn flat(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    let mut separator = '{';
    for number in 0_u64.. {
        if text.len() >= bytes {
            break;
        }
        text.push(separator);
        text.push_str(&format!("\"{number:x}\":1"));
        separator = ',';
    }
    text.push('}');
    text
}

fn nested(bytes: usize) -> String {
    format!("{{\"a\":[{}1]}}", "1,".repeat(bytes / 2))
}
