//! The environment of an activation: the action's init parameters and OpenWhisk's variables.

use keynet_host::GuestEnvironment;
use serde_json::Value;

use super::Invocation;
use crate::entities::{Values, now_ms};
use crate::node::Node;

/// Returns the environment of the activation called `id`.
pub(super) fn of(node: &Node, invocation: &Invocation, id: &str) -> GuestEnvironment {
    let Invocation { namespace, action, inherited, transaction, .. } = invocation;
    let layers = inherited.with(&action.parameters);
    let init = Values::above(&layers).into_iter().filter(|pair| pair.init);
    let mut pairs: Vec<(String, String)> =
        init.map(|pair| (pair.key.clone(), text(pair.value.get()))).collect();
    let mut set = |name: &str, value: String| pairs.push((name.to_owned(), value));
    set("__OW_ACTION_NAME", format!("/{}", action.path()));
    set("__OW_ACTION_VERSION", action.version.to_string());
    set("__OW_ACTIVATION_ID", id.to_owned());
    set("__OW_API_HOST", node.url.clone());
    set("__OW_DEADLINE", now_ms().saturating_add(action.limits.timeout).to_string());
    set("__OW_NAMESPACE", namespace.name.to_string());
    set("__OW_TRANSACTION_ID", transaction.clone());
    // The action of another namespace's package does not see the key of the namespace that runs it.
    let own = action.namespace == *namespace.name;
    if own && action.annotations.is("provide-api-key", false) {
        set("__OW_API_KEY", namespace.settings().key.expose().to_owned());
    }
    GuestEnvironment::new(pairs)
}

/// Returns the text of a JSON value: a text as it is, anything else as JSON.
fn text(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(Value::String(text)) => text,
        _ => json.to_owned(),
    }
}
