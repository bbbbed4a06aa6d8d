//! Receipt of a run as a table.

use std::fmt::Write as _;
use std::time::Duration;

use keynet_host::Receipt;
use keynet_host::capabilities::ModelUse;

use crate::ui::units::{bytes, time};

/// Returns a table of the time and memory of a run. `loaded` is the time before the run: starting
/// the host and loading the action.
pub fn table(receipt: &Receipt, loaded: Duration) -> String {
    let ns = |count: u64| time(Duration::from_nanos(count));
    let calls = |count: u64| format!("{count} {}", if count == 1 { "call" } else { "calls" });
    let mut rows = vec![
        (
            "load",
            time(loaded),
            "starting the host, the component from the cache or compiled".to_owned(),
        ),
        ("run", ns(receipt.total_ns), "from the request to the result; of it".to_owned()),
    ];
    if receipt.queued_ns >= 1_000 {
        rows.push(("  queued", ns(receipt.queued_ns), "waiting for a place".to_owned()));
    }
    let sandbox = if receipt.spare { "a spare sandbox" } else { "a fresh sandbox" };
    rows.push(("  start", ns(receipt.instantiate_ns), sandbox.to_owned()));
    rows.push(("  action", ns(receipt.guest_ns), "its own code".to_owned()));
    if receipt.inference_calls > 0 {
        let by = receipt.inference_engine.as_ref().map(|engine| format!(" of {engine}"));
        let remark = calls(receipt.inference_calls) + &by.unwrap_or_default() + &models(receipt);
        rows.push(("  models", ns(receipt.inference_ns), remark));
    }
    if receipt.storage_calls > 0 {
        let moved = receipt.storage_read + receipt.storage_written;
        let moved = if moved > 0 { format!(", {}", bytes(moved)) } else { String::new() };
        rows.push(("  storage", ns(receipt.storage_ns), calls(receipt.storage_calls) + &moved));
    }
    rows.push((
        "memory",
        bytes(receipt.memory_peak),
        format!("at most; {} in the sandbox at the end", bytes(receipt.memory_wasm)),
    ));
    if receipt.log_bytes > 0 {
        rows.push((
            "logs",
            bytes(receipt.log_bytes),
            if receipt.logs_cut { "some were dropped" } else { "" }.to_owned(),
        ));
    }
    let mut text = String::new();
    for (name, amount, remark) in rows {
        let row = format!("{name:<10}{amount:>11}  {remark}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

/// Returns the models that ran, after a colon; nothing if none did.
fn models(receipt: &Receipt) -> String {
    let name = |model: &ModelUse| match model.version.as_str() {
        "" => model.name.clone(),
        version => format!("{}:{version}", model.name),
    };
    let names: Vec<_> = receipt.models.iter().map(name).collect();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_has_no_row() {
        let receipt = Receipt {
            total_ns: 1_500_000,
            instantiate_ns: 20_000,
            guest_ns: 400_000,
            inference_ns: 1_080_000,
            inference_calls: 1,
            inference_engine: Some("rten".into()),
            ..Receipt::default()
        };
        let text = table(&receipt, Duration::from_millis(3));
        assert!(text.contains("load          3.00 ms"), "{text}");
        assert!(text.contains("  models      1.08 ms  1 call of rten\n"), "{text}");
        assert!(
            !text.contains("storage") && !text.contains("queued") && !text.contains("logs"),
            "{text}"
        );
        let model = |version: &str| ModelUse {
            name: "detector".to_owned(),
            version: version.to_owned(),
            calls: 1,
        };
        let receipt = Receipt { models: vec![model("3"), model("")], ..receipt };
        let text = table(&receipt, Duration::ZERO);
        assert!(text.contains("1 call of rten: detector:3, detector\n"), "{text}");
    }
}
