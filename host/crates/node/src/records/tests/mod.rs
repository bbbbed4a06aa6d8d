//! Tests of activation records, all on real files.

mod concurrency;
mod files;
mod journal;
mod killed;
mod queries;
mod retention;
mod upgrade;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Keeps everything that a test stores.
const ALL: Retention =
    Retention { age: Duration::from_secs(200 * 365 * 24 * 3600), bytes_per_namespace: u64::MAX };

/// Everything, newest first.
fn all() -> Query {
    Query { limit: usize::MAX, with_results: true, ..Query::default() }
}

fn id(number: u64) -> String {
    format!("{number:032x}")
}

fn record(namespace: &str, number: u64) -> Record {
    Record {
        id: id(number),
        namespace: namespace.into(),
        path: "hello".to_owned(),
        start: 1_000 + number,
        end: 2_000 + number,
        status: (number % 4) as u8,
        content: Content::Facts([b"\xff\0facts ", &number.to_le_bytes()[..]].concat()),
        result: format!(r#"{{"number":{number}}}"#),
        logs: format!(r#"["2026-01-01T00:00:00Z stdout: {number} ✓"]"#),
    }
}

fn accepted(namespace: &str, number: u64) -> Accepted {
    let Record { id, namespace, path, start, .. } = record(namespace, number);
    Accepted { id, namespace, path, start, document: document(number) }
}

fn document(number: u64) -> String {
    format!(r#"{{"activationId":"{}","name":"hello"}}"#, id(number))
}

/// A record as the versions before the facts stored it.
fn json_record(namespace: &str, number: u64) -> Record {
    let result = format!(r#"{{"result":{{"number":{number}}}}}"#);
    Record { content: Content::Document(document(number)), result, ..record(namespace, number) }
}

fn interrupted(accepted: Accepted) -> Record {
    let Accepted { id, namespace, path, start, document } = accepted;
    let (content, logs) = (Content::Document(document), "[]".to_owned());
    let result = r#"{"error":"interrupted"}"#.to_owned();
    Record { id, namespace, path, start, end: start, status: 3, content, result, logs }
}

fn open(folder: &Path) -> Records {
    loop {
        match Records::open(folder, ALL, interrupted) {
            // A process that another test starts has the lock, too, until it executes its program.
            Err(RecordsError::InUse { .. }) => std::thread::sleep(Duration::from_millis(1)),
            opened => return opened.unwrap(),
        }
    }
}

fn new() -> (TempDir, Records) {
    let folder = tempfile::tempdir().unwrap();
    let records = open(folder.path());
    (folder, records)
}

/// Numbers of records, to compare lists by.
fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| u64::from_str_radix(&record.id, 16).unwrap()).collect()
}

async fn stored(records: &Records, namespace: &str) -> Vec<u64> {
    numbers(&records.list(namespace, all()).await.unwrap())
}
