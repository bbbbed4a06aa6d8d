//! Publishing a function on the Keynet platform: the ten steps of the Python package that this
//! program replaces, with an OCI artifact in place of an image.
//!
//! Pushing again after a failure is safe: the registry is sent only what it lacks, a repository and
//! code without a function have no effect, and the function itself is created last.

use std::fs::File;
use std::path::{Path, PathBuf};

use keynet_artifact::{ArtifactRef, RegistryOptions, RegistryRef};
use keynet_base::Digest;

use super::client::{Client, Runtime};
use super::progress::PublishProgress;
use super::steps::Steps;
use super::upload::{Upload, Uploaded};
use super::{PlatformError, PublishError};
use crate::account::PlatformLogin;
use crate::errors::ExpectedError;
use crate::ui::units;

/// Advice if nothing has to be changed first.
const AGAIN: &str = "push again";

/// A function to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name that callers invoke.
    pub name: String,
    /// Description for a person.
    pub description: String,
    /// Size of its component in bytes.
    pub size: u64,
}

impl Function {
    /// Checks that the name and the description, which the Keynet platform shows, are present.
    ///
    /// # Errors
    /// The name or the description is missing.
    pub fn check(&self) -> Result<(), PublishError> {
        let missing = |what| Err(PublishError::Undescribed { what, name: self.name.clone() });
        if self.name.is_empty() {
            return missing("name");
        }
        if self.description.trim().is_empty() { missing("description") } else { Ok(()) }
    }
}

/// Input of the steps. The two parts that need the rest of the command line are functions, so that
/// they run in their step.
pub struct Publication<'a, Load, Options> {
    /// Login; `None` if the user is not signed in.
    pub login: Option<PlatformLogin>,
    /// File of the component.
    pub path: &'a Path,
    /// Function that reads and checks the file: steps 2 and 3.
    pub load: Load,
    /// Function that returns the options for the Keynet platform's registry.
    pub options: Options,
    /// PEM files of certificate authorities.
    pub authorities: &'a [PathBuf],
    /// Observer of the steps.
    pub progress: &'a dyn PublishProgress,
}

/// A function that was published.
pub struct Published {
    /// Artifact in the registry.
    pub uploaded: Uploaded,
    /// Id of the repository in the Keynet platform's registry.
    pub runtime: i64,
    /// Id of the code on the Keynet platform.
    pub code: i64,
    /// Id of the function on the Keynet platform.
    pub function: i64,
}

