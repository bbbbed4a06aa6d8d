//! Contents of a credential file as Docker and podman write it: `auths`, `credHelpers` and
//! `credsStore`.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::credential::Credential;
use keynet_base::config::Secret;

/// Key of Docker Hub in these files.
const HUB: &str = "https://index.docker.io/v1/";

/// Base64 with or without padding: tools write both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Credential file. Members that are `null` or of an unexpected type count as missing.
pub(super) struct AuthFile<'a>(&'a Value);

impl<'a> AuthFile<'a> {
    pub(super) fn new(file: &'a Value) -> Self {
        Self(file)
    }

    /// Returns the credential helper for `repository` of `host`, and the server name to pass to it:
    /// the entry of `credHelpers`, or else `credsStore`. An empty helper name means the file
    /// itself.
    pub(super) fn helper(&self, host: &str, repository: &str) -> Option<(&'a str, String)> {
        let own =
            self.closest("credHelpers", host, repository).map(|(server, helper)| (helper, server));
        let server = || {
            self.closest("auths", host, repository)
                .map_or_else(|| whole(host), |(server, _)| server)
        };
        let (helper, server) =
            own.or_else(|| self.0.get("credsStore").map(|store| (store, server())))?;
        helper.as_str().filter(|name| !name.is_empty()).map(|name| (name, server))
    }

    /// Returns the credential that the file itself stores for `repository` of `host`. Empty strings
    /// count as no credential.
    ///
    /// # Errors
    /// The stored credential cannot be read.
    pub(super) fn kept(&self, host: &str, repository: &str) -> Result<Option<Credential>, String> {
        let Some((server, entry)) = self.closest("auths", host, repository) else {
            return Ok(None);
        };
        let text =
            |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Credential::IdentityToken(Secret::new(token))));
        }
        if let Some(token) = text("registrytoken") {
            return Ok(Some(Credential::Bearer(Secret::new(token))));
        }
        if let Some(auth) = text("auth") {
            let wrong = || {
                format!("the `auth` of {server} is not the base64 of NAME:PASSWORD: log in again")
            };
            let decoded = BASE64
                .decode(auth.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(wrong)?;
            let (username, password) = decoded.split_once(':').ok_or_else(wrong)?;
            // Some tools pad with NUL, and Docker's own reader strips it.
            let password = password.trim_end_matches('\0');
            return Ok(Some(basic(username, password))
                .filter(|_| !username.is_empty() || !password.is_empty()));
        }
        Ok(text("username")
            .zip(text("password"))
            .map(|(username, password)| basic(username, password)))
    }

    /// Returns the member of `part` for `repository` of `host`, with its name: the one with the
    /// longest `host/path` prefix of the repository.
    fn closest(&self, part: &str, host: &str, repository: &str) -> Option<(String, &'a Value)> {
        let members = self.0.get(part)?.as_object()?;
        let mut name = format!("{host}/{repository}");
        loop {
            let alone = !name.contains('/');
            let same = |key: &&String| **key == name || alone && is_of_host(key, host);
            if let Some(key) = members.keys().find(same) {
                return members.get(key).map(|member| (key.clone(), member));
            }
            let shorter = name.rsplit_once('/')?.0.len();
            name.truncate(shorter);
        }
    }
}

fn basic(username: &str, password: &str) -> Credential {
    Credential::Basic { username: username.to_owned(), password: Secret::new(password) }
}

/// Returns the key that covers a whole registry.
fn whole(host: &str) -> String {
    if is_hub(host) { HUB.to_owned() } else { host.to_owned() }
}

/// Reports whether `key` covers all of `host`. Older tools write the key with a scheme, and with
/// the version of the protocol as its path.
fn is_of_host(key: &str, host: &str) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (of, path) = bare.split_once('/').unwrap_or((bare, ""));
    let all = matches!(path.trim_end_matches('/'), "" | "v1" | "v2");
    all && (of.eq_ignore_ascii_case(host) || is_hub(of) && is_hub(host))
}

fn is_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_empty_or_null_is_no_credential() {
        for file in [
            json!({ "auths": null }),
            json!({ "auths": { "h": null } }),
            json!({ "auths": { "h": {} } }),
            json!({ "auths": { "h": { "auth": "" } }, "credsStore": "", "credHelpers": { "h": "" } }),
            json!({ "auths": { "h": { "auth": "Og==" } } }),
            json!({ "auths": [], "credHelpers": null, "credsStore": null }),
            json!([]),
        ] {
            let read = AuthFile::new(&file);
            assert_eq!((read.kept("h", "r"), read.helper("h", "r")), (Ok(None), None), "{file}");
        }
    }

    #[test]
    fn a_token_of_the_registry_is_shown_to_it() {
        let file = json!({ "auths": { "h": { "registrytoken": "abc" } } });
        assert_eq!(
            AuthFile::new(&file).kept("h", "r").unwrap(),
            Some(Credential::Bearer(Secret::new("abc")))
        );
    }

    #[test]
    fn a_store_is_asked_for_what_the_file_says_it_has() {
        let file = json!({ "auths": { "h/team": {} }, "credsStore": "desktop", "credHelpers": { "g": "own", "plain": "" } });
        let asked = |host: &str, repository: &str| AuthFile::new(&file).helper(host, repository);
        let pair = |helper, server: &str| Some((helper, server.to_owned()));
        assert_eq!(asked("h", "team/name"), pair("desktop", "h/team"));
        assert_eq!(asked("h", "other"), pair("desktop", "h"));
        assert_eq!(asked("docker.io", "library/name"), pair("desktop", HUB));
        assert_eq!((asked("g", "name"), asked("plain", "name")), (pair("own", "g"), None));
    }
}
