//! The file: restart, formats, failures.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn a_restart_keeps_records_and_usage() {
    let (folder, records) = new();
    for number in 0..50 {
        records.finish(&record(["ada", "bob"][(number % 2) as usize], number)).await.unwrap();
    }
    let listed = records.list("ada", all()).await.unwrap();
    let usage = records.usage("ada");
    let size = |record: &Record| {
        let Content::Facts(facts) = &record.content else { panic!("{record:?}") };
        record.path.len() + facts.len() + record.result.len() + record.logs.len()
    };
    let bytes: usize = listed.iter().map(|record| 160 + size(record)).sum();
    assert_eq!(usage, bytes as u64);
    drop(records);
    let records = open(folder.path());
    assert_eq!(records.usage("ada"), usage);
    assert_eq!(records.list("ada", all()).await.unwrap(), listed);
    records.finish(&record("ada", 50)).await.unwrap();
    assert_eq!(stored(&records, "ada").await.len(), 26);
    assert!(records.usage("ada") > usage);
}

#[tokio::test]
async fn what_was_accepted_and_did_not_finish_is_interrupted_by_a_restart() {
    let (folder, records) = new();
    for number in 0..600 {
        records.accept(&accepted("ada", number)).await.unwrap();
    }
    assert_eq!(stored(&records, "ada").await, [0; 0], "it is no record yet");
    for number in 0..300 {
        records.finish(&record("ada", number)).await.unwrap();
    }
    drop(records);
    let records = open(folder.path());
    assert_eq!(stored(&records, "ada").await, (0..600).rev().collect::<Vec<_>>());
    assert_eq!(records.get("ada", &id(299)).await.unwrap(), Some(record("ada", 299)));
    let expected = interrupted(accepted("ada", 300));
    assert_eq!(records.get("ada", &id(300)).await.unwrap(), Some(expected));
    let usage = records.usage("ada");
    drop(records);
    let records = Records::open(folder.path(), ALL, |lost| panic!("{lost:?} again")).unwrap();
    assert_eq!(records.usage("ada"), usage);
}

