//! One thread for the process that advances the epoch, so that a guest that computes yields its
//! worker at every tick.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Time that a guest may compute before other guests get the worker thread.
pub const TICK: Duration = Duration::from_millis(5);

/// Clock that advances an engine's epoch while a guest runs, and sleeps otherwise.
#[derive(Debug)]
pub struct EpochClock {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: Mutex<u64>,
    started: Condvar,
}

/// Guard: the clock ticks as long as one of these exists.
#[derive(Debug)]
pub struct Ticking(Arc<Shared>);

impl EpochClock {
    /// Starts the thread; it ends when the clock and the last [`Ticking`] are dropped.
    ///
    /// # Errors
    /// The operating system refuses another thread.
    pub fn start(engine: wasmtime::EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("epoch".into())
            .stack_size(64 * 1024)
            .spawn(move || tick(&weak, &engine))?;
        Ok(Self { shared })
    }

    /// Keeps the clock ticking until the returned guard is dropped.
    pub fn ticking(&self) -> Ticking {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        if *running == 1 {
            self.shared.started.notify_one();
        }
        Ticking(Arc::clone(&self.shared))
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running -= 1;
    }
}

/// Interval in which an idle clock checks whether its engine was dropped.
const IDLE_CHECK: Duration = Duration::from_secs(60);

fn tick(shared: &Weak<Shared>, engine: &wasmtime::EngineWeak) {
    while let Some(shared) = shared.upgrade() {
        let running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (running, _) = shared
            .started
            .wait_timeout_while(running, IDLE_CHECK, |running| *running == 0)
            .unwrap_or_else(PoisonError::into_inner);
        let idle = *running == 0;
        drop(running);
        let Some(engine) = engine.upgrade() else { return };
        if !idle {
            engine.increment_epoch();
            drop((shared, engine));
            std::thread::sleep(TICK);
        }
    }
}
