//! `POST /init`: creates the host and loads the action, once.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;

use super::answer::{self, HttpResponse};
use super::deadline::Due;
use super::init_request::InitRequest;
use super::lifecycle::{Container, EngineError, Loaded};
use super::own_servers::OwnServers;
use super::variables;
use super::window::Window;
use crate::action::{ActionError, LoadOptions};
use crate::activation::guest_deadline;
use crate::code::pulling::{self, PullError};
use crate::code::{self, Arrived, CodeError, WrongMain};
use crate::engine::LoadError;
use crate::host::{Host, HostError};
use crate::http::RequestBody;
use crate::policy::Policy;
use keynet_artifact::CapabilityRequest;
use keynet_base::config::{Config, ConfigError};
use keynet_base::quote::bounded;
use keynet_base::redaction::redact;

/// Error of `/init`. OpenWhisk shows its text to the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum InitError {
    #[error("the body of /init is not what it should be: {}", bounded(.0, 512))]
    Body(serde_json::Error),
    #[error("{}", answer::NO_CODE)]
    NoCode,
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error("cannot read the component {path} of the image: {error}")]
    Image { path: String, error: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("{0}{advice}", advice = advice(.0))]
    Action(#[from] ActionError),
    #[error(transparent)]
    Main(#[from] WrongMain),
    #[error("the action was not ready within {} ms, its timeout, while {doing}{advice}", .limit.as_millis())]
    Time { limit: Duration, doing: &'static str, advice: &'static str },
    #[error("the action's deadline had passed {} ms before /init arrived", .0.as_millis())]
    Late(Duration),
    #[error("a thread of the host failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Advice for a container that is too small or too slow to compile.
const COMPILE_ELSEWHERE: &str = "; or compile it beforehand with `keynet-inference image build`, \
    so that the container need not";

fn advice(error: &ActionError) -> &'static str {
    match error {
        ActionError::Load(
            LoadError::CompileMemory(_) | LoadError::ContainerMemory(_) | LoadError::CompileTime(_),
        ) => COMPILE_ELSEWHERE,
        _ => "",
    }
}

impl InitError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::NoCode => StatusCode::FORBIDDEN,
            Self::Code(error) => error.status(),
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Current step of `/init`, for the error of a timeout.
struct Stage(Mutex<(&'static str, &'static str)>);

impl Stage {
    fn is(&self, doing: &'static str, advice: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (doing, advice);
    }

    fn now(&self) -> (&'static str, &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Initializes `container` with `body`.
pub(super) async fn init(container: &Container, body: RequestBody) -> HttpResponse {
    let window = container.window();
    let Ok(_initializing) = container.initializing.try_lock() else { return second(&window) };
    if container.loaded().is_some() {
        return second(&window);
    }
    match load(container, body, &window).await {
        Ok(loaded) => {
            container.set_loaded(loaded);
            // The logs of `/init` and of the first activation are one log window.
            window.leave_open();
            answer::ok(r#"{"ok":true}"#)
        }
        Err(error) => {
            let message = error.to_string();
            let message = redact(answer::shortened(&message).unwrap_or(&message)).into_owned();
            window.note(&message);
            window.close();
            answer::error(error.status(), &message)
        }
    }
}

fn second(window: &Window) -> HttpResponse {
    window.note(answer::SECOND_INIT);
    window.leave_open();
    answer::error(StatusCode::FORBIDDEN, answer::SECOND_INIT)
}

/// The request, with its code unpacked.
struct Request {
    main: Option<String>,
    code: Result<Arrived, CodeError>,
    env: BTreeMap<String, String>,
}

async fn load(
    container: &Container,
    body: RequestBody,
    window: &Arc<Window>,
) -> Result<Loaded, InitError> {
    let (now, clock) = (Instant::now(), SystemTime::now());
    // Megabytes are decoded and unpacked on the blocking pool, and the text is dropped before the
    // component is compiled.
    let request = tokio::task::spawn_blocking(move || read(body.bytes())).await??;
    let stage = Stage(Mutex::new(("reading its code", "")));
    let loading = load_request(container, request.main, request.code, &request.env, window, &stage);
    match Due::read(request.env.get("__OW_DEADLINE").map(String::as_str), now, clock) {
        Due::Never => loading.await,
        Due::Past(late) => Err(InitError::Late(late)),
        Due::At(due) => {
            match tokio::time::timeout_at(guest_deadline(now, due).into(), loading).await {
                Ok(loaded) => loaded,
                Err(_) => {
                    let (doing, advice) = stage.now();
                    Err(InitError::Time { limit: due - now, doing, advice })
                }
            }
        }
    }
}

fn read(body: &[u8]) -> Result<Request, InitError> {
    let request = InitRequest::parse(body).map_err(InitError::Body)?;
    let code = request.code.as_deref().map_or(Ok(Arrived::Nothing), code::read);
    Ok(Request { main: request.main, code, env: request.env })
}

async fn load_request(
    container: &Container,
    main: Option<String>,
    code: Result<Arrived, CodeError>,
    env: &BTreeMap<String, String>,
    window: &Arc<Window>,
    stage: &Stage,
) -> Result<Loaded, InitError> {
    let config = container.host_config(env)?;
    let (component, request) = component(container, &config, code?, stage).await?;
    stage.is("the engine was started", "");
    let engine = container.engine().await?;
    stage.is("it was compiled", COMPILE_ELSEWHERE);
    let host = Host::builder(&config).engine(engine).default_policy(Policy::container).build()?;
    let options = LoadOptions { request, logs: Some(Arc::clone(window) as _) };
    let action = host.load_with(&component, options).await?;
    code::check_main(main.as_deref(), &action.description().name)?;
    let own_servers = if container.config.config_from_parameters {
        OwnServers::allowed(container.environment.clone(), env.clone(), config)
    } else {
        OwnServers::refused()
    };
    Ok(Loaded {
        environment: variables::base(&container.environment, env),
        own_servers,
        host: Arc::new(host),
        action,
    })
}

async fn component(
    container: &Container,
    config: &Config,
    code: Arrived,
    stage: &Stage,
) -> Result<(Vec<u8>, Option<CapabilityRequest>), InitError> {
    match code {
        Arrived::Component { bytes, request } => Ok((bytes, request)),
        Arrived::Reference(reference) => {
            stage.is("it was pulled from its registry", "");
            Ok((
                pulling::pull(&reference, &config.registry, container.config.allow_tags).await?,
                None,
            ))
        }
        Arrived::Nothing => Ok((from_image(&container.config.action).await?, None)),
    }
}

/// Reads the component in the image.
async fn from_image(path: &Path) -> Result<Vec<u8>, InitError> {
    match tokio::fs::read(path).await {
        Ok(component) => Ok(component),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(InitError::NoCode),
        Err(error) => Err(InitError::Image { path: path.display().to_string(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_to_compile_here_can_be_compiled_elsewhere() {
        let error = InitError::from(ActionError::from(LoadError::ContainerMemory(200 << 20)));
        assert!(
            error.to_string().contains("200 MiB") && error.to_string().contains("image build"),
            "{error}"
        );
        let error = InitError::from(ActionError::from(LoadError::CoreModule));
        assert!(!error.to_string().contains("image build"), "{error}");
    }
}
