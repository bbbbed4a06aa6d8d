//! The name of a model, as actions write it.

use std::fmt;
use std::str::FromStr;

use keynet_base::error::{Error, Result};
use keynet_base::limits;
use keynet_base::quote::{quoted, steers};

/// Model as an action names it: `name`, `name:version`, `models:/name/3`, `models:/name@champion`,
/// `models:/m-ID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelRef {
    /// Model of the server, by name and optional version number.
    Served {
        /// Name of its folder in the model repository.
        name: String,
        /// Positive number; `None` if the server chooses the version.
        version: Option<u64>,
    },
    /// Model of the registry, by version number or stage: `models:/name/3`,
    /// `models:/name/Production`.
    RegistryVersion {
        /// Name of the registered model.
        name: String,
        /// Version number, or a stage.
        version: String,
    },
    /// Model of the registry, by alias: `models:/name@champion`.
    RegistryAlias {
        /// Name of the registered model.
        name: String,
        /// Alias, without `@`.
        alias: String,
    },
    /// Logged model, registered or not: `models:/m-ID`.
    Logged {
        /// ID, including `m-`.
        id: String,
    },
}

impl ModelRef {
    /// Returns the model's name, without version or alias, which is the name that a policy grants.
    pub fn name(&self) -> &str {
        match self {
            Self::Served { name, .. }
            | Self::RegistryVersion { name, .. }
            | Self::RegistryAlias { name, .. } => name,
            Self::Logged { id } => id,
        }
    }
}

impl ModelRef {
    /// Returns the version number in the name; `None` for an alias, a stage or no version.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Served { version, .. } => *version,
            Self::RegistryVersion { version, .. } => {
                version.parse().ok().filter(|number| *number > 0)
            }
            Self::RegistryAlias { .. } | Self::Logged { .. } => None,
        }
    }

    /// Reports whether `name` is a valid name of a model of the server, and so of its folder. A
    /// registry allows other names too.
    pub fn is_served_name(name: &str) -> bool {
        is_registered_name(name)
            && !matches!(name, "." | "..")
            && !name.starts_with('.')
            && !name.contains(['\\', '@'])
    }

    /// Returns the name and version on the model server.
    ///
    /// # Errors
    /// `unavailable`: the model is named by a registry, and was not resolved because no registry is
    /// configured. `invalid`: it is a logged model.
    pub fn served(&self) -> Result<(&str, Option<u64>)> {
        match self {
            Self::Served { name, version } => Ok((name, *version)),
            Self::Logged { .. } => Err(Error::invalid(format!(
                "model {self} is one that was logged, and no model server knows it by that: deploy \
                    it, as `keynet-inference model deploy {self} --name NAME`, and ask for NAME"
            ))),
            Self::RegistryVersion { name, .. } | Self::RegistryAlias { name, .. } => {
                Err(Error::unavailable(format!(
                    "model {self} is one of a model registry, and none is configured: set \
                        MLFLOW_TRACKING_URI, or ask the model server itself, as `{name}` or \
                        `{name}:1`"
                )))
            }
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
        if text.len() > limits::MODEL {
            return Err(wrong(&format!(
                "that is longer than the {} bytes there can be",
                limits::MODEL
            )));
        }
        let named = |name: &str| -> Result<String> {
            if Self::is_served_name(name) {
                Ok(name.to_owned())
            } else {
                Err(wrong("that is not a model's name"))
            }
        };
        if let Some(path) = text.strip_prefix("models:/") {
            return registered(path).map_err(wrong);
        }
        match text.split_once(':') {
            None => Ok(Self::Served { name: named(text)?, version: None }),
            Some((name, version)) => match version.parse() {
                Ok(number) if number > 0 => {
                    Ok(Self::Served { name: named(name)?, version: Some(number) })
                }
                _ => Err(wrong("a version is a positive number")),
            },
        }
    }
}

/// Reports whether a registry can have a model of this name: MLflow rejects only `/` and `:`.
fn is_registered_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.contains(['/', ':', '\0'])
        && !name.chars().any(steers)
}

