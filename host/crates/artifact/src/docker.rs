//! Credentials of other container tools: Docker's `config.json`, podman's `auth.json`, and the
//! credential helpers that they name.
//!
//! <https://docs.docker.com/reference/cli/docker/login/>,
//! <https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::{Value, json};

use super::auth_file::AuthFile;
use super::credential::{Credential, CredentialSource};
use super::error::{ArtifactError, Result};
use keynet_base::config::Secret;

const LIMIT: u64 = 4 << 20;

/// Credential files of container tools. A missing file counts as a file without credentials.
///
/// Without a [`DockerConfig::file`], only the file of `REGISTRY_AUTH_FILE` is read, or if that is
/// not set, the first file with credentials of: `config.json` of `DOCKER_CONFIG` or of `~/.docker`,
/// `containers/auth.json` of `XDG_RUNTIME_DIR`, and that of `XDG_CONFIG_HOME` or of `~/.config`.
#[derive(Debug, Clone, Default)]
pub struct DockerConfig {
    /// The only file to read; `None` for the usual files.
    pub file: Option<PathBuf>,
}

impl DockerConfig {
    fn paths(&self) -> Vec<PathBuf> {
        let variable = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let home = |below: &str| variable("HOME").map(|home| home.join(below));
        if let Some(only) = self.file.clone().or_else(|| variable("REGISTRY_AUTH_FILE")) {
            return vec![only];
        }
        let docker = variable("DOCKER_CONFIG")
            .or_else(|| home(".docker"))
            .map(|folder| folder.join("config.json"));
        let folders =
            [variable("XDG_RUNTIME_DIR"), variable("XDG_CONFIG_HOME").or_else(|| home(".config"))];
        let podman =
            folders.into_iter().flatten().map(|folder| folder.join("containers/auth.json"));
        docker.into_iter().chain(podman).collect()
    }
}

impl CredentialSource for DockerConfig {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        let mut trouble = None;
        for path in self.paths() {
            match find_in(&path, host, repository) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(why) => {
                    let why = format!("{}: {why}", path.display());
                    trouble =
                        trouble.or(Some(ArtifactError::Credentials { host: host.to_owned(), why }));
                }
            }
        }
        trouble.map_or(Ok(None), Err)
    }
}

/// Returns the credential that the file at `path` has for `repository` of `host`.
///
/// # Errors
/// A description of what is wrong with the file or with the helper that it names.
fn find_in(path: &Path, host: &str, repository: &str) -> Result<Option<Credential>, String> {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut text)) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
        Ok(_) => {}
    }
    // Tools mount an empty file to mean "no credentials".
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let file: Value = serde_json::from_slice(&text).map_err(|_| "it is not JSON".to_owned())?;
    let file = AuthFile::new(&file);
    let helped = file
        .helper(host, repository)
        .map_or(Ok(None), |(helper, server)| of_helper(helper, &server));
    if let Ok(Some(found)) = helped {
        return Ok(Some(found));
    }
    // A failing helper must not hide the credential in the file itself.
    match file.kept(host, repository)? {
        None => helped,
        kept => Ok(kept),
    }
}

/// Runs `docker-credential-HELPER` to get the credential of `server`.
fn of_helper(helper: &str, server: &str) -> Result<Option<Credential>, String> {
    let config = json!({ "credHelpers": { server: helper } }).to_string();
    match get_credential_from_reader(config.as_bytes(), server) {
        Ok(DockerCredential::IdentityToken(token)) => {
            Ok(Some(Credential::IdentityToken(Secret::new(token))))
        }
        // The answer of a helper that has no credential.
        Ok(DockerCredential::UsernamePassword(username, password))
            if username.is_empty() && password.is_empty() =>
        {
            Ok(None)
        }
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            Ok(Some(Credential::Basic { username, password: Secret::new(password) }))
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(None)
        }
        // The helper's own message may contain the secret.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(format!("{helper} failed"))
        }
        Err(CredentialRetrievalError::HelperCommunicationError) => Err(format!(
            "the credential helper docker-credential-{helper} cannot be run or ended at once: is \
                it on the PATH?"
        )),
        Err(error) => {
            Err(format!("docker-credential-{helper}: {}", error.to_string().to_lowercase()))
        }
    }
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
        assert_eq!(
            find("identity.example.com", "name"),
            Some(Credential::IdentityToken(Secret::new("refresh")))
        );
        assert_eq!(find("docker.io", "library/name"), basic("hub", "p4"));
        assert_eq!(find("elsewhere.example.com", "name"), None);
        assert_eq!(find("registry.example.com:5000", "name"), None);
    }

    #[test]
    fn a_helper_is_asked_and_its_failure_is_an_error() {
        let Some(folder) = std::env::var_os("KEYNET_TEST_HELPER") else {
            return in_a_process_with_a_helper();
        };
        let source = source(
            Path::new(&folder),
            r#"{"credsStore": "keynet-test", "credHelpers": {"gone": "no-such-helper"}}"#,
        );
        assert_eq!(source.find("good", "name").unwrap(), basic("ada", "p"));
        assert_eq!(
            source.find("token", "name").unwrap(),
            Some(Credential::IdentityToken(Secret::new("t")))
        );
        assert_eq!(source.find("none", "name").unwrap(), None);
        let error = source.find("bad", "name").unwrap_err().to_string();
        assert!(
            error.contains("docker-credential-keynet-test failed") && !error.contains("hunter22"),
            "{error}"
        );
        let error = source.find("gone", "name").unwrap_err().to_string();
        assert!(error.contains("PATH"), "{error}");
    }

    /// Runs in a process of its own: helpers are found through PATH, which is the whole process's.
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
        test.args(["--exact", "docker::tests::a_helper_is_asked_and_its_failure_is_an_error"]);
        let ended =
            test.env("PATH", path).env("KEYNET_TEST_HELPER", folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn what_the_file_itself_has_is_used_when_its_helper_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let auth = base64::engine::general_purpose::STANDARD.encode("ada:p");
        let source = source(
            folder.path(),
            &format!(
                r#"{{"auths": {{"h": {{"auth": "{auth}"}}}}, "credsStore": "no-such-helper"}}"#
            ),
        );
        assert_eq!(source.find("h", "r").unwrap(), basic("ada", "p"));
        let error = source.find("elsewhere", "r").unwrap_err().to_string();
        assert!(
            error.contains("docker-credential-no-such-helper") && error.contains("config.json"),
            "{error}"
        );
    }

    #[test]
    fn no_file_is_no_credentials_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = DockerConfig { file: Some(folder.path().join("missing/config.json")) };
        assert_eq!(missing.find("h", "r").unwrap(), None);
        assert!(
            source(folder.path(), "{").find("h", "r").unwrap_err().to_string().contains("not JSON")
        );
        assert_eq!(source(folder.path(), " \n").find("h", "r").unwrap(), None);
        let error = source(folder.path(), r#"{"auths": {"h": {"auth": "%%%"}}}"#)
            .find("h", "r")
            .unwrap_err()
            .to_string();
        assert!(error.contains("config.json") && !error.contains("%%%"), "{error}");
    }
}
