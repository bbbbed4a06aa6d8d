//! A namespace in `node.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keynet_base::config::{Config, Origin, Secret};
use serde::Deserialize;

use super::{bytes, duration, private_file};

/// Names of variables that hold credentials: they belong into the file of `settings-file`.
const CREDENTIALS: [&str; 4] = ["SECRET", "PASSWORD", "TOKEN", "AWS_ACCESS_KEY"];

/// Settings of a namespace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NamespaceConfig {
    /// File with the namespace's key, `UUID:SECRET`.
    pub key_file: PathBuf,
    /// Policy file; without one, the policy of containers.
    pub policy: Option<PathBuf>,
    /// `true` for the namespace of a node without a file, whose actions are the developer's own.
    #[serde(skip)]
    pub is_of_a_developer: bool,
    /// Settings of the backends, as variables: the same names as in a container.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// File of further settings, `NAME=VALUE` lines; credentials belong here.
    settings_file: Option<PathBuf>,
    /// Public keys, one of which must have signed each component; none to accept every component.
    #[serde(default)]
    pub require_signature: Vec<PathBuf>,
    /// `true` to accept references by tag; their digest is fixed at deployment.
    #[serde(default)]
    pub allow_tags: bool,
    /// Share of the node when namespaces compete, relative to the others'.
    #[serde(default = "one")]
    pub weight: u32,
    /// Quotas.
    #[serde(default)]
    pub quotas: Quotas,
}

/// Quotas of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quotas {
    /// Activations that are started per minute.
    pub activations_per_minute: u32,
    /// Activations that run at once.
    pub concurrent: usize,
    /// Activations that wait to run.
    pub queue: usize,
    /// Memory of all activations together, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub memory: u64,
    /// Largest memory of one action, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub action_memory: u64,
    /// Longest timeout of an action.
    #[serde(deserialize_with = "duration")]
    pub action_time: Duration,
    /// Largest log of one activation, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub action_logs: u64,
    /// Logs of running activations, all together, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub logs: u64,
    /// Largest parameters of one activation, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub parameters: u64,
    /// Largest result of one activation, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub result: u64,
    /// Number of actions and packages.
    pub entities: usize,
    /// Size of the code of all actions together, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub stored: u64,
    /// Size of the objects in embedded storage, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub objects: u64,
    /// Size of the pictures that the page stored, in bytes; the oldest are removed.
    #[serde(deserialize_with = "bytes")]
    pub pictures: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            activations_per_minute: 6_000,
            concurrent: 500,
            queue: 1_000,
            memory: 2 << 30,
            action_memory: 512 << 20,
            action_time: Duration::from_secs(300),
            action_logs: 10 << 20,
            logs: 64 << 20,
            parameters: 1 << 20,
            result: 5 << 20,
            entities: 1_000,
            stored: 1 << 30,
            objects: 10 << 30,
            pictures: 64 << 20,
        }
    }
}

fn one() -> u32 {
    1
}

impl NamespaceConfig {
    /// Returns the configuration of the namespace of a node without a file, with the key in
    /// `key_file` and the settings of this process's environment.
    pub fn of_a_developer(key_file: PathBuf, settings: BTreeMap<String, String>) -> Self {
        Self {
            key_file,
            policy: None,
            is_of_a_developer: true,
            settings,
            settings_file: None,
            require_signature: Vec::new(),
            allow_tags: true,
            weight: 1,
            // The objects are in a folder of the developer's own.
            quotas: Quotas { objects: u64::MAX, ..Quotas::default() },
        }
    }

