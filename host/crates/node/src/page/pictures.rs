//! Pictures of a namespace's storage: stored when a user drops one on the page, and read to show
//! those that a result names.
//!
//! What the page stored is bounded: the oldest pictures are removed beyond the quota `pictures`, and
//! each after [`KEPT`]. Other objects under `ui/` are not the page's and stay.
//!
//! The page may read and write no more than the namespace's policy grants to actions. The kind of a
//! picture is decided by its bytes, and only kinds that cannot hold a script are pictures.

use std::time::{Duration, Instant};

use bytes::Bytes;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::error::{Error, ErrorKind};
use keynet_base::granted::Granted;
use keynet_host::policy::Grants;
use keynet_object_storage::{
    ContentType, Location, ObjectStorage, Prefix, PutConditions, ReadBytes, UrlRules,
};

use crate::entities::{milliseconds, now_ms};
use crate::tenants::{Namespace, NamespaceSettings};

/// Largest picture in bytes that is shown.
const MAX_SHOWN: u64 = 16 << 20;

/// Time to read or write one.
const TIME: Duration = Duration::from_secs(30);

/// Prefix of the keys of pictures that were dropped on the page.
const PREFIX: &str = "ui/";

/// Largest number of pictures that the page stores.
const MAX_STORED: usize = 1_000;

/// Time that a picture is kept after it was dropped.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reason why a picture is not stored or shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// It is another kind of file.
    #[error(
        "this is no picture that the page shows: it is PNG, JPEG, GIF or WebP; put other files \
            into the namespace's storage yourself, and pass their location"
    )]
    Kind,
    /// It is larger than a quota.
    #[error(
        "the picture has {bytes} bytes, more than the {limit} of the namespace's quota \
            `{quota}`: make it smaller, raise the quota, or put it into the namespace's storage \
            yourself and pass its location"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// Name of the quota.
        quota: &'static str,
        /// Quota in bytes.
        limit: u64,
    },
    /// The storage refuses, or fails.
    #[error("{}", .0.message)]
    Storage(#[from] Error),
}

/// Picture with its kind.
pub struct Picture {
    /// MIME type.
    pub content_type: &'static str,
    /// File.
    pub bytes: Bytes,
}

/// Storage of pictures, within the grants of actions.
pub struct Gallery {
    storage: ObjectStorage,
    read: Granted,
    write: Granted,
    budget: CallBudget,
}

/// Bytes that hold their memory until the response is sent.
struct Held(ReadBytes);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// Returns the MIME type and the extension of a picture's file.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(("image/png", "png")),
        [0xff, 0xd8, 0xff, ..] => Some(("image/jpeg", "jpg")),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(("image/gif", "gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            Some(("image/webp", "webp"))
        }
        _ => None,
    }
}

/// Stores a picture of a namespace and returns its location, as [`Gallery::store`] does. The oldest
/// ones make room for it.
///
/// # Errors
/// It is no picture, is larger than a quota, or the policy or the storage refuses it.
pub(crate) async fn store(namespace: &Namespace, bytes: &[u8]) -> Result<String, PictureError> {
    let settings = namespace.settings();
    let quotas = &settings.quotas;
    for (quota, limit) in [("parameters", quotas.parameters), ("pictures", quotas.pictures)] {
        if bytes.len() as u64 > limit {
            return Err(PictureError::TooLarge { bytes: bytes.len(), quota, limit });
        }
    }
    let gallery = gallery(&settings)?;
    let place = gallery.place(bytes)?;
    let _changing = namespace.pictures.lock().await;
    let most = quotas.pictures - bytes.len() as u64;
    gallery.remove_beyond(most, MAX_STORED - 1, Some(&place.location)).await?;
    gallery.put(bytes, place).await
}

