//! `POST …/actions/NAME`: invocations.

use keynet_openwhisk_api::Status;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;

use super::Call;
use super::actions::check_json;
use super::reply::{Rejection, Reply};
use crate::invocation::{self, Ended, Invocation, Invoked, RecordJson, parameters};
use crate::resolution::Found;
use crate::tenants::Namespace;

pub(super) async fn answer(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    found: Found,
) -> Result<Reply, Rejection> {
    let blocking = call.target.flag("blocking", false)?;
    let only_result = call.target.flag("result", false)?;
    let invocation = invocation(call, user, found).await?;
    Ok(match invocation::invoke(call.node, invocation, blocking).await? {
        Invoked::Accepted(id) => accepted(&id),
        Invoked::Ended(ended) => {
            let Ended { mut record, status, held } = ended;
            let body = if only_result {
                std::mem::take(&mut record.result)
            } else {
                RecordJson::of(&record)?.whole()
            };
            Reply::json_text(status_of(status), body).of_activation(&record.id).holding(held)
        }
    })
}

/// Returns the invocation that the request describes.
async fn invocation(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    found: Found,
) -> Result<Invocation, Rejection> {
    let limit = user.settings().quotas.parameters;
    let body = call.read_body(user, limit).await?;
    check_json(call, body.bytes())?;
    let text = std::str::from_utf8(body.bytes()).map_err(Rejection::malformed)?;
    let text = text.trim_ascii();
    if !text.is_empty() && !text.starts_with('{') {
        return Err(Rejection::malformed("JSON object expected"));
    }
    let Found { action, inherited } = found;
    if action.annotations.is("final", false)
        && parameters::overrides(text, &inherited.with(&action.parameters))
    {
        return Err(Rejection::bad(
            "Request defines parameters that are not allowed (e.g., reserved properties).",
        ));
    }
    if !text.is_empty() {
        let _: &serde_json::value::RawValue =
            serde_json::from_str(text).map_err(Rejection::malformed)?;
    }
    Ok(Invocation {
        _held: user.reserve(text.len(), "an activation's parameters")?,
        namespace: Arc::clone(user),
        action,
        inherited,
        parameters: text.to_owned(),
        transaction: call.transaction.to_owned(),
        caller: call.trace(),
    })
}

/// Returns the response for an activation that has not ended.
fn accepted(id: &str) -> Reply {
    Reply::json(&json!({ "activationId": id })).with_status(StatusCode::ACCEPTED).of_activation(id)
}

fn status_of(status: Status) -> StatusCode {
    match status {
        Status::Success => StatusCode::OK,
        Status::ApplicationError | Status::DeveloperError => StatusCode::BAD_GATEWAY,
        Status::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
