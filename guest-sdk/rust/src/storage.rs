//! Reading and writing objects.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use crate::data_type::DataType;
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::tensor::{Tensor, to_wire};

/// Bytes that [`Upload`] collects before it passes them to the host.
const UPLOAD_BUFFER: usize = 256 << 10;

/// Client of the object store, with the host's credentials.
///
/// A location is a key of the default bucket (`20260131/cat.png`), `s3://bucket/key` or, for
/// reading only, an http(s) URL such as a presigned one. Any call may fail with `Invalid` (the
/// location), `Denied`, `Timeout` or `Unavailable`; other kinds are listed per function.
///
/// ```
/// use keynet_inference_sdk::{Storage, testing::Environment};
///
/// Environment::new().object("note.txt", "hello").run(|| {
///     let storage = Storage::new()?;
///     let text = storage.get("note.txt")?;
///     let stored = storage.put(text.to_ascii_uppercase(), "text/plain")?;
///     assert_eq!(storage.get(&stored.url)?, b"HELLO");
///     Ok(())
/// })?;
/// # Ok::<(), keynet_inference_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Storage {
    _private: (),
}

impl Storage {
    /// Returns a client of the deployment's object store.
    ///
    /// # Errors
    /// `Unavailable`: in a native test outside a
    /// [`testing::Environment`](crate::testing::Environment).
    pub fn new() -> Result<Self> {
        host::storage::ready()?;
        Ok(Self { _private: () })
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge`: more than an action may read at once, see [`open`](Self::open).
    pub fn get(&self, location: impl AsRef<str>) -> Result<Vec<u8>> {
        host::storage::get(location.as_ref(), None)
    }

    /// Reads a whole object; returns `None` if its etag still is `etag`.
    ///
    /// # Errors
    /// The same as for [`get`](Self::get).
    pub fn get_if_changed(&self, location: impl AsRef<str>, etag: &str) -> Result<Option<Vec<u8>>> {
        match host::storage::get(location.as_ref(), Some(etag)) {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(None),
            other => other.map(Some),
        }
    }

    /// Opens an object to read parts of it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn open(&self, location: impl AsRef<str>) -> Result<Object> {
        Ok(Object { host: host::storage::open(location.as_ref())?, position: 0 })
    }

    /// Reads a whole object as a tensor; its bytes do not pass through the action.
    ///
    /// # Errors
    /// `NotFound`. `Invalid`: its size does not match the shape. `TooLarge`: over the activation's
    /// memory limit.
    pub fn get_tensor(
        &self,
        location: impl AsRef<str>,
        data_type: DataType,
        shape: &[usize],
    ) -> Result<Tensor> {
        self.open(location)?.to_tensor(data_type, shape)
    }

    /// Returns the metadata of an object without reading it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn head(&self, location: impl AsRef<str>) -> Result<ObjectInfo> {
        host::storage::head(location.as_ref())
    }

    /// Stores bytes under a new key `YYYYMMDD/uuid`. The content type is a MIME type; `None` means
    /// `application/octet-stream`.
    ///
    /// # Errors
    /// `TooLarge`: more than an action may write.
    pub fn put<'a>(
        &self,
        data: impl AsRef<[u8]>,
        content_type: impl Into<Option<&'a str>>,
    ) -> Result<Stored> {
        host::storage::put(data.as_ref(), None, content_type.into(), None, None)
    }

    /// Stores bytes at this location, replacing an existing object.
    ///
    /// # Errors
    /// The same as for [`put`](Self::put).
    pub fn put_at<'a>(
        &self,
        location: impl AsRef<str>,
        data: impl AsRef<[u8]>,
        content_type: impl Into<Option<&'a str>>,
    ) -> Result<Stored> {
        host::storage::put(data.as_ref(), Some(location.as_ref()), content_type.into(), None, None)
    }

    /// Stores bytes under conditions.
    ///
    /// ```
    /// use keynet_inference_sdk::{ErrorKind, PutOptions, Storage, testing::Environment};
    ///
    /// Environment::new().run(|| {
    ///     let storage = Storage::new()?;
    ///     let once = PutOptions::at("lock").if_absent();
    ///     storage.put_with("mine", &once)?;
    ///     let second = storage.put_with("also mine", &once).unwrap_err();
    ///     assert_eq!(second.kind(), ErrorKind::PreconditionFailed);
    ///     Ok(())
    /// })?;
    /// # Ok::<(), keynet_inference_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// The same as for [`put`](Self::put); `PreconditionFailed`: the condition does not hold, and
    /// nothing was written.
    pub fn put_with(&self, data: impl AsRef<[u8]>, options: &PutOptions) -> Result<Stored> {
        host::storage::put(
            data.as_ref(),
            options.location.as_deref(),
            options.content_type.as_deref(),
            options.if_match.as_deref(),
            options.if_absent.then_some("*"),
        )
    }

    /// Stores a tensor's data (little-endian, row-major); its bytes do not pass through the action.
    /// `None` as location means a new key.
    ///
    /// # Errors
    /// The same as for [`put`](Self::put).
    pub fn put_tensor<'a>(
        &self,
        location: impl Into<Option<&'a str>>,
        tensor: &Tensor,
        content_type: impl Into<Option<&'a str>>,
    ) -> Result<Stored> {
        host::storage::put_tensor(tensor.host(), location.into(), content_type.into())
    }

