//! The object store of a test.

use std::cell::RefCell;
use std::time::SystemTime;

use super::environment::{State, current};
use super::{Tensor, part};
use crate::data_type::DataType;
use crate::error::{Error, Result};
use crate::storage::Stored;

/// Prefix of the presigned URLs of a test.
const URL: &str = "https://storage.testing/";

/// Longest validity of a presigned URL of S3, in seconds.
const LONGEST_TTL: u32 = 7 * 24 * 3600;

/// Objects in a page of a listing, from the contract.
const PAGE: usize = 1000;

#[derive(Clone)]
pub(crate) struct StoredObject {
    pub data: Vec<u8>,
    pub content_type: Option<String>,
    pub etag: String,
    pub modified: SystemTime,
    /// Set if the code under test stored it, and not the test.
    pub written: bool,
}

impl State {
    pub(crate) fn store(
        &mut self,
        location: String,
        data: Vec<u8>,
        content_type: Option<String>,
        written: bool,
    ) -> Stored {
        self.stored += 1;
        let etag = format!("\"{}\"", self.stored);
        let stored = Stored {
            url: presigned(&location),
            etag: Some(etag.clone()),
            location: location.clone(),
        };
        self.objects.insert(
            location,
            StoredObject { data, content_type, etag, modified: SystemTime::now(), written },
        );
        stored
    }

    fn find(&self, location: &str) -> Result<&StoredObject> {
        let location = readable(location)?;
        self.objects
            .get(location)
            .ok_or_else(|| Error::not_found(format_args!("there is no object `{location}`")))
    }

    /// Returns a key `YYYYMMDD/uuid`, the same in every run of a test.
    fn new_key(&self) -> String {
        format!("20260101/00000000-0000-4000-8000-{:012}", self.stored + 1)
    }

    fn target(&self, location: Option<&str>) -> Result<String> {
        match location {
            Some(location) => writable(location).map(str::to_owned),
            None => Ok(self.new_key()),
        }
    }
}

fn presigned(location: &str) -> String {
    format!("{URL}{location}?signature=testing")
}

/// Returns a location for reading; for a URL that was presigned here, the signed location.
fn readable(location: &str) -> Result<&str> {
    if let Some(signed) = location.strip_prefix(URL) {
        return Ok(signed.split('?').next().unwrap_or(signed));
    }
    if is_url(location) { Ok(location) } else { writable(location) }
}

fn writable(location: &str) -> Result<&str> {
    let wrong =
        |why: &str| Err(Error::invalid(format_args!("`{location}` is not a location: {why}")));
    if is_url(location) {
        return wrong("a URL can only be read");
    }
    let key = match location.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/').map_or("", |(_, key)| key),
        None => location,
    };
    if key.is_empty() { wrong("it has no key") } else { Ok(location) }
}

fn is_url(location: &str) -> bool {
    location.starts_with("http://") || location.starts_with("https://")
}

fn ttl(seconds: Option<u32>) -> Result<()> {
    match seconds {
        Some(seconds) if seconds > LONGEST_TTL => Err(Error::invalid(format_args!(
            "a URL cannot be valid for {seconds} s, at most for {LONGEST_TTL} s"
        ))),
        _ => Ok(()),
    }
}

/// Object opened for reading, with the content of that time.
pub(crate) struct Object {
    location: String,
    opened: StoredObject,
}

impl Object {
    pub fn size(&self) -> u64 {
        self.opened.data.len() as u64
    }

    pub fn content_type(&self) -> Option<String> {
        self.opened.content_type.clone()
    }

    pub fn etag(&self) -> Option<String> {
        Some(self.opened.etag.clone())
    }

    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.unchanged()?;
        Ok(part(&self.opened.data, offset, length).to_vec())
    }

    pub fn to_tensor(&self, data_type: DataType, shape: &[i64]) -> Result<Tensor> {
        self.unchanged()?;
        Tensor::create(data_type, shape, &self.opened.data)
    }

    fn unchanged(&self) -> Result<()> {
        let etag = current()?
            .read(|state| state.find(&self.location).map(|object| object.etag.clone()))??;
        if etag == self.opened.etag {
            return Ok(());
        }
        Err(Error::precondition_failed(format_args!(
            "the object `{}` was replaced since it was opened",
            self.location
        )))
    }
}

/// Object being written.
pub(crate) struct Upload {
    location: String,
    content_type: Option<String>,
    /// `None` after it was finished or aborted.
    data: RefCell<Option<Vec<u8>>>,
}

impl Upload {
    pub fn write(&self, data: &[u8]) -> Result<()> {
        self.data.borrow_mut().as_mut().ok_or_else(Self::over)?.extend_from_slice(data);
        Ok(())
    }

