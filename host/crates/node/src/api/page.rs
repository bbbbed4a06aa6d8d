//! Routes of the page: its files, descriptions of actions, and pictures.

use std::sync::Arc;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH,
    LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::lists::{DescribedAction, listed};
use super::reply::{Rejection, Reply};
use super::{Call, not_found};
use crate::entities::{EntityName, Exec, check_name};
use crate::page::{self, PageServer, PictureError};
use crate::resolution;
use crate::tenants::Namespace;

impl From<PictureError> for Rejection {
    fn from(error: PictureError) -> Self {
        let status = StatusCode::from_u16(error.status());
        Self::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error)
    }
}

/// Answers `/ui` and what is below.
pub(super) fn file(
    method: &Method,
    headers: &HeaderMap,
    path: &[&str],
) -> Result<Reply, Rejection> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Rejection::method("GET"));
    }
    let name = match path {
        // Relative, so that it also holds below a path of a proxy.
        [] => {
            let to = vec![(LOCATION, HeaderValue::from_static("ui/"))];
            return Ok(Reply::new(StatusCode::PERMANENT_REDIRECT, to, bytes::Bytes::new()));
        }
        [name] => name,
        _ => return Err(Rejection::no_route()),
    };
    let asset = page::asset(PageServer::Node, name).ok_or_else(Rejection::no_route)?;
    let (status, body) = if asset.is_held(headers.get(IF_NONE_MATCH)) {
        (StatusCode::NOT_MODIFIED, "")
    } else {
        (StatusCode::OK, asset.body)
    };
    Ok(Reply::new(status, asset.headers(), body.into()))
}

/// Returns the reply of a web action as a document that is separated from the page.
pub(super) fn confined(reply: Reply) -> Reply {
    reply.with(page::confinement())
}

/// Answers `…/descriptions`, `…/descriptions/NAME` and `…/descriptions/PACKAGE/NAME`.
pub(super) async fn descriptions(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    rest: &[&str],
) -> Result<Reply, Rejection> {
    if call.method != Method::GET {
        return Err(Rejection::method("GET"));
    }
    let name = match rest {
        [] | [""] => {
            let actions = call.node.catalog.actions(&user.name, None);
            let actions = actions.into_iter().map(DescribedAction).collect();
            return listed(call, user, "descriptions", actions).await;
        }
        [name] => EntityName::new("", check_name(name)?),
        [package, name] => EntityName::new(check_name(package)?, check_name(name)?),
        _ => return Err(Rejection::no_route()),
    };
    let found = resolution::find(&call.node.catalog, &user.name, &user.name, &name);
    let found = found.map_err(|reason| not_found(reason, &user.name, rest))?;
    let action = &found.action;
    let loaded = match &action.exec {
        Exec::Sequence { .. } => None,
        Exec::Component { .. } => Some(call.node.loader.get(user, action).await?),
    };
    let own = action.namespace == *user.name;
    let layers = found.inherited.with(&action.parameters);
    let presets = layers.iter().flat_map(|layer| layer.iter());
    let presets = presets.filter(|pair| own && !pair.init).map(|pair| pair.key.as_str());
    let presets: Vec<&str> = presets.collect();
    Ok(Reply::json(&page::described(action, loaded.as_deref(), &presets)))
}

/// Answers `…/pictures`: POST stores one, GET reads the one at `location`.
pub(super) async fn pictures(
    call: &Call<'_>,
    user: &Namespace,
    rest: &[&str],
) -> Result<Reply, Rejection> {
    if !matches!(rest, [] | [""]) {
        return Err(Rejection::no_route());
    }
    match call.method {
        Method::POST => {
            let body = call.read_body(user, u64::MAX).await?;
            let location = page::store(user, body.bytes()).await?;
            Ok(Reply::json(&json!({ "location": location })).with_status(StatusCode::CREATED))
        }
        Method::GET => {
            let location = call.target.get("location").ok_or_else(|| {
                Rejection::bad("The query parameter 'location' is missing: it names the picture.")
            })?;
            let picture = page::read(user, location).await?;
            let headers = vec![
                (CONTENT_TYPE, HeaderValue::from_static(picture.content_type)),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
                (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
            ];
            Ok(Reply::new(StatusCode::OK, headers, picture.bytes))
        }
        _ => Err(Rejection::method("GET, POST")),
    }
}
