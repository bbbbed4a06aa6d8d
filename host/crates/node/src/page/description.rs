//! What the page shows of an action beside OpenWhisk's fields: its component's digest, its
//! description and schema, and what it may use under the current policy.
//!
//! These are not annotations: a namespace could set those to anything, every list would carry the
//! schemas, and the grants change with the policy.

use keynet_base::granted::Granted;
use keynet_host::Action as LoadedAction;
use serde_json::{Value, json};

use crate::entities::{Action, Exec};

/// Returns the JSON of an entry of a list.
pub(crate) fn summary(action: &Action) -> Value {
    json!({
        "package": action.name.package,
        "name": action.name.name,
        "kind": action.exec.kind(),
        "version": action.version,
        "limits": action.limits,
        "digest": action.digest,
        "updated": action.updated,
    })
}

/// Returns the JSON of one action; `loaded` is `None` for a sequence, and `presets` are the names
/// of default parameters.
pub(crate) fn described(action: &Action, loaded: Option<&LoadedAction>, presets: &[&str]) -> Value {
    let mut json = summary(action);
    let Value::Object(fields) = &mut json else { return json };
    fields.insert("presets".to_owned(), json!(presets));
    if let Exec::Sequence { components, .. } = &action.exec {
        fields.insert("components".to_owned(), json!(components));
    }
    if let Some(loaded) = loaded {
        let description = loaded.description();
        fields.insert("description".to_owned(), json!(description.description));
        fields.insert("inputSchema".to_owned(), json!(description.input_schema));
        fields.insert("imports".to_owned(), json!(loaded.imports().names()));
        fields.insert("mayUse".to_owned(), json!(may_use(loaded)));
    }
    json
}

/// Returns what the action may use, in words, for the interfaces that it imports, and what it asks
/// for and is not granted: objects with `what` and `names`.
pub fn may_use(action: &LoadedAction) -> Vec<Value> {
    let (grants, imports) = (action.grants(), action.imports());
    let row = |what: &str, granted: &Granted| json!({ "what": what, "names": granted.to_string() });
    let mut rows = Vec::new();
    if imports.has("triton-predict") {
        rows.push(row("models", &grants.models));
    }
    if imports.has("storage") {
        rows.push(row("reads", &grants.read));
        rows.push(row("writes", &grants.write));
        let addresses =
            if grants.private_addresses { "private addresses too" } else { "public addresses" };
        rows.push(json!({ "what": "URLs", "names": format!("{}, at {addresses}", grants.hosts) }));
    }
    if grants.api_key {
        rows.push(json!({ "what": "key", "names": "the namespace's key, in __OW_API_KEY" }));
    }
    let asked = [
        ("triton-predict", "models", &grants.models),
        ("storage", "reads", &grants.read),
        ("storage", "writes", &grants.write),
        ("storage", "URLs", &grants.hosts),
    ];
    for (interface, what, granted) in asked {
        let denied = granted.denied();
        if imports.has(interface) && denied.iter().next().is_some() {
            let names = format!("{denied}: keynet.toml asks for it, the policy does not grant it");
            rows.push(json!({ "what": format!("not granted: {what}"), "names": names }));
        }
    }
    rows
}
