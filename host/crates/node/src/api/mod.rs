//! OpenWhisk's REST API: routes, authentication, requests and responses.
//!
//! Paths, statuses and texts are those of OpenWhisk's controller. What a node does not have, such
//! as triggers, answers 501 with the reason.

mod actions;
mod activations;
mod authentication;
mod description;
mod invocations;
mod lists;
mod packages;
mod page;
mod quotas;
mod reply;
mod target;
mod web_actions;

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request};
use keynet_base::trace_context::TraceContext;
use keynet_host::http::{HttpResponse, IntakeError, RequestBody};
use serde::de::DeserializeOwned;

use crate::entities::Package;
use crate::node::Node;
use crate::resolution::NotFound;
use crate::tenants::Namespace;
use reply::{Rejection, Reply};
use target::Target;

/// A request that is being answered.
struct Call<'a> {
    node: &'a Arc<Node>,
    method: Method,
    target: Target,
    headers: hyper::HeaderMap,
    /// Body, until it is read.
    body: Mutex<Option<Incoming>>,
    /// Id of the request, which is in its response.
    transaction: &'a str,
}

impl Call<'_> {
    /// Returns the span of the caller, if traces are on and the caller sent one.
    fn trace(&self) -> Option<TraceContext> {
        self.node.tracer.as_ref().and_then(|_| TraceContext::of_headers(&self.headers))
    }

    /// Reads the body of at most `most` bytes, with memory of `namespace`. It is read when it is
    /// known that the request may have one and who pays for it, and the caller drops it before it
    /// waits for anything else.
    async fn read_body(&self, namespace: &Namespace, most: u64) -> Result<RequestBody, Rejection> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = body else { return Ok(RequestBody::empty()) };
        let announced = body.size_hint().exact();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.node.intake.read_up_to(most, Some(&namespace.bodies), body).await.map_err(|error| {
            match (error, announced) {
                (IntakeError::TooLarge(most), Some(size)) => Rejection::too_large(size, most),
                (error, _) => error.into(),
            }
        })
    }

    /// Reads and parses a JSON body; an empty one is the same as `{}`.
    async fn read_json<T>(&self, namespace: &Namespace) -> Result<T, Rejection>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let body = self.read_body(namespace, u64::MAX).await?;
        actions::check_json(self, body.bytes())?;
        let parsing = namespace.offload(body.bytes().len(), move || {
            let body = body.bytes().trim_ascii();
            serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        });
        parsing.await.ok_or_else(Rejection::stopping)?.map_err(Rejection::malformed)
    }
}

/// Answers a request.
pub(crate) async fn answer(node: &Arc<Node>, request: Request<Incoming>) -> HttpResponse {
    let transaction = uuid::Uuid::new_v4().simple().to_string();
    let (head, body) = request.into_parts();
    let replied = reply(node, head, body, &transaction).await;
    replied.unwrap_or_else(|rejection| rejection.reply(&transaction)).response(&transaction)
}

