//! A strict reader of metrics: OpenMetrics' text, as
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/> has it, and Prometheus' conventions for
//! names.

use std::collections::{BTreeMap, BTreeSet};

/// Family of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricFamily {
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// Samples, in order.
    pub samples: Vec<Sample>,
}

/// Sample of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name with its suffix.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Value.
    pub value: f64,
}

/// Metrics by the names of their families.
pub type Metrics = BTreeMap<String, MetricFamily>;

/// Reads the text, and checks all of it.
///
/// # Panics
/// It is not what the specification requires.
pub fn read(text: &str) -> Metrics {
    let body = text.strip_suffix("# EOF\n").expect("`# EOF` at the end");
    let mut metrics = Metrics::new();
    let mut current = String::new();
    let mut unit = None;
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (what, rest) = comment.split_once(' ').expect("a comment");
            let (name, value) = rest.split_once(' ').expect("a name and a value");
            if name != current {
                name.to_owned().clone_into(&mut current);
                unit = None;
                let empty = MetricFamily { kind: String::new(), samples: Vec::new() };
                let before = metrics.insert(current.clone(), empty);
                assert!(before.is_none(), "{name} is there twice, or not in one piece");
            }
            let family = metrics.get_mut(&current).expect("a family");
            assert!(family.samples.is_empty(), "{line} follows samples");
            match what {
                "HELP" => assert!(!value.is_empty() && !value.contains('\n'), "{line}"),
                "TYPE" => value.clone_into(&mut family.kind),
                "UNIT" => unit = Some(value.to_owned()),
                _ => panic!("what is {line}?"),
            }
            if let Some(unit) = &unit {
                assert!(name.ends_with(&format!("_{unit}")), "{name} does not end in {unit}");
            }
            continue;
        }
        let sample = sample(line);
        let family = metrics.get_mut(&current).unwrap_or_else(|| panic!("no family for {line}"));
        let suffix = sample.name.strip_prefix(&current);
        let suffix = suffix.unwrap_or_else(|| panic!("{line} is not of {current}"));
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            other => panic!("{current} has the type {other:?}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(family.kind == "gauge" || sample.value >= 0.0, "{line}");
        family.samples.push(sample);
    }
    for (name, family) in &metrics {
        check(name, family);
    }
    metrics
}

fn check(name: &str, family: &MetricFamily) {
    assert!(name.starts_with("keynet_"), "{name}");
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(name.chars().all(is_name), "{name}");
    for unit in ["_ms", "_milliseconds", "_ns", "_nanoseconds", "_mib", "_kb"] {
        assert!(!name.ends_with(unit), "{name}: base units are seconds and bytes");
    }
    assert!(!name.ends_with("_total") && !name.ends_with("_count"), "{name}");
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "{sample:?} twice");
    }
    if family.kind != "histogram" {
        return;
    }
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").expect("a bound");
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
        series.entry(labels).or_default().push((bound, sample.value));
    }
    for (labels, buckets) in series {
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0), "{name} {labels:?}");
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {labels:?}");
        let (last, whole) = buckets.last().expect("a bucket");
        assert!(last.is_infinite(), "{name} {labels:?}");
        for (suffix, expected) in [("_count", Some(*whole)), ("_sum", None)] {
            let of_series = |sample: &&Sample| {
                sample.name == format!("{name}{suffix}") && sample.labels == labels
            };
            let found = family.samples.iter().find(of_series);
            let found = found.unwrap_or_else(|| panic!("no {name}{suffix} {labels:?}"));
            assert!(expected.is_none_or(|expected| expected == found.value), "{found:?}");
        }
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice: {line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = rest.strip_prefix('}').expect("the end of labels");
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    Sample { name: name.to_owned(), labels, value }
}

/// Returns the text before the closing quotation mark, and what follows the mark.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut characters) = (String::new(), text.chars());
    loop {
        match characters.next().expect("a quotation mark") {
            '"' => return (value, characters.as_str()),
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some(other @ ('"' | '\\')) => value.push(other),
                other => panic!("an escape of {other:?}: {text}"),
            },
            other => value.push(other),
        }
    }
}

/// Returns the value of a sample with these labels among its labels; 0 if there is none.
pub fn value(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> f64 {
    let is = |sample: &&Sample| {
        sample.name == name
            && labels
                .iter()
                .all(|(label, value)| sample.labels.get(*label).is_some_and(|other| other == value))
    };
    metrics.values().flat_map(|family| &family.samples).filter(is).map(|sample| sample.value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP keynet_a A.\n# TYPE keynet_a counter\nkeynet_a_total{x=\"1\\\"\"} 2\n\
        # HELP keynet_t_seconds T.\n# TYPE keynet_t_seconds histogram\n# UNIT keynet_t_seconds \
        seconds\nkeynet_t_seconds_sum 1.5\nkeynet_t_seconds_count 2\n\
        keynet_t_seconds_bucket{le=\"0.5\"} 1\nkeynet_t_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn what_is_right_is_read() {
        let metrics = read(GOOD);
        assert_eq!(value(&metrics, "keynet_a_total", &[("x", "1\"")]), 2.0);
        assert_eq!(metrics["keynet_t_seconds"].samples.len(), 4);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (from, to) in [
            ("# EOF\n", ""),
            ("keynet_a_total", "keynet_a"),
            ("le=\"0.5\"} 1", "le=\"0.5\"} 3"),
            ("seconds_count 2", "seconds_count 3"),
            ("le=\"+Inf\"", "le=\"9\""),
            ("} 2\n# HELP", "} x\n# HELP"),
            ("} 2\n# HELP", "} 2\nkeynet_a_total{x=\"1\\\"\"} 2\n# HELP"),
            ("# UNIT keynet_t_seconds seconds", "# UNIT keynet_t_seconds bytes"),
            ("keynet_t_seconds_sum 1.5\n", ""),
        ] {
            let wrong = GOOD.replacen(from, to, 1);
            assert_ne!(wrong, GOOD);
            assert!(std::panic::catch_unwind(|| read(&wrong)).is_err(), "{wrong}");
        }
    }
}
