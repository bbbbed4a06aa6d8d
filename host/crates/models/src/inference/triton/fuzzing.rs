//! Fuzzing of the responses of a Triton server; see [`keynet_base::fuzzing`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tonic::{Code, Status};

use super::answer::{Outputs, Shared, Streamed};
use super::call::Reply;
use super::failure::Failure;
use keynet_base::budget::MemoryBudget;
use keynet_base::fuzzing::{check_message, checked};

const SUBJECT: &str = "model m";

/// Maximum number of outputs of a response.
const MOST: usize = 64;

fn answer(message: &[u8]) -> Option<Reply> {
    let reserved =
        MemoryBudget::process(1 << 30).reserve(message.len() as u64, "an answer").ok()?;
    Some(Reply { message: Bytes::copy_from_slice(message), reserved: Arc::new(reserved) })
}

/// Parses a message of `ModelInfer`, one of `ModelStreamInfer`, and the text of a failure. Tensors
/// are no larger than the message; those in typed contents, in which one byte may encode a number
/// of eight bytes, at most eight times as large.
pub fn triton_answer(data: &[u8]) {
    let Some((infer, stream)) = answer(data).zip(answer(data)) else { return };
    let streamed = match checked(Streamed::read(SUBJECT, stream, MOST)) {
        Some(Streamed::Outputs(outputs)) => Some(outputs),
        Some(Streamed::Failed(text)) => {
            return check_message(&Failure::answered(SUBJECT, Code::Internal, &text).error);
        }
        _ => None,
    };
    for outputs in checked(Outputs::read(SUBJECT, infer, MOST)).into_iter().chain(streamed) {
        for name in ["a", "output_0"] {
            outputs.elsewhere(name);
        }
        // Small contents are converted without the blocking pool.
        let unfolding = outputs.unfold(SUBJECT, Instant::now() + Duration::from_secs(60));
        let Some(outputs) = futures::FutureExt::now_or_never(unfolding).and_then(checked) else {
            continue;
        };
        let Some(tensors) = checked(outputs.tensors(SUBJECT, &[], Shared::new())) else { continue };
        let bytes: usize = tensors.iter().map(|output| output.tensor.data().len()).sum();
        assert!(
            bytes <= data.len() * 8,
            "tensors of {bytes} bytes from a message of {}",
            data.len()
        );
    }
    let status = Status::new(
        Code::from(i32::from(data.first().copied().unwrap_or_default())),
        String::from_utf8_lossy(data),
    );
    check_message(&Failure::of_status(SUBJECT, &status).error);
}