/// Removes the pictures of a namespace that the page stored and whose time has passed.
///
/// # Errors
/// The storage fails. A policy that does not permit writing under `ui/` is none: there is nothing
/// to remove.
pub(crate) async fn remove_expired(namespace: &Namespace) -> Result<(), PictureError> {
    let settings = namespace.settings();
    if !settings.grants().write.allows(&format!("{PREFIX}{}.png", blake3::hash(b"").to_hex())) {
        return Ok(());
    }
    let gallery = gallery(&settings)?;
    let _changing = namespace.pictures.lock().await;
    gallery.remove_beyond(settings.quotas.pictures, MAX_STORED, None).await
}

/// Reports whether an object has a name that [`Gallery::store`] gives.
fn is_stored_by_the_page(location: &Location) -> bool {
    let name = location.key().and_then(|key| key.as_str().strip_prefix(PREFIX));
    let parts = name.and_then(|name| name.split_once('.'));
    parts.is_some_and(|(hash, extension)| {
        blake3::Hash::from_hex(hash).is_ok() && ["png", "jpg", "gif", "webp"].contains(&extension)
    })
}

/// Reads the picture at `location`: a key, `s3://bucket/key`, or a URL of the namespace's storage.
///
/// # Errors
/// It is no picture, is too large, or the policy or the storage refuses it.
pub(crate) async fn read(namespace: &Namespace, location: &str) -> Result<Picture, PictureError> {
    gallery(&namespace.settings())?.read(location).await
}

fn gallery(settings: &NamespaceSettings) -> Result<Gallery, Error> {
    let (storage, grants) = (settings.storage()?, settings.grants());
    Ok(Gallery::new(&storage, &grants, &settings.shared.memory))
}

/// Name and type of a picture that is stored.
struct Place {
    key: String,
    location: Location,
    content_type: ContentType,
}

impl Gallery {
    /// Creates the pictures of `storage`, without the URLs of other servers, for one request with a
    /// part of `memory`.
    pub fn new(storage: &ObjectStorage, grants: &Grants, memory: &MemoryBudget) -> Self {
        let nowhere = Granted::new(&[].into_iter().collect(), None);
        let rules = UrlRules { hosts: Some(nowhere), private_addresses: false };
        Self {
            storage: storage.with_url_rules(rules),
            read: grants.read.clone(),
            write: grants.write.clone(),
            budget: CallBudget {
                memory: memory.activation(2 * MAX_SHOWN),
                deadline: Instant::now() + TIME,
            },
        }
    }

    /// Stores a picture and returns its location. The same picture has the same location, however
    /// often it is dropped.
    ///
    /// # Errors
    /// It is no picture, or the policy or the storage refuses it.
    pub async fn store(&self, bytes: &[u8]) -> Result<String, PictureError> {
        self.put(bytes, self.place(bytes)?).await
    }

    fn place(&self, bytes: &[u8]) -> Result<Place, PictureError> {
        let (content_type, extension) = kind(bytes).ok_or(PictureError::Kind)?;
        let key = format!("{PREFIX}{}.{extension}", blake3::hash(bytes).to_hex());
        let location = Location::parse(&key)?;
        check(&self.storage, "writing", &self.write, &location)?;
        Ok(Place { key, location, content_type: ContentType::parse(content_type)? })
    }

    async fn put(&self, bytes: &[u8], place: Place) -> Result<String, PictureError> {
        let _held = self.budget.memory.reserve(bytes.len() as u64, "a picture")?;
        let bytes = Bytes::copy_from_slice(bytes);
        let (location, conditions) = (Some(place.location), PutConditions::default());
        let content_type = Some(place.content_type);
        self.storage.put(bytes, location, content_type, conditions, &self.budget).await?;
        Ok(place.key)
    }

