//! Which action a name means: in a package, through a binding, and only if the caller may use it.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::entities::{Action, EntityName, Package, Values};

/// An action that the caller may run.
pub struct Found {
    /// Action.
    pub action: Arc<Action>,
    /// Default parameters that it has from its package.
    pub inherited: Inherited,
}

/// Default parameters that an action has from its package and from the binding that it was found
/// through. They are shared with the catalog: each of the activations that wait has them.
#[derive(Clone, Default)]
pub struct Inherited {
    package: Option<Arc<Package>>,
    binding: Option<Arc<Package>>,
}

impl Inherited {
    /// Returns the parameters of the package, those of the binding, and `own`, each of which stand
    /// above those before.
    pub fn with<'a>(&'a self, own: &'a Values) -> Vec<&'a Values> {
        let packages = self.package.iter().chain(&self.binding);
        packages.map(|package| &package.parameters).chain([own]).collect()
    }
}

/// Reason why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFound {
    /// There is no such action or package.
    Missing,
    /// The name belongs to another kind of entity.
    OtherKind,
    /// It belongs to another namespace, which does not share it. Whether it exists is not told.
    Forbidden,
}

/// Finds the action `name` of the namespace `owner` for `user`.
///
/// # Errors
/// There is none, or `user` may not use it.
pub fn find(
    catalog: &Catalog,
    user: &str,
    owner: &str,
    name: &EntityName,
) -> Result<Found, NotFound> {
    if name.package.is_empty() {
        if user != owner {
            return Err(NotFound::Forbidden); // only packages are shared
        }
        return match catalog.action(owner, name) {
            Some(action) => Ok(Found { action, inherited: Inherited::default() }),
            None if catalog.package(owner, &name.name).is_some() => Err(NotFound::OtherKind),
            None => Err(NotFound::Missing),
        };
    }
    let (package, inherited) = package(catalog, user, owner, &name.package)?;
    let action = catalog.action(&package.namespace, &EntityName::new(&package.name, &name.name));
    action.map(|action| Found { action, inherited }).ok_or(NotFound::Missing)
}

/// Finds a package for `user`, the one that it is bound to if it is a binding, with the parameters
/// that its actions have from both.
///
/// # Errors
/// There is none, or `user` may not use it.
pub fn package(
    catalog: &Catalog,
    user: &str,
    owner: &str,
    name: &str,
) -> Result<(Arc<Package>, Inherited), NotFound> {
    let package = visible(catalog, user, owner, name)?;
    let Some(binding) = &package.binding else {
        let inherited = Inherited { package: Some(Arc::clone(&package)), binding: None };
        return Ok((package, inherited));
    };
    // A binding is resolved with the rights of its owner, and is not followed any further.
    let bound = visible(catalog, owner, &binding.namespace, &binding.name)?;
    if bound.binding.is_some() {
        return Err(NotFound::Missing);
    }
    let inherited = Inherited { package: Some(Arc::clone(&bound)), binding: Some(package) };
    Ok((bound, inherited))
}

/// Returns a package that `user` owns or that its owner shares.
///
/// # Errors
/// There is none, or `user` may not see it.
pub fn visible(
    catalog: &Catalog,
    user: &str,
    owner: &str,
    name: &str,
) -> Result<Arc<Package>, NotFound> {
    match catalog.package(owner, name) {
        Some(package) if user == owner || package.publish => Ok(package),
        None if user == owner && catalog.action(owner, &EntityName::new("", name)).is_some() => {
            Err(NotFound::OtherKind)
        }
        None if user == owner => Err(NotFound::Missing),
        _ => Err(NotFound::Forbidden),
    }
}
