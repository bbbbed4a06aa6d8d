//! Files of the version before the facts: its rows and its journal have JSON.

use std::fs;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::super::entry::Id;
use super::super::journal::NAMES;
use super::*;

/// An entry of the journal, as that version had it.
#[derive(Serialize)]
enum Before<'a> {
    Accept {
        id: Id,
        namespace: &'a str,
        path: &'a str,
        start: u64,
        document: &'a str,
    },
    Finish {
        id: Id,
        namespace: &'a str,
        path: &'a str,
        start: u64,
        end: u64,
        status: u8,
        document: &'a str,
        response: &'a str,
        logs: &'a str,
    },
}

/// Returns the frame of a journal.
fn frame(number: u64, entry: &Before<'_>) -> Vec<u8> {
    let entry = postcard::to_stdvec(entry).unwrap();
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&entry);
    checksum.update(&number.to_le_bytes());
    let length = u32::try_from(entry.len()).unwrap().to_le_bytes();
    let checksum = checksum.finalize().to_le_bytes();
    [&length[..], &checksum, &number.to_le_bytes(), &entry].concat()
}

fn accept(number: u64, namespace: &str, activation: u64) -> Vec<u8> {
    let Accepted { id, path, start, document, .. } = &accepted(namespace, activation);
    let (id, start) = (parse_id(id).unwrap(), *start);
    frame(number, &Before::Accept { id, namespace, path, start, document })
}

fn finish(number: u64, namespace: &str, activation: u64) -> Vec<u8> {
    let record = json_record(namespace, activation);
    let Record { id, path, start, end, status, result: response, logs, .. } = &record;
    let (id, start, end, status) = (parse_id(id).unwrap(), *start, *end, *status);
    let document = &document(activation);
    frame(
        number,
        &Before::Finish { id, namespace, path, start, end, status, document, response, logs },
    )
}

/// Returns a data folder of that version: `rows` of ada are in the database, and `journal` is not.
fn folder_of_before(rows: std::ops::Range<u64>, journal: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(database::NAME);
    let mut connection = Connection::open(&file).unwrap();
    database::migrate(&file, &mut connection, &database::FORMATS[..2]).unwrap();
    connection.execute("INSERT INTO namespaces VALUES (1, 'ada')", ()).unwrap();
    for number in rows {
        let record = json_record("ada", number);
        let bytes = Entry::finish(&record).unwrap().bytes() as i64;
        let Record { id, path, start, end, status, result, logs, .. } = &record;
        connection
            .execute(
                "INSERT INTO records (namespace, id, start, \"end\", status, bytes, path,
                                      document, response, logs)
                 VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    parse_id(id).unwrap(),
                    *start as i64,
                    *end as i64,
                    status,
                    bytes,
                    path,
                    document(number),
                    result,
                    logs
                ],
            )
            .unwrap();
    }
    fs::write(folder.path().join(NAMES[0]), journal).unwrap();
    folder
}

#[tokio::test]
async fn records_that_the_version_before_stored_are_read_after_the_upgrade() {
    let journal = [
        accept(1, "ada", 3),
        finish(2, "ada", 3),
        accept(3, "bob", 4),
        finish(4, "eve", 5),
        accept(5, "eve", 5),
    ];
    let folder = folder_of_before(0..3, &journal.concat());
    for _ in 0..2 {
        let records = open(folder.path());
        let expected: Vec<_> = (0..4).rev().map(|number| json_record("ada", number)).collect();
        for record in &expected {
            let read = records.get("ada", &record.id).await.unwrap();
            assert_eq!(read.as_ref(), Some(record));
        }
        assert_eq!(records.list("ada", all()).await.unwrap(), expected);
        assert_eq!(records.count("ada", all()).await.unwrap(), 4);
        let without = Query { with_results: false, ..all() };
        for record in records.list("ada", without).await.unwrap() {
            assert!(
                matches!(&record.content, Content::Document(text) if text.contains(&record.id))
            );
            assert_eq!((record.result.as_str(), record.logs.as_str()), ("", ""));
        }
        let bytes: usize =
            expected.iter().map(|record| Entry::finish(record).unwrap().bytes()).sum();
        assert_eq!(records.usage("ada"), bytes as u64);
        let lost = records.get("bob", &id(4)).await.unwrap();
        assert_eq!(lost, Some(interrupted(accepted("bob", 4))), "it was accepted before");
        let last = records.get("eve", &id(5)).await.unwrap();
        assert_eq!(last, Some(json_record("eve", 5)));
    }
}

#[tokio::test]
async fn records_of_before_and_after_the_upgrade_are_listed_counted_and_deleted_together() {
    let folder = folder_of_before(0..50, &finish(1, "ada", 50));
    let records = open(folder.path());
    for number in 51..100 {
        records.finish(&record("ada", number)).await.unwrap();
    }
    assert_eq!(stored(&records, "ada").await, (0..100).rev().collect::<Vec<_>>());
    let query =
        Query { since: Some(1_049), upto: Some(1_052), path: Some("hello".into()), ..all() };
    let expected =
        [record("ada", 52), record("ada", 51), json_record("ada", 50), json_record("ada", 49)];
    assert_eq!(records.list("ada", query.clone()).await.unwrap(), expected);
    assert_eq!(records.count("ada", query).await.unwrap(), 4);
    let one = Entry::finish(&record("ada", 99)).unwrap().bytes() as u64;
    let limit = 20 * one;
    records.set_retention(Retention { bytes_per_namespace: limit, ..ALL }, HashMap::new());
    while records.usage("ada") > limit {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kept = stored(&records, "ada").await;
    assert!((15..=20).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept, (100 - kept.len() as u64..100).rev().collect::<Vec<_>>(), "the newest");
}
