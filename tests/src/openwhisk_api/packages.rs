//! Packages, as far as actions in them need it (Packages.scala).

use serde_json::{Value, json};

use super::answer::{Answer, Rejection, Routed};
use super::request::Request;
use super::routes::{entity_name, flag, page};
use super::{Api, now_ms};

pub fn route(api: &Api, request: &Request, parts: &[&str]) -> Routed {
    let mut store = api.store();
    match (request.method.as_str(), parts) {
        ("GET", [] | [""]) => {
            let (skip, limit) = page(request, "packages")?;
            Ok(Answer::json(
                200,
                &store.packages.values().skip(skip).take(limit).cloned().collect::<Value>(),
            ))
        }
        ("PUT", [name]) => {
            let name = entity_name(name)?;
            if name == "default" {
                return Err(Rejection::new(400, "Package name 'default' is reserved."));
            }
            if store.actions.contains_key(&(String::new(), name.clone())) {
                return Err(Rejection::new(
                    409,
                    "Resource by this name exists but is not in this collection.",
                ));
            }
            if store.packages.contains_key(&name) && !flag(request, "overwrite", false)? {
                return Err(Rejection::new(409, "resource already exists"));
            }
            let package = json!({ "namespace": "guest", "name": name, "version": "0.0.1", "publish": false, "annotations": [], "parameters": [],
                                  "binding": {}, "updated": now_ms() });
            store.packages.insert(name, package.clone());
            Ok(Answer::json(200, &package))
        }
        ("GET", [name]) => {
            Ok(Answer::json(200, store.packages.get(*name).ok_or_else(Rejection::not_found)?))
        }
        ("DELETE", [name]) => {
            if store.actions.keys().any(|(package, _)| package == name) {
                return Err(Rejection::new(
                    409,
                    "Package not empty (contains 1 entity). Set force param or delete package \
                        contents.",
                ));
            }
            Ok(Answer::json(200, &store.packages.remove(*name).ok_or_else(Rejection::not_found)?))
        }
        _ => Err(Rejection::method("GET, PUT, DELETE")),
    }
}
