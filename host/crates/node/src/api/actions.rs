//! Actions: created, changed, read, listed, removed, invoked.

use std::sync::Arc;

use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};

use super::lists::{ListedAction, listed, written};
use super::reply::{Rejection, Reply};
use super::{Call, invocations, not_found, quotas};
use crate::catalog::Code;
use crate::entities::{Action, ActionJson, ActionPut, EntityName, Exec, Values, check_name};
use crate::invocation::Refused;
use crate::resolution::{self, Found, Inherited, NotFound};
use crate::tenants::{Change, Namespace};

/// Largest number of actions in a sequence.
const MAX_SEQUENCE: usize = 50;

pub(super) async fn answer(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    owner: &str,
    rest: &[&str],
) -> Result<Reply, Rejection> {
    let name = match rest {
        [] | [""] => return list(call, user, owner, None).await,
        [package, ""] => return list(call, user, owner, Some(check_name(package)?)).await,
        [name] => EntityName::new("", check_name(name)?),
        [package, name] => EntityName::new(check_name(package)?, check_name(name)?),
        _ => return Err(Rejection::no_route()),
    };
    let found = || {
        resolution::find(&call.node.catalog, &user.name, owner, &name)
            .map_err(|reason| not_found(reason, owner, rest))
    };
    match call.method {
        // In boxes, so that the future of an invocation has no room for those of the others.
        Method::PUT => Box::pin(put(call, user, owner, name)).await,
        Method::GET => Box::pin(get(call, user, found()?)).await,
        Method::DELETE => Box::pin(delete(call, user, owner, &name)).await,
        Method::POST => invocations::answer(call, user, found()?).await,
        _ => Err(Rejection::method("PUT, GET, DELETE, POST")),
    }
}

/// Checks that a body, if there is one, declares that it is JSON.
pub(super) fn check_json(call: &Call<'_>, body: &[u8]) -> Result<(), Rejection> {
    let kind = call.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if body.is_empty() || kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Rejection::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The request's Content-Type is not supported. Expected:\napplication/json",
    ))
}

async fn list(
    call: &Call<'_>,
    user: &Namespace,
    owner: &str,
    package: Option<&str>,
) -> Result<Reply, Rejection> {
    if call.method != Method::GET {
        return Err(Rejection::method("GET"));
    }
    let catalog = &call.node.catalog;
    let actions = match package {
        None if *user.name != *owner => return Err(Rejection::forbidden(&[&[owner]])),
        None => catalog.actions(owner, None),
        Some(name) => {
            let (package, _) = resolution::package(catalog, &user.name, owner, name)
                .map_err(|reason| not_found(reason, owner, &[name]))?;
            catalog.actions(&package.namespace, Some(&package.name))
        }
    };
    let entry = |action: Arc<Action>| {
        let for_owner = action.namespace == *user.name;
        ListedAction { action, for_owner }
    };
    listed(call, user, "actions", actions.into_iter().map(entry).collect()).await
}

/// Returns an action. Its code and its parameters are shown to its owner only.
async fn get(call: &Call<'_>, user: &Namespace, found: Found) -> Result<Reply, Rejection> {
    let Found { action, inherited } = found;
    if action.namespace != *user.name {
        let bytes = action.annotations.size();
        return written(user, bytes, "action", move || Reply::json(&ActionJson::shared(&action)))
            .await;
    }
    let code = if call.target.flag("code", true)? {
        let bytes = call.node.catalog.size(&action);
        let held =
            user.reserve(usize::try_from(bytes).unwrap_or(usize::MAX), "an action's code")?;
        let _place = user.reading.acquire().await; // it is never closed
        call.node.catalog.code(&action).await?.map(|code| (code, held))
    } else {
        None
    };
    let (code, _held) = code.unzip();
    shown(user, action, inherited, code).await.map(|(reply, _)| reply)
}

/// Returns the response with an action for its owner, and the code that it contains.
async fn shown(
    user: &Namespace,
    action: Arc<Action>,
    inherited: Inherited,
    code: Option<Code>,
) -> Result<(Reply, Option<Code>), Rejection> {
    let length = code.as_ref().map_or(0, |code| code.text.len());
    // The code is the larger part, and is copied into a text of its length.
    let parameters = inherited.with(&action.parameters).into_iter().map(Values::size);
    let bytes = action.annotations.size() + parameters.sum::<usize>();
    let held = user.reserve(2 * bytes + length, "an action's code")?;
    let write = move || {
        let text = code.as_ref().map(|code| code.text.as_str());
        let parameters = inherited.with(&action.parameters);
        (Reply::json(&ActionJson::own(&action, &parameters, text)), code)
    };
    let (reply, code) =
        user.offload(bytes + length, write).await.ok_or_else(Rejection::stopping)?;
    Ok((reply.holding(held), code))
}

