//! Web actions: `/api/v1/web/NAMESPACE/PACKAGE/NAME.EXTENSION`.

use keynet_openwhisk_api::Status;
use std::sync::Arc;

use hyper::header::AUTHORIZATION;

use super::Call;
use super::reply::{Rejection, Reply};
use crate::entities::{EntityName, Values};
use crate::invocation::{self, Ended, Invocation, Invoked};
use crate::node::Node;
use crate::resolution::{self, Found};
use crate::tenants::{Namespace, RequestPlace};
use crate::web::{
    Accept, Outcome, WebAnnotations, WebError, WebRequest, WebResponse, WebTarget, arguments,
    check_method, cors_headers, respond,
};

/// Part of the path before the action.
const PREFIX: &str = "/api/v1/web";

/// Answers a request of `user`, the caller's own namespace if the caller sent a key.
pub(super) async fn answer(
    call: &Call<'_>,
    user: Option<&Arc<Namespace>>,
    place: RequestPlace<'_>,
) -> Result<Reply, Rejection> {
    let target = WebTarget::parse(call.target.path().strip_prefix(PREFIX).unwrap_or_default())?;
    check_method(&call.method)?;
    let Some((owner, found, annotations)) = exported(call.node, &target) else {
        call.node.tenants.strangers.take_over().await;
        return Err(WebError::NotFound.into());
    };
    owner.lane.take_over().await;
    let cors = cors_headers(&annotations, &call.headers);
    let answered = answer_exported(call, user, place, &owner, &target, &annotations, found).await;
    let reply = answered.unwrap_or_else(|rejection| rejection.reply(call.transaction));
    Ok(reply.with(cors))
}

/// Returns the action that the request is for, and the namespace that owns it: the action runs there,
/// with its quotas and its records.
fn exported(node: &Node, target: &WebTarget) -> Option<(Arc<Namespace>, Found, WebAnnotations)> {
    let owner = node.tenants.named(&target.namespace)?;
    let name = EntityName::new(target.package.as_deref().unwrap_or_default(), &target.name);
    let found = resolution::find(&node.catalog, &owner.name, &owner.name, &name).ok()?;
    // Who binds another namespace's package decides when its actions run. That it exports them is not
    // the binding namespace's decision.
    if found.action.namespace != *owner.name {
        return None;
    }
    let annotations = WebAnnotations::read(found.action.annotations.as_slice());
    annotations.web_export.then_some((owner, found, annotations))
}

async fn answer_exported(
    call: &Call<'_>,
    user: Option<&Arc<Namespace>>,
    place: RequestPlace<'_>,
    owner: &Arc<Namespace>,
    target: &WebTarget,
    annotations: &WebAnnotations,
    found: Found,
) -> Result<Reply, Rejection> {
    if let Some(response) = annotations.answer_options(&call.method) {
        return Ok(reply(response));
    }
    annotations.authorize(&call.method, &call.headers, user.is_some())?;
    // Only what the owner exported makes the node hold a body, in the owner's memory.
    let body = call.read_body(owner, owner.quotas().parameters).await?;
    drop(place);
    let _place = call.node.tenants.request(Some(owner))?;
    // The key of the caller's namespace is for this node, and not for the action's owner.
    let mut headers = call.headers.clone();
    if user.is_some() {
        headers.remove(AUTHORIZATION);
    }
    let request = WebRequest {
        method: &call.method,
        headers: &headers,
        path: &target.path,
        query: call.target.raw_query(),
        body: body.bytes(),
        user: user.map(|user| user.name.as_ref()),
    };
    let Found { action, inherited } = found;
    let defaults = Values::merged(&inherited.with(&action.parameters));
    let parameters = arguments(&request, annotations, defaults.as_slice())?;
    drop(body);
    let invocation = Invocation {
        _held: owner.reserve(parameters.len(), "an activation's parameters")?,
        namespace: Arc::clone(owner),
        action,
        inherited,
        parameters,
        transaction: call.transaction.to_owned(),
        caller: call.trace(),
    };
    match invocation::invoke(call.node, invocation, true).await? {
        Invoked::Accepted(id) => {
            let not_ready = Rejection::from(WebError::NotReady).reply(call.transaction);
            Ok(not_ready.of_activation(&id))
        }
        Invoked::Ended(Ended { record, status, held }) => {
            let outcome = match status {
                Status::Success => Outcome::Success,
                Status::ApplicationError => Outcome::ApplicationError,
                Status::DeveloperError | Status::Internal => Outcome::Failure,
            };
            let accept = Accept::read(&call.headers);
            let reply = match respond(outcome, &record.result, target.extension, &accept) {
                Ok(response) => reply(response),
                Err(error) => Rejection::from(error).reply(call.transaction),
            };
            Ok(reply.of_activation(&record.id).holding(held))
        }
    }
}

fn reply(response: WebResponse) -> Reply {
    Reply::new(response.status, response.headers, response.body)
}