#[tokio::test]
async fn only_the_owner_can_read_the_files_and_one_process_uses_them() {
    let (folder, records) = new();
    records.finish(&record("ada", 1)).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = [
        "activations-1.journal",
        "activations-2.journal",
        "activations.db",
        "activations.db-shm",
        "activations.db-wal",
        "activations.lock",
    ];
    assert_eq!(names, expected);
    let error = Records::open(folder.path(), ALL, interrupted).err().unwrap();
    assert!(matches!(error, RecordsError::InUse { .. }), "{error}");
    drop(records);
    fs::set_permissions(folder.path().join("activations.db"), fs::Permissions::from_mode(0o644))
        .unwrap();
    drop(open(folder.path()));
    let mode = fs::metadata(folder.path().join("activations.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_of_a_later_version_or_of_another_program_is_refused() {
    let (folder, records) = new();
    drop(records);
    let file = folder.path().join("activations.db");
    let change = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let error = || Records::open(folder.path(), ALL, interrupted).err().unwrap();
    change("PRAGMA user_version = 7");
    let newer = error();
    assert!(matches!(newer, RecordsError::Newer { found: 7, known: 3, .. }), "{newer}");
    let text = newer.to_string();
    assert!(text.contains("format 7") && text.contains("up to 3") && text.contains("activations"));

    change("PRAGMA user_version = 3; PRAGMA application_id = 1");
    assert!(matches!(error(), RecordsError::Foreign { .. }), "{}", error());
    fs::write(&file, "not a database, and long enough to be read as one".repeat(100)).unwrap();
    assert!(matches!(error(), RecordsError::Foreign { .. }), "{}", error());
    let missing = Records::open(&folder.path().join("missing"), ALL, interrupted).err().unwrap();
    assert!(missing.to_string().contains("missing/activations.lock"), "{missing}");
}

#[tokio::test]
async fn an_older_format_is_changed_in_steps_and_a_failed_step_changes_nothing() {
    let (folder, records) = new();
    records.finish(&record("ada", 1)).await.unwrap();
    drop(records);
    let file = folder.path().join("activations.db");
    let mut connection = Connection::open(&file).unwrap();
    let [first, second, third] = database::FORMATS else { panic!("each format has a step") };
    let fourth = "ALTER TABLE records ADD COLUMN waited INTEGER NOT NULL DEFAULT 5";
    let broken = "CREATE TABLE half (a); CREATE TABLE half (a)";
    let version = |connection: &Connection| -> i64 {
        connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
    };
    database::migrate(&file, &mut connection, &[first, second, third, fourth, broken]).unwrap_err();
    assert_eq!(version(&connection), 4);
    connection.query_row("SELECT * FROM half", (), |_| Ok(())).unwrap_err();
    let waited = connection.query_row("SELECT waited FROM records", (), |row| row.get::<_, i64>(0));
    assert_eq!(waited.unwrap(), 5);
    let whole = "CREATE TABLE whole (a)";
    database::migrate(&file, &mut connection, &[first, second, third, fourth, whole]).unwrap();
    assert_eq!(version(&connection), 5);
}

#[tokio::test]
async fn a_database_of_the_format_before_the_journal_keeps_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(database::NAME);
    let mut connection = Connection::open(&file).unwrap();
    database::migrate(&file, &mut connection, &database::FORMATS[..1]).unwrap();
    let id = id(7);
    connection
        .execute_batch(&format!(
            "INSERT INTO namespaces VALUES (1, 'ada');
             INSERT INTO accepted VALUES (5, 1, x'{id}', 1007, 'hello', '{{}}');"
        ))
        .unwrap();
    drop(connection);
    let records = open(folder.path());
    assert_eq!(records.get("ada", &id).await.unwrap().unwrap().status, 3, "it was interrupted");
    records.finish(&record("ada", 8)).await.unwrap();
    assert_eq!(stored(&records, "ada").await, [8, 7]);
}

#[tokio::test]
async fn a_database_that_takes_no_more_is_an_error_that_says_so_and_nothing_is_lost() {
    let (folder, records) = new();
    records.finish(&record("ada", 1)).await.unwrap();
    assert_eq!(stored(&records, "ada").await, [1]);
    let limit = |records: &Records, pages: &str| {
        records.store.reserve(|writer| {
            let set = format!("PRAGMA max_page_count = {pages}");
            writer.connection().query_row(&set, (), |_| Ok(())).unwrap();
        });
    };
    limit(&records, "1"); // SQLite takes the current size
    assert_eq!(stored(&records, "ada").await, [1], "reading goes on");
    let large = |number| Record { logs: "x".repeat(300_000), ..record("bob", number) };
    let (mut stored_ones, mut error) = (0, None);
    while error.is_none() {
        match records.finish(&large(stored_ones)).await {
            Ok(()) => stored_ones += 1,
            Err(refused) => error = Some(refused),
        }
        assert!(stored_ones < 200, "the journal grows for ever");
    }
    let error = error.unwrap();
    assert!(matches!(error, RecordsError::Full { .. }), "{error}");
    assert!(error.to_string().contains("activations.db is full"), "{error}");
    // A list without them would be wrong.
    let error = records.list("bob", all()).await.unwrap_err();
    assert!(matches!(error, RecordsError::Full { .. }), "{error}");
    limit(&records, "1000000");
    records.finish(&large(stored_ones)).await.unwrap();
    assert_eq!(stored(&records, "bob").await, (0..=stored_ones).rev().collect::<Vec<_>>());
    let usage = records.usage("bob");
    drop(records);
    assert_eq!(open(folder.path()).usage("bob"), usage);
}

#[tokio::test]
async fn what_the_database_does_not_take_is_taken_by_the_next_process() {
    let (folder, records) = new();
    records.accept(&accepted("ada", 1)).await.unwrap();
    assert_eq!(stored(&records, "ada").await, [0; 0]);
    let run = |sql: &str| records.store.reserve(|writer| writer.connection().execute_batch(sql));
    run("ALTER TABLE records RENAME TO gone").unwrap();
    records.finish(&record("ada", 1)).await.unwrap();
    records.finish(&record("eve", 2)).await.unwrap();
    let error = records.list("ada", all()).await.unwrap_err();
    assert!(matches!(error, RecordsError::Database { .. }), "{error}");
    assert!(error.to_string().contains("activations.db"), "{error}");
    records.accept(&accepted("ada", 3)).await.unwrap();
    run("ALTER TABLE gone RENAME TO records").unwrap();
    drop(records);
    let records = open(folder.path());
    assert_eq!(records.get("ada", &id(1)).await.unwrap(), Some(record("ada", 1)));
    assert_eq!(records.get("eve", &id(2)).await.unwrap(), Some(record("eve", 2)));
    assert_eq!(records.get("ada", &id(3)).await.unwrap().unwrap().status, 3, "interrupted");
}

#[tokio::test]
async fn an_id_is_checked_and_used_once() {
    let (_folder, records) = new();
    for wrong in ["", "7", &"g".repeat(32), &"a".repeat(33), &"é".repeat(16)] {
        let wrong = Record { id: wrong.to_owned(), ..record("ada", 1) };
        let error = records.finish(&wrong).await.unwrap_err();
        assert!(matches!(error, RecordsError::Id { .. }), "{error}");
    }
    records.finish(&record("ada", 1)).await.unwrap();
    records.accept(&accepted("ada", 2)).await.unwrap();
    assert_eq!(stored(&records, "ada").await, [1]);
    let usage = records.usage("ada");
    let other = Record { result: "other".to_owned(), ..record("ada", 1) };
    records.finish(&other).await.unwrap();
    records.accept(&accepted("ada", 2)).await.unwrap();
    assert_eq!(records.get("ada", &id(1)).await.unwrap(), Some(record("ada", 1)));
    assert_eq!(records.usage("ada"), usage);
}
