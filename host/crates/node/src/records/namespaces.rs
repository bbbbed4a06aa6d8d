//! Namespaces that have records, with what each of them stores.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::Connection;

/// How long and how many records of a namespace are kept. The oldest are deleted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Time since the start of an activation after which its record is deleted.
    pub age: Duration,
    /// Bytes of records, counted as [`Records::usage`](super::Records::usage) does. A namespace
    /// that exceeds them loses its oldest records, down to 15/16 of this limit.
    pub bytes_per_namespace: u64,
}

/// A namespace. Its number is the key of its rows.
#[derive(Debug)]
pub(super) struct Namespace {
    pub number: i64,
    pub name: Arc<str>,
    pub bytes: AtomicU64,
    byte_limit: AtomicU64,
    age_ms: AtomicI64,
}

impl Namespace {
    /// Returns how many bytes must go, or 0 if the namespace is within its limit.
    pub fn excess(&self) -> u64 {
        let limit = self.byte_limit.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes > limit { bytes - (limit - limit / 16) } else { 0 }
    }

    /// Returns the time at which the oldest records that are kept at `now` began, both in
    /// milliseconds since 1970.
    pub fn oldest_kept(&self, now: i64) -> i64 {
        now.saturating_sub(self.age_ms.load(Ordering::Relaxed))
    }

    fn apply(&self, retention: Retention) {
        self.byte_limit.store(retention.bytes_per_namespace, Ordering::Relaxed);
        let age = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
        self.age_ms.store(age, Ordering::Relaxed);
    }
}

/// All namespaces that have, or had, records.
#[derive(Debug)]
pub(super) struct Namespaces(RwLock<Known>);

#[derive(Debug)]
struct Known {
    by_name: HashMap<Arc<str>, Arc<Namespace>>,
    retention: Retention,
    exceptions: HashMap<Arc<str>, Retention>,
}

impl Known {
    fn add(&mut self, number: i64, name: &Arc<str>, bytes: u64) {
        let namespace = Namespace {
            number,
            name: Arc::clone(name),
            bytes: bytes.into(),
            byte_limit: 0.into(),
            age_ms: 0.into(),
        };
        namespace.apply(*self.exceptions.get(name).unwrap_or(&self.retention));
        self.by_name.insert(Arc::clone(name), Arc::new(namespace));
    }
}

impl Namespaces {
    /// Reads the namespaces and their usage from the database.
    pub fn load(connection: &Connection, retention: Retention) -> rusqlite::Result<Self> {
        let mut known = Known { by_name: HashMap::new(), retention, exceptions: HashMap::new() };
        let mut statement = connection.prepare(
            "SELECT id, name, (SELECT coalesce(sum(bytes), 0) FROM records
                               INDEXED BY records_by_start WHERE namespace = namespaces.id)
             FROM namespaces",
        )?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let bytes: i64 = row.get(2)?;
            known.add(row.get(0)?, &row.get(1)?, bytes.unsigned_abs());
        }
        Ok(Self(RwLock::new(known)))
    }

    pub fn get(&self, name: &str) -> Option<Arc<Namespace>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_name.get(name).cloned()
    }

    /// Adds a namespace whose row is committed. Its usage is 0.
    pub fn add(&self, number: i64, name: &Arc<str>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).add(number, name, 0);
    }

    pub fn all(&self) -> Vec<Arc<Namespace>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_name.values().cloned().collect()
    }

    pub fn set_retention(&self, retention: Retention, exceptions: HashMap<Arc<str>, Retention>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (name, namespace) in &known.by_name {
            namespace.apply(*exceptions.get(name).unwrap_or(&retention));
        }
        known.retention = retention;
        known.exceptions = exceptions;
    }
}
