//! Validation of a component's imports and exports against the world of an action.

use std::fmt;

use wasmtime::component::Component;

use keynet_base::quote::shown;

/// Package of the contract that this host implements.
pub const CONTRACT: &str = "keynet:inference";
/// Version of the contract that this host implements.
pub const VERSION: &str = "0.1.0";

/// Packages whose interfaces `keynet-inference build` composes into an action.
const LIBRARIES: &[&str] = &["keynet:imaging"];

const INTERFACES: &[&str] = &["types", "user-input", "triton-predict", "storage"];

/// WASI packages that an action may import, all of version 0.2.
const WASI: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Version of WASI that this host implements. Components built for a later patch version are
/// accepted as long as they import nothing that it added.
const WASI_VERSION: &str = "0.2.12";

/// Error of a component that does not fit the world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The component was built against another minor version of the contract.
    #[error(
        "the component was built against {CONTRACT}@{}, this host has {CONTRACT}@{VERSION}: {}",
        shown(.built),
        if newer(.built) { "upgrade the host (keynet-inference), or build with an older SDK" } else { "build the component with a \
            newer SDK" }
    )]
    Version {
        /// Version that the component was built against.
        built: String,
    },
    /// The component imports something that an action cannot have.
    #[error(
        "the component imports `{}`, which an action does not have: it may import {CONTRACT}'s \
            user-input, triton-predict and storage, and WASI 0.2 without HTTP; remove the library \
            or the generator's option that needs it",
        shown(.0)
    )]
    Unknown(String),
    /// The component imports a library that must be composed into it.
    #[error(
        "the component imports `{}`, a library that must be a part of it: build the action with \
         `keynet-inference build`, which composes it in",
        shown(.0)
    )]
    Library(String),
    /// The component exports no function.
    #[error(
        "the component does not export `{CONTRACT}/function`: mark the function with \
            `#[keynet_function]` (or its like in your language's SDK)"
    )]
    NoFunction,
    /// The component imports something of WASI that this host lacks, such as an addition of a later
    /// patch version.
    #[error(
        "the component imports `{}`, and this host has WASI {WASI_VERSION}, in which it is missing \
            or different: {why}; build the component with tools of WASI {WASI_VERSION} or before, \
            or upgrade the host (keynet-inference)",
        shown(.import)
    )]
    Wasi {
        /// Interface with its version.
        import: String,
        /// Missing or different part.
        why: String,
    },
    /// The names match, the types do not.
    #[error(
        "the component's imports or exports have other types than {CONTRACT}@{VERSION}: {0}; build \
            it with this version's SDK"
    )]
    Mismatch(String),
}

/// Full names of the interfaces that a component imports, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imports(Vec<String>);

impl Imports {
    /// Checks names and versions; types are checked when the component is linked.
    pub(super) fn check(
        component: &Component,
        engine: &wasmtime::Engine,
    ) -> Result<Self, ImportError> {
        let ty = component.component_type();
        let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
        Self::check_names(imports, ty.exports(engine).map(|(name, _)| name))
    }

    /// Checks the declared imports and exports of a component before its bytes are fetched.
    ///
    /// # Errors
    /// An import or export does not fit the world.
    pub fn check_names<'a>(
        mut names: Vec<String>,
        exports: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ImportError> {
        names.sort();
        names.iter().try_for_each(|name| check_import(name))?;
        let exports: Vec<_> = exports.filter_map(Interface::parse).collect();
        let function =
            exports.iter().find(|export| export.package == CONTRACT && export.name == "function");
        function.ok_or(ImportError::NoFunction)?.check_version()?;
        Ok(Self(names))
    }

    /// Returns the error of a component with these imports that does not link; `why` names the
    /// import that does not fit.
    pub(super) fn mismatch(&self, why: String) -> ImportError {
        let wasi = self
            .0
            .iter()
            .filter(|name| name.starts_with("wasi:"))
            .find(|name| why.contains(&format!("`{name}`")));
        match wasi {
            Some(import) => ImportError::Wasi { import: import.clone(), why },
            None => ImportError::Mismatch(why),
        }
    }