    pub fn finish(&self) -> Result<Stored> {
        let data = self.data.take().ok_or_else(Self::over)?;
        current()?.change(|state| {
            Ok(state.store(self.location.clone(), data, self.content_type.clone(), true))
        })
    }

    pub fn abort(&self) -> Result<()> {
        self.data.take();
        Ok(())
    }

    fn over() -> Error {
        Error::invalid("the upload is finished or aborted")
    }
}

pub(crate) mod storage {
    use super::super::current;
    use super::{
        Error, Object, PAGE, Result, StoredObject, Tensor, Upload, is_url, presigned, readable,
        ttl, writable,
    };
    use crate::storage::{ObjectInfo, Stored, WriteGrant};

    pub fn ready() -> Result<()> {
        current().map(drop)
    }

    pub fn get(location: &str, if_none_match: Option<&str>) -> Result<Vec<u8>> {
        current()?.read(|state| {
            let object = state.find(location)?;
            if if_none_match == Some(&*object.etag) {
                return Err(Error::precondition_failed(format_args!(
                    "the object `{location}` still has this etag"
                )));
            }
            Ok(object.data.clone())
        })?
    }

    pub fn open(location: &str) -> Result<Object> {
        let opened = current()?.read(|state| state.find(location).cloned())??;
        Ok(Object { location: location.to_owned(), opened })
    }

    pub fn head(location: &str) -> Result<ObjectInfo> {
        current()?.read(|state| {
            let object = state.find(location)?;
            Ok(ObjectInfo {
                content_type: object.content_type.clone(),
                ..info(readable(location)?, object)
            })
        })?
    }

    /// Returns the metadata as in a listing: without the content type.
    fn info(location: &str, object: &StoredObject) -> ObjectInfo {
        ObjectInfo {
            location: location.to_owned(),
            size: object.data.len() as u64,
            content_type: None,
            etag: Some(object.etag.clone()),
            modified: Some(object.modified),
        }
    }

    pub fn put(
        data: &[u8],
        location: Option<&str>,
        content_type: Option<&str>,
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Stored> {
        current()?.change(|state| {
            let location = state.target(location)?;
            let there = state.objects.get(&location).map(|object| object.etag.as_str());
            if if_match.is_some() && if_match != there {
                return Err(Error::precondition_failed(format_args!(
                    "the object `{location}` does not have this etag"
                )));
            }
            if if_none_match.is_some() && there.is_some() {
                return Err(Error::precondition_failed(format_args!(
                    "there already is an object `{location}`"
                )));
            }
            Ok(state.store(location, data.to_vec(), Some(type_or_default(content_type)), true))
        })
    }

    fn type_or_default(content_type: Option<&str>) -> String {
        content_type.unwrap_or("application/octet-stream").to_owned()
    }

    pub fn put_tensor(
        tensor: &Tensor,
        location: Option<&str>,
        content_type: Option<&str>,
    ) -> Result<Stored> {
        put(&tensor.data(), location, content_type, None, None)
    }

    pub fn create_upload(location: Option<&str>, content_type: Option<&str>) -> Result<Upload> {
        let location = current()?.read(|state| state.target(location))??;
        let content_type = Some(type_or_default(content_type));
        Ok(Upload { location, content_type, data: Some(Vec::new()).into() })
    }

    pub fn presign(location: &str, ttl_seconds: Option<u32>) -> Result<String> {
        current()?;
        ttl(ttl_seconds)?;
        writable(location).map(presigned)
    }

    pub fn presign_put(
        location: Option<&str>,
        _content_type: Option<&str>,
        ttl_seconds: Option<u32>,
    ) -> Result<WriteGrant> {
        ttl(ttl_seconds)?;
        let location = current()?.read(|state| state.target(location))??;
        Ok(WriteGrant { url: presigned(&location), location })
    }

    pub fn list(prefix: &str, cursor: Option<&str>) -> Result<(Vec<ObjectInfo>, Option<String>)> {
        if is_url(prefix) {
            return Err(Error::invalid(format_args!(
                "`{prefix}` is a URL, which cannot be listed"
            )));
        }
        current()?.read(|state| {
            let in_bucket =
                |location: &str| prefix.starts_with("s3://") || !location.contains("://");
            let mut rest = state
                .objects
                .iter()
                .filter(|(location, _)| location.starts_with(prefix) && in_bucket(location))
                .skip_while(|(location, _)| {
                    cursor.is_some_and(|cursor| location.as_str() <= cursor)
                });
            let page: Vec<ObjectInfo> =
                rest.by_ref().take(PAGE).map(|(location, object)| info(location, object)).collect();
            let more = rest.next().is_some();
            let next = page.last().filter(|_| more).map(|last| last.location.clone());
            (page, next)
        })
    }

    pub fn delete(location: &str) -> Result<()> {
        let location = writable(location)?;
        current()?.change(|state| {
            state.objects.remove(location);
            Ok(())
        })
    }
}
