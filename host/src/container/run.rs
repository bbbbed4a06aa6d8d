//! `POST /run`: one activation.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::{HeaderMap, StatusCode};

use super::answer::{self, HttpResponse};
use super::caller_trace;
use super::deadline::Due;
use super::lifecycle::{Container, Loaded};
use super::own_servers::{OwnServersError, Sent};
use super::run_request::RunRequest;
use super::telemetry::Activation;
use super::window::Window;
use crate::activation::{
    ActivationRequest, Failure, GuestEnvironment, LogSink, Outcome, guest_deadline,
};
use crate::capabilities::user_input::Parameters;
use crate::http::{Drain, RequestBody, UntilWritten};
use keynet_base::offload;
use keynet_base::quote::{bounded, shown};
use keynet_base::redaction::redact;
use keynet_base::trace_context::TraceContext;

/// Request that was read. Its body is dropped.
struct Asked {
    parameters: Parameters,
    /// Servers that the caller named.
    sent: Sent,
    deadline: Option<String>,
    variables: Vec<(String, String)>,
    /// Trace of a web action's caller, if it is asked for.
    caller: Option<TraceContext>,
}

/// Parts of an argument that are read besides the parameters.
#[derive(Clone, Copy)]
struct Wanted {
    /// Servers that the caller named.
    servers: bool,
    /// Trace of a web action's caller.
    caller: bool,
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

/// Runs the action with `body`, for a request with `headers`.
pub(super) async fn run(
    container: &Container,
    drain: &Drain,
    headers: &HeaderMap,
    body: RequestBody,
) -> HttpResponse {
    let (now, clock) = (Instant::now(), SystemTime::now());
    let Some(loaded) = container.loaded() else {
        return answer::error(StatusCode::INTERNAL_SERVER_ERROR, answer::NOT_INITIALIZED);
    };
    let telemetry = &container.telemetry;
    let wanted =
        Wanted { servers: loaded.own_servers.are_allowed(), caller: telemetry.is_tracing() };
    let mut asked = match read(body, wanted).await {
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
    let caller = asked.caller.take();
    let activation = Activation {
        arrived: now,
        id: wanted.caller.then(|| asked.variable("__OW_ACTIVATION_ID")).flatten(),
        span: telemetry.begin(|| TraceContext::of_headers(headers).or(caller)),
    };
    let slot = match drain.or_cut_off(loaded.action.reserve(due)).await {
        Some(Some(slot)) => slot,
        Some(None) => {
            telemetry.failed(loaded, &activation, "application_error");
            return timed_out_in_the_queue(container, now).await;
        }
        None => return answer::error(StatusCode::SERVICE_UNAVAILABLE, answer::SHUTTING_DOWN),
    };
    let window = container.window();
    let running = async {
        let means = loaded
            .own_servers
            .means(loaded, asked.sent, due.map(|due| guest_deadline(now, due)))
            .await?;
        let mut request =
            ActivationRequest::new(asked.parameters, Arc::clone(&window) as Arc<dyn LogSink>);
        request.environment = loaded.environment.under(GuestEnvironment::new(asked.variables));
        request.deadline = due;
        activation.record(&mut request);
        let outcome = loaded.action.run_in(&slot, means.as_deref(), request).await;
        Ok::<_, OwnServersError>(outcome)
    };
    match drain.or_cut_off(running).await {
        Some(Ok(outcome)) => {
            telemetry.ended(loaded, &activation, &outcome);
            ended(container, &window, outcome).await
        }
        Some(Err(error)) => {
            telemetry.failed(loaded, &activation, "application_error");
            failed(&window, &Refusal::new(StatusCode::OK, redact(&error.to_string())))
        }
        None => {
            telemetry.failed(loaded, &activation, "internal_error");
            let why = "the container was stopped before the activation had ended";
            failed(&window, &Refusal::new(StatusCode::OK, why))
        }
    }
}

/// Reads a body; a large one on the blocking pool. Its deadline is inside the body, so only the
/// size of the body limits the time to read it.
async fn read(body: RequestBody, wanted: Wanted) -> Result<Asked, Refusal> {
    let asked =
        offload::run(body.bytes().len(), None, move || Asked::read(body.bytes(), wanted)).await;
    asked.unwrap_or_else(|| {
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the host is shutting down"))
    })
}

impl Asked {
    fn read(body: &[u8], wanted: Wanted) -> Result<Self, Refusal> {
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
            caller: wanted.caller.then(|| caller_trace::of_parameters(value)).flatten(),
            sent: if wanted.servers {
                Sent::read(value).map_err(|error| Refusal::new(StatusCode::OK, error))?
            } else {
                Sent::default()
            },
            deadline: request.deadline,
            variables: request.variables,
        })
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    }
}

/// Responds to a request that timed out in the queue. If activations do not overlap it writes no
/// log markers: another activation's log window is still open.
async fn timed_out_in_the_queue(container: &Container, requested: Instant) -> HttpResponse {
    if container.config.concurrent {
        let outcome = Outcome::without_a_slot(requested);
        return ended(container, &container.window(), outcome).await;
    }
    application_error(
        "the activation's time was over before the one that runs here had ended: nothing was run",
    )
}

/// Responds, and ends the log window after the response.
async fn ended(container: &Container, window: &Window, outcome: Outcome) -> HttpResponse {
    let mut answer = match outcome.result {
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
    let receipt = container.config.receipts.then(|| outcome.receipt.line());
    let ending = window.close_later(receipt.as_deref()).await;
    answer.extensions_mut().insert(UntilWritten::new(ending));
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
    window.close();
    answer::error(refusal.status, &refusal.message)
}

/// Responds to a request that is not run. Writes log markers only if no other activation's log
/// window is open: OpenWhisk would take them for the end of that one.
fn refused(container: &Container, loaded: &Loaded, refusal: &Refusal) -> HttpResponse {
    container.telemetry.refused(loaded);
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
