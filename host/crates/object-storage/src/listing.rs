//! Paged listings, in the order of the keys.

use std::fmt;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::{Bucket, Location, ObjectInfo, ObjectKey, ObjectStorage, Prefix, failure, within};
use keynet_base::budget::{CallBudget, MemoryBudget, Reservation};
use keynet_base::error::{Error, Result};
use keynet_base::limits;

/// Largest number of objects in a page.
pub const PAGE_OBJECTS: usize = 1000;

/// Page of a listing.
#[derive(Debug)]
pub struct Page {
    /// Objects in the order of their keys' bytes; at most 1,000.
    pub objects: Vec<ObjectInfo>,
    /// Cursor to pass to [`ObjectStorage::list`] for the next page; `None` on the last page.
    pub next: Option<String>,
    /// Memory of the page; keep it as long as the page.
    pub reservation: Reservation,
}

/// Store that can list keys by their prefix.
#[async_trait]
pub trait KeyPages: fmt::Debug + Send + Sync {
    /// Returns at most 1,000 objects whose keys begin with `start` and come after the key `after`,
    /// in the store's order.
    ///
    /// The bytes of the response are reserved from `memory` before they are allocated.
    ///
    /// # Errors
    /// The errors of [`object_store`].
    async fn page(
        &self,
        start: &str,
        after: Option<&str>,
        memory: &MemoryBudget,
    ) -> object_store::Result<KeyPage>;
}

/// Page of a store's listing.
#[derive(Debug)]
pub struct KeyPage {
    /// Objects of the page.
    pub objects: Vec<ObjectMeta>,
    /// Key after which the next page begins; `None` on the last page. It need not be a valid
    /// [`ObjectKey`].
    pub next: Option<String>,
    /// Memory of the response that the objects were read from.
    pub reservation: Reservation,
}

impl ObjectStorage {
    /// Lists the objects whose location begins with `prefix`, from `cursor` (a page's `next`) or
    /// from the beginning.
    ///
    /// Objects that are written or deleted while the pages are read may or may not be listed; every
    /// other object is listed exactly once.
    ///
    /// # Errors
    /// `invalid`: a cursor that is not from a page of this listing. `too-large`: the budget has no
    /// memory for a page.
    pub async fn list(
        &self,
        prefix: &Prefix,
        cursor: Option<&str>,
        budget: &CallBudget,
    ) -> Result<Page> {
        let bucket = self.bucket_called(prefix.bucket())?;
        let after =
            cursor.map(|cursor| Cursor::parse(cursor, prefix)).transpose()?.map(|Cursor(key)| key);
        match bucket.pages() {
            Some(pages) => within(budget, Self::page_of_keys(pages, prefix, after, budget)).await,
            None => {
                let after = after
                    .map(|after| {
                        ObjectKey::parse(&after)
                            .map(|key| key.path().clone())
                            .map_err(|_| not_a_cursor())
                    })
                    .transpose()?;
                within(budget, Self::page_of_folders(&bucket, prefix, after, budget)).await
            }
        }
    }

    async fn page_of_keys(
        pages: &dyn KeyPages,
        prefix: &Prefix,
        after: Option<String>,
        budget: &CallBudget,
    ) -> Result<Page> {
        let found = pages.page(prefix.start(), after.as_deref(), &budget.memory).await;
        let found = found.map_err(|error| failure::explain("list", &prefix.label(), error))?;
        if found.next.is_some() && found.next == after {
            return Err(Error::unavailable(format!(
                "the object store lists `{}` without an end: a page ended where it began",
                prefix.label()
            )));
        }
        let next = found.next.map(|last| Cursor(last).to_string());
        let mut page =
            Page { objects: Vec::new(), next, reservation: budget.memory.reserve(0, "a listing")? };
        for meta in found.objects {
            if let Some(key) = ObjectKey::of_path(&meta.location) {
                page.add(prefix.location(key), meta)?;
            }
        }
        Ok(page)
    }

