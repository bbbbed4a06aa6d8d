//! Web actions as their callers see them.

mod arguments;
mod hostile;
mod responses;

use keynet_openwhisk_api::KeyValue;
use serde_json::Value;

use super::WebAnnotations;

/// Returns the members of an object as annotations or parameters.
pub fn key_values(object: &Value) -> Vec<KeyValue> {
    let members = object.as_object().unwrap().iter();
    members.map(|(key, value)| KeyValue::new(key, value).unwrap()).collect()
}

/// Returns the annotations of an action.
pub fn annotated(object: &Value) -> WebAnnotations {
    WebAnnotations::read(&key_values(object))
}
