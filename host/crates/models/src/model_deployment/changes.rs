//! The changes made to a repository, so that they can be undone.

use std::path::{Path, PathBuf};

use super::repository::Repository;
use super::{Progress, Record};
use keynet_base::budget::CallBudget;
use keynet_base::error::{ErrorKind, Result};

/// Operation that undoes a change.
#[derive(Debug)]
enum Undo {
    /// Nothing existed at this path.
    Remove(String),
    /// A file existed at this path.
    Restore { path: String, saved: PathBuf },
}

/// Changes to a repository in progress. Every change is recorded here before it is made, so it can
/// be undone wherever it was interrupted.
pub(super) struct Changes<'a> {
    repository: &'a dyn Repository,
    /// Folder of the workspace for copies of replaced files.
    saved: PathBuf,
    made: Vec<Undo>,
}

impl<'a> Changes<'a> {
    /// Creates an empty list of changes. Replaced files are copied to the folder `workspace`.
    pub fn new(repository: &'a dyn Repository, workspace: &Path) -> Self {
        Self { repository, saved: workspace.to_owned(), made: Vec::new() }
    }

    /// Reports whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Claims the name of a new model. Must not be cancelled: it would be unknown whether the name
    /// was claimed.
    ///
    /// # Errors
    /// The same as for [`Repository::claim`].
    pub async fn claim(&mut self, name: &str, record: &Record, budget: &CallBudget) -> Result<()> {
        self.repository.claim(name, record.to_bytes(), budget).await?;
        self.made.push(Undo::Remove(name.to_owned()));
        Ok(())
    }

    /// Writes a folder to a path where nothing exists, or to a claimed name.
    ///
    /// # Errors
    /// The same as for [`Repository::place`].
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
            self.made.pop(); // exists and is not a change made here
        }
        placed
    }

    /// Writes a file, replacing an existing one.
    ///
    /// # Errors
    /// The same as for [`Repository::save`] and [`Repository::put`].
    pub async fn put(&mut self, from: &Path, path: &str, budget: &CallBudget) -> Result<()> {
        if !self.save(path, budget).await? {
            self.made.push(Undo::Remove(path.to_owned()));
        }
        self.repository.put(from, path, budget).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The same as for [`Repository::save`] and [`Repository::remove`].
    pub async fn remove(&mut self, path: &str, budget: &CallBudget) -> Result<()> {
        self.save(path, budget).await?;
        self.repository.remove(path, budget).await
    }

    /// Saves a copy of the file, if it exists, and reports whether it does.
    async fn save(&mut self, path: &str, budget: &CallBudget) -> Result<bool> {
        let saved = self.saved.join(format!("saved-{}", self.made.len()));
        let is_there = self.repository.save(path, &saved, budget).await?;
        if is_there {
            self.made.push(Undo::Restore { path: path.to_owned(), saved });
        }
        Ok(is_there)
    }

    /// Undoes all changes, the last first. A change that cannot be undone does not stop the others.
    ///
    /// # Errors
    /// The first change that could not be undone.
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