    async fn page_of_folders(
        bucket: &Bucket,
        prefix: &Prefix,
        after: Option<Path>,
        budget: &CallBudget,
    ) -> Result<Page> {
        let start = prefix.start();
        let folder = start.rsplit_once('/').and_then(|(folder, _)| Path::parse(folder).ok());
        let after = after.or_else(|| just_before(start));
        let mut found = match &after {
            Some(after) => bucket.store().list_with_offset(folder.as_ref(), after),
            None => bucket.store().list(folder.as_ref()),
        };

        let mut page = Page {
            objects: Vec::new(),
            next: None,
            reservation: budget.memory.reserve(0, "a listing")?,
        };
        let mut last = Path::ROOT;
        while let Some(meta) = next_of(&mut found, prefix).await? {
            let Some(key) =
                ObjectKey::of_path(&meta.location).filter(|key| key.as_str().starts_with(start))
            else {
                if meta.location.as_ref() > start && !meta.location.as_ref().starts_with(start) {
                    break; // in order: no later key begins with `start`
                }
                continue;
            };
            if page.objects.len() == PAGE_OBJECTS {
                page.next = Some(Cursor::after(last.as_ref()).to_string());
                break;
            }
            last = meta.location.clone();
            page.add(prefix.location(key), meta)?;
        }
        Ok(page)
    }
}

impl Page {
    fn add(&mut self, location: Location, meta: ObjectMeta) -> Result<()> {
        self.push(ObjectInfo::new(location, meta, None))
    }

    /// Adds an object, whose key must come after those already in the page.
    pub fn push(&mut self, info: ObjectInfo) -> Result<()> {
        let held = size_of::<ObjectInfo>()
            + info.location.to_string().len()
            + info.etag.as_ref().map_or(0, String::len);
        self.reservation.resize(self.reservation.bytes() + held as u64, "a listing")?;
        self.objects.push(info);
        Ok(())
    }
}

async fn next_of(
    found: &mut (impl futures::Stream<Item = object_store::Result<ObjectMeta>> + Unpin),
    prefix: &Prefix,
) -> Result<Option<ObjectMeta>> {
    found.try_next().await.map_err(|error| failure::explain("list", &prefix.label(), error))
}

/// Returns a path that sorts before everything that begins with `start`, and after nearly
/// everything else that sorts before it: a starting point for a listing. `None` for the very
/// beginning.
fn just_before(start: &str) -> Option<Path> {
    let last = start.chars().next_back()?;
    let shorter = start.strip_suffix(last)?;
    let previous = (u32::from(last).checked_sub(1)).and_then(char::from_u32);
    let closest = previous.map(|previous| format!("{shorter}{previous}\u{10FFFF}"));
    // Unlike a prefix of a key, a path has no empty segments and does not end with a slash.
    let candidates = closest.into_iter().chain([shorter.trim_end_matches('/').to_owned()]);
    candidates
        .filter_map(|text| {
            Path::parse(&text)
                .ok()
                .filter(|path| !path.as_ref().is_empty() && path.as_ref() == text)
        })
        .next()
}

/// A page's `next`: the last key before the next page. Opaque to actions: hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// Returns a cursor that continues after `key`.
    pub fn after(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// Parses the `next` of a page of the listing of `prefix`.
    ///
    /// # Errors
    /// `invalid`: the text is not a cursor, or is a cursor of another listing.
    pub fn parse(text: &str, prefix: &Prefix) -> Result<Self> {
        if text.len() > limits::CURSOR {
            return Err(not_a_cursor());
        }
        let key = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        key.filter(|key| !key.is_empty() && key.starts_with(prefix.start()))
            .map(Self)
            .ok_or_else(not_a_cursor)
    }

    /// Returns the key that the next page comes after.
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

fn not_a_cursor() -> Error {
    Error::invalid("the cursor is not the `next` of a page of this listing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_begins_just_before_its_prefix() {
        for start in ["20260131/", "20260131/c", "a", "a0", "a/0", "a/ ", "ü/é", "\u{E000}", "-"]
        {
            let Some(before) = just_before(start) else { continue };
            assert!(before.as_ref() < start, "{start:?} {before}");
        }
        assert_eq!(just_before("cat").unwrap().as_ref(), "cas\u{10FFFF}");
        assert_eq!(just_before("a/0").unwrap().as_ref(), "a");
        assert!(just_before("").is_none());
    }
}