/// Publishes a function and returns its name with the result.
///
/// # Errors
/// A step failed; the error has the completed steps and the next thing to do.
pub async fn publish<Load, Options>(
    publication: Publication<'_, Load, Options>,
) -> Result<(String, Published), ExpectedError>
where
    Load: AsyncFnOnce() -> Result<(Function, Upload), ExpectedError>,
    Options: FnOnce(&ArtifactRef) -> Result<RegistryOptions, ExpectedError>,
{
    const NOTHING: &str = "nothing was sent to the platform or its registry";
    let Publication { login, path, load, options, authorities, progress } = publication;
    let mut steps = Steps::new(progress);

    steps.begin("checking the login");
    let login = valid(login).map_err(steps.failed(NOTHING, "log in and push again"))?;
    steps.end(format_args!("{} at {}", login.username, login.server));

    steps.begin("reading and checking the component");
    let (function, upload) =
        load().await.map_err(steps.failed(NOTHING, "correct the component and push again"))?;
    steps.end(format_args!("{}, {}", path.display(), units::bytes(function.size)));

    steps.begin("finding its name and description");
    function.check().map_err(
        steps.failed(NOTHING, "add what is missing, build the component and push again"),
    )?;
    steps.end(format_args!(
        "{}: {}",
        function.name,
        function.description.lines().next().unwrap_or_default()
    ));

    steps.begin("choosing what is uploaded");
    steps.end(upload.describe());

    steps.begin("asking for an upload key");
    let client = Client::signed_in(&login.server, &login.token, authorities)
        .map_err(steps.failed(NOTHING, AGAIN))?;
    let runtime = client
        .runtime(&function.name)
        .await
        .map_err(steps.failed("nothing was uploaded", AGAIN))?;

    steps.begin("finding the registry and its login");
    let placed = place(&runtime, &login).map_err(
        steps.failed(KEY_ONLY, "log in again, at the server that you mean, and push again"),
    );
    let (registry, username) = placed?;
    let reference = ArtifactRef::Registry(registry.clone());
    let options = options(&reference).map_err(steps.failed(KEY_ONLY, AGAIN))?;
    steps.end(format_args!("{reference}, as {username}"));

    steps.begin("checking the registry's login");
    let checked =
        keynet_artifact::check_login(&registry.host, &registry.repository, &options).await;
    checked.map_err(steps.failed(KEY_ONLY, "log in again and push again"))?;

    steps.begin("uploading");
    let partly = "the upload key was given; what the registry has of the upload by now is kept \
        there and is not sent again";
    let uploaded = upload.put(&reference, &options).await.map_err(steps.failed(partly, AGAIN))?;
    steps.end(&uploaded.reference);

    steps.begin("sending the code");
    let there = format!("the artifact is at {}", uploaded.reference);
    let unused = format!("{there}; no function uses it yet");
    check_unchanged(path, &uploaded).map_err(steps.failed(&unused, AGAIN))?;
    let code =
        client.code(path, uploaded.layer.size).await.map_err(steps.failed(&unused, AGAIN))?.id;
    steps.end(format_args!("number {code}"));

    steps.begin("making the function");
    let made =
        client.function(code, &function.name, &function.description, &runtime.upload_key).await;
    let (whether, next) = if made.as_ref().is_err_and(is_unanswered) {
        (
            "whether the function was made is not known",
            "look on the platform whether it is there, and push again if it is not",
        )
    } else {
        ("the function was not made", AGAIN)
    };
    let done = format!("{there}, its code is number {code}; {whether}");
    let made = made.map_err(steps.failed(done, next))?;
    steps.end(format_args!("number {}", made.id));

    let published = Published { uploaded, runtime: runtime.id, code, function: made.id };
    Ok((function.name, published))
}

/// State after the upload key was received and before anything was sent to the registry.
const KEY_ONLY: &str = "the platform gave an upload key; nothing was uploaded";

fn valid(login: Option<PlatformLogin>) -> Result<PlatformLogin, PublishError> {
    let login = login.ok_or(PublishError::NotLoggedIn)?;
    match &login.expires {
        Some(expires) if expires.is_over() => Err(PublishError::LoginExpired {
            at: expires.text.clone(),
            server: login.server.clone(),
        }),
        _ => Ok(login),
    }
}

/// Checks that the file is still what was uploaded, by reading it once more.
fn check_unchanged(path: &Path, uploaded: &Uploaded) -> Result<(), ExpectedError> {
    let file = File::open(path).and_then(Digest::of_reader);
    let (digest, _) = file.map_err(ExpectedError::io("read", path))?;
    if digest == uploaded.layer.digest {
        Ok(())
    } else {
        Err(PublishError::Changed(path.to_owned()).into())
    }
}

/// Returns the reference that the Keynet platform wants the upload at, and the user name for its
/// registry.
fn place(runtime: &Runtime, login: &PlatformLogin) -> Result<(RegistryRef, String), ExpectedError> {
    let word = runtime.command.push.split_whitespace().next_back().unwrap_or_default();
    let wrong = |why: String| PlatformError::Answer { server: login.server.clone(), why };
    let reference: ArtifactRef =
        word.parse().map_err(|error| wrong(format!("command.push names no place: {error}")))?;
    let ArtifactRef::Registry(registry) = reference else {
        return Err(
            wrong(format!("command.push names {reference}, which is in no registry")).into()
        );
    };
    let harbor = login
        .harbor
        .as_ref()
        .ok_or_else(|| PublishError::NoHarbor { host: registry.host.clone(), harbor: None })?;
    match harbor.host() {
        Some(host) if host.eq_ignore_ascii_case(&registry.host) => {
            Ok((registry, harbor.username.clone()))
        }
        harbor => Err(PublishError::NoHarbor { host: registry.host, harbor }.into()),
    }
}

