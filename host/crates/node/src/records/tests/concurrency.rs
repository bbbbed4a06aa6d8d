//! Many callers at once.

use std::collections::BTreeSet;

use super::*;

const CALLERS: u64 = 64;
const EACH: u64 = 40;

async fn many(records: Arc<Records>) {
    let callers = (0..CALLERS).map(|caller| {
        let records = Arc::clone(&records);
        tokio::spawn(async move {
            for number in caller * EACH..(caller + 1) * EACH {
                let namespace = ["ada", "bob", "eve"][(number % 3) as usize];
                if number % 2 == 0 {
                    records.accept(&accepted(namespace, number)).await.unwrap();
                }
                let mut record = record(namespace, number);
                if number % 20 == 0 {
                    record.logs = "x".repeat(300_000); // not written on a worker
                }
                records.finish(&record).await.unwrap();
                assert!(records.get(namespace, &id(number)).await.unwrap().is_some());
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

async fn check(folder: &Path, records: Records) {
    let mut found = BTreeSet::new();
    for namespace in ["ada", "bob", "eve"] {
        found.extend(stored(&records, namespace).await);
    }
    assert_eq!(found, (0..CALLERS * EACH).collect());
    let usage = ["ada", "bob", "eve"].map(|namespace| records.usage(namespace));
    drop(records);
    let records = Records::open(folder, ALL, |lost| panic!("{lost:?} finished")).unwrap();
    assert_eq!(["ada", "bob", "eve"].map(|namespace| records.usage(namespace)), usage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_on_many_threads_all_finish() {
    let (folder, records) = new();
    let records = Arc::new(records);
    many(Arc::clone(&records)).await;
    check(folder.path(), Arc::into_inner(records).unwrap()).await;
}

#[tokio::test]
async fn many_callers_on_one_thread_all_finish() {
    let (folder, records) = new();
    let records = Arc::new(records);
    many(Arc::clone(&records)).await;
    check(folder.path(), Arc::into_inner(records).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_stops_waiting_does_not_hold_up_others() {
    let (_folder, records) = new();
    let records = Arc::new(records);
    let callers = (0..500).map(|number| {
        let records = Arc::clone(&records);
        tokio::spawn(async move {
            let record = record("ada", number);
            let finish = records.finish(&record);
            match number % 2 {
                0 => finish.await.unwrap(),
                _ => drop(tokio::time::timeout(Duration::ZERO, finish).await),
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let found: BTreeSet<_> = stored(&records, "ada").await.into_iter().collect();
    assert!((0..500).step_by(2).all(|number| found.contains(&number)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_never_end_all_at_once_do_not_let_the_log_grow() {
    let (folder, records) = new();
    let records = Arc::new(records);
    let large = |number| Record {
        result: format!("\"{}\"", "x".repeat(256 << 10)),
        ..record("ada", number)
    };
    records.finish(&large(0)).await.unwrap();
    let readers = [0, 1, 2, 3].map(|_| {
        let records = Arc::clone(&records);
        tokio::spawn(async move {
            loop {
                let read = records.readers.run("ada", |connection, _| {
                    let snapshot = connection.unchecked_transaction()?;
                    snapshot.query_row("SELECT count(*) FROM records", (), |_| Ok(()))?;
                    std::thread::sleep(Duration::from_millis(200));
                    snapshot.finish()
                });
                read.await.unwrap();
            }
        })
    });
    let log = folder.path().join("activations.db-wal");
    let mut longest = 0;
    for number in 1..1_600 {
        records.finish(&large(number)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(4)).await;
        longest = longest.max(log.metadata().map_or(0, |log| log.len()));
    }
    readers.iter().for_each(|reader| reader.abort());
    // It grows to the length at which readers wait, and for a second or two.
    assert!(longest > 32 << 20, "nothing was tested: {longest}");
    assert!(longest < 320 << 20, "{longest}");
}
