//! The journal, as a process that was killed, a copy, or a loss of power leaves it.

use std::fs;

use super::super::journal::NAMES;
use super::*;

/// Stores `numbers` so that they are in the journal only, and returns the folder.
async fn only_in_the_journal(numbers: std::ops::Range<u64>) -> TempDir {
    let (folder, records) = new();
    // The database takes nothing, and the records are not closed properly.
    let rename = "ALTER TABLE records RENAME TO gone";
    records.store.reserve(|writer| writer.connection().execute_batch(rename)).unwrap();
    for number in numbers {
        records.finish(&record("ada", number)).await.unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    for name in NAMES {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn a_journal_that_was_cut_anywhere_keeps_all_whole_changes() {
    let folder = only_in_the_journal(0..5).await;
    let [first, second] = NAMES.map(|name| fs::read(folder.path().join(name)).unwrap());
    let whole = if first.is_empty() { second } else { first };
    let size = whole.len() / 5;
    let around = |frame: usize| [0, 1, 8, 15, 16, 17, size - 1].map(|more| frame * size + more);
    for cut in (0..5).flat_map(around).chain([whole.len()]) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAMES[cut % 2]), &whole[..cut]).unwrap();
        let records = open(folder.path());
        let expected: Vec<_> = (0..(cut / size) as u64).rev().collect();
        assert_eq!(stored(&records, "ada").await, expected, "cut at {cut}");
        // What follows is stored behind what was kept, and is there after the next start.
        records.finish(&record("ada", 9)).await.unwrap();
        drop(records);
        let expected: Vec<_> = std::iter::once(9).chain(expected).collect();
        assert_eq!(stored(&open(folder.path()), "ada").await, expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_damaged_byte_ends_the_journal_and_what_is_stored_later_is_kept() {
    let folder = only_in_the_journal(0..5).await;
    let name =
        NAMES.into_iter().find(|name| fs::metadata(folder.path().join(name)).unwrap().len() > 0);
    let file = folder.path().join(name.unwrap());
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let records = open(folder.path());
    assert_eq!(stored(&records, "ada").await, [1, 0]);
    for number in 6..9 {
        records.finish(&record("ada", number)).await.unwrap();
    }
    drop(records);
    assert_eq!(stored(&open(folder.path()), "ada").await, [8, 7, 6, 1, 0]);
}

#[tokio::test]
async fn a_journal_that_continues_another_database_adds_nothing() {
    let folder = only_in_the_journal(0..5).await;
    let records = open(folder.path());
    records.finish(&record("ada", 5)).await.unwrap();
    drop(records);
    let (older, records) = new();
    drop(records);
    for name in NAMES {
        fs::copy(folder.path().join(name), older.path().join(name)).unwrap();
    }
    let records = open(older.path());
    let kept = stored(&records, "ada").await;
    records.finish(&record("ada", 9)).await.unwrap();
    drop(records);
    let expected: Vec<_> = std::iter::once(9).chain(kept).collect();
    assert_eq!(stored(&open(older.path()), "ada").await, expected);
}

#[test]
fn whoever_stores_much_does_not_leave_it_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(folder.path()).unwrap());
    let namespaces = Arc::new(Namespaces::load(&database.reader().unwrap(), ALL).unwrap());
    let writer = Writer::open(Arc::clone(&database), namespaces).unwrap();
    let store = Store::open(database, writer, interrupted).unwrap(); // without a thread
    for number in 0..30 {
        let logs = "x".repeat(300_000);
        let record = Record { logs, ..record("ada", number) };
        store.submit_large(Entry::finish(&record).unwrap()).unwrap();
    }
    for name in JOURNAL {
        let size = fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size < 5 << 20, "{name} has {size} bytes");
    }
}
