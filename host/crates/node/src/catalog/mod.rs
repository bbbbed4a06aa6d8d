//! Actions and packages of all namespaces: held in memory for reading, written to an embedded
//! database before a change is acknowledged.
//!
//! The database is SQLite in WAL mode with full synchronisation: a change that was acknowledged
//! survives `kill -9` and a power cut, and a change that was not is not seen. Code and components
//! are rows of it, so no file can be left without its action.

mod database;

pub use database::CatalogError;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use database::Database;

use crate::entities::{Action, EntityName, Package};

/// Code of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Code as it was sent: base64, or a reference.
    pub text: String,
    /// Component that was pulled for a reference; `None` if the text has it.
    pub pulled: Option<Vec<u8>>,
}

impl Code {
    fn bytes(&self) -> u64 {
        (self.text.len() + self.pulled.as_ref().map_or(0, Vec::len)) as u64
    }
}

/// Actions and packages.
#[derive(Clone)]
pub struct Catalog {
    index: Arc<RwLock<Index>>,
    database: Arc<Mutex<Database>>,
}

#[derive(Debug, Default)]
struct Index {
    namespaces: BTreeMap<String, Entities>,
}

/// Entities of one namespace.
#[derive(Debug, Default)]
struct Entities {
    actions: BTreeMap<EntityName, Stored>,
    packages: BTreeMap<String, (Arc<Package>, u64)>,
}

/// Action with the sizes in bytes of its code, and of all of it.
#[derive(Debug)]
struct Stored {
    action: Arc<Action>,
    code: u64,
    bytes: u64,
}

impl Stored {
    fn new(action: Action, code: u64) -> Self {
        Self { bytes: code + action.size(), action: Arc::new(action), code }
    }
}

impl Entities {
    fn put(&mut self, package: Package) {
        let (name, bytes) = (package.name.clone(), package.size());
        self.packages.insert(name, (Arc::new(package), bytes));
    }
}

impl Catalog {
    /// Opens the database in `folder`, or creates it.
    ///
    /// # Errors
    /// The database cannot be read or written, or was written by a newer version.
    pub fn open(folder: &Path) -> Result<Self, CatalogError> {
        let database = Database::open(folder)?;
        let mut index = Index::default();
        for (action, bytes) in database.actions()? {
            let entities = index.namespaces.entry(action.namespace.clone()).or_default();
            let stored = Stored::new(action, bytes);
            entities.actions.insert(stored.action.name.clone(), stored);
        }
        for package in database.packages()? {
            let entities = index.namespaces.entry(package.namespace.clone()).or_default();
            entities.put(package);
        }
        Ok(Self { index: Arc::new(RwLock::new(index)), database: Arc::new(Mutex::new(database)) })
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an action.
    pub fn action(&self, namespace: &str, name: &EntityName) -> Option<Arc<Action>> {
        let index = self.index();
        Some(Arc::clone(&index.namespaces.get(namespace)?.actions.get(name)?.action))
    }

    /// Returns the size in bytes of an action with its code.
    pub fn size(&self, action: &Action) -> u64 {
        let index = self.index();
        let entities = index.namespaces.get(&action.namespace);
        entities.and_then(|entities| entities.actions.get(&action.name)).map_or(0, |it| it.bytes)
    }

    /// Returns a package.
    pub fn package(&self, namespace: &str, name: &str) -> Option<Arc<Package>> {
        let index = self.index();
        Some(Arc::clone(&index.namespaces.get(namespace)?.packages.get(name)?.0))
    }

    /// Returns the actions of a namespace, those changed last first: all of them, or those of
    /// `package`, which is empty for the default package.
    pub fn actions(&self, namespace: &str, package: Option<&str>) -> Vec<Arc<Action>> {
        let index = self.index();
        let entities = index.namespaces.get(namespace);
        let all = entities.iter().flat_map(|entities| entities.actions.values());
        let mut actions: Vec<_> = all
            .map(|stored| Arc::clone(&stored.action))
            .filter(|action| package.is_none_or(|package| action.name.package == package))
            .collect();
        actions.sort_by_key(|action| std::cmp::Reverse(action.updated));
        actions
    }

    /// Returns the packages of a namespace, those changed last first.
    pub fn packages(&self, namespace: &str) -> Vec<Arc<Package>> {
        let index = self.index();
        let entities = index.namespaces.get(namespace);
        let all = entities.iter().flat_map(|entities| entities.packages.values());
        let mut packages: Vec<_> = all.map(|(package, _)| Arc::clone(package)).collect();
        packages.sort_by_key(|package| std::cmp::Reverse(package.updated));
        packages
    }

    /// Returns the number of actions and packages of a namespace, and the size in bytes of their
    /// code, parameters and annotations, without the action called `but`.
    pub fn usage(&self, namespace: &str, but: Option<&EntityName>) -> (usize, u64) {
        let index = self.index();
        let Some(entities) = index.namespaces.get(namespace) else { return (0, 0) };
        let others = entities.actions.iter().filter(|(name, _)| Some(*name) != but);
        let (count, bytes) =
            others.fold((0, 0), |(count, bytes), (_, stored)| (count + 1, bytes + stored.bytes));
        let packages: u64 = entities.packages.values().map(|(_, bytes)| bytes).sum();
        (count + entities.packages.len(), bytes + packages)
    }

    /// Returns the number of actions of all namespaces.
    pub fn len(&self) -> usize {
        self.index().namespaces.values().map(|entities| entities.actions.len()).sum()
    }

    /// Reports whether there are no actions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates or replaces an action; `code` is `None` to keep the code that it has. Durable when
    /// it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn put_action(&self, action: Action, code: Option<Code>) -> Result<(), CatalogError> {
        self.write(move |database, index| {
            let kept = index
                .namespaces
                .get(&action.namespace)
                .and_then(|entities| entities.actions.get(&action.name))
                .map_or(0, |stored| stored.code);
            let bytes = code.as_ref().map_or(kept, Code::bytes);
            database.put_action(&action, code.as_ref(), bytes)?;
            Ok(move |index: &mut Index| {
                let entities = index.namespaces.entry(action.namespace.clone()).or_default();
                let name = action.name.clone();
                entities.actions.insert(name, Stored::new(action, bytes));
            })
        })
        .await
    }