async fn reply(
    node: &Arc<Node>,
    head: hyper::http::request::Parts,
    body: Incoming,
    transaction: &str,
) -> Result<Reply, Rejection> {
    let target = Target::parse(head.uri);
    let call = Call {
        node,
        method: head.method,
        target,
        headers: head.headers,
        body: Mutex::new(Some(body)),
        transaction,
    };
    let path: Vec<&str> = call.target.segments();
    let is_web = matches!(path.as_slice(), ["api", "v1", "web", _, _, _, ..]);
    let user = authentication::namespace(&node.tenants, &call.headers);
    if !is_web {
        user.as_ref().map_or(&node.tenants.strangers, |user| &user.lane).take_over().await;
    }
    match path.as_slice() {
        [""] => return only_get(&call.method, || description::node(node)),
        ["ping"] => return only_get(&call.method, || Reply::text("pong")),
        ["ready"] => return only_get(&call.method, || description::readiness(node)),
        ["ui", file @ ..] => return page::file(&call.method, &call.headers, file),
        ["api", "v1"] | ["api", "v1", ""] => return only_get(&call.method, description::api),
        _ => {}
    }
    if node.drain.has_begun() {
        return Err(Rejection::stopping());
    }
    // That of a web action without a key is a stranger's as long as its body arrives.
    let place = node.tenants.request(user.as_deref().ok())?;
    let is_namespaces = matches!(path.as_slice(), ["api", "v1", "namespaces", ..]);
    if !is_web && !is_namespaces {
        return Err(Rejection::no_route());
    }
    // Where OpenWhisk's clients look for its API gateway, a web action of the system.
    if matches!(path.as_slice(), [_, _, "web", "whisk.system", "apimgmt", ..]) {
        return Err(no_gateway());
    }
    if is_web {
        return Box::pin(web_actions::answer(&call, user.as_ref().ok(), place))
            .await
            .map(page::confined);
    }
    let user = user.as_ref().map_err(Clone::clone)?;
    namespaces(&call, user, path.get(3..).unwrap_or_default()).await
}

fn only_get(method: &Method, reply: impl FnOnce() -> Reply) -> Result<Reply, Rejection> {
    if matches!(*method, Method::GET | Method::HEAD) {
        Ok(reply())
    } else {
        Err(Rejection::method("GET"))
    }
}

/// Answers below `/api/v1/namespaces`.
async fn namespaces(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    path: &[&str],
) -> Result<Reply, Rejection> {
    let (namespace, collection, rest) = match path {
        [] | [""] => {
            let names = serde_json::json!([user.name.as_ref()]);
            return only_get(&call.method, || Reply::json(&names));
        }
        [namespace, collection, rest @ ..] => (*namespace, *collection, rest),
        [namespace] => (*namespace, "", [].as_slice()),
    };
    let owner = match namespace {
        "_" => &*user.name,
        name => match crate::entities::check_name(name) {
            Ok(name) => name,
            Err(_) => {
                return Err(Rejection::bad("The namespace contains illegal characters."));
            }
        },
    };
    let own = *owner == *user.name;
    match collection {
        "actions" => actions::answer(call, user, owner, rest).await,
        // In boxes, so that the future of an invocation has no room for those of the others.
        "packages" => Box::pin(packages::answer(call, user, owner, rest)).await,
        "activations" if own => Box::pin(activations::answer(call, user, rest)).await,
        "descriptions" if own => Box::pin(page::descriptions(call, user, rest)).await,
        "pictures" if own => Box::pin(page::pictures(call, user, rest)).await,
        "limits" if own => only_get(&call.method, || description::limits(user)),
        "activations" | "limits" | "descriptions" | "pictures" => {
            Err(Rejection::forbidden(&[&[owner], rest]))
        }
        // Clients read these lists to show a whole namespace.
        "triggers" | "rules" if matches!(rest, [] | [""]) && own && call.method == Method::GET => {
            lists::listed(call, user, collection, Vec::<Arc<Package>>::new()).await
        }
        "triggers" | "rules" => Err(Rejection::not_implemented(&format!(
            "a node has no {collection}: invoke the action from the source of the events, or run \
                it on OpenWhisk, which has them"
        ))),
        "apis" | "routemgmt" => Err(no_gateway()),
        _ => Err(Rejection::no_route()),
    }
}

fn no_gateway() -> Rejection {
    Rejection::not_implemented("a node has no API gateway: web actions have URLs of their own")
}

/// Returns the rejection for an entity that was not found.
fn not_found(reason: NotFound, owner: &str, path: &[&str]) -> Rejection {
    match reason {
        NotFound::Missing => Rejection::not_found(),
        NotFound::OtherKind => {
            Rejection::conflict("Resource by this name exists but is not in this collection.")
        }
        NotFound::Forbidden => Rejection::forbidden(&[&[owner], path]),
    }
}
