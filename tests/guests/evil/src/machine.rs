//! Attacks on the processor, the memory and the time.

use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keynet_inference_sdk::prelude::*;

use crate::{Attack, Attempt};

/// Bytes of a page of a linear memory that the operating system maps at once.
const PAGE: usize = 4096;

pub fn attempt(attack: &Attack) -> Option<Attempt> {
    let time = Duration::from_millis(attack.ms);
    Some(Ok(match attack.r#do.as_str() {
        "hello" => json!("hello"),
        "environment" => {
            json!(std::env::vars().collect::<std::collections::BTreeMap<String, String>>())
        }
        "sleep" => {
            sleep(time);
            json!(attack.ms)
        }
        // Without `ms`, for ever.
        "spin" => {
            let started = Instant::now();
            while attack.ms == 0 || started.elapsed() < time {
                black_box((0..100_000_u64).map(black_box).sum::<u64>());
            }
            json!(attack.ms)
        }
        // Every page is written, so that it is resident, and kept for a while.
        "touch" => {
            let mut memory = vec![0_u8; attack.bytes()];
            memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
            sleep(time);
            json!(memory.iter().step_by(PAGE).filter(|byte| **byte == 1).count())
        }
        _ => return None,
    }))
}
