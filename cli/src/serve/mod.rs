//! `run --serve`: one loaded action behind HTTP, for development.
//!
//! `POST /` runs it with the JSON object of the body, with any number of requests at a time; `GET
//! /` returns its description; `/ui` is a page to try it out. `docs/cli.md` has the protocol. It is not an OpenWhisk runtime and
//! has no protection from slow clients. Requests from pages of other sites are rejected.

mod activations;
mod answer;
mod page;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use keynet_base::offload::LargeWork;
use keynet_base::{AllowedHosts, Config};
use keynet_host::Action;
use keynet_host::ActivationRequest;
use keynet_host::Host;
use keynet_host::Outcome;
use keynet_host::Parameters;
use keynet_host::capabilities::Backend;
use keynet_host::policy::Policy;
use keynet_host::{Failure, ResultText};
use keynet_object_storage::ObjectStorage;
use keynet_object_storage::folder_store;
use tokio::sync::watch;

use activations::{Activations, Begun, KeptLogs, Record};

use crate::component::Component;
use crate::errors::{ExpectedError, failure};
use crate::flags::HostNameArgs;
use crate::input::address::ListenAddress;
use crate::recordings::{Activation, Shelf};
use crate::ui::console::{Console, Logs};
use crate::ui::permissions;
use crate::{local_backends, runtime, storage};

/// Maximum size of a request's body in bytes; the same as OpenWhisk's limit.
const MAX_BODY: usize = 48 << 20;

/// Time that running requests get after the process is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Settings of a server.
pub struct Server<'a> {
    /// Address to listen on.
    pub address: &'a ListenAddress,
    /// Configuration of the host.
    pub config: Config,
    /// Component of the action.
    pub component: Component,
    /// Policy if the configuration names none.
    pub policy: fn() -> Policy,
    /// Further host names that are accepted.
    pub hosts: &'a HostNameArgs,
    /// `true` to print the receipt of each run.
    pub time: bool,
    /// Folder of recordings; `None` to record nothing.
    pub shelf: Option<Shelf>,
    /// Console for logs and notes.
    pub console: Console,
}

/// State that every request needs.
struct Served {
    action: Action,
    policy: Policy,
    storage: Backend<ObjectStorage>,
    activations: Activations,
    shelf: Option<Shelf>,
    tell_receipts: bool,
    console: Console,
    count: AtomicU64,
}

impl Server<'_> {
    /// Serves until the process is asked to stop, then gives running requests 10 s.
    ///
    /// # Errors
    /// The host cannot start, the component is not an action, or the address is in use.
    pub async fn run(mut self) -> Result<(), ExpectedError> {
        let host = Host::builder(&self.config).default_policy(self.policy).build()?;
        let action = self.component.load(&host).await?;
        // A component with numpy and Pillow has 42 MB, of which only the compiled code is used from
        // here on.
        self.component.bytes = Vec::new();
        if self.component.published {
            permissions::show_once(
                &action,
                &self.component.path.display().to_string(),
                &self.config,
                self.console,
            );
        }
        local_backends::announce(&action, &self.config, self.console);
        permissions::tell_denied(&action, self.console);
        let (listener, bound) = self.address.bind().await?;

        let (stop, stopping) = watch::channel(false);
        tokio::spawn(async move {
            runtime::asked_to_stop().await;
            stop.send_replace(true);
        });
        if action.imports().has("storage") {
            serve_objects(&self.config, self.hosts, self.console, ended(stopping.clone())).await;
        }
        let served = Served {
            policy: host.policy().clone(),
            storage: match action.imports().has("storage") {
                true => host.storage(),
                false => Err(keynet_base::Error::invalid(
                    "the action uses no storage, so it cannot read a picture that is put there",
                )),
            },
            activations: Activations::default(),
            shelf: self.shelf,
            tell_receipts: self.time,
            console: self.console,
            count: AtomicU64::new(0),
            action,
        };
        self.console.say(&format!("listening on http://{bound}\n"));
        if bound.ip().is_loopback() {
            self.console.note(format_args!("open http://{bound}/ui in a browser to try it out"));
        }
        let server =
            axum::serve(listener, router(served, bound, self.hosts.allowed(self.address, bound)))
                .with_graceful_shutdown(ended(stopping.clone()));
        let patience = async {
            ended(stopping).await;
            tokio::time::sleep(GRACE).await;
        };
        let ended = tokio::select! {
            served = server => served.map_err(ExpectedError::io_on("serve on", bound.to_string())),
            () = patience => {
                self.console.note("requests that took too long to end were cut off");
                Ok(())
            }
        };
        host.close().await;
        ended
    }
}

