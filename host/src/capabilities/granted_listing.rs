//! Listings that contain only objects that an action may read.
//!
//! The store is queried for the granted names alone, one pattern after the other in the order of
//! the names, so that neither a page nor its `next`, which holds the last key of the page, reveals
//! any other name.

use keynet_base::budget::CallBudget;
use keynet_base::error::{ErrorKind, Result};
use keynet_base::granted::Granted;
use keynet_object_storage::{Cursor, ObjectInfo, ObjectKey, Objects, PAGE_OBJECTS, Page, Prefix};

/// Returns the name of a key in a policy: the key itself in the default bucket (or if `bucket` is
/// `None`), else `s3://bucket/key`. Also works for the beginning of a key.
pub(super) fn policy_name(storage: &dyn Objects, bucket: Option<&str>, key: &str) -> String {
    match bucket.filter(|bucket| *bucket != storage.default_bucket()) {
        Some(bucket) => format!("s3://{bucket}/{key}"),
        None => key.to_owned(),
    }
}

/// Lists the part of `prefix` that `read` allows, as [`Objects::list`]. A page may have fewer
/// objects than the store could return.
///
/// # Errors
/// As [`Objects::list`]; `denied`: no location that begins with `prefix` may be read.
pub(super) async fn list(
    storage: &dyn Objects,
    read: &Granted,
    prefix: &Prefix,
    cursor: Option<&str>,
    budget: &CallBudget,
) -> Result<Page> {
    let bucket = policy_name(storage, prefix.bucket(), "");
    let granted =
        read.beginning_with("listing", &policy_name(storage, prefix.bucket(), prefix.start()))?;
    let after = cursor.map(|cursor| Cursor::parse(cursor, prefix)).transpose()?;
    let patterns = granted.iter().filter_map(|pattern| pattern.strip_prefix(&bucket));
    let remaining = patterns
        .filter(|pattern| after.as_ref().is_none_or(|after| goes_beyond(pattern, after.key())));
    let mut patterns = remaining.collect::<Vec<&str>>().into_iter().peekable();

    let mut page = Page {
        objects: Vec::new(),
        next: None,
        reservation: budget.memory.reserve(0, "a listing")?,
    };
    while let Some(pattern) = patterns.peek() {
        if page.objects.len() >= PAGE_OBJECTS {
            break;
        }
        let Some(start) = pattern.strip_suffix('*') else {
            if let Some(object) = find(storage, prefix, pattern, budget).await? {
                page.push(object)?;
            }
            patterns.next();
            continue;
        };
        if !page.objects.is_empty() {
            break;
        }
        if let Some(narrowed) = prefix.with_start(start) {
            let within = after
                .as_ref()
                .filter(|after| after.key().starts_with(start))
                .map(Cursor::to_string);
            page = storage.list(&narrowed, within.as_deref(), budget).await?;
        }
        patterns.next();
        if page.next.is_some() {
            return Ok(page);
        }
    }
    if patterns.peek().is_some() {
        page.next = page
            .objects
            .last()
            .and_then(|last| last.location.key())
            .map(|key| Cursor::after(key.as_str()).to_string());
    }
    Ok(page)
}

/// Reports whether names that match `pattern` can come after `key`.
fn goes_beyond(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start) || start > key,
        None => pattern > key,
    }
}