    /// Writes an object in parts, for objects that do not fit in memory. `None` as location means a
    /// new key.
    ///
    /// # Errors
    /// The errors of every call.
    pub fn upload<'a>(
        &self,
        location: impl Into<Option<&'a str>>,
        content_type: impl Into<Option<&'a str>>,
    ) -> Result<Upload> {
        Ok(Upload {
            host: host::storage::create_upload(location.into(), content_type.into())?,
            buffer: Vec::new(),
        })
    }

    /// Returns a URL with which anyone can read the object for `ttl` (whole seconds); `None` for
    /// the deployment's default.
    ///
    /// # Errors
    /// `Invalid`: longer than the store allows.
    pub fn presign(
        &self,
        location: impl AsRef<str>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<String> {
        host::storage::presign(location.as_ref(), seconds(ttl.into()))
    }

    /// Returns a URL with which anyone can write the object, once or more often, for `ttl` (whole
    /// seconds). The writer must send this content type.
    ///
    /// # Errors
    /// `Invalid`: longer than the store allows.
    pub fn presign_put<'a>(
        &self,
        location: impl Into<Option<&'a str>>,
        content_type: impl Into<Option<&'a str>>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<WriteGrant> {
        host::storage::presign_put(location.into(), content_type.into(), seconds(ttl.into()))
    }

    /// Lists the objects whose location begins with `prefix`, in the order of their keys. `prefix`
    /// is the beginning of a key, or `s3://bucket/` followed by one. Pages are fetched as the
    /// iterator needs them.
    pub fn list(&self, prefix: impl Into<String>) -> List {
        List { prefix: prefix.into(), page: Vec::new().into_iter(), cursor: Cursor::Start }
    }

    /// Deletes an object; deleting one that does not exist succeeds.
    ///
    /// # Errors
    /// The errors of every call.
    pub fn delete(&self, location: impl AsRef<str>) -> Result<()> {
        host::storage::delete(location.as_ref())
    }
}

fn seconds(ttl: Option<Duration>) -> Option<u32> {
    ttl.map(|ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX))
}

/// Location, content type and conditions of [`Storage::put_with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    location: Option<String>,
    content_type: Option<String>,
    if_match: Option<String>,
    if_absent: bool,
}

impl PutOptions {
    /// Writes under a new key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes at this location.
    pub fn at(location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), ..Self::default() }
    }

    /// Sets the MIME type; the default is `application/octet-stream`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Writes only if the current content has this etag.
    #[must_use]
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }

    /// Writes only if the object does not exist.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.if_absent = true;
        self
    }
}

/// Result of storing an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Location that the action gave, or the new one.
    pub location: String,
    /// Presigned URL that reads the object, valid for the deployment's default time; empty if the
    /// action may not read the location.
    pub url: String,
    /// Etag of the new content, if the store has etags.
    pub etag: Option<String>,
}

/// URL with which anyone can write one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteGrant {
    /// Location of the object.
    pub location: String,
    /// URL to send the bytes to, with HTTP PUT.
    pub url: String,
}

/// Metadata of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Location of the object, accepted by every call of [`Storage`].
    pub location: String,
    /// Size in bytes.
    pub size: u64,
    /// MIME type; `None` in a listing or if unknown.
    pub content_type: Option<String>,
    /// Etag of this content, if the store has etags.
    pub etag: Option<String>,
    /// Time of the last modification.
    pub modified: Option<SystemTime>,
}