/// Reports whether the server may have executed the request in spite of the error.
fn is_unanswered(error: &PlatformError) -> bool {
    matches!(
        error,
        PlatformError::Connection { .. }
            | PlatformError::Server { .. }
            | PlatformError::Answer { .. }
    )
}

#[cfg(test)]
mod tests {
    use keynet_base::config::Secret;

    use super::*;
    use crate::account::{Expiry, Harbor};
    use crate::errors::{Diagnostic as _, Exit};
    use crate::ui::console::Console;

    fn login(expires: &str, harbor: Option<&str>) -> PlatformLogin {
        let harbor = harbor.map(|url| Harbor {
            url: url.to_owned(),
            username: "robot".to_owned(),
            password: Secret::new("h"),
        });
        PlatformLogin {
            server: "https://api.example.com/app-training".to_owned(),
            username: "ada".to_owned(),
            token: Secret::new("t"),
            expires: Some(Expiry::parse(expires)),
            harbor,
        }
    }

    fn runtime(push: &str) -> Runtime {
        serde_json::from_value(serde_json::json!({ "id": 1, "uploadKey": "k", "command": { "tag": "", "push": push } })).unwrap()
    }

    #[test]
    fn an_expired_login_is_noticed_first() {
        let error = valid(None).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.exit()),
            ("Not logged in. Run: keynet-inference login <server-url>", Exit::Login)
        );
        let error = valid(Some(login("2020-01-01T00:00:00Z", None))).unwrap_err();
        assert!(
            error.to_string().contains("2020-01-01T00:00:00Z") && error.exit() == Exit::Login,
            "{error}"
        );
        assert!(valid(Some(login("2999-01-01T00:00:00Z", None))).is_ok());
    }

    #[test]
    fn the_place_is_the_last_word_and_in_the_logins_own_registry() {
        let there = login("", Some("https://harbor.example.com"));
        let (reference, username) =
            place(&runtime("docker push harbor.example.com/project/detector:1 \n"), &there)
                .unwrap();
        assert_eq!(
            (ArtifactRef::Registry(reference).to_string().as_str(), username.as_str()),
            ("harbor.example.com/project/detector:1", "robot")
        );
        let error =
            place(&runtime("docker push evil.example.com/project/detector:1"), &there).unwrap_err();
        assert!(
            error.to_string().contains("evil.example.com") && error.exit() == Exit::Login,
            "{error}"
        );
        for push in ["", "docker push", "docker push oci-layout:/tmp/x:1", "docker push nothost"] {
            assert_eq!(place(&runtime(push), &there).unwrap_err().exit(), Exit::Server, "{push}");
        }
        let without = login("", None);
        let error = place(&runtime("docker push harbor.example.com/p/d:1"), &without).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(PublishError::NoHarbor { .. })), "{error}");
    }

    #[test]
    fn a_function_needs_a_name_and_a_description() {
        let check = |name: &str, description: &str| {
            Function { name: name.to_owned(), description: description.to_owned(), size: 1 }.check()
        };
        assert!(check("a", "b").is_ok());
        let report = ExpectedError::from(check("a", " ").unwrap_err()).report(Console::plain());
        for way in [
            "Rust",
            "#[keynet_function(name = \"a\", description = \"",
            "Python",
            "@keynet_function(",
        ] {
            assert!(report.contains(way), "{report}");
        }
        assert!(check("", "b").unwrap_err().to_string().contains("no name"));
    }
}
