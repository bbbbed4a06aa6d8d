//! Reading: what is selected, in which order, and for whom.

use super::*;

#[tokio::test]
async fn a_record_is_read_as_it_was_stored() {
    let (_folder, records) = new();
    records.finish(&record("ada", 7)).await.unwrap();
    assert_eq!(records.get("ada", &id(7)).await.unwrap(), Some(record("ada", 7)));
    assert_eq!(records.list("ada", all()).await.unwrap(), [record("ada", 7)]);
    for other in [&id(8), "", "7", "../../etc/passwd", "'; DROP TABLE records; --"] {
        assert_eq!(records.get("ada", other).await.unwrap(), None, "{other}");
    }
}

#[tokio::test]
async fn a_list_begins_with_the_newest_and_is_paged() {
    let (_folder, records) = new();
    for number in [3, 1, 5, 2, 4] {
        records.finish(&record("ada", number)).await.unwrap();
    }
    assert_eq!(stored(&records, "ada").await, [5, 4, 3, 2, 1]);
    let page = async |skip, limit| {
        let query = Query { skip, limit, ..Query::default() };
        numbers(&records.list("ada", query).await.unwrap())
    };
    assert_eq!(page(0, 2).await, [5, 4]);
    assert_eq!(page(2, 2).await, [3, 2]);
    assert_eq!(page(4, 2).await, [1]);
    assert_eq!(page(5, 2).await, [0; 0]);
    assert_eq!(page(0, 0).await, [0; 0]);
}

#[tokio::test]
async fn records_of_the_same_millisecond_keep_their_order_over_pages() {
    let (_folder, records) = new();
    for number in 0..20 {
        let path = if number % 3 == 0 { "a" } else { "z" }.to_owned();
        records.finish(&Record { start: 5, path, ..record("ada", number) }).await.unwrap();
    }
    let mut paged = Vec::new();
    for skip in (0..20).step_by(3) {
        let query = Query { skip, limit: 3, ..Query::default() };
        paged.extend(numbers(&records.list("ada", query).await.unwrap()));
    }
    assert_eq!(paged, (0..20).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn times_are_inclusive_and_names_are_whole() {
    let (_folder, records) = new();
    for (number, path) in [(1, "hello"), (2, "tools/hello"), (3, "hello"), (4, "hell"), (5, "%")] {
        let path = path.to_owned();
        records
            .finish(&Record { start: number * 10, path, ..record("ada", number) })
            .await
            .unwrap();
    }
    let select = async |path: Option<&str>, since, upto| {
        let query = Query { path: path.map(str::to_owned), since, upto, ..all() };
        let listed = numbers(&records.list("ada", query.clone()).await.unwrap());
        assert_eq!(records.count("ada", query).await.unwrap(), listed.len() as u64);
        listed
    };
    assert_eq!(select(None, Some(20), Some(40)).await, [4, 3, 2]);
    assert_eq!(select(None, Some(21), None).await, [5, 4, 3]);
    assert_eq!(select(None, None, Some(19)).await, [1]);
    assert_eq!(select(None, Some(u64::MAX), None).await, [0; 0]);
    assert_eq!(select(Some("hello"), None, None).await, [3, 1]);
    assert_eq!(select(Some("tools/hello"), None, None).await, [2]);
    assert_eq!(select(Some("hello"), Some(11), Some(u64::MAX)).await, [3]);
    assert_eq!(select(Some("%"), None, None).await, [5]);
    let paged = Query { skip: 3, limit: 1, ..Query::default() };
    assert_eq!(records.count("ada", paged).await.unwrap(), 5, "a count has no pages");
}

#[tokio::test]
async fn a_list_without_results_has_the_documents_only() {
    let (_folder, records) = new();
    records.finish(&record("ada", 1)).await.unwrap();
    let query = Query { with_results: false, ..all() };
    let expected = Record { result: String::new(), logs: String::new(), ..record("ada", 1) };
    assert_eq!(records.list("ada", query).await.unwrap(), [expected]);
}

#[tokio::test]
async fn a_namespace_does_not_see_the_records_of_another() {
    let (_folder, records) = new();
    for (namespace, number) in [("ada", 1), ("bob", 2), ("ada", 3)] {
        records.finish(&record(namespace, number)).await.unwrap();
    }
    assert_eq!(stored(&records, "ada").await, [3, 1]);
    assert_eq!(stored(&records, "bob").await, [2]);
    assert_eq!(records.get("bob", &id(1)).await.unwrap(), None);
    assert_eq!(records.count("bob", all()).await.unwrap(), 1);
    for stranger in ["eve", "", "ADA", "ada ", "%", "1"] {
        assert_eq!(stored(&records, stranger).await, [0; 0], "{stranger}");
        assert_eq!(records.get(stranger, &id(1)).await.unwrap(), None);
        assert_eq!(records.count(stranger, all()).await.unwrap(), 0);
        assert_eq!(records.usage(stranger), 0);
    }

    // An id belongs to a namespace: another's cannot be taken or occupied.
    records.accept(&accepted("ada", 9)).await.unwrap();
    records.finish(&record("bob", 9)).await.unwrap();
    records.finish(&record("ada", 9)).await.unwrap();
    assert_eq!(records.get("bob", &id(9)).await.unwrap(), Some(record("bob", 9)));
    assert_eq!(records.get("ada", &id(9)).await.unwrap(), Some(record("ada", 9)));
}

#[tokio::test]
async fn a_list_reads_one_index_and_sorts_nothing() {
    let (folder, records) = new();
    records.finish(&record("ada", 1)).await.unwrap();
    let reader = records.readers.database.reader().unwrap();
    let plan = |sql: &str| -> String {
        let mut statement = reader.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map((), |row| row.get::<_, String>("detail")).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let list = plan(
        "SELECT logs FROM records INDEXED BY records_by_start WHERE namespace = 1
         AND start BETWEEN 1 AND 2 AND path = 'a' ORDER BY start DESC, seq DESC LIMIT 1",
    );
    assert!(list.contains("records_by_start (namespace=? AND start>?"), "{list}");
    assert!(!list.contains("TEMP B-TREE"), "{list}");
    let get = plan(
        "SELECT logs FROM records INDEXED BY records_by_id
         WHERE namespace = 1 AND id = x'00'",
    );
    assert!(get.contains("records_by_id (namespace=? AND id=?)"), "{get}");
    let sum = plan("SELECT sum(bytes) FROM records INDEXED BY records_by_start WHERE namespace=1");
    assert!(sum.contains("COVERING INDEX"), "{sum}");
    drop(folder);
}