async fn delete(
    call: &Call<'_>,
    user: &Namespace,
    owner: &str,
    name: &EntityName,
) -> Result<Reply, Rejection> {
    let _change = change(user).await?;
    let action = own(call, user, owner, name)?.ok_or_else(Rejection::not_found)?;
    let (reply, _) = shown(user, Arc::clone(&action), Inherited::default(), None).await?;
    call.node.catalog.remove_action(&action).await?;
    Ok(reply)
}

/// Returns an action of the user's own namespace for a change.
fn own(
    call: &Call<'_>,
    user: &Namespace,
    owner: &str,
    name: &EntityName,
) -> Result<Option<Arc<Action>>, Rejection> {
    let catalog = &call.node.catalog;
    if *user.name != *owner {
        return Err(not_found(NotFound::Forbidden, owner, &[&name.path()]));
    }
    if name.package.is_empty() {
        if catalog.package(owner, &name.name).is_some() {
            return Err(not_found(NotFound::OtherKind, owner, &[]));
        }
    } else {
        let package = catalog.package(owner, &name.package).ok_or_else(Rejection::not_found)?;
        if package.binding.is_some() {
            return Err(Rejection::bad("Operation not permitted on package binding."));
        }
    }
    Ok(catalog.action(owner, name))
}

async fn put(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    owner: &str,
    name: EntityName,
) -> Result<Reply, Rejection> {
    let overwrite = call.target.flag("overwrite", false)?;
    let mut put: ActionPut = call.read_json(user).await?;
    put.check_sizes()?;
    let _held = user.reserve(put.size(), "an action that is being changed")?;
    let _change = change(user).await?;
    let existing = own(call, user, owner, &name)?;
    if existing.is_some() && !overwrite {
        return Err(Rejection::conflict("resource already exists"));
    }
    let settings = user.settings();
    let max = settings.max_limits();
    let code = put.exec.as_mut().and_then(|exec| exec.code.take());
    let mut action = match &existing {
        Some(existing) => existing.changed(put, &max)?,
        None => Action::create(&user.name, name.clone(), put, &max)?,
    };
    if let Exec::Sequence { components, .. } = &mut action.exec {
        check_sequence(call, user, components)?;
    }
    refuse_unsupported(&action)?;
    let added = action.size() + code.as_ref().map_or(0, String::len) as u64;
    let others = call.node.catalog.usage(&user.name, Some(&name));
    quotas::check_stored(&settings.quotas, others, added)?;
    let code = match code {
        Some(text) => {
            let main = match &action.exec {
                Exec::Component { main, .. } => main.as_deref(),
                Exec::Sequence { .. } => None,
            };
            let loading = call.node.loader.deployable(user, text, main, &action);
            let deployable = loading.await?;
            action.digest = Some(deployable.digest);
            action.signer = deployable.signer;
            action.request_beside = deployable.request_beside;
            let pulled = deployable.code.pulled.as_ref().map_or(0, Vec::len) as u64;
            quotas::check_stored(&settings.quotas, others, added + pulled)?;
            Some(deployable.code)
        }
        None => None,
    };
    let described = Arc::new(action.clone());
    let (reply, code) = shown(user, described, Inherited::default(), code).await?;
    call.node.catalog.put_action(action, code).await?;
    Ok(reply)
}

/// Waits until the namespace's other changes are done, so that a change is checked against what it
/// replaces.
pub(super) async fn change(user: &Namespace) -> Result<Change<'_>, Rejection> {
    user.change().await.ok_or_else(|| {
        let (count, allowed) = (Namespace::CHANGES, Namespace::CHANGES);
        Refused::Concurrent { count, allowed }.into()
    })
}

/// Refuses annotations that would change the behaviour on OpenWhisk and have no effect here.
fn refuse_unsupported(action: &Action) -> Result<(), Rejection> {
    if action.annotations.is("conductor", false) {
        return Err(Rejection::not_implemented(
            "a node runs no conductor actions: compose actions as a sequence",
        ));
    }
    Ok(())
}

/// Resolves the names of a sequence's actions, which must exist.
fn check_sequence(
    call: &Call<'_>,
    user: &Namespace,
    components: &mut [String],
) -> Result<(), Rejection> {
    if components.is_empty() {
        return Err(Rejection::bad("No component specified for the sequence."));
    }
    if components.len() > MAX_SEQUENCE {
        return Err(Rejection::bad("Too many actions in the sequence."));
    }
    for component in components {
        let parsed = EntityName::parse_qualified(component, &user.name);
        let (owner, name) = parsed.ok_or_else(|| {
            Rejection::malformed(format_args!("{component:?} is no name of an action"))
        })?;
        let found = resolution::find(&call.node.catalog, &user.name, &owner, &name);
        match found {
            Ok(_) => *component = format!("/{owner}/{}", name.path()),
            Err(NotFound::Forbidden) => {
                return Err(Rejection::forbidden(&[&[&owner, &name.path()]]));
            }
            Err(_) => return Err(Rejection::bad("Sequence component does not exist.")),
        }
    }
    Ok(())
}