    /// Returns the files that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> + use<'_> {
        let files = [Some(&self.key_file), self.policy.as_ref(), self.settings_file.as_ref()];
        files.into_iter().flatten().chain(&self.require_signature).cloned()
    }

    /// Makes its paths absolute, and checks what can be checked without other files.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), String> {
        let paths = [Some(&mut self.key_file), self.policy.as_mut(), self.settings_file.as_mut()];
        for path in paths.into_iter().flatten().chain(&mut self.require_signature) {
            *path = folder.join(&*path);
        }
        let credential = self
            .settings
            .keys()
            .find(|name| CREDENTIALS.iter().any(|word| name.to_uppercase().contains(word)));
        if let Some(name) = credential {
            return Err(format!(
                "`settings` has {name}, a credential: put it into a file of mode 0600 and name \
                    that with `settings-file`"
            ));
        }
        if self.weight == 0 {
            return Err("`weight` is 0: it is 1 or more".to_owned());
        }
        Ok(())
    }

    /// Reads its key.
    ///
    /// # Errors
    /// The file cannot be read, others can read it, or it holds no key.
    pub fn key(&self) -> Result<Secret, String> {
        let text = private_file::read(&self.key_file).map_err(|error| error.to_string())?;
        let key = text.trim();
        let is_key = key
            .split_once(':')
            .is_some_and(|(id, secret)| uuid::Uuid::try_parse(id).is_ok() && secret.len() >= 64);
        if is_key {
            Ok(Secret::new(key.to_owned()))
        } else {
            Err(format!(
                "{} holds no key: it is `UUID:SECRET`, with a secret of at least 64 characters \
                    (`keynet-inference serve --new-key FILE` writes one)",
                self.key_file.display()
            ))
        }
    }

    /// Returns the configuration of its backends. Folders that it does not set are in `folder`.
    ///
    /// # Errors
    /// A file cannot be read, or a value cannot be used.
    pub fn backends(&self, folder: &Path) -> Result<Config, String> {
        let mut settings = self.settings.clone();
        if let Some(path) = &self.settings_file {
            let text = private_file::read(path).map_err(|error| error.to_string())?;
            for (number, line) in text.lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let (name, value) = line.split_once('=').ok_or_else(|| {
                    format!("{}, line {}: it is not NAME=VALUE", path.display(), number + 1)
                })?;
                settings.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        for (name, below) in [("KEYNET_STORAGE", "storage"), ("KEYNET_MODELS", "models")] {
            let default = folder.join(below).display().to_string();
            settings.entry(name.to_owned()).or_insert(default);
        }
        for name in ["KEYNET_STATE_DIR", "KEYNET_CACHE"] {
            // Shared state of the process: a namespace's settings cannot move it.
            settings.insert(name.to_owned(), folder.display().to_string());
        }
        let mut config = Config::from_origins(vec![(Origin::Container, settings)])
            .map_err(|error| error.to_string())?;
        let own = config.embedded_storage.max_total.unwrap_or(u64::MAX);
        config.embedded_storage.max_total = Some(own.min(self.quotas.objects));
        config.hide_secrets();
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(text: &str) -> NamespaceConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_credential_does_not_stand_in_the_file_that_everyone_reads() {
        let text = "key-file = 'k'\n[settings]\nAWS_SECRET_ACCESS_KEY = 'x'\n";
        let error = config(text).resolve(Path::new("/etc")).unwrap_err();
        assert!(
            error.contains("AWS_SECRET_ACCESS_KEY") && error.contains("settings-file"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut namespace = config("key-file = 'a.key'\n");
        namespace.resolve(folder.path()).unwrap();
        let path = folder.path().join("a.key");
        let key = format!("{}:{}\n", uuid::Uuid::new_v4(), "k".repeat(64));
        for (mode, text, found) in [
            (0o644, key.as_str(), Err("chmod 600")),
            (0o600, "secret", Err("UUID:SECRET")),
            (0o600, key.as_str(), Ok(())),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            match (namespace.key(), found) {
                (Ok(read), Ok(())) => assert_eq!(read.expose(), key.trim()),
                (Err(error), Err(word)) => assert!(error.contains(word), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn settings_are_those_of_a_container() {
        let folder = tempfile::tempdir().unwrap();
        let text = "key-file = 'k'\n[settings]\nTRITON_URL = 'http://127.0.0.1:8000'\n";
        let config = config(text).backends(folder.path()).unwrap();
        assert!(config.triton.is_some());
        assert_eq!(config.embedded_storage.folder, folder.path().join("storage"));
    }
}
