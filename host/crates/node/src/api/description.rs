//! The node's description of itself, and the limits of a namespace.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::reply::Reply;
use crate::entities::{KIND, MaxLimits};
use crate::node::Node;
use crate::tenants::Namespace;

const MB: u64 = 1 << 20;

/// Largest limits of any namespace.
fn largest(node: &Node) -> MaxLimits {
    let all = node.tenants.all();
    let limits = all.iter().map(|namespace| namespace.settings().max_limits());
    limits.fold(MaxLimits { timeout: 0, memory: 0, logs: 0 }, |most, other| MaxLimits {
        timeout: most.timeout.max(other.timeout),
        memory: most.memory.max(other.memory),
        logs: most.logs.max(other.logs),
    })
}

/// `GET /`: kinds and limits, as clients read them before they deploy.
pub(super) fn node(node: &Node) -> Reply {
    let most = largest(node);
    let (least_memory, least_time) = (MaxLimits::MIN_MEMORY * MB, MaxLimits::MIN_TIMEOUT);
    let (memory, logs) = (most.memory * MB, most.logs * MB);
    Reply::json(&json!({
        "description": "keynet-inference node",
        "api_paths": ["/api/v1"],
        "limits": {
            "sequence_length": 50,
            "default_min_action_duration": least_time, "min_action_duration": least_time,
            "default_max_action_duration": most.timeout, "max_action_duration": most.timeout,
            "default_min_action_memory": least_memory, "min_action_memory": least_memory,
            "default_max_action_memory": memory, "max_action_memory": memory,
            "default_min_action_logs": 0, "min_action_logs": 0,
            "default_max_action_logs": logs, "max_action_logs": logs,
        },
        "runtimes": {
            "wasm": [{
                "kind": KIND, "image": "", "deprecated": false, "default": true,
                "attached": true, "requireMain": false,
            }],
        },
        "support": { "github": env!("CARGO_PKG_REPOSITORY") },
    }))
}

/// `GET /api/v1`.
pub(super) fn api() -> Reply {
    Reply::json(&json!({
        "description": "OpenWhisk API", "api_version": "1.0.0", "api_version_path": "v1",
        "build": env!("CARGO_PKG_VERSION"), "buildno": "", "swagger_paths": Value::Null,
    }))
}

/// `GET /ready`: 200, and 503 once the node shuts down.
pub(super) fn readiness(node: &Node) -> Reply {
    if node.drain.has_begun() {
        Reply::text("shutting down").with_status(StatusCode::SERVICE_UNAVAILABLE)
    } else {
        Reply::text("ready")
    }
}

/// `GET …/limits`.
pub(super) fn limits(namespace: &Namespace) -> Reply {
    let settings = namespace.settings();
    let (most, quotas) = (settings.max_limits(), &settings.quotas);
    Reply::json(&json!({
        "invocationsPerMinute": quotas.activations_per_minute,
        "concurrentInvocations": quotas.concurrent,
        "firesPerMinute": 0,
        "minActionMemory": MaxLimits::MIN_MEMORY, "maxActionMemory": most.memory,
        "minActionLogs": 0, "maxActionLogs": most.logs,
        "minActionTimeout": MaxLimits::MIN_TIMEOUT, "maxActionTimeout": most.timeout,
        "minActionConcurrency": 1, "maxActionConcurrency": MaxLimits::CONCURRENCY,
        "maxParameterSize": format!("{} B", quotas.parameters),
        "maxActionInstances": quotas.concurrent,
    }))
}
