//! Fuzzing of policies and of capability requests; see [`keynet_base::fuzzing`].

use super::{CapabilityRequest, Granted, Policy};
use keynet_base::fuzzing::{checked, text};

/// Header of the component model's binary format, with which a component begins.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// Input is a `keynet.toml`. It requests the same once it is in a component, and is never granted
/// more than the policy grants.
pub fn ask(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(ask) = checked(CapabilityRequest::parse(text)) else { return };
    let component = CapabilityRequest::put_into(text, EMPTY.to_vec());
    assert!(
        component
            .is_ok_and(|component| CapabilityRequest::of(&component).ok().as_ref() == Some(&ask)),
        "{ask:?}"
    );
    let nothing: Result<Policy, _> = toml::from_str(
        "models = []\n[storage]\nread = []\nwrite = \
        []\n[http]\nhosts = []",
    );
    let Ok(policy) = nothing else { return };
    let grants = policy.grants(&ask);
    for granted in [&grants.models, &grants.read, &grants.write, &grants.hosts] {
        assert!(checked(granted.check("model", "detector")).is_none());
    }
    assert!(!grants.api_key && !grants.private_addresses);
    let grants = Policy::default().grants(&ask);
    for granted in [&grants.models, &grants.read, &grants.write, &grants.hosts] {
        check(granted, "s3://other/key");
        check(granted, "detector");
    }
}

/// Input is an operator's policy.
pub fn policy(data: &[u8]) {
    let Some(policy) = text(data).and_then(|text| checked(Policy::parse(text))) else { return };
    let grants = policy.grants(&CapabilityRequest::default());
    for granted in [&grants.models, &grants.read, &grants.write, &grants.hosts] {
        for name in ["", "detector", "results/a", "s3://shared/out/a"] {
            check(granted, name);
        }
    }
}

/// Checks that a star matches the rest of a name, but no other bucket.
fn check(granted: &Granted, name: &str) {
    let is_granted = checked(granted.check("model", name)).is_some();
    let patterns = serde_json::to_value(granted).unwrap_or_default();
    let matches = |list: &serde_json::Value| {
        list.as_array().is_none_or(|list| {
            list.iter().filter_map(serde_json::Value::as_str).any(|pattern| {
                match pattern.strip_suffix('*') {
                    Some("" | "s" | "s3" | "s3:" | "s3:/") => {
                        !name.starts_with("s3://")
                            && name.starts_with(pattern.trim_end_matches('*'))
                    }
                    Some(start) => name.starts_with(start),
                    None => name == pattern,
                }
            })
        })
    };
    let expected = ["granted", "asked"].iter().all(|list| patterns.get(list).is_none_or(matches));
    assert_eq!(is_granted, expected, "{name} of {patterns}");
}
