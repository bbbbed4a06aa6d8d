//! What a run cost, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use keynet_host::Receipt;

use crate::units::{bytes, time};

/// A table of where time and memory went. `loaded` is what came before: starting the host and loading the action.
pub fn table(receipt: &Receipt, loaded: Duration) -> String {
    let us = |count: u64| time(Duration::from_micros(count));
    let calls = |count: u64| format!("{count} {}", if count == 1 { "call" } else { "calls" });
    let mut rows = vec![
        ("load", time(loaded), "starting the host, the component from the cache or compiled".to_owned()),
        ("run", us(receipt.total_us), "from the request to the result; of it".to_owned()),
    ];
    if receipt.queued_us > 0 {
        rows.push(("  queued", us(receipt.queued_us), "waiting for a place".to_owned()));
    }
    rows.push(("  start", us(receipt.instantiate_us), "a fresh sandbox".to_owned()));
    rows.push(("  action", us(receipt.guest_us), "its own code".to_owned()));
    if receipt.inference_calls > 0 {
        rows.push(("  models", us(receipt.inference_us), calls(receipt.inference_calls)));
    }
    if receipt.storage_calls > 0 {
        rows.push(("  storage", us(receipt.storage_us), calls(receipt.storage_calls)));
    }
    rows.push(("memory", bytes(receipt.memory_peak), format!("at most; {} in the sandbox at the end", bytes(receipt.memory_wasm))));
    if receipt.log_bytes > 0 {
        rows.push(("logs", bytes(receipt.log_bytes), if receipt.logs_cut { "some were dropped" } else { "" }.to_owned()));
    }
    let mut text = String::new();
    for (name, amount, remark) in rows {
        let row = format!("{name:<10}{amount:>11}  {remark}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_has_no_row() {
        let receipt = Receipt { total_us: 1_500, instantiate_us: 20, guest_us: 400, inference_us: 1_080, inference_calls: 1, ..Receipt::default() };
        let text = table(&receipt, Duration::from_millis(3));
        assert!(text.contains("load          3.00 ms"), "{text}");
        assert!(text.contains("  models      1.08 ms  1 call\n"), "{text}");
        assert!(!text.contains("storage") && !text.contains("queued") && !text.contains("logs"), "{text}");
    }
}
