//! tokio, started only by the commands that need it.

use tokio::runtime::{Builder, Runtime};

use crate::errors::ExpectedError;

/// Amount of concurrent work.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// One action, once: a thread for it and one for the operations that it waits for.
    One,
    /// A server.
    Many,
}

/// Starts a tokio runtime for `work`.
///
/// # Errors
/// The operating system cannot start a thread.
pub fn start(work: Work) -> Result<Runtime, ExpectedError> {
    let mut builder = Builder::new_multi_thread();
    if matches!(work, Work::One) {
        builder.worker_threads(2);
    }
    builder.enable_all().build().map_err(ExpectedError::io_on("start", "the threads of the host"))
}

/// Waits for Ctrl-C or SIGTERM. The second signal ends the process at once.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130); // the exit code of an uncaught SIGINT
    });
}
