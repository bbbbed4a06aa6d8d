//! Listing in pages, in the order of the keys.

use futures::TryStreamExt as _;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::{ObjectInfo, ObjectKey, ObjectStorage, Prefix, failure, within};
use crate::budget::{CallBudget, Reservation};
use crate::error::{Error, Result};

const PAGE_OBJECTS: usize = 1000;

/// A part of a listing.
#[derive(Debug)]
pub struct Page {
    /// In the order of their keys' bytes; at most 1,000.
    pub objects: Vec<ObjectInfo>,
    /// Hand it to [`ObjectStorage::list`] for the next part; none at the end.
    pub next: Option<String>,
    /// The memory it holds; keep it as long as the page.
    pub reservation: Reservation,
}

impl ObjectStorage {
    /// The objects whose location begins with `prefix`, from `cursor` (a page's `next`) or from the beginning.
    ///
    /// What is written or deleted while the pages are read may be in them or not; everything else is in exactly one.
    ///
    /// # Errors
    /// `invalid`: a cursor that is not of a page of this listing. `too-large`: the budget has no memory for a page.
    pub async fn list(&self, prefix: &Prefix, cursor: Option<&str>, budget: &CallBudget) -> Result<Page> {
        self.bucket.check_name(prefix.bucket())?;
        let after = cursor.map(|cursor| decode_cursor(cursor, prefix)).transpose()?;
        within(budget, self.page(prefix, after, budget)).await
    }

    async fn page(&self, prefix: &Prefix, after: Option<Path>, budget: &CallBudget) -> Result<Page> {
        let start = prefix.start();
        let folder = start.rsplit_once('/').and_then(|(folder, _)| Path::parse(folder).ok());
        let after = after.or_else(|| just_before(start));
        let mut found = match &after {
            Some(after) => self.bucket.store().list_with_offset(folder.as_ref(), after),
            None => self.bucket.store().list(folder.as_ref()),
        };

        let mut page = Page { objects: Vec::new(), next: None, reservation: budget.memory.reserve(0, "a listing")? };
        let mut last = Path::ROOT;
        while let Some(meta) = next_of(&mut found, prefix).await? {
            let Some(key) = ObjectKey::of_path(&meta.location).filter(|key| key.as_str().starts_with(start)) else {
                if meta.location.as_ref() > start && !meta.location.as_ref().starts_with(start) {
                    break; // in order, so nothing that begins so follows
                }
                continue;
            };
            if page.objects.len() == PAGE_OBJECTS {
                page.next = Some(encode_cursor(&last));
                break;
            }
            last = meta.location.clone();
            let info = ObjectInfo::new(prefix.location(key), meta, None);
            let held = size_of::<ObjectInfo>() + info.location.to_string().len() + info.etag.as_ref().map_or(0, String::len);
            page.reservation.resize(page.reservation.bytes() + held as u64, "a listing")?;
            page.objects.push(info);
        }
        Ok(page)
    }
}

async fn next_of(
    found: &mut (impl futures::Stream<Item = object_store::Result<ObjectMeta>> + Unpin),
    prefix: &Prefix,
) -> Result<Option<ObjectMeta>> {
    found.try_next().await.map_err(|error| failure::explain("list", &prefix.to_string(), error))
}

/// A path that sorts before everything that begins with `start`, and after nearly everything else that sorts before it: where a listing
/// may begin. None for the very beginning.
fn just_before(start: &str) -> Option<Path> {
    let last = start.chars().next_back()?;
    let shorter = start.strip_suffix(last)?;
    let previous = (u32::from(last).checked_sub(1)).and_then(char::from_u32);
    let closest = previous.map(|previous| format!("{shorter}{previous}\u{10FFFF}"));
    // A path, unlike a key's beginning, has no empty segments and ends with no slash.
    let candidates = closest.into_iter().chain([shorter.trim_end_matches('/').to_owned()]);
    candidates.filter_map(|text| Path::parse(&text).ok().filter(|path| !path.as_ref().is_empty() && path.as_ref() == text)).next()
}

/// Opaque to actions: the last key of a page, in hexadecimal digits.
fn encode_cursor(last: &Path) -> String {
    hex::encode(last.as_ref())
}

fn decode_cursor(cursor: &str, prefix: &Prefix) -> Result<Path> {
    let key = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| ObjectKey::parse(&text).ok());
    key.filter(|key| key.as_str().starts_with(prefix.start()))
        .map(|key| key.path().clone())
        .ok_or_else(|| Error::invalid("the cursor is not the `next` of a page of this listing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_begins_just_before_its_prefix() {
        for start in ["20260131/", "20260131/c", "a", "a0", "a/0", "a/ ", "ü/é", "\u{E000}", "-"] {
            let Some(before) = just_before(start) else { continue };
            assert!(before.as_ref() < start, "{start:?} {before}");
        }
        assert_eq!(just_before("cat").unwrap().as_ref(), "cas\u{10FFFF}");
        assert_eq!(just_before("a/0").unwrap().as_ref(), "a");
        assert!(just_before("").is_none());
    }
}
