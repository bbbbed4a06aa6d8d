//! How an action names a model.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::quote::{quoted, steers};

/// A model as an action names it: `name`, `name:version`, `models:/name/3`, `models:/name@champion`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelRef {
    /// A model of the server, by name, and a version's number or none for the one the server chooses.
    Served {
        /// The name of its folder in the model repository.
        name: String,
        /// A positive number; none for the server's choice.
        version: Option<u64>,
    },
    /// A model of the registry, by version number or stage: `models:/name/3`, `models:/name/Production`.
    RegistryVersion {
        /// The registered model's name.
        name: String,
        /// A version's number, or a stage.
        version: String,
    },
    /// A model of the registry, by alias: `models:/name@champion`.
    RegistryAlias {
        /// The registered model's name.
        name: String,
        /// The alias, without `@`.
        alias: String,
    },
}

impl ModelRef {
    /// The model's name, without version or alias: what a policy grants.
    pub fn name(&self) -> &str {
        match self {
            Self::Served { name, .. } | Self::RegistryVersion { name, .. } | Self::RegistryAlias { name, .. } => name,
        }
    }
}

impl ModelRef {
    /// The number of a version that is named by it; none for an alias, a stage or no version.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Served { version, .. } => *version,
            Self::RegistryVersion { version, .. } => version.parse().ok().filter(|number| *number > 0),
            Self::RegistryAlias { .. } => None,
        }
    }

    /// The name and version that the model server knows it by.
    ///
    /// # Errors
    /// `unavailable`: it is one of a registry, and was not looked up there because none is configured.
    pub fn served(&self) -> Result<(&str, Option<u64>)> {
        match self {
            Self::Served { name, version } => Ok((name, *version)),
            Self::RegistryVersion { name, .. } | Self::RegistryAlias { name, .. } => Err(Error::unavailable(format!(
                "model {self} is one of a model registry, and none is configured: set MLFLOW_TRACKING_URI, or ask the model server itself, \
                 as `{name}` or `{name}:1`"
            ))),
        }
    }
}

impl FromStr for ModelRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let forms = "`name`, `name:version`, `models:/name/3` or `models:/name@alias`";
            Error::invalid(format!("model {}: {why}; write {forms}", quoted(text)))
        };
        let named = |name: &str| -> Result<String> {
            let legal = !name.is_empty()
                && name.len() <= 255
                && !matches!(name, "." | "..")
                && !name.starts_with('.')
                && !name.contains(['/', '\\', ':', '@', '\0'])
                && !name.chars().any(steers);
            if legal { Ok(name.to_owned()) } else { Err(wrong("that is not a model's name")) }
        };
        if let Some(path) = text.strip_prefix("models:/") {
            return if let Some((name, alias)) = path.split_once('@') {
                Ok(Self::RegistryAlias { name: named(name)?, alias: named(alias)? })
            } else if let Some((name, version)) = path.split_once('/') {
                Ok(Self::RegistryVersion { name: named(name)?, version: named(version)? })
            } else {
                Err(wrong("a version or alias is missing"))
            };
        }
        match text.split_once(':') {
            None => Ok(Self::Served { name: named(text)?, version: None }),
            Some((name, version)) => match version.parse() {
                Ok(number) if number > 0 => Ok(Self::Served { name: named(name)?, version: Some(number) }),
                _ => Err(wrong("a version is a positive number")),
            },
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served { name, version: None } => f.write_str(name),
            Self::Served { name, version: Some(version) } => write!(f, "{name}:{version}"),
            Self::RegistryVersion { name, version } => write!(f, "models:/{name}/{version}"),
            Self::RegistryAlias { name, alias } => write!(f, "models:/{name}@{alias}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_writes_back() {
        for text in ["detector", "detector:3", "models:/detector/3", "models:/detector/Production", "models:/detector@champion"] {
            let model: ModelRef = text.parse().unwrap();
            assert_eq!(model.to_string(), text);
            assert_eq!(model.name(), "detector");
        }
    }

    #[test]
    fn only_a_number_is_a_versions_number() {
        let number = |text: &str| text.parse::<ModelRef>().unwrap().number();
        assert_eq!((number("a:3"), number("models:/a/3")), (Some(3), Some(3)));
        for text in ["a", "models:/a/Production", "models:/a@3", "models:/a/0"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn what_could_leave_the_repository_is_no_name() {
        for text in ["", "..", "a/b", "../x", "a:0", "a:x", "a:-1", "models:/a", "models:/../3", "models:/a@", "a\\b", ".hidden", "a\nb"] {
            let error = text.parse::<ModelRef>().unwrap_err();
            assert!(error.message.contains("models:/name@alias"), "{text}: {error}");
        }
    }
}
