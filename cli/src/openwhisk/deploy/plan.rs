//! The action to store in OpenWhisk: its executable, limits, parameters and annotations, merged
//! with those of the existing action.

use super::memory::Compiling;
use super::request::DeployRequest;
use super::source::{DeploySource, Parts};
use crate::errors::ExpectedError;
use crate::openwhisk::error::OpenWhiskError;
use crate::ui::console::Console;
use keynet_openwhisk_api::action::{ActionPut, Exec, KeyValue, Limits, StoredAction};
use keynet_openwhisk_api::annotations::{self, Changes, Web};
use keynet_openwhisk_api::client::{Api, ApiError};
use keynet_openwhisk_api::name::ActionName;
use keynet_openwhisk_api::server_info::{KIND, ServerInfo};

/// OpenWhisk's own default, in MB.
const DEFAULT_MEMORY: u64 = 256;

/// Variable with the image for all deployments.
const IMAGE_VARIABLE: &str = "KEYNET_RUNTIME_IMAGE";

/// A deployment that is ready to be sent.
pub struct Plan {
    name: ActionName,
    body: ActionPut,
    existing: Option<StoredAction>,
    reference: Option<String>,
    digest: Option<String>,
}

/// Result of a deployment.
pub struct Deployed {
    /// The action as OpenWhisk stored it.
    pub action: StoredAction,
    /// `true` for a new action, `false` for a changed one.
    pub created: bool,
    /// The image of a blackbox.
    pub image: Option<String>,
    /// Reference of its component.
    pub reference: Option<String>,
    /// Digest of its component.
    pub digest: Option<String>,
    /// URL of a web action.
    pub url: Option<String>,
}

impl Plan {
    /// Prepares the request that creates or changes the action.
    ///
    /// # Errors
    /// OpenWhisk cannot run the component, or the options contradict each other.
    pub async fn make(
        request: &DeployRequest,
        source: DeploySource,
        api: &Api,
        console: Console,
    ) -> Result<Self, ExpectedError> {
        let name = name(request, &source)?;
        let platform = api.server_info().await.map_err(OpenWhiskError::Api)?;
        let existing = match api.action(&name).await {
            Ok(action) => Some(action),
            Err(ApiError::NotFound(_)) => None,
            Err(error) => return Err(OpenWhiskError::Api(error).into()),
        };
        let mut limits = request.limits;
        let mut changes = Changes::default();
        let (exec, reference, digest) = match source {
            DeploySource::Image => (exec(request, None, &platform, console)?, None, None),
            DeploySource::Component(parts) => {
                let Parts { code, reference, action, asks_for_key, compiling } = *parts;
                let exec = exec(request, Some(code), &platform, console)?;
                if let Some(compiling) = compiling {
                    limits.memory =
                        memory(&compiling, limits, existing.as_ref(), &platform, console).await?;
                }
                changes.describe(
                    &action.description().description,
                    action.description().input_schema.as_ref(),
                );
                if asks_for_key && !request.provide_api_key {
                    console.note(
                        "the action asks for the caller's key: --provide-api-key gives it to the \
                            container",
                    );
                }
                (exec, reference, Some(action.digest().to_string()))
            }
        };
        annotate(
            request,
            &mut changes,
            existing.as_ref(),
            reference.as_deref(),
            digest.as_deref(),
        )?;
        let body = ActionPut {
            exec: Some(exec),
            parameters: parameters(request, console)?,
            limits,
            annotations: changes.set,
            del_annotations: changes.remove,
        };
        Ok(Self { name, body, existing, reference, digest })
    }

    /// Sends the request.
    ///
    /// # Errors
    /// OpenWhisk rejects the action, or cannot be reached.
    pub async fn carry_out(self, api: &Api) -> Result<Deployed, ExpectedError> {
        let action = api.put_action(&self.name, &self.body).await.map_err(OpenWhiskError::Api)?;
        let url = annotations::is_web(&action).then(|| api.web_url(&action).to_string());
        let image = self.body.exec.and_then(|exec| exec.image);
        Ok(Deployed {
            created: self.existing.is_none(),
            image,
            reference: self.reference,
            digest: self.digest,
            url,
            action,
        })
    }
}

fn name(request: &DeployRequest, source: &DeploySource) -> Result<ActionName, ExpectedError> {
    match (&request.name, source) {
        (Some(name), _) => Ok(name.clone()),
        (None, DeploySource::Component(parts)) => Ok(ActionName {
            namespace: None,
            package: None,
            name: parts.action.description().name.clone(),
        }),
        (None, DeploySource::Image) => Err(OpenWhiskError::Usage(
            "--image alone does not say what the action is called: give it a --name".into(),
        )
        .into()),
    }
}

