//! Packages and bindings: created, changed, read, listed, removed.

use std::sync::Arc;

use hyper::Method;

use super::actions::change;
use super::lists::{Entry as _, ListedAction, listed, written};
use super::reply::{Rejection, Reply};
use super::{Call, not_found, quotas};
use crate::entities::{
    ActionJson, EntityName, Package, PackageJson, PackagePut, Values, check_name,
};
use crate::resolution::{self, NotFound};
use crate::tenants::Namespace;

pub(super) async fn answer(
    call: &Call<'_>,
    user: &Arc<Namespace>,
    owner: &str,
    rest: &[&str],
) -> Result<Reply, Rejection> {
    let name = match rest {
        [] | [""] => return list(call, user, owner).await,
        [name] | [name, ""] => check_name(name)?,
        _ => return Err(Rejection::no_route()),
    };
    match call.method {
        Method::GET => get(call, user, owner, name).await,
        Method::PUT | Method::DELETE if *user.name != *owner => {
            Err(not_found(NotFound::Forbidden, owner, rest))
        }
        Method::PUT => put(call, user, name).await,
        Method::DELETE => delete(call, user, name).await,
        _ => Err(Rejection::method("PUT, GET, DELETE")),
    }
}

/// Lists the packages of a namespace; those of another one that are shared.
async fn list(call: &Call<'_>, user: &Namespace, owner: &str) -> Result<Reply, Rejection> {
    if call.method != Method::GET {
        return Err(Rejection::method("GET"));
    }
    let mut packages = call.node.catalog.packages(owner);
    packages.retain(|package| *user.name == *owner || package.publish);
    listed(call, user, "packages", packages).await
}

async fn get(
    call: &Call<'_>,
    user: &Namespace,
    owner: &str,
    name: &str,
) -> Result<Reply, Rejection> {
    let catalog = &call.node.catalog;
    let refused = |reason| not_found(reason, owner, &[name]);
    let package = resolution::visible(catalog, &user.name, owner, name).map_err(refused)?;
    let (bound, _) = resolution::package(catalog, &user.name, owner, name).map_err(refused)?;
    let for_owner = bound.namespace == *user.name;
    let actions = catalog.actions(&bound.namespace, Some(&bound.name)).into_iter();
    let actions: Vec<_> = actions.map(|action| ListedAction { action, for_owner }).collect();
    let parameters =
        if *user.name == *owner { package.parameters.clone() } else { Values::default() };
    let entries: usize = actions.iter().map(|entry| entry.bytes()).sum();
    let bytes = package.bytes() + parameters.size() + entries;
    let write = move || {
        let entries = actions.iter().map(|entry| ActionJson::entry(&entry.action, for_owner));
        Reply::json(&PackageJson::whole(&package, &parameters).with(entries))
    };
    written(user, bytes, "package", write).await
}

/// Returns the response with a package that was changed.
async fn shown(user: &Namespace, package: Arc<Package>) -> Result<Reply, Rejection> {
    let bytes = package.bytes() + package.parameters.size();
    let write = move || Reply::json(&PackageJson::whole(&package, &package.parameters));
    written(user, bytes, "package", write).await
}

async fn put(call: &Call<'_>, user: &Arc<Namespace>, name: &str) -> Result<Reply, Rejection> {
    let overwrite = call.target.flag("overwrite", false)?;
    let mut put: PackagePut = call.read_json(user).await?;
    put.check_sizes()?;
    put.resolve(&user.name);
    let catalog = &call.node.catalog;
    let _held = user.reserve(put.size(), "a package that is being changed")?;
    let _change = change(user).await?;
    if let Some(binding) = put.binding() {
        check_name(&binding.namespace)?;
        check_name(&binding.name)?;
        let (owner, name) = (&binding.namespace, &binding.name);
        let bound = resolution::visible(catalog, &user.name, owner, name);
        match bound {
            Ok(package) if package.binding.is_some() => {
                return Err(Rejection::bad("Cannot bind to another package binding."));
            }
            Ok(_) => {}
            Err(NotFound::Forbidden) => return Err(Rejection::forbidden(&[&[owner, name]])),
            Err(_) => {
                return Err(Rejection::bad("Binding references a package that does not exist."));
            }
        }
    }
    if catalog.action(&user.name, &EntityName::new("", name)).is_some() {
        return Err(not_found(NotFound::OtherKind, &user.name, &[]));
    }
    let existing = catalog.package(&user.name, name);
    let kept = existing.as_ref().map_or((0, 0), |package| (1, package.size()));
    let package = match existing {
        Some(_) if !overwrite => return Err(Rejection::conflict("resource already exists")),
        Some(existing) => existing.changed(put)?,
        None => Package::create(&user.name, name, put),
    };
    let (count, bytes) = catalog.usage(&user.name, None);
    let others = (count.saturating_sub(kept.0), bytes.saturating_sub(kept.1));
    quotas::check_stored(&user.quotas(), others, package.size())?;
    let reply = shown(user, Arc::new(package.clone())).await?;
    catalog.put_package(package).await?;
    Ok(reply)
}

async fn delete(call: &Call<'_>, user: &Namespace, name: &str) -> Result<Reply, Rejection> {
    let catalog = &call.node.catalog;
    let _change = change(user).await?;
    let package = resolution::visible(catalog, &user.name, &user.name, name)
        .map_err(|reason| not_found(reason, &user.name, &[name]))?;
    let count = catalog.actions(&user.name, Some(name)).len();
    if count > 0 && !call.target.flag("force", false)? {
        return Err(Rejection::conflict(format_args!(
            "Package not empty (contains {count} {}). Set force param or delete package contents.",
            if count == 1 { "entity" } else { "entities" }
        )));
    }
    let reply = shown(user, Arc::clone(&package)).await?;
    catalog.remove_package(&package).await?;
    Ok(reply)
}