    /// Sets the key that signed the component of an action, unless the action has another component
    /// meanwhile. Durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn set_signer(
        &self,
        action: &Arc<Action>,
        signer: String,
    ) -> Result<(), CatalogError> {
        let action = Arc::clone(action);
        self.write(move |database, index| {
            let stored = index
                .namespaces
                .get(&action.namespace)
                .and_then(|entities| entities.actions.get(&action.name))
                .filter(|stored| stored.action.digest == action.digest);
            let signed = stored.map(|stored| {
                let signer = Some(signer);
                Stored::new(Action { signer, ..Action::clone(&stored.action) }, stored.code)
            });
            if let Some(signed) = &signed {
                database.put_action(&signed.action, None, signed.code)?;
            }
            Ok(move |index: &mut Index| {
                let entities = index.namespaces.get_mut(&action.namespace);
                if let Some((entities, signed)) = entities.zip(signed) {
                    entities.actions.insert(action.name.clone(), signed);
                }
            })
        })
        .await
    }

    /// Removes an action. Durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn remove_action(&self, action: &Arc<Action>) -> Result<(), CatalogError> {
        let action = Arc::clone(action);
        self.write(move |database, _| {
            database.remove_action(&action)?;
            Ok(move |index: &mut Index| {
                if let Some(entities) = index.namespaces.get_mut(&action.namespace) {
                    entities.actions.remove(&action.name);
                }
            })
        })
        .await
    }

    /// Creates or replaces a package. Durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn put_package(&self, package: Package) -> Result<(), CatalogError> {
        self.write(move |database, _| {
            database.put_package(&package)?;
            Ok(move |index: &mut Index| {
                let entities = index.namespaces.entry(package.namespace.clone()).or_default();
                entities.put(package);
            })
        })
        .await
    }

    /// Removes a package with its actions. Durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn remove_package(&self, package: &Arc<Package>) -> Result<(), CatalogError> {
        let package = Arc::clone(package);
        self.write(move |database, _| {
            database.remove_package(&package)?;
            Ok(move |index: &mut Index| {
                if let Some(entities) = index.namespaces.get_mut(&package.namespace) {
                    entities.packages.remove(&package.name);
                    entities.actions.retain(|name, _| name.package != package.name);
                }
            })
        })
        .await
    }

    /// Writes to the database with `change`, then applies the update that it returns to the index.
    /// Readers see either none or all of it.
    async fn write<U: FnOnce(&mut Index)>(
        &self,
        change: impl FnOnce(&mut Database, &Index) -> Result<U, CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        let (index, database) = (Arc::clone(&self.index), Arc::clone(&self.database));
        let writing = tokio::task::spawn_blocking(move || {
            let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
            let update = {
                // Only holders of the database's lock change the index, so that it stays as it is.
                let index = index.read().unwrap_or_else(PoisonError::into_inner);
                let change = change(&mut database, &index);
                drop(index);
                change?
            };
            update(&mut index.write().unwrap_or_else(PoisonError::into_inner));
            Ok(())
        });
        writing.await.unwrap_or(Err(CatalogError::Stopped))
    }

    /// Reads the code of an action; `None` for a sequence, or if the action was removed.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn code(&self, action: &Arc<Action>) -> Result<Option<Code>, CatalogError> {
        let (action, database) = (Arc::clone(action), Arc::clone(&self.database));
        let reading = tokio::task::spawn_blocking(move || {
            let database = database.lock().unwrap_or_else(PoisonError::into_inner);
            database.code(&action)
        });
        reading.await.unwrap_or(Err(CatalogError::Stopped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::{ActionPut, MaxLimits, PackagePut};

    const MAX: MaxLimits = MaxLimits { timeout: 300_000, memory: 512, logs: 10 };

    fn action(namespace: &str, name: EntityName) -> Action {
        let put: ActionPut =
            serde_json::from_str(r#"{"exec":{"kind":"wasm:component","code":"AAAA"}}"#).unwrap();
        let created = Action::create(namespace, name, put, &MAX).unwrap();
        Action { digest: Some("sha256:00".to_owned()), ..created }
    }

    fn code(text: &str) -> Option<Code> {
        Some(Code { text: text.to_owned(), pulled: Some(vec![1, 2]) })
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let name = EntityName::new("p", "a");
        let put: PackagePut = serde_json::from_str("{}").unwrap();
        {
            let catalog = Catalog::open(folder.path()).unwrap();
            catalog.put_package(Package::create("team", "p", put)).await.unwrap();
            catalog.put_action(action("team", name.clone()), code("AAAA")).await.unwrap();
            catalog.put_action(action("team", EntityName::new("", "b")), code("B")).await.unwrap();
            let gone = catalog.action("team", &EntityName::new("", "b")).unwrap();
            catalog.remove_action(&gone).await.unwrap();
            assert_eq!(catalog.code(&gone).await.unwrap(), None);
        }
        let catalog = Catalog::open(folder.path()).unwrap();
        let found = catalog.action("team", &name).unwrap();
        assert_eq!(catalog.code(&found).await.unwrap(), code("AAAA"));
        assert_eq!(catalog.usage("team", None), (2, 6 + found.size()));
        assert_eq!(catalog.usage("team", Some(&name)), (1, 0));
        assert!(catalog.package("team", "p").is_some());
        assert!(
            catalog.action("other", &name).is_none() && catalog.actions("other", None).is_empty()
        );
    }

    #[tokio::test]
    async fn a_package_is_removed_with_its_actions_only() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let put = |name| Package::create("team", name, serde_json::from_str("{}").unwrap());
        for package in ["p", "q"] {
            catalog.put_package(put(package)).await.unwrap();
            let action = action("team", EntityName::new(package, "a"));
            catalog.put_action(action, code("AAAA")).await.unwrap();
        }
        let gone = catalog.action("team", &EntityName::new("p", "a")).unwrap();
        catalog.remove_package(&catalog.package("team", "p").unwrap()).await.unwrap();
        for catalog in [&catalog, &Catalog::open(folder.path()).unwrap()] {
            assert!(catalog.package("team", "p").is_none());
            assert!(catalog.action("team", &EntityName::new("p", "a")).is_none());
            assert_eq!(catalog.code(&gone).await.unwrap(), None);
            assert!(catalog.action("team", &EntityName::new("q", "a")).is_some());
        }
    }

    #[tokio::test]
    async fn a_signer_is_kept_for_the_component_that_it_signed() {
        let folder = tempfile::tempdir().unwrap();
        let name = EntityName::new("", "a");
        let signer = |catalog: &Catalog| catalog.action("team", &name).unwrap().signer.clone();
        {
            let catalog = Catalog::open(folder.path()).unwrap();
            catalog.put_action(action("team", name.clone()), code("AAAA")).await.unwrap();
            let found = catalog.action("team", &name).unwrap();
            catalog.set_signer(&found, "key".to_owned()).await.unwrap();
            assert_eq!(signer(&catalog).as_deref(), Some("key"));
            let other = Action { digest: Some("sha256:11".to_owned()), ..Action::clone(&found) };
            catalog.set_signer(&Arc::new(other), "other".to_owned()).await.unwrap();
        }
        let catalog = Catalog::open(folder.path()).unwrap();
        assert_eq!(signer(&catalog).as_deref(), Some("key"));
        let found = catalog.action("team", &name).unwrap();
        assert_eq!(catalog.code(&found).await.unwrap(), code("AAAA"));
    }

    #[tokio::test]
    async fn a_change_without_code_keeps_the_code() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let name = EntityName::new("", "a");
        catalog.put_action(action("team", name.clone()), code("AAAA")).await.unwrap();
        catalog.put_action(action("team", name.clone()), None).await.unwrap();
        let found = catalog.action("team", &name).unwrap();
        assert_eq!(catalog.code(&found).await.unwrap(), code("AAAA"));
        assert_eq!(catalog.usage("team", None), (1, 6 + found.size()));
    }
}