/// Returns the executable: a kind of OpenWhisk's runtime manifest if it has one, otherwise an
/// image.
fn exec(
    request: &DeployRequest,
    code: Option<String>,
    platform: &ServerInfo,
    console: Console,
) -> Result<Exec, ExpectedError> {
    if let Some(kind) = &request.kind {
        let known = platform.kinds();
        if !known.is_empty() && !platform.has(kind) {
            return Err(OpenWhiskError::Deploy(format!(
                "this OpenWhisk has no kind {kind}; it has {}",
                known.join(", ")
            ))
            .into());
        }
        return Ok(Exec { kind: kind.clone(), image: None, code });
    }
    let image = request
        .image
        .clone()
        .or_else(|| std::env::var(IMAGE_VARIABLE).ok().filter(|image| !image.is_empty()));
    match image {
        Some(image) => {
            check_image(&image, console)?;
            Ok(Exec { kind: "blackbox".to_owned(), image: Some(image), code })
        }
        None if platform.has(KIND) => Ok(Exec { kind: KIND.to_owned(), image: None, code }),
        None => Err(OpenWhiskError::Deploy(format!(
            "this OpenWhisk has no kind {KIND}: name the runtime's image with --image or \
                {IMAGE_VARIABLE}, or ask its operator to install the kind"
        ))
        .into()),
    }
}

/// Rejects an image with a digest. OpenWhisk parses an image's digest and drops it
/// (`ImageName.fromString` in ExecManifest.scala): it would run `:latest`.
fn check_image(image: &str, console: Console) -> Result<(), ExpectedError> {
    if let Some((name, _)) = image.split_once('@') {
        return Err(OpenWhiskError::Deploy(format!(
            "OpenWhisk drops the digest of an image and would run {name} with the tag latest: name \
                the image by a tag of its own, which nobody moves"
        ))
        .into());
    }
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    if matches!(tag, None | Some("latest")) {
        console.note(format_args!(
            "{image} is whatever its tag latest is when a container starts: a tag of its own stays \
                what it is"
        ));
    }
    Ok(())
}

/// Raises the action's memory to the amount that compiling needs, unless the user or the existing
/// action sets it.
async fn memory(
    compiling: &Compiling,
    asked: Limits,
    existing: Option<&StoredAction>,
    platform: &ServerInfo,
    console: Console,
) -> Result<Option<u64>, ExpectedError> {
    let now = asked.memory.or_else(|| existing?.limits.memory).unwrap_or(DEFAULT_MEMORY);
    if compiling.fits(now).await? {
        return Ok(asked.memory);
    }
    let most = platform.max_memory();
    let ahead = "or compile it ahead into an image of its own with `keynet-inference image build`";
    match compiling.enough(now, most).await? {
        None => Err(OpenWhiskError::Deploy(format!(
            "compiling the component takes more memory than the {most} MB that this OpenWhisk \
                gives an action at most: make it smaller, {ahead}"
        ))
        .into()),
        Some(enough) if asked.memory.is_some() => Err(OpenWhiskError::Deploy(format!(
            "--memory {now}MiB is too little to compile the component in: give it {enough}MiB, \
                {ahead}"
        ))
        .into()),
        Some(enough) => {
            console.note(format_args!(
                "the action gets {enough} MB of memory instead of {now}, in which its component \
                    cannot be compiled"
            ));
            Ok(Some(enough))
        }
    }
}

fn annotate(
    request: &DeployRequest,
    changes: &mut Changes,
    existing: Option<&StoredAction>,
    reference: Option<&str>,
    digest: Option<&str>,
) -> Result<(), ExpectedError> {
    if request.provide_api_key {
        changes.set(annotations::PROVIDE_API_KEY, &true);
    } else if existing.is_none_or(|action| !action.has_annotation(annotations::PROVIDE_API_KEY)) {
        // If the annotation is missing, OpenWhisk passes the key, for actions older than it.
        changes.set(annotations::PROVIDE_API_KEY, &false);
    }
    for (name, value) in [(annotations::DIGEST, digest), (annotations::REFERENCE, reference)] {
        match value {
            Some(value) => changes.set(name, &value),
            None if existing.is_some_and(|action| action.has_annotation(name)) => {
                changes.remove.push(name.to_owned())
            }
            None => {}
        }
    }
    if let Some(web) = request.web {
        changes.web(web);
    }
    if let Some(secure) = &request.web_secure {
        let is_web = request
            .web
            .map_or_else(|| existing.is_some_and(annotations::is_web), |web| web != Web::No);
        if !is_web {
            return Err(OpenWhiskError::Usage(
                "--web-secure is for web actions: add --web true or --web raw".to_owned(),
            )
            .into());
        }
        changes
            .web_secure(secure, existing)
            .map_err(ExpectedError::io_on("read", "random numbers"))?;
    }
    for annotation in &request.annotations {
        changes.set(annotation.key(), &annotation.value());
    }
    Ok(())
}

/// Returns all default parameters; `None` if the request has none.
fn parameters(
    request: &DeployRequest,
    console: Console,
) -> Result<Option<Vec<KeyValue>>, ExpectedError> {
    if request.parameters.is_empty() && request.variables.is_empty() {
        return Ok(None);
    }
    let env = request.variables.read()?.into_object()?;
    let draft = request.parameters.read()?;
    for name in draft.reserved() {
        console.note(format_args!(
            "{name} is configuration: as a parameter the runtime takes it away; --env {name}=… \
                gives it to the container"
        ));
    }
    let given = draft.into_object()?;
    if let Some(name) = given.keys().find(|name| env.contains_key(*name)) {
        return Err(OpenWhiskError::Usage(format!(
            "{name} is both a parameter and a variable of the container, which OpenWhisk keeps as \
                one"
        ))
        .into());
    }
    let value = |init| move |(key, value)| KeyValue { key, value, init };
    Ok(Some(given.into_iter().map(value(false)).chain(env.into_iter().map(value(true))).collect()))
}
