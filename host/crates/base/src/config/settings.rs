//! Lookup of variables by name, with their origin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{ConfigError, Origin};

/// Variables by origin, in order of precedence.
pub(super) struct Settings(Vec<Variables>);

/// Variables of one origin.
pub(super) struct Variables {
    pub(super) origin: Origin,
    values: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn new(origins: Vec<(Origin, BTreeMap<String, String>)>) -> Self {
        let mut origins: Vec<_> =
            origins.into_iter().map(|(origin, values)| Variables { origin, values }).collect();
        if !origins.iter().any(|variables| variables.origin == Origin::Container) {
            origins.insert(0, Variables { origin: Origin::Container, values: BTreeMap::new() });
        }
        Self(origins)
    }

    /// Returns the operator's variables, the only ones that configure how the host runs.
    #[expect(clippy::expect_used, reason = "`new` sees to it")]
    pub(super) fn host(&self) -> &Variables {
        self.0
            .iter()
            .find(|variables| variables.origin == Origin::Container)
            .expect("there is always a container")
    }

    /// Returns a variable from the first origin that sets it.
    pub(super) fn first(&self, name: &str) -> Option<(Origin, &str)> {
        self.0.iter().find_map(|variables| Some((variables.origin, variables.text(name)?)))
    }

    /// Returns the first origin that sets any of `names`: a backend is taken from it as a whole.
    pub(super) fn unit(&self, names: &[&str]) -> Option<&Variables> {
        self.0.iter().find(|variables| names.iter().any(|name| variables.text(name).is_some()))
    }
}

impl Variables {
    /// Returns a variable; an empty one counts as not set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(super) fn parse<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        self.text(name).map(|text| parse(text).map_err(|why| self.error(name, why))).transpose()
    }

    pub(super) fn error(&self, name: &'static str, why: impl Into<String>) -> ConfigError {
        ConfigError { name, origin: self.origin, why: why.into() }
    }
}
