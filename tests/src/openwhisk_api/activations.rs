//! Activation records (Activations.scala, WhiskActivation.scala).

use serde_json::{Value, json};

use super::Api;
use super::answer::{Answer, Rejection, Routed};
use super::request::Request;
use super::routes::{flag, page};

pub fn route(api: &Api, request: &Request, parts: &[&str]) -> Routed {
    if request.method != "GET" {
        return Err(Rejection::method("GET"));
    }
    match parts {
        [] | [""] => list(api, request),
        [id] | [id, ""] => Ok(Answer::json(200, &record(api, id)?)),
        [id, "logs"] => Ok(Answer::json(200, &json!({ "logs": record(api, id)?["logs"] }))),
        [id, "result"] => Ok(Answer::json(200, &record(api, id)?["response"])),
        _ => Err(Rejection::no_route()),
    }
}

fn record(api: &Api, id: &str) -> Result<Value, Rejection> {
    if id.len() != 32 {
        return Err(Rejection::new(
            400,
            format!("Activation id length is {} but must be 32.", id.len()),
        ));
    }
    if !id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Err(Rejection::new(400, "The activation id is not valid."));
    }
    let store = api.store();
    store
        .activations
        .iter()
        .find(|record| record["activationId"] == id)
        .cloned()
        .ok_or_else(Rejection::not_found)
}

/// Lists records, newest first; without `docs` they have neither response nor logs
/// (`summaryAsJson`).
fn list(api: &Api, request: &Request) -> Routed {
    let (skip, limit) = page(request, "activations")?;
    let (docs, count) = (flag(request, "docs", false)?, flag(request, "count", false)?);
    let epoch = |name: &'static str| match request.query.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
            Rejection::parameter(
                name,
                format!("Parameter is not a valid value for epoch seconds: {text}"),
            )
        }),
    };
    let (since, upto) = (epoch("since")?, epoch("upto")?);
    let name = request.query.get("name").filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.split('/').count() > 2) {
        return Err(Rejection::parameter(
            "name",
            "Parameter may be a 'simple' name or 'package-name/simple' name",
        ));
    }
    let of_name = |record: &Value| {
        let path = record["annotations"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["key"] == "path"));
        let path = path.and_then(|path| path["value"].as_str()).unwrap_or_default();
        name.is_none_or(|name| path.strip_prefix("guest/") == Some(name))
    };
    let store = api.store();
    let within = |record: &&Value| {
        let start = record["start"].as_u64().unwrap_or(0);
        of_name(record)
            && since.is_none_or(|since| start >= since)
            && upto.is_none_or(|upto| start <= upto)
    };
    let mut found: Vec<&Value> = store.activations.iter().filter(within).collect();
    found.sort_by_key(|record| std::cmp::Reverse(record["start"].as_u64()));
    if count {
        if docs {
            return Err(Rejection::new(400, "The parameter 'docs' is not permitted with 'count'."));
        }
        return Ok(Answer::json(200, &json!({ "activations": found.len().saturating_sub(skip) })));
    }
    let page = found.into_iter().skip(skip).take(limit);
    Ok(Answer::json(
        200,
        &page.map(|record| if docs { record.clone() } else { summary(record) }).collect::<Value>(),
    ))
}

fn summary(record: &Value) -> Value {
    let names = [
        "namespace",
        "name",
        "version",
        "publish",
        "annotations",
        "activationId",
        "start",
        "end",
        "duration",
        "cause",
    ];
    let mut summary: Value = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())))
        .collect();
    summary["statusCode"] = json!(match record["response"]["status"].as_str() {
        Some("success") => 0,
        Some("application error") => 1,
        Some("action developer error") => 2,
        _ => 3,
    });
    summary
}
