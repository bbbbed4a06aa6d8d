//! `POST /run`: one activation.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::SemaphorePermit;

use super::answer::{self, Answer};
use super::container::{Container, Loaded};
use super::deadline::Due;
use super::drain::Drain;
use super::run_request::RunRequest;
use super::window::Window;
use crate::activation::{ActivationRequest, Failure, Outcome, guest_deadline};
use crate::capabilities::user_input::Parameters;
use crate::quote::bounded;
use crate::redaction::redact;

/// Runs the action with `body`.
pub(super) async fn run(container: &Container, drain: &Drain, body: &Bytes) -> Answer {
    let (now, clock) = (Instant::now(), SystemTime::now());
    let Some(loaded) = container.loaded() else {
        return answer::error(StatusCode::INTERNAL_SERVER_ERROR, answer::NOT_INITIALIZED);
    };
    let request = match RunRequest::parse(body) {
        Ok(request) => request,
        Err(error) => {
            return refused(container, StatusCode::BAD_REQUEST, &format!("the body of /run is not a JSON object: {}", bounded(error, 512)));
        }
    };
    let value = request.value.unwrap_or("{}");
    let Ok(parameters) = Parameters::parse(value) else {
        return refused(container, StatusCode::NOT_FOUND, answer::NO_ARGUMENT);
    };
    let due = match Due::read(request.deadline.as_deref(), now, clock) {
        Due::Never => None,
        Due::At(due) => Some(due),
        Due::Past(late) => return failed(container, &too_late(late)),
    };
    let means = match loaded.own_servers.means(&loaded.action, value) {
        Ok(means) => means,
        Err(error) => return failed(container, &error.to_string()),
    };
    // Whoever waits in vain has no window: another activation's is open.
    let _turn = match drain.or_cut_off(turn(container, now, due)).await {
        Some(Some(turn)) => turn,
        Some(None) => return application_error("the activation's time was over before the one that runs here had ended: nothing was run"),
        None => return answer::error(StatusCode::SERVICE_UNAVAILABLE, answer::SHUTTING_DOWN),
    };
    let window = container.window();
    let activation = ActivationRequest {
        parameters,
        environment: loaded.environment.with(request.variables),
        deadline: due,
        logs: Arc::clone(&window) as _,
    };
    let running = async {
        match &means {
            Some(means) => loaded.action.run_with(means, activation).await,
            None => loaded.action.run(activation).await,
        }
    };
    match drain.or_cut_off(running).await {
        Some(outcome) => ended(container, loaded, &window, outcome),
        None => {
            window.note("keynet: the container was stopped before the activation had ended");
            window.close(None);
            application_error("the container was stopped before the activation had ended")
        }
    }
}

/// The right to run where activations do not overlap; none if the time to answer comes first.
async fn turn(container: &Container, now: Instant, due: Option<Instant>) -> Option<Option<SemaphorePermit<'_>>> {
    let Some(turn) = container.turn() else { return Some(None) };
    // The semaphore is never closed.
    match (turn.try_acquire(), due) {
        (Ok(turn), _) => Some(Some(turn)),
        (Err(_), None) => Some(turn.acquire().await.ok()),
        (Err(_), Some(due)) => {
            let waiting = tokio::time::timeout_at(guest_deadline(now, due).into(), turn.acquire());
            waiting.await.ok().map(Result::ok)
        }
    }
}

/// Writes the end of the window and answers.
fn ended(container: &Container, loaded: &Loaded, window: &Window, outcome: Outcome) -> Answer {
    let answer = match outcome.result {
        Ok(result) => answer::ok(result),
        Err(failure) => {
            explain(window, &failure);
            match failure {
                Failure::Result(_) => answer::error(StatusCode::BAD_GATEWAY, answer::NOT_JSON),
                // The system's fault: another container may do better.
                Failure::Start(_) => answer::error(StatusCode::BAD_GATEWAY, &failure.to_string()),
                failure => application_error(&failure.to_string()),
            }
        }
    };
    tracing::debug!(action = %loaded.action.description().name, receipt = %outcome.receipt.line(), "an activation ended");
    let receipt = container.config.receipts.then(|| outcome.receipt.line());
    window.close(receipt.as_deref());
    answer
}

/// Tells whoever wrote the action what the answer does not: where in the guest it happened, which result it was.
fn explain(window: &Window, failure: &Failure) {
    if matches!(failure, Failure::Action(_)) {
        return; // in its own words, which are the answer
    }
    window.note(&redact(&format!("keynet: {failure}")));
    for function in failure.trace() {
        window.note(&format!("keynet:   in {}", function.chars().take(200).collect::<String>()));
    }
}

/// The activation failed, not the container: status 200.
fn application_error(message: &str) -> Answer {
    answer::error(StatusCode::OK, message)
}

/// An activation that failed before it began, with its window.
fn failed(container: &Container, message: &str) -> Answer {
    refused(container, StatusCode::OK, message)
}

fn refused(container: &Container, status: StatusCode, message: &str) -> Answer {
    let window = container.window();
    window.note(&format!("keynet: {message}"));
    window.close(None);
    answer::error(status, message)
}

fn too_late(late: Duration) -> String {
    format!("the activation's deadline had passed {} ms before it arrived here: nothing was run", late.as_millis())
}
