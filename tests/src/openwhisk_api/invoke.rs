//! Invocations: the controller's work before and after an invoker (Actions.scala `activate`,
//! PrimitiveActions.scala).

use std::sync::{Arc, mpsc};
use std::thread;

use serde_json::{Map, Value, json};

use super::actions::json_body;
use super::answer::{Answer, Rejection, Routed};
use super::body::Action;
use super::request::Request;
use super::routes::flag;
use super::{Api, container};

/// Largest size of an invocation's parameters in bytes.
const MAX_PAYLOAD: usize = 1 << 20;

/// Handles `POST …/actions/NAME`.
pub fn answer(api: &Arc<Api>, request: &Request, action: &Action, transaction: &str) -> Routed {
    let (blocking, result) = (flag(request, "blocking", false)?, flag(request, "result", false)?);
    if request.body.len() > MAX_PAYLOAD {
        return Err(Rejection::new(
            413,
            format!("Request larger than allowed: {} > {MAX_PAYLOAD} bytes.", request.body.len()),
        ));
    }
    json_body(request)?;
    let payload = match serde_json::from_slice(&request.body) {
        _ if request.body.is_empty() => Map::new(),
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(Rejection::malformed("JSON object expected")),
        Err(error) => return Err(Rejection::malformed(error)),
    };
    if action.is("final", false)
        && payload
            .keys()
            .any(|name| action.parameters.get(name).is_some_and(|value| !value.is_null()))
    {
        return Err(Rejection::new(
            400,
            "Request defines parameters that are not allowed (e.g., reserved properties).",
        ));
    }
    let (id, record) = start(api, action, payload, transaction)?;
    let with_id = |answer: Answer| answer.with("x-openwhisk-activation-id", &id);
    let accepted = || with_id(Answer::json(202, &json!({ "activationId": id })));
    if !blocking {
        return Ok(accepted());
    }
    let Ok(record) = record.recv_timeout(api.setup.max_wait) else { return Ok(accepted()) };
    let response = &record["response"];
    let status = match response["status"].as_str() {
        Some("success") => 200,
        Some("whisk internal error") => 500,
        _ => 502,
    };
    // An array is returned alone, even if the whole record was requested.
    let body =
        if result || response["result"].is_array() { response["result"].clone() } else { record };
    Ok(with_id(Answer::json(status, &body)))
}

/// Starts an activation. Returns its id, and its record when it has ended. A blocking caller
/// receives the response before the logs are collected.
pub fn start(
    api: &Arc<Api>,
    action: &Action,
    payload: Map<String, Value>,
    transaction: &str,
) -> Result<(String, mpsc::Receiver<Value>), Rejection> {
    {
        let mut store = api.store();
        store.invocations += 1;
        if store.invocations > api.setup.per_minute {
            let (count, allowed) = (store.invocations, api.setup.per_minute);
            return Err(Rejection::new(
                429,
                format!(
                    "Too many requests in the last minute (count: {count}, allowed: {allowed})."
                ),
            ));
        }
    }
    let id = api.transaction();
    let mut arguments = action.parameters.clone();
    arguments.extend(payload);
    let (sender, receiver) = mpsc::channel();
    let (api, action, transaction, activation) =
        (Arc::clone(api), action.clone(), transaction.to_owned(), id.clone());
    thread::spawn(move || {
        let mut ended = container::activate(&api, &action, arguments, &activation, &transaction);
        let mut record = ended.record.clone();
        if let Some(record) = record.as_object_mut() {
            record.insert("logs".to_owned(), json!([]));
        }
        let _ = sender.send(record);
        let stored = ended.with_logs();
        api.store().activations.push(stored);
        ended.release(&api);
    });
    Ok((id, receiver))
}
