//! The metrics that every process has, in the text format of Prometheus (OpenMetrics).
//!
//! Names follow the conventions of Prometheus and OpenTelemetry: `_seconds`, `_bytes`, `_total`.

use std::fmt;

use keynet_base::counters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Returns a registry with the metrics of the process.
pub fn registry() -> Registry {
    let mut registry = Registry::with_prefix("keynet");
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "Version of the program", version);
    registry.register_collector(Box::new(Counts));
    registry
}

/// Returns the text of all metrics.
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, registry);
    text
}

/// Counts of the rooms that know nothing of metrics.
#[derive(Debug)]
struct Counts;

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        labelled(
            &mut encoder,
            "components",
            "Components that were loaded, by the source of their code.",
            "source",
            [
                ("compiled", counters::COMPONENTS_COMPILED.get()),
                ("cache", counters::COMPONENTS_CACHED.get()),
                ("image", counters::COMPONENTS_OF_IMAGE.get()),
            ],
        )?;
        labelled(
            &mut encoder,
            "spans",
            "Spans of traces, by what became of them.",
            "outcome",
            [
                ("exported", counters::SPANS_EXPORTED.get()),
                ("dropped", counters::SPANS_DROPPED.get()),
            ],
        )?;
        for (name, help, unit, value) in [
            ("artifacts_pulled", "Artifacts pulled.", None, &counters::ARTIFACTS_PULLED),
            (
                "artifacts_pulled",
                "Bytes of their components.",
                Some(Unit::Bytes),
                &counters::ARTIFACT_BYTES,
            ),
            (
                "triton_groups",
                "Groups of small requests that were sent to Triton together.",
                None,
                &counters::TRITON_GROUPS,
            ),
            (
                "triton_grouped_requests",
                "Requests in these groups.",
                None,
                &counters::TRITON_GROUPED,
            ),
        ] {
            let counter = ConstCounter::new(value.get());
            let metric =
                encoder.encode_descriptor(name, help, unit.as_ref(), counter.metric_type())?;
            counter.encode(metric)?;
        }
        for (name, help, level) in [
            ("triton_connections", "Connections to Triton.", &counters::TRITON_CONNECTIONS),
            ("triton_calls", "Calls of Triton that have not ended.", &counters::TRITON_CALLS),
        ] {
            let gauge = ConstGauge::new(level.get());
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

/// Encodes a counter with one series for each value of a label.
fn labelled<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    series: [(&'static str, u64); N],
) -> Result<(), fmt::Error> {
    let metric_type = ConstCounter::new(0_u64).metric_type();
    let mut metric = encoder.encode_descriptor(name, help, None, metric_type)?;
    for (value, count) in series {
        let labels = [(label, value)];
        ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_the_counts_of_its_rooms() {
        counters::ARTIFACT_BYTES.add(7);
        let text = text(&registry());
        for line in [
            "# TYPE keynet_components counter",
            "keynet_components_total{source=\"image\"} 0",
            "keynet_artifacts_pulled_bytes_total 7",
            "# TYPE keynet_triton_connections gauge",
            "keynet_triton_calls 0",
            "keynet_spans_total{outcome=\"dropped\"}",
            concat!("keynet_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.contains(line), "{line} is missing: {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
