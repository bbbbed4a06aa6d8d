//! What was changed in a repository, so that it can be changed back.

use std::path::{Path, PathBuf};

use super::repository::Repository;
use super::{Progress, Record};
use keynet_base::budget::CallBudget;
use keynet_base::error::{ErrorKind, Result};

/// What undoes a change.
#[derive(Debug)]
enum Undo {
    /// There was nothing.
    Remove(String),
    /// This was there.
    Restore { path: String, saved: PathBuf },
}

/// Changes under way. Every one of them is known here before it is made: it can be undone wherever
/// it was broken off.
pub(super) struct Changes<'a> {
    repository: &'a dyn Repository,
    /// A folder of the workspace for what is replaced.
    saved: PathBuf,
    made: Vec<Undo>,
}

impl<'a> Changes<'a> {
    /// None yet. What is replaced is kept in the folder `workspace`.
    pub fn new(repository: &'a dyn Repository, workspace: &Path) -> Self {
        Self { repository, saved: workspace.to_owned(), made: Vec::new() }
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Takes the name of a new model. Not to be broken off: whether the name is ours would not be
    /// known.
    ///
    /// # Errors
    /// As [`Repository::claim`].
    pub async fn claim(&mut self, name: &str, record: &Record, budget: &CallBudget) -> Result<()> {
        self.repository.claim(name, record.to_bytes(), budget).await?;
        self.made.push(Undo::Remove(name.to_owned()));
        Ok(())
    }

    /// Puts a folder to where nothing is, or what was claimed.
    ///
    /// # Errors
    /// As [`Repository::place`].
    pub async fn place(
        &mut self,
        from: &Path,
        path: &str,
        progress: &dyn Progress,
        budget: &CallBudget,
    ) -> Result<()> {
        self.made.push(Undo::Remove(path.to_owned()));
        let placed = self.repository.place(from, path, progress, budget).await;
        if placed.as_ref().is_err_and(|error| error.kind == ErrorKind::PreconditionFailed) {
            self.made.pop(); // somebody else's
        }
        placed
    }

    /// Puts a file in the place of what is there.
    ///
    /// # Errors
    /// As [`Repository::save`] and [`Repository::put`].
    pub async fn put(&mut self, from: &Path, path: &str, budget: &CallBudget) -> Result<()> {
        if !self.save(path, budget).await? {
            self.made.push(Undo::Remove(path.to_owned()));
        }
        self.repository.put(from, path, budget).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As [`Repository::save`] and [`Repository::remove`].
    pub async fn remove(&mut self, path: &str, budget: &CallBudget) -> Result<()> {
        self.save(path, budget).await?;
        self.repository.remove(path, budget).await
    }

    /// Keeps what is there, if there is anything.
    async fn save(&mut self, path: &str, budget: &CallBudget) -> Result<bool> {
        let saved = self.saved.join(format!("saved-{}", self.made.len()));
        let is_there = self.repository.save(path, &saved, budget).await?;
        if is_there {
            self.made.push(Undo::Restore { path: path.to_owned(), saved });
        }
        Ok(is_there)
    }

    /// Changes everything back, the last first. What cannot be is left, and the rest done.
    ///
    /// # Errors
    /// The first that could not be changed back.
    pub async fn undo(self, budget: &CallBudget) -> Result<()> {
        let mut undone = Ok(());
        for change in self.made.into_iter().rev() {
            let changed = match change {
                Undo::Remove(path) => self.repository.remove(&path, budget).await,
                Undo::Restore { path, saved } => {
                    self.repository.restore(&saved, &path, budget).await
                }
            };
            undone = undone.and(changed);
        }
        undone
    }
}