    /// Removes expired pictures, and the oldest ones until those other than `but` have at most
    /// `bytes` and are at most `count`.
    async fn remove_beyond(
        &self,
        bytes: u64,
        count: usize,
        but: Option<&Location>,
    ) -> Result<(), PictureError> {
        let prefix = Prefix::parse(PREFIX)?;
        let mut stored = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.storage.list(&prefix, cursor.as_deref(), &self.budget).await?;
            let own = page.objects.iter().filter(|info| is_stored_by_the_page(&info.location));
            let others = own.filter(|info| Some(&info.location) != but);
            stored.extend(
                others
                    .map(|info| (info.modified_ms.unwrap_or(0), info.size, info.location.clone())),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        stored.sort_by_key(|(modified, ..)| *modified);
        let expired = now_ms().saturating_sub(milliseconds(KEPT));
        let mut total: u64 = stored.iter().map(|(_, size, _)| size).sum();
        let mut left = stored.len();
        for (modified, size, location) in stored {
            if modified >= expired && total <= bytes && left <= count {
                break;
            }
            self.storage.delete(&location, &self.budget).await?;
            total = total.saturating_sub(size);
            left -= 1;
        }
        Ok(())
    }

    /// Reads the picture at `location`: a key, `s3://bucket/key`, or a URL of the storage.
    ///
    /// # Errors
    /// It is no picture, is too large, or the policy or the storage refuses it.
    pub async fn read(&self, location: &str) -> Result<Picture, PictureError> {
        let (location, budget) = (Location::parse(location)?, &self.budget);
        check(&self.storage, "reading", &self.read, &location)?;
        let object = self.storage.open(&location, budget).await?;
        let start = object.read(0, object.size().min(16), budget).await?;
        let (content_type, _) = kind(&start.bytes).ok_or(PictureError::Kind)?;
        if object.size() > MAX_SHOWN {
            return Err(Error::too_large(format!(
                "the picture has {} bytes, more than the {MAX_SHOWN} that the page shows",
                object.size()
            ))
            .into());
        }
        let read = object.read(0, object.size(), budget).await?;
        Ok(Picture { content_type, bytes: Bytes::from_owner(Held(read)) })
    }
}

/// Checks that the policy grants `location`. A URL is its own permission: the store checks it.
fn check(
    storage: &ObjectStorage,
    what: &str,
    granted: &Granted,
    location: &Location,
) -> Result<(), Error> {
    let Some(key) = location.key() else { return Ok(()) };
    match location.bucket().filter(|bucket| *bucket != storage.default_bucket()) {
        Some(bucket) => granted.check(what, &format!("s3://{bucket}/{}", key.as_str())),
        None => granted.check(what, key.as_str()),
    }
}

impl PictureError {
    /// Returns the HTTP status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::Kind => 415,
            Self::TooLarge { .. } => 413,
            Self::Storage(error) => match error.kind {
                ErrorKind::Invalid => 400,
                ErrorKind::NotFound => 404,
                ErrorKind::Denied => 403,
                ErrorKind::PreconditionFailed => 412,
                ErrorKind::TooLarge => 413,
                ErrorKind::Timeout => 504,
                ErrorKind::Unavailable => 502,
                ErrorKind::Internal => 500,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_put_under_ui_is_not_the_pages() {
        let hash = blake3::hash(b"a picture").to_hex();
        for (key, is_own) in [
            (format!("ui/{hash}.png"), true),
            (format!("ui/{hash}.webp"), true),
            (format!("ui/{hash}"), false),
            (format!("ui/{hash}.svg"), false),
            (format!("ui/old/{hash}.png"), false),
            ("ui/logo.png".to_owned(), false),
        ] {
            assert_eq!(is_stored_by_the_page(&Location::parse(&key).unwrap()), is_own, "{key}");
        }
    }

    #[test]
    fn what_can_hold_a_script_is_no_picture() {
        for (bytes, expected) in [
            (b"\x89PNG\r\n\x1a\n....".as_slice(), Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a...", Some("image/gif")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
            (b"<!doctype html>", None),
            (b"%PDF-1.7", None),
            (b"", None),
        ] {
            assert_eq!(kind(bytes).map(|(name, _)| name), expected, "{bytes:?}");
        }
    }
}
