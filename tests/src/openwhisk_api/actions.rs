//! Actions: created, read, listed, deleted (Actions.scala, ApiUtils.scala). Invocation is in the
//! module `invoke`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, Rejection, Routed};
use super::body::{Action, Put};
use super::request::Request;
use super::routes::{entity_name, flag, page};
use super::{Api, invoke};

pub fn route(api: &Arc<Api>, request: &Request, parts: &[&str], transaction: &str) -> Routed {
    match parts {
        [] | [""] => list(api, request, None),
        [package, ""] => {
            let package = entity_name(package)?;
            if !api.store().packages.contains_key(&package) {
                return Err(Rejection::not_found());
            }
            list(api, request, Some(&package))
        }
        [name] => entity(api, request, "", &entity_name(name)?, transaction),
        [package, name] => {
            let (package, name) = (entity_name(package)?, entity_name(name)?);
            if !api.store().packages.contains_key(&package) {
                return Err(Rejection::not_found());
            }
            entity(api, request, &package, &name, transaction)
        }
        _ => Err(Rejection::no_route()),
    }
}

/// Lists the actions of a package; without one, those of the namespace and of its packages, newest
/// first.
fn list(api: &Api, request: &Request, package: Option<&str>) -> Routed {
    if request.method != "GET" {
        return Err(Rejection::method("GET"));
    }
    let (skip, limit) = page(request, "actions")?;
    let store = api.store();
    let mut actions: Vec<&Action> = store
        .actions
        .values()
        .filter(|action| package.is_none_or(|package| action.package == package))
        .collect();
    actions.sort_by_key(|action| std::cmp::Reverse(action.summary()["updated"].as_u64()));
    if flag(request, "count", false)? {
        return Ok(Answer::json(200, &json!({ "actions": actions.len().saturating_sub(skip) })));
    }
    Ok(Answer::json(
        200,
        &actions.into_iter().skip(skip).take(limit).map(Action::summary).collect::<Value>(),
    ))
}

fn entity(
    api: &Arc<Api>,
    request: &Request,
    package: &str,
    name: &str,
    transaction: &str,
) -> Routed {
    let key = (package.to_owned(), name.to_owned());
    match request.method.as_str() {
        "PUT" => put(api, request, package, name),
        "GET" => {
            let with_code = flag(request, "code", true)?;
            let store = api.store();
            conforms(api, &store, package, name)?;
            Ok(Answer::json(
                200,
                &store.actions.get(&key).ok_or_else(Rejection::not_found)?.json(with_code),
            ))
        }
        "DELETE" => {
            let mut store = api.store();
            conforms(api, &store, package, name)?;
            let action = store.actions.remove(&key).ok_or_else(Rejection::not_found)?;
            Ok(Answer::json(200, &action.json(true)))
        }
        "POST" => {
            let action = {
                let store = api.store();
                conforms(api, &store, package, name)?;
                store.actions.get(&key).ok_or_else(Rejection::not_found)?.clone()
            };
            invoke::answer(api, request, &action, transaction)
        }
        _ => Err(Rejection::method("PUT, GET, DELETE, POST")),
    }
}

/// Rejects a name that is both an action and a package of the namespace: they would be the same
/// document.
fn conforms(_: &Api, store: &super::Store, package: &str, name: &str) -> Result<(), Rejection> {
    let taken = package.is_empty() && store.packages.contains_key(name);
    if taken {
        Err(Rejection::new(409, "Resource by this name exists but is not in this collection."))
    } else {
        Ok(())
    }
}

fn put(api: &Api, request: &Request, package: &str, name: &str) -> Routed {
    json_body(request)?;
    let overwrite = flag(request, "overwrite", false)?;
    let put = Put::read(&request.body, &api.setup)?;
    let mut store = api.store();
    conforms(api, &store, package, name)?;
    let key = (package.to_owned(), name.to_owned());
    let action = match store.actions.get(&key) {
        Some(_) if !overwrite => return Err(Rejection::new(409, "resource already exists")),
        Some(existing) => existing.update(put, &api.setup)?,
        None => Action::make(package, name, put, &api.setup)?,
    };
    let answer = Answer::json(200, &action.json(true));
    store.actions.insert(key, action);
    Ok(answer)
}

/// Checks that a body, if there is one, is JSON and declares it.
pub fn json_body(request: &Request) -> Result<(), Rejection> {
    let kind = request
        .header("content-type")
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if request.body.is_empty() || kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Rejection::new(
        415,
        "The request's Content-Type is not supported. Expected:\napplication/json",
    ))
}