/// Parses the part after `models:/`, in the same way as MLflow's own client: `name/version`,
/// `name/stage`, `name@alias`, `m-ID`.
fn registered(path: &str) -> std::result::Result<ModelRef, &'static str> {
    // `models:///name/3` has an empty host, `models://host/name/3` that of another registry.
    let path = match path.strip_prefix('/') {
        Some(rest) => rest
            .strip_prefix('/')
            .ok_or("it is in another registry than MLFLOW_TRACKING_URI names")?
            .trim_start_matches('/'),
        None => path,
    };
    let named = |name: &str| {
        Some(name.to_owned())
            .filter(|name| is_registered_name(name))
            .ok_or("that is not a model's name")
    };
    if let Some((name, version)) = path.split_once('/') {
        // Stages and `latest` are case-insensitive; only `latest` is normalised.
        let version = if version.eq_ignore_ascii_case("latest") { "latest" } else { version };
        return Ok(ModelRef::RegistryVersion { name: named(name)?, version: named(version)? });
    }
    match path.rsplit_once('@') {
        Some((name, alias)) if alias.eq_ignore_ascii_case("latest") => {
            Ok(ModelRef::RegistryVersion { name: named(name)?, version: "latest".to_owned() })
        }
        Some((name, alias)) => {
            Ok(ModelRef::RegistryAlias { name: named(name)?, alias: named(alias)? })
        }
        None if path.starts_with("m-") => Ok(ModelRef::Logged { id: named(path)? }),
        None => Err("a version or alias is missing"),
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served { name, version: None } => f.write_str(name),
            Self::Served { name, version: Some(version) } => write!(f, "{name}:{version}"),
            Self::RegistryVersion { name, version } => write!(f, "models:/{name}/{version}"),
            Self::RegistryAlias { name, alias } => write!(f, "models:/{name}@{alias}"),
            Self::Logged { id } => write!(f, "models:/{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_writes_back() {
        for text in [
            "detector",
            "detector:3",
            "models:/detector/3",
            "models:/detector/Production",
            "models:/detector@champion",
        ] {
            let model: ModelRef = text.parse().unwrap();
            assert_eq!(model.to_string(), text);
            assert_eq!(model.name(), "detector");
        }
    }

    #[test]
    fn names_that_mlflow_has_are_read_as_its_own_client_reads_them() {
        for (text, name, shown) in [
            ("models:/field@home/1", "field@home", "models:/field@home/1"),
            ("models:/field@home@champion", "field@home", "models:/field@home@champion"),
            ("models:/.field@champion", ".field", "models:/.field@champion"),
            ("models:/field\\back/1", "field\\back", "models:/field\\back/1"),
            ("models:/field/Latest", "field", "models:/field/latest"),
            ("models:/field@latest", "field", "models:/field/latest"),
            ("models:///field/1", "field", "models:/field/1"),
            ("models:/m-0123abcd", "m-0123abcd", "models:/m-0123abcd"),
        ] {
            let model: ModelRef = text.parse().unwrap();
            assert_eq!((model.name(), model.to_string().as_str()), (name, shown), "{text}");
        }
        let error = "models://elsewhere/field/1".parse::<ModelRef>().unwrap_err();
        assert!(error.message.contains("another registry"), "{error}");
        let logged: ModelRef = "models:/m-0123abcd".parse().unwrap();
        assert!(logged.served().unwrap_err().message.contains("--name NAME"));
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
    fn a_model_of_sixty_mebibytes_is_refused_in_a_short_sentence() {
        for text in ["m".repeat(60 << 20), "\u{1}".repeat(1024), format!("m:{}", "9".repeat(2000))]
        {
            let error = text.parse::<ModelRef>().unwrap_err();
            assert_eq!(error.kind, keynet_base::ErrorKind::Invalid);
            assert!(error.message.len() < 2000, "{} bytes", error.message.len());
        }
    }

    #[test]
    fn what_could_leave_the_repository_is_no_name() {
        let outside = [
            "",
            "..",
            "a/b",
            "../x",
            "a\\b",
            ".hidden",
            "a\nb",
            "a\u{202e}b",
            "models:/a",
            "models:/a@",
            "models:/a:b/1",
        ];
        for text in outside.into_iter().chain(["a:0", "a:x", "a:-1"]) {
            let error = text.parse::<ModelRef>().unwrap_err();
            assert!(error.message.contains("models:/name@alias"), "{text}: {error}");
        }
    }
}
