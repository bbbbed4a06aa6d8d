//! What is deleted, and what is not.

use std::time::SystemTime;

use super::*;

/// Waits until `done`; the deletion runs in the background.
async fn wait_until(what: &str, done: impl AsyncFn() -> bool) {
    for _ in 0..6_000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened that {what}");
}

fn bytes_of(record: Record) -> u64 {
    Entry::finish(&record).unwrap().bytes() as u64
}

fn within(bytes_per_namespace: u64) -> Retention {
    Retention { bytes_per_namespace, ..ALL }
}

#[tokio::test]
async fn a_flood_of_one_tenant_evicts_its_own_oldest_records_only() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of(record("ada", 1000));
    let records = Records::open(folder.path(), within(100 * one), interrupted).unwrap();
    for number in 1000..1100 {
        records.finish(&record("bob", number)).await.unwrap();
    }
    for number in 1000..3000 {
        records.finish(&record("ada", number)).await.unwrap();
    }
    stored(&records, "ada").await; // so that they count
    wait_until("ada is within its limit", async || records.usage("ada") <= 100 * one).await;
    let kept = stored(&records, "ada").await;
    assert!(kept.len() >= 90, "no more than necessary: {}", kept.len());
    assert_eq!(kept, (3000 - kept.len() as u64..3000).rev().collect::<Vec<_>>(), "the newest");
    assert_eq!(records.usage("ada"), kept.len() as u64 * one);
    assert_eq!(stored(&records, "bob").await.len(), 100, "a limit that is met is not exceeded");
}

#[tokio::test]
async fn records_are_deleted_by_age_and_each_namespace_can_have_its_own_retention() {
    let (_folder, records) = new();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    for namespace in ["ada", "bob", "eve"] {
        for minutes in 0..200 {
            let start = now - minutes * 60_000;
            records.finish(&Record { start, ..record(namespace, minutes) }).await.unwrap();
        }
    }
    let age = |minutes: u64| Retention { age: Duration::from_secs(minutes * 60 + 30), ..ALL };
    let own = HashMap::from([("bob".into(), age(150)), ("eve".into(), within(0))]);
    records.set_retention(age(20), own.clone());
    wait_until("ada's records are 20 minutes old at most", async || {
        stored(&records, "ada").await.len() <= 21
    })
    .await;
    wait_until("bob's are 150 minutes old at most", async || {
        stored(&records, "bob").await.len() <= 151
    })
    .await;
    wait_until("eve has none", async || stored(&records, "eve").await.is_empty()).await;
    assert_eq!(stored(&records, "ada").await, (0..21).collect::<Vec<_>>());
    assert_eq!(stored(&records, "bob").await, (0..151).collect::<Vec<_>>());
    assert_eq!(records.usage("eve"), 0);

    // The retention of a namespace that has no records yet applies to its first ones.
    records.set_retention(ALL, HashMap::from([("new".into(), within(0))]));
    records.finish(&record("new", 1)).await.unwrap();
    wait_until("the new one has none", async || stored(&records, "new").await.is_empty()).await;
}

#[tokio::test]
async fn space_of_deleted_records_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let large = |number| Record { logs: "x".repeat(100_000), ..record("ada", number) };
    let limit = 20 * bytes_of(large(1000));
    let records = Records::open(folder.path(), within(limit), interrupted).unwrap();
    for number in 1000..1200 {
        records.finish(&large(number)).await.unwrap();
        if number % 20 == 0 {
            stored(&records, "ada").await; // so that they count
            wait_until("it is within the limit", async || records.usage("ada") <= limit).await;
        }
    }
    drop(records); // and with it SQLite's log
    let size = std::fs::metadata(folder.path().join(database::NAME)).unwrap().len();
    assert!(size < 3 * limit, "20 MB went through {size} bytes");
}
