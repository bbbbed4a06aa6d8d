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
    running: Mutex<Running>,
    started: Condvar,
}

#[derive(Debug, Default)]
struct Running {
    guests: u64,
    /// `true` while the thread waits for a guest; otherwise a signal would be a system call in
    /// vain.
    clock_waits: bool,
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
        running.guests += 1;
        let clock_waits = running.guests == 1 && running.clock_waits;
        drop(running);
        if clock_waits {
            self.shared.started.notify_one();
        }
        Ticking(Arc::clone(&self.shared))
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.guests -= 1;
    }
}

/// Interval in which an idle clock checks whether its engine was dropped.
const IDLE_CHECK: Duration = Duration::from_secs(60);

/// Ticks after the last guest during which the clock does not sleep for longer: waking it would
/// cost each of a few activations per second as much as a system call and a switch of threads.
const LINGER: u32 = 200;

fn tick(shared: &Weak<Shared>, engine: &wasmtime::EngineWeak) {
    let mut idle_ticks = LINGER;
    while let Some(shared) = shared.upgrade() {
        let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.guests == 0 && idle_ticks >= LINGER {
            running.clock_waits = true;
            (running, _) = shared
                .started
                .wait_timeout_while(running, IDLE_CHECK, |running| running.guests == 0)
                .unwrap_or_else(PoisonError::into_inner);
            running.clock_waits = false;
        }
        let idle = running.guests == 0;
        drop(running);
        idle_ticks = if idle { idle_ticks.saturating_add(1) } else { 0 };
        let Some(engine) = engine.upgrade() else { return };
        if !idle {
            engine.increment_epoch();
        }
        if idle_ticks < LINGER {
            drop((shared, engine));
            std::thread::sleep(TICK);
        }
    }
}
