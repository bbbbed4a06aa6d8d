//! `POST /run`: one activation.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;

use super::answer::{self, HttpResponse};
use super::deadline::Due;
use super::lifecycle::{Container, Loaded};
use super::own_servers::{OwnServersError, Sent};
use super::run_request::RunRequest;
use super::window::Window;
use crate::activation::{ActivationRequest, Failure, GuestEnvironment, Outcome, guest_deadline};
use crate::capabilities::user_input::Parameters;
use crate::http::{Drain, RequestBody};
use keynet_base::offload;
use keynet_base::quote::{bounded, shown};
use keynet_base::redaction::redact;

/// Request that was read. Its body is dropped.
struct Asked {
    parameters: Parameters,
    /// Servers that the caller named.
    sent: Sent,
    deadline: Option<String>,
    variables: Vec<(String, String)>,
}

/// Response to a request that is not run.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl ToString) -> Self {
        Self { status, message: message.to_string() }
    }
}

/// Runs the action with `body`.
pub(super) async fn run(container: &Container, drain: &Drain, body: RequestBody) -> HttpResponse {
    let (now, clock) = (Instant::now(), SystemTime::now());
    let Some(loaded) = container.loaded() else {
        return answer::error(StatusCode::INTERNAL_SERVER_ERROR, answer::NOT_INITIALIZED);
    };
    let asked = match read(body, loaded.own_servers.are_allowed()).await {
        Ok(asked) => asked,
        Err(refusal) => return refused(container, loaded, &refusal),
    };
    let due = match Due::read(asked.deadline.as_deref(), now, clock) {
        Due::Never => None,
        Due::At(due) => Some(due),
        Due::Past(late) => {
            return refused(container, loaded, &Refusal::new(StatusCode::OK, too_late(late)));
        }
    };
    let slot = match drain.or_cut_off(loaded.action.reserve(due)).await {
        Some(Some(slot)) => slot,
        Some(None) => return timed_out_in_the_queue(container, loaded, now).await,
        None => return answer::error(StatusCode::SERVICE_UNAVAILABLE, answer::SHUTTING_DOWN),
    };
    let window = container.window();
    let running = async {
        let means = loaded
            .own_servers
            .means(loaded, asked.sent, due.map(|due| guest_deadline(now, due)))
            .await?;
        let activation = ActivationRequest {
            parameters: asked.parameters,
            environment: loaded.environment.under(GuestEnvironment::new(asked.variables)),
            deadline: due,
            logs: Arc::clone(&window) as _,
        };
        let outcome = loaded.action.run_in(&slot, means.as_deref(), activation).await;
        Ok::<_, OwnServersError>(outcome)
    };
    match drain.or_cut_off(running).await {
        Some(Ok(outcome)) => ended(container, loaded, &window, outcome).await,
        Some(Err(error)) => {
            failed(&window, &Refusal::new(StatusCode::OK, redact(&error.to_string())))
        }
        None => failed(
            &window,
            &Refusal::new(
                StatusCode::OK,
                "the container was stopped before the activation had ended",
            ),
        ),
    }
}

/// Reads a body; a large one on the blocking pool. Its deadline is inside the body, so only the
/// size of the body limits the time to read it.
async fn read(body: RequestBody, with_servers: bool) -> Result<Asked, Refusal> {
    let asked =
        offload::run(body.bytes().len(), None, move || Asked::read(body.bytes(), with_servers))
            .await;
    asked.unwrap_or_else(|| {
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the host is shutting down"))
    })
}

impl Asked {
    fn read(body: &[u8], with_servers: bool) -> Result<Self, Refusal> {
        let request = RunRequest::parse(body).map_err(|error| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                format_args!("the body of /run cannot be used: {}", bounded(error, 512)),
            )
        })?;
        let value = request.value.unwrap_or("{}");
        if !value.starts_with(['{', '[']) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, answer::NO_ARGUMENT));
        }
        // The body is JSON: an error in it is the caller's and no reason to destroy the container.
        let wrong = |error: keynet_base::Error| Refusal::new(StatusCode::OK, error.message);
        Ok(Self {
            parameters: Parameters::parse(value).map_err(wrong)?,
            sent: if with_servers {
                Sent::read(value).map_err(|error| Refusal::new(StatusCode::OK, error))?
            } else {
                Sent::default()
            },
            deadline: request.deadline,
            variables: request.variables,
        })
    }
}

/// Responds to a request that timed out in the queue. If activations do not overlap it writes no
/// log markers: another activation's log window is still open.
async fn timed_out_in_the_queue(
    container: &Container,
    loaded: &Loaded,
    requested: Instant,
) -> HttpResponse {
    if container.config.concurrent {
        let outcome = Outcome::without_a_slot(requested);
        return ended(container, loaded, &container.window(), outcome).await;
    }
    application_error(
        "the activation's time was over before the one that runs here had ended: nothing was run",
    )
}

/// Writes the end of the log window and responds.
async fn ended(
    container: &Container,
    loaded: &Loaded,
    window: &Window,
    outcome: Outcome,
) -> HttpResponse {
    let answer = match outcome.result {
        Ok(result) => answer::ok(result),
        Err(failure) => {
            explain(window, &failure);
            match failure {
                Failure::Result(_) => answer::error(StatusCode::BAD_GATEWAY, answer::NOT_JSON),
                // The machine is at fault: another container may work.
                Failure::Start(_) => answer::error(StatusCode::BAD_GATEWAY, &failure.to_string()),
                failure => application_error(&failure.to_string()),
            }
        }
    };
    tracing::debug!(action = %loaded.action.description().name, receipt = %outcome.receipt.line(), "an activation \
        ended");
    let receipt = container.config.receipts.then(|| outcome.receipt.line());
    window.close_with_others(receipt.as_deref()).await;
    answer
}

/// Logs details for the author of the action that the response lacks: the guest's backtrace, or the
/// invalid result.
fn explain(window: &Window, failure: &Failure) {
    if matches!(failure, Failure::Action(_)) {
        return; // the response already has the action's message
    }
    window.note(&redact(&format!("keynet: {failure}")));
    for function in failure.trace() {
        window.note(&format!("keynet:   in {}", shown(function)));
    }
}

/// Returns an error of the activation, not of the container: status 200.
fn application_error(message: &str) -> HttpResponse {
    answer::error(StatusCode::OK, message)
}

/// Responds for an activation that did not end by itself, and writes the end of its log window.
fn failed(window: &Window, refusal: &Refusal) -> HttpResponse {
    window.note(&format!("keynet: {}", refusal.message));
    window.close(None);
    answer::error(refusal.status, &refusal.message)
}

/// Responds to a request that is not run. Writes log markers only if no other activation's log
/// window is open: OpenWhisk would take them for the end of that one.
fn refused(container: &Container, loaded: &Loaded, refusal: &Refusal) -> HttpResponse {
    let slot = loaded.action.try_reserve();
    if slot.is_some() || container.config.concurrent {
        failed(&container.window(), refusal)
    } else {
        answer::error(refusal.status, &refusal.message)
    }
}

fn too_late(late: Duration) -> String {
    format!(
        "the activation's deadline had passed {} ms before it arrived here: nothing was run",
        late.as_millis()
    )
}
