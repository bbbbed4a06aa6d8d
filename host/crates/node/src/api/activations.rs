//! Activation records: listed and read.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use keynet_base::budget::Reservation;
use keynet_openwhisk_api::activation::is_id;
use serde_json::json;
use serde_json::value::RawValue;

use super::Call;
use super::lists;
use super::reply::{Rejection, Reply};
use crate::invocation::RecordJson;
use crate::records::{Query, Record};
use crate::tenants::Namespace;

pub(super) async fn answer(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    rest: &[&str],
) -> Result<Reply, Rejection> {
    if call.method != Method::GET {
        return Err(Rejection::method("GET"));
    }
    // Readers of other namespaces wait for the same connections.
    let _place = user.reading.acquire().await; // it is never closed
    match rest {
        [] | [""] => list(call, user).await,
        [id] | [id, ""] => {
            let record = record(call, user, id).await?;
            let json = RecordJson::of(&record)?;
            let held = reserve(user, &json)?;
            Ok(json_text(json.whole()).holding(held))
        }
        [id, "logs"] => {
            let record = record(call, user, id).await?;
            let held = reserve(user, &RecordJson::of(&record)?)?;
            Ok(json_text(format!("{{\"logs\":{}}}", record.logs)).holding(held))
        }
        [id, "result"] => {
            let record = record(call, user, id).await?;
            let json = RecordJson::of(&record)?;
            let held = reserve(user, &json)?;
            Ok(json_text(json.response()).holding(held))
        }
        _ => Err(Rejection::no_route()),
    }
}

fn json_text(text: String) -> Reply {
    Reply::json_text(StatusCode::OK, text)
}

/// Reads a record.
async fn record(call: &Call<'_>, user: &Namespace, id: &str) -> Result<Record, Rejection> {
    if id.len() != 32 {
        let message = format!("Activation id length is {} but must be 32.", id.len());
        return Err(Rejection::bad(message));
    }
    if !is_id(id) {
        return Err(Rejection::bad("The activation id is not valid."));
    }
    let record = call.node.records.get(&user.name, id).await?;
    record.ok_or_else(Rejection::not_found)
}

/// Reserves memory of the namespace for a record and for its copy in the response.
fn reserve(user: &Namespace, json: &RecordJson<'_>) -> Result<Reservation, Rejection> {
    Ok(user.reserve(2 * json.size(), "an activation record")?)
}

async fn list(call: &Call<'_>, user: &Namespace) -> Result<Reply, Rejection> {
    let page = call.target.page("activations")?;
    let with_results = call.target.flag("docs", false)?;
    let path = call.target.get("name").filter(|name| !name.is_empty());
    if path.is_some_and(|name| name.split('/').count() > 2) {
        return Err(Rejection::parameter(
            "name",
            "Parameter may be a 'simple' name or 'package-name/simple' name",
        ));
    }
    let query = Query {
        path: path.map(str::to_owned),
        since: call.target.time("since")?,
        upto: call.target.time("upto")?,
        skip: page.skip,
        limit: page.limit,
        with_results: false,
    };
    if call.target.flag("count", false)? {
        if with_results {
            let message = "The parameter 'docs' is not permitted with 'count'.";
            return Err(Rejection::bad(message));
        }
        let count = call.node.records.count(&user.name, query).await?;
        return Ok(Reply::json(&json!({ "activations": count })));
    }
    let records = call.node.records.list(&user.name, query).await?;
    // For each record and for its copy in the response.
    let (mut bytes, mut held) = (0, Vec::new());
    let mut entries = Vec::with_capacity(records.len());
    for mut record in records {
        // One at a time: the results and logs of 200 activations can have gigabytes.
        if with_results {
            match call.node.records.get(&user.name, &record.id).await? {
                Some(whole) => record = whole,
                None => continue, // its time to be kept has passed meanwhile
            }
        }
        let json = RecordJson::of(&record)?;
        held.push(user.reserve(2 * json.size(), "activation records")?);
        bytes += json.size();
        if bytes > lists::MAX {
            let message = format!(
                "these activations have more than {} MiB of results and logs: set a smaller \
                    `limit`, or leave out `docs`",
                lists::MAX >> 20
            );
            return Err(Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        let text = if with_results { json.whole() } else { json.into_document() };
        entries.push(RawValue::from_string(text).map_err(|error| {
            tracing::error!(%error, activation = record.id, "a stored record is not JSON");
            Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "a record cannot be read")
        })?);
    }
    let reply = user.offload(bytes, move || Reply::json(&entries));
    Ok(reply.await.ok_or_else(Rejection::stopping)?.holding(held))
}
