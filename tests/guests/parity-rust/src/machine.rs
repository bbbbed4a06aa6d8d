//! Resources of the sandbox: time, memory, randomness, files.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, SystemTime};

use keynet_inference_sdk::prelude::*;

/// Returns values that must differ in each activation, and the clock.
pub fn fresh() -> Result<Value> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(json!({
        "different": { "hash seed": RandomState::new().hash_one(1).to_string(), "system": u64::from_le_bytes(bytes).to_string() },
        "seconds": now.as_secs(),
    }))
}

pub fn files() -> Value {
    let read = std::fs::read("/etc/passwd").is_ok();
    let written =
        std::fs::write("/tmp/parity", "x").is_ok() || std::fs::write("parity", "x").is_ok();
    json!({ "read": read, "written": written })
}

pub fn allocate() -> Value {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

pub fn compute() -> Value {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

pub fn sleep() -> Value {
    println!("sleeping");
    thread::sleep(Duration::from_secs(600));
    json!({})
}

#[allow(unconditional_recursion)] // until the stack ends
pub fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + 1)
}
