//! The models that are in memory: each loaded once, however many ask for it at the same time.
//!
//! A model is loaded when it is first asked, and again when its files have changed. A load that
//! fails is forgotten: the next caller tries again. At most so many are kept; the one that was not
//! asked for longest goes first, and its memory is given back when the last run on it ends. Loads
//! happen one after the other, off the async threads, and go on when the caller who began one
//! leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{OnceCell, Semaphore};

use super::EmbeddedLimits;
use super::model::LoadedModel;
use super::onnxruntime;
use super::repository::{LocatedModel, Repository, Stamp};
use super::thread::on_own_thread;
use keynet_base::config::OnnxRuntimeConfig;
use keynet_base::error::{Error, Result};

/// How often a model whose files change while they are read is read again.
const ATTEMPTS: usize = 3;

type Cell = Arc<OnceCell<Arc<LoadedModel>>>;

/// The folder and what is loaded of it.
#[derive(Debug)]
pub(super) struct Models {
    pub repository: Repository,
    limits: EmbeddedLimits,
    /// `KEYNET_ONNXRUNTIME`
    onnxruntime: OnnxRuntimeConfig,
    /// The engine, once a model was loaded.
    engine: OnceLock<&'static str>,
    slots: Mutex<Slots>,
    loading: Semaphore,
}

#[derive(Debug, Default)]
struct Slots {
    clock: u64,
    by_version: HashMap<(String, u64), Slot>,
}

#[derive(Debug)]
struct Slot {
    stamp: Stamp,
    last_asked: u64,
    cell: Cell,
}

impl Models {
    pub fn new(
        repository: Repository,
        limits: EmbeddedLimits,
        onnxruntime: OnnxRuntimeConfig,
    ) -> Self {
        let (slots, loading) = (Mutex::default(), Semaphore::new(1));
        Self { repository, limits, onnxruntime, engine: OnceLock::new(), slots, loading }
    }

    /// Returns the engine of the models. `None` until one was loaded.
    pub fn engine(&self) -> Option<&'static str> {
        self.engine.get().copied()
    }

    /// Finds a model and loads it if it is not there as its files are now.
    pub async fn get(
        self: &Arc<Self>,
        name: &str,
        version: Option<u64>,
    ) -> Result<(LocatedModel, Arc<LoadedModel>)> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let located = self.locate(name, version).await?;
            // A task of its own, so that a caller who leaves does not stop what others wait for.
            let (this, wanted) = (Arc::clone(self), located.clone());
            let loaded = tokio::spawn(async move { this.load_once(wanted).await })
                .await
                .unwrap_or_else(|error| Err(broken_task(&error)));
            match loaded {
                Ok(loaded) => return Ok((located, loaded)),
                Err(_)
                    if attempt < ATTEMPTS
                        && self.locate(name, version).await?.stamp != located.stamp => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets a model, if this is the one that is kept: it is loaded anew for the next caller.
    pub fn forget(&self, located: &LocatedModel, loaded: &Arc<LoadedModel>) {
        self.forget_if(located, |cell| cell.get().is_some_and(|kept| Arc::ptr_eq(kept, loaded)));
    }

    async fn locate(self: &Arc<Self>, name: &str, version: Option<u64>) -> Result<LocatedModel> {
        let (this, name) = (Arc::clone(self), name.to_owned());
        let found =
            tokio::task::spawn_blocking(move || this.repository.locate(&name, version)).await;
        found.unwrap_or_else(|error| Err(broken_task(&error)))
    }

    async fn load_once(self: Arc<Self>, located: LocatedModel) -> Result<Arc<LoadedModel>> {
        let cell = self.cell(&located);
        let loaded = cell.get_or_try_init(|| self.load(&located)).await.cloned();
        if loaded.is_err() {
            self.forget_if(&located, |kept| Arc::ptr_eq(kept, &cell) && !kept.initialized());
        }
        loaded
    }

    async fn load(self: &Arc<Self>, located: &LocatedModel) -> Result<Arc<LoadedModel>> {
        let _one_at_a_time = self
            .loading
            .acquire()
            .await
            .map_err(|_| Error::internal("the embedded models are closed"))?;
        let (this, located) = (Arc::clone(self), located.clone());
        on_own_thread(move || {
            let library = onnxruntime::library(&this.onnxruntime)?;
            this.engine.get_or_init(|| if library.is_some() { "onnxruntime" } else { "rten" });
            let loaded = LoadedModel::load(&located, &this.limits, library)?;
            if located.is_current(&this.repository) {
                Ok(Arc::new(loaded))
            } else {
                Err(Error::unavailable(format!(
                    "model {}: {} was written while it was read; ask again",
                    located.label(),
                    located.shown
                )))
            }
        })
        .await
    }

    /// The place of a model as its files are now; what is there for other files is dropped.
    fn cell(&self, located: &LocatedModel) -> Cell {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clock += 1;
        let now = slots.clock;
        let key = (located.name.clone(), located.version);
        let slot = slots.by_version.entry(key).or_insert_with(|| Slot {
            stamp: located.stamp,
            last_asked: now,
            cell: Cell::default(),
        });
        slot.last_asked = now;
        if slot.stamp != located.stamp {
            (slot.stamp, slot.cell) = (located.stamp, Cell::default());
        }
        let cell = Arc::clone(&slot.cell);
        while slots.by_version.len() > self.limits.max_loaded_models.max(1) {
            let oldest = slots
                .by_version
                .iter()
                .min_by_key(|(_, slot)| slot.last_asked)
                .map(|(key, _)| key.clone());
            oldest.and_then(|key| slots.by_version.remove(&key));
        }
        cell
    }

    fn forget_if(&self, located: &LocatedModel, condition: impl FnOnce(&Cell) -> bool) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (located.name.clone(), located.version);
        if slots.by_version.get(&key).is_some_and(|slot| condition(&slot.cell)) {
            slots.by_version.remove(&key);
        }
    }

    #[cfg(test)]
    pub fn kept(&self) -> Vec<String> {
        let slots = self.slots.lock().unwrap();
        let mut kept: Vec<_> =
            slots.by_version.keys().map(|(name, version)| format!("{name}:{version}")).collect();
        kept.sort();
        kept
    }
}

/// A task that panicked or was stopped with the process.
fn broken_task(error: &tokio::task::JoinError) -> Error {
    Error::internal(format!("a task of the embedded models ended early: {error}"))
}