async fn ended(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Also serves presigned URLs, so that results can be opened, if they point to this machine and no
/// other server has the port.
async fn serve_objects(
    config: &Config,
    hosts: &HostNameArgs,
    console: Console,
    stopped: impl Future<Output = ()> + Send + 'static,
) {
    let (Some(address), None) = (storage::public_address(config), &config.s3) else { return };
    let (listener, bound) = match address.bind().await {
        Ok(bound) => bound,
        Err(error) => {
            console.note(format_args!(
                "the URLs of objects are not answered here: {}",
                error.one_line()
            ));
            return;
        }
    };
    match storage::open(config) {
        Ok(store) => {
            console.note(format_args!("the URLs of objects are answered on http://{address}"));
            let limits = storage::limits(config, hosts.allowed(&address, bound));
            tokio::spawn(folder_store::serve(listener, store, limits, stopped));
        }
        Err(error) => console.note(error.one_line()),
    }
}

fn router(served: Served, bound: SocketAddr, hosts: AllowedHosts) -> Router {
    let page = match bound.ip().is_loopback() {
        true => page::routes(),
        false => Router::new(),
    };
    Router::new()
        .route("/", get(describe).post(activate))
        .merge(page)
        .fallback(async || {
            answer::error(
                404,
                "not-found",
                "there is only `/`: POST to it to run the action, GET it to see what it is; and, \
                    if this server listens at a loopback address, the page `/ui`",
            )
        })
        .method_not_allowed_fallback(async || {
            answer::error(405, "invalid", "POST to run the action, GET to see what it is")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::new(hosts), only_for))
        .with_state(Arc::new(served))
}

/// Rejects requests that name another host, or that come from a page of another site.
async fn only_for(
    State(hosts): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    match hosts.check(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refused) => answer::error(403, "denied", &refused),
    }
}

async fn describe(State(served): State<Arc<Served>>) -> Response {
    answer::description(served.action.description())
}

async fn activate(
    State(served): State<Arc<Served>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let parameters = match read_parameters(body).await {
        Ok(parameters) => parameters,
        Err(refused) => return *refused,
    };
    // If the client disconnects, this future is dropped, and the activation with it.
    match served.activate(parameters).await.0 {
        Ok(result) => answer::result(result),
        Err(failed) => {
            answer::error(failure::status(&failed), failure::kind(&failed), &failed.to_string())
        }
    }
}

async fn read_parameters(body: Result<Bytes, BytesRejection>) -> Result<Parameters, Box<Response>> {
    let read = match body {
        Ok(body) if body.trim_ascii().is_empty() => Ok(Parameters::none()),
        Ok(body) => Parameters::read(body, &LargeWork::default(), None).await,
        Err(error) => return Err(Box::new(rejected(&error))),
    };
    read.map_err(|error| Box::new(answer::error(400, error.kind.as_str(), &error.message)))
}

fn rejected(error: &BytesRejection) -> Response {
    match error.status().as_u16() {
        413 => answer::error(
            413,
            "too-large",
            &format!("the body of the request is larger than {} MiB", MAX_BODY >> 20),
        ),
        status => answer::error(status, "invalid", &error.body_text()),
    }
}

impl Served {
    /// Runs the action once, reports it, and keeps its record.
    async fn activate(&self, parameters: Parameters) -> (Result<ResultText, Failure>, Arc<Record>) {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let logs = Arc::new(KeptLogs::new(Logs::numbered(self.console, number)));
        let begun = Begun::now(number, &parameters);
        let outcome = self.run(parameters, Arc::clone(&logs)).await;
        if self.tell_receipts {
            self.console.say(&format!("[{number}] {}\n", outcome.receipt.line()));
        }
        if let Err(failed) = &outcome.result {
            let report = ExpectedError::from(failed.clone()).report(self.console);
            self.console.say(&format!("[{number}] {report}"));
        }
        let name = &self.action.description().name;
        let record = self.activations.add(begun.ended(name, &outcome, &logs));
        (outcome.result, record)
    }

    /// Runs the action once, and keeps a recording if there are to be any.
    async fn run(&self, parameters: Parameters, logs: Arc<KeptLogs>) -> Outcome {
        let request = ActivationRequest::new(parameters.clone(), logs);
        let Some(shelf) = &self.shelf else { return self.action.run(request).await };
        let recording = match shelf.begin() {
            Ok(recording) => recording,
            Err(error) => {
                self.console.note(ExpectedError::from(error).one_line());
                return self.action.run(request).await;
            }
        };
        let outcome = self.action.run_within(&recording.recorder, request).await;
        let ended = Activation {
            action: &self.action,
            policy: &self.policy,
            parameters: &parameters,
            result: &outcome.result,
        };
        let kept = tokio::task::block_in_place(|| shelf.keep(recording, ended, self.console));
        if let Err(error) = kept {
            self.console.note(ExpectedError::from(error).one_line());
        }
        outcome
    }
}