    /// Returns the names, such as `keynet:inference/storage@0.1.0`.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Reports whether the component imports an interface of the contract, such as `storage`.
    pub fn has(&self, interface: &str) -> bool {
        self.0
            .iter()
            .filter_map(|name| Interface::parse(name))
            .any(|import| import.package == CONTRACT && import.name == interface)
    }
}

impl fmt::Display for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Parts of `package/name@version`.
struct Interface<'a> {
    package: &'a str,
    name: &'a str,
    version: &'a str,
}

impl<'a> Interface<'a> {
    fn parse(full: &'a str) -> Option<Self> {
        let (path, version) = full.split_once('@').unwrap_or((full, ""));
        let (package, name) = path.split_once('/')?;
        Some(Self { package, name, version })
    }

    /// Patch versions are compatible; before 1.0, minor versions are not.
    fn check_version(&self) -> Result<(), ImportError> {
        if minor(self.version) == minor(VERSION) {
            Ok(())
        } else {
            Err(ImportError::Version { built: self.version.to_owned() })
        }
    }
}

fn check_import(full: &str) -> Result<(), ImportError> {
    let unknown = || ImportError::Unknown(full.to_owned());
    let interface = Interface::parse(full).ok_or_else(unknown)?;
    if interface.package == CONTRACT {
        interface.check_version()?;
        return if INTERFACES.contains(&interface.name) { Ok(()) } else { Err(unknown()) };
    }
    if LIBRARIES.contains(&interface.package) {
        return Err(ImportError::Library(full.to_owned()));
    }
    let wasi =
        interface.package.strip_prefix("wasi:").is_some_and(|package| WASI.contains(&package));
    if wasi && minor(interface.version) == Some((0, 2)) { Ok(()) } else { Err(unknown()) }
}

fn minor(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn newer(version: &str) -> bool {
    minor(version) > minor(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_and_wasi_may_be_imported() {
        for name in [
            "keynet:inference/storage@0.1.0",
            "keynet:inference/types@0.1.7",
            "wasi:cli/stdout@0.2.6",
            "wasi:io/poll@0.2.0",
        ] {
            assert_eq!(check_import(name), Ok(()), "{name}");
        }
        for name in [
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:cli/stdout@0.3.0",
            "keynet:inference/secrets@0.1.0",
            "run",
            "other:pkg/x",
        ] {
            assert_eq!(check_import(name), Err(ImportError::Unknown(name.to_owned())));
        }
    }

    #[test]
    fn a_library_that_was_not_composed_in_names_the_command_that_does() {
        let error = check_import("keynet:imaging/pictures@0.1.0").unwrap_err().to_string();
        assert!(error.contains("`keynet-inference build`"), "{error}");
    }

    #[test]
    fn what_a_later_wasi_added_is_named_with_its_version() {
        let imports = Imports(vec![
            "keynet:inference/storage@0.1.0".to_owned(),
            "wasi:cli/later@0.2.99".to_owned(),
        ]);
        let told = |why: &str| imports.mismatch(why.to_owned()).to_string();
        let error = told(
            "component imports instance `wasi:cli/later@0.2.99`, but a matching implementation was \
                not found",
        );
        assert!(
            error.contains("wasi:cli/later@0.2.99")
                && error.contains(&format!("WASI {WASI_VERSION}")),
            "{error}"
        );
        assert!(!error.contains(CONTRACT), "{error}");
        let error = told(
            "component imports instance `keynet:inference/storage@0.1.0`, but a matching \
                implementation was not found",
        );
        assert!(error.contains("keynet:inference@0.1.0"), "{error}");
    }

    #[test]
    fn another_minor_version_says_who_must_upgrade() {
        let error = check_import("keynet:inference/storage@0.2.0").unwrap_err().to_string();
        assert!(
            error.contains("@0.2.0")
                && error.contains("@0.1.0")
                && error.contains("upgrade the host"),
            "{error}"
        );
        let error = check_import("keynet:inference/storage@0.0.9").unwrap_err().to_string();
        assert!(error.contains("newer SDK"), "{error}");
    }
}
