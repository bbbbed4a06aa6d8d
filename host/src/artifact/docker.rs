//! Docker's own credentials: `config.json` and the helpers it names, as `docker login` leaves them.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::Value;

use super::credential::{Credential, CredentialSource};
use super::error::{ArtifactError, Result};
use crate::config::Secret;

const LIMIT: u64 = 4 << 20;

/// `config.json` of `DOCKER_CONFIG`, or of `~/.docker`; without a file nothing is known.
#[derive(Debug, Clone, Default)]
pub struct DockerConfig {
    /// The file, where it is another.
    pub file: Option<PathBuf>,
}

impl DockerConfig {
    fn path(&self) -> Option<PathBuf> {
        let folder = || std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker"));
        self.file.clone().or_else(|| folder().or_else(home).map(|folder| folder.join("config.json")))
    }
}

impl CredentialSource for DockerConfig {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        let Some(path) = self.path() else { return Ok(None) };
        let wrong = |why: String| ArtifactError::Credentials { host: host.to_owned(), why: format!("{}: {why}", path.display()) };
        let mut text = Vec::new();
        match File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut text)) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
            Ok(_) => {}
        }
        let config: Value = serde_json::from_slice(&text).map_err(|_| wrong("it is no JSON".to_owned()))?;
        let server = server(&config, host, repository);
        match get_credential_from_reader(&text[..], &server) {
            Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::IdentityToken(Secret::new(token)))),
            // What a helper answers with when it knows nothing.
            Ok(DockerCredential::UsernamePassword(username, password)) if username.is_empty() && password.is_empty() => Ok(None),
            Ok(DockerCredential::UsernamePassword(username, password)) => {
                Ok(Some(Credential::Basic { username, password: Secret::new(password) }))
            }
            Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
            Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => Ok(None),
            // A helper's own words may hold what it was about to hide.
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(wrong(format!("{helper} failed"))),
            Err(CredentialRetrievalError::HelperCommunicationError) => {
                Err(wrong("the credential helper that it names cannot be run: is it on the PATH?".to_owned()))
            }
            Err(error) => Err(wrong(error.to_string().to_lowercase())),
        }
    }
}

/// The name that the credentials are kept under: the longest of `host/path` above the repository that there is, or else the host.
fn server(config: &Value, host: &str, repository: &str) -> String {
    let known = |name: &str| ["auths", "credHelpers"].iter().any(|part| config.get(part).is_some_and(|part| part.get(name).is_some()));
    let mut name = format!("{host}/{repository}");
    while !known(&name) {
        match name.rsplit_once('/') {
            Some((shorter, _)) => name.truncate(shorter.len()),
            // Docker Hub has a name of its own there.
            None if name == "docker.io" => return "https://index.docker.io/v1/".to_owned(),
            None => break,
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;

    use super::*;

    fn source(folder: &Path, text: &str) -> DockerConfig {
        let file = folder.join("config.json");
        std::fs::write(&file, text).unwrap();
        DockerConfig { file: Some(file) }
    }

    fn basic(username: &str, password: &str) -> Option<Credential> {
        Some(Credential::Basic { username: username.to_owned(), password: Secret::new(password) })
    }

    #[test]
    fn credentials_are_found_for_the_host_and_the_path_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        let auth = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let config = serde_json::json!({ "auths": {
            "registry.example.com": { "auth": auth("ada:p1:x") },
            "registry.example.com/team": { "auth": auth("team:p2") },
            "https://other.example.com/v1/": { "auth": auth("old:p3") },
            "https://index.docker.io/v1/": { "auth": auth("hub:p4") },
            "identity.example.com": { "identitytoken": "refresh" },
        }});
        let source = source(folder.path(), &config.to_string());
        let find = |host, repository| source.find(host, repository).unwrap();
        assert_eq!(find("registry.example.com", "name"), basic("ada", "p1:x"));
        assert_eq!(find("registry.example.com", "team/name"), basic("team", "p2"));
        assert_eq!(find("registry.example.com", "teams/name"), basic("ada", "p1:x"));
        assert_eq!(find("other.example.com", "name"), basic("old", "p3"));
        assert_eq!(find("identity.example.com", "name"), Some(Credential::IdentityToken(Secret::new("refresh"))));
        assert_eq!(find("docker.io", "library/name"), basic("hub", "p4"));
        assert_eq!(find("elsewhere.example.com", "name"), None);
        assert_eq!(find("registry.example.com:5000", "name"), None);
    }

    #[test]
    fn a_helper_is_asked_and_its_failure_is_an_error() {
        let Some(folder) = std::env::var_os("KEYNET_TEST_HELPER") else { return in_a_process_with_a_helper() };
        let source = source(Path::new(&folder), r#"{"credsStore": "keynet-test", "credHelpers": {"gone": "no-such-helper"}}"#);
        assert_eq!(source.find("good", "name").unwrap(), basic("ada", "p"));
        assert_eq!(source.find("token", "name").unwrap(), Some(Credential::IdentityToken(Secret::new("t"))));
        assert_eq!(source.find("none", "name").unwrap(), None);
        let error = source.find("bad", "name").unwrap_err().to_string();
        assert!(error.contains("docker-credential-keynet-test failed") && !error.contains("hunter22"), "{error}");
        let error = source.find("gone", "name").unwrap_err().to_string();
        assert!(error.contains("PATH"), "{error}");
    }

    /// Helpers are looked up on the PATH, which is the whole process's.
    fn in_a_process_with_a_helper() {
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("docker-credential-keynet-test");
        let script = r#"#!/bin/sh
case $(cat) in
    good) echo '{"Username":"ada","Secret":"p"}';;
    token) echo '{"Username":"<token>","Secret":"t"}';;
    none) echo 'credentials not found in native keychain'; exit 1;;
    *) echo 'hunter22' >&2; exit 1;;
esac
"#;
        std::fs::write(&helper, script).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let mut test = std::process::Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "artifact::docker::tests::a_helper_is_asked_and_its_failure_is_an_error"]);
        let ended = test.env("PATH", path).env("KEYNET_TEST_HELPER", folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn no_file_is_no_credentials_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = DockerConfig { file: Some(folder.path().join("missing/config.json")) };
        assert_eq!(missing.find("h", "r").unwrap(), None);
        assert!(source(folder.path(), "{").find("h", "r").unwrap_err().to_string().contains("no JSON"));
        let error = source(folder.path(), r#"{"auths": {"h": {"auth": "%%%"}}}"#).find("h", "r").unwrap_err().to_string();
        assert!(error.contains("config.json") && !error.contains("%%%"), "{error}");
    }
}
