//! Activation records: listed and read.

use std::sync::Arc;

use hyper::Method;
use keynet_openwhisk_api::activation::is_id;
use serde_json::json;
use serde_json::value::RawValue;

use super::Call;
use super::reply::{Rejection, Reply};
use crate::invocation::whole_record;
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
    match rest {
        [] | [""] => list(call, user).await,
        [id] | [id, ""] => {
            let record = record(call, user, id).await?;
            Ok(json_text(whole_record(&record.document, &record.response, &record.logs)))
        }
        [id, "logs"] => {
            let record = record(call, user, id).await?;
            Ok(json_text(format!("{{\"logs\":{}}}", record.logs)))
        }
        [id, "result"] => Ok(json_text(record(call, user, id).await?.response)),
        _ => Err(Rejection::no_route()),
    }
}

fn json_text(text: String) -> Reply {
    Reply::json_text(hyper::StatusCode::OK, text)
}

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
        with_results,
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
    let entries = records.into_iter().map(|record| {
        let text = if with_results {
            whole_record(&record.document, &record.response, &record.logs)
        } else {
            record.document
        };
        RawValue::from_string(text).map_err(|error| {
            tracing::error!(%error, activation = record.id, "a stored record is not JSON");
            Rejection::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, "a record cannot be read")
        })
    });
    Ok(Reply::json(&entries.collect::<Result<Vec<_>, _>>()?))
}