/// Iterator over the objects of a listing: [`Storage::list`]. Ends after an error.
#[derive(Debug)]
pub struct List {
    prefix: String,
    page: std::vec::IntoIter<ObjectInfo>,
    cursor: Cursor,
}

#[derive(Debug)]
enum Cursor {
    Start,
    Next(String),
    End,
}

impl Iterator for List {
    type Item = Result<ObjectInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.next() {
                return Some(Ok(object));
            }
            let cursor = match std::mem::replace(&mut self.cursor, Cursor::End) {
                Cursor::Start => None,
                Cursor::Next(cursor) => Some(cursor),
                Cursor::End => return None,
            };
            match host::storage::list(&self.prefix, cursor.as_deref()) {
                Ok((page, next)) => {
                    self.page = page.into_iter();
                    self.cursor = next.map_or(Cursor::End, Cursor::Next);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Object opened for reading; its bytes stay in the store until they are read.
///
/// Every read returns the content that was current when the object was opened, or fails with
/// `PreconditionFailed` after it was replaced. Every call of `Read` is a request to the store and
/// makes an additional copy: for small reads use a [`std::io::BufReader`], which image decoders
/// usually require anyway.
pub struct Object {
    host: host::Object,
    position: u64,
}

impl Object {
    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.host.size()
    }

    /// Returns its MIME type; `None` if the store does not know it.
    pub fn content_type(&self) -> Option<String> {
        self.host.content_type()
    }

    /// Returns the etag of its content; `None` if the store has none.
    pub fn etag(&self) -> Option<String> {
        self.host.etag()
    }

    /// Reads `length` bytes from byte `offset` on; fewer, or no bytes, at the end of the object.
    /// Does not change the position of `Read`.
    ///
    /// # Errors
    /// `NotFound`: deleted since it was opened. `PreconditionFailed`: replaced since it was opened.
    /// `TooLarge`: more than an action may read at once.
    pub fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.host.read(offset, length)
    }

    /// Reads the whole object as a tensor; its bytes do not pass through the action.
    ///
    /// # Errors
    /// `Invalid`: its size does not match the shape. `TooLarge`: over the activation's memory
    /// limit.
    pub fn to_tensor(&self, data_type: DataType, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::from_host(self.host.to_tensor(data_type, &to_wire(shape)?)?))
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.host.read(self.position, buffer.len() as u64)?;
        let Some(start) = buffer.get_mut(..bytes.len()) else {
            return Err(Error::internal("the host returned more bytes than were asked for").into());
        };
        start.copy_from_slice(&bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Object {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "seek to before the object's first byte")
        })?;
        Ok(self.position)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} bytes, at {})", self.size(), self.position)
    }
}

/// Object being written in parts. It becomes visible with [`finish`](Self::finish); dropping it
/// before aborts it.
///
/// ```
/// use std::io::Write;
/// use keynet_inference_sdk::{Storage, testing::Environment};
///
/// Environment::new().run(|| {
///     let mut upload = Storage::new()?.upload("numbers.txt", "text/plain")?;
///     for number in 1..=3 {
///         writeln!(upload, "{number}")?;
///     }
///     let stored = upload.finish()?;
///     assert_eq!(Storage::new()?.get(&stored.location)?, b"1\n2\n3\n");
///     Ok(())
/// })?;
/// # Ok::<(), keynet_inference_sdk::Error>(())
/// ```
#[must_use = "an upload that is dropped without `finish` is aborted"]
pub struct Upload {
    host: host::Upload,
    /// Less than [`UPLOAD_BUFFER`] bytes, so that small writes do not each become a call of the
    /// host.
    buffer: Vec<u8>,
}

impl Upload {
    /// Makes the object visible as a whole, replacing an existing one.
    ///
    /// # Errors
    /// `TooLarge`: more than an action may write.
    pub fn finish(mut self) -> Result<Stored> {
        self.drain()?;
        self.host.finish()
    }

    /// Discards what was written.
    ///
    /// # Errors
    /// The errors of every call.
    pub fn abort(self) -> Result<()> {
        self.host.abort()
    }

    fn drain(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.host.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + data.len() > UPLOAD_BUFFER {
            self.drain()?;
        }
        if data.len() >= UPLOAD_BUFFER {
            self.host.write(data)?;
        } else {
            self.buffer.extend_from_slice(data);
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.drain()?)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}