/// Returns the object with exactly this key, as a listing has it; `None` if it does not exist.
async fn find(
    storage: &dyn Objects,
    prefix: &Prefix,
    key: &str,
    budget: &CallBudget,
) -> Result<Option<ObjectInfo>> {
    let Ok(key) = ObjectKey::parse(key) else { return Ok(None) };
    match storage.head(&prefix.location(key), budget).await {
        Ok(found) => Ok(Some(ObjectInfo { content_type: None, ..found })),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::policy::{Policy, StorageGrant};
    use keynet_base::budget::MemoryBudget;
    use keynet_base::state::StateDir;
    use keynet_object_storage::folder_store::{FolderStore, FolderStoreSettings};
    use keynet_object_storage::{ObjectStorage, StorageLimits};

    struct Store {
        storage: ObjectStorage,
        budget: CallBudget,
        _folders: [tempfile::TempDir; 2],
    }

    impl Store {
        /// Creates a store whose bucket `default` holds these keys.
        async fn with(keys: &[&str]) -> Self {
            let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let settings = FolderStoreSettings {
                folder: folders[0].path().to_owned(),
                state: StateDir::new(folders[1].path()),
                bucket: "default".to_owned(),
                public_url: Some("http://127.0.0.1:9797/".parse().unwrap()),
                internal_url: None,
                max_total: None,
            };
            let storage = ObjectStorage::new(
                FolderStore::open(settings).unwrap().bucket(),
                StorageLimits::default(),
            );
            let budget = CallBudget {
                memory: MemoryBudget::process(16 << 20),
                deadline: Instant::now() + Duration::from_secs(60),
            };
            for key in keys {
                let location = Some(key.parse().unwrap());
                storage
                    .put(
                        b"x".as_slice().into(),
                        location,
                        None,
                        keynet_object_storage::PutConditions::default(),
                        &budget,
                    )
                    .await
                    .unwrap();
            }
            Self { storage, budget, _folders: folders }
        }

        /// Returns the locations in all pages, and every `next` between them.
        async fn list(&self, read: &[&str], prefix: &str) -> Result<(Vec<String>, Vec<String>)> {
            let grant =
                StorageGrant { read: read.iter().copied().collect(), ..StorageGrant::default() };
            let grants = Policy { storage: grant, ..Policy::default() }
                .grants(&keynet_artifact::CapabilityRequest::default());
            let prefix = Prefix::parse(prefix)?;
            let (mut found, mut cursors) = (Vec::new(), Vec::<String>::new());
            loop {
                let cursor = cursors.last().map(String::as_str);
                let page = list(&self.storage, &grants.read, &prefix, cursor, &self.budget).await?;
                assert!(page.objects.len() <= 1000);
                found.extend(page.objects.into_iter().map(|object| object.location.to_string()));
                let Some(next) = page.next else { return Ok((found, cursors)) };
                cursors.push(next);
            }
        }
    }

    const KEYS: &[&str] =
        &["a/1", "a/2", "b", "report", "report-private", "results/1", "results/2", "z"];

    #[tokio::test]
    async fn a_name_that_is_granted_does_not_list_those_that_begin_with_it() {
        let store = Store::with(KEYS).await;
        for prefix in ["report", "rep", ""] {
            assert_eq!(store.list(&["report"], prefix).await.unwrap().0, ["report"], "{prefix}");
        }
        let error = store.list(&["report"], "report-").await.unwrap_err();
        assert!(error.kind == ErrorKind::Denied && error.message.contains("policy"), "{error}");
        assert_eq!(store.list(&["missing"], "").await.unwrap().0, [""; 0]);
    }

    #[tokio::test]
    async fn a_listing_has_every_granted_name_once_and_in_order() {
        let store = Store::with(KEYS).await;
        for (read, prefix, listed) in [
            (["*"].as_slice(), "", KEYS),
            (
                &["a/*", "b", "results/*", "z"],
                "",
                &["a/1", "a/2", "b", "results/1", "results/2", "z"],
            ),
            (&["b", "nothing/*", "none", "z*"], "", &["b", "z"]),
            (&["results/*"], "r", &["results/1", "results/2"]),
            (&["r*"], "results/2", &["results/2"]),
            (
                &["a/*", "z"],
                "s3://default/",
                &["s3://default/a/1", "s3://default/a/2", "s3://default/z"],
            ),
        ] {
            assert_eq!(store.list(read, prefix).await.unwrap().0, listed, "{read:?} {prefix:?}");
        }
        for (read, prefix) in [(["*"], "s3://other/"), (["s3://default/*"], "")] {
            assert_eq!(store.list(&read, prefix).await.unwrap_err().kind, ErrorKind::Denied);
        }
    }

    #[tokio::test]
    async fn a_cursor_tells_of_no_other_name() {
        let secret = (0..10).map(|number| format!("mine{number:04}-secret"));
        let many: Vec<String> =
            (0..1010).map(|number| format!("mine/{number:04}")).chain(secret).collect();
        let store = Store::with(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (found, cursors) =
            store.list(&["mine/*", "mine1199", "other/*"], "mine").await.unwrap();
        assert_eq!(found.len(), 1010);
        assert!(found.is_sorted() && found.iter().all(|location| location.starts_with("mine/")));
        assert!(!cursors.is_empty());
        for cursor in cursors {
            let key = String::from_utf8(hex::decode(cursor).unwrap()).unwrap();
            assert!(found.contains(&key), "{key}");
        }
        // A forged cursor does not widen it.
        let grant =
            StorageGrant { read: ["mine/*"].into_iter().collect(), ..StorageGrant::default() };
        let read = Policy { storage: grant, ..Policy::default() }
            .grants(&keynet_artifact::CapabilityRequest::default())
            .read;
        let made_up = Cursor::after("mine0000").to_string();
        let page = list(
            &store.storage,
            &read,
            &Prefix::parse("mine").unwrap(),
            Some(&made_up),
            &store.budget,
        )
        .await
        .unwrap();
        assert!(page.objects.is_empty(), "everything granted comes before it");
    }
}
