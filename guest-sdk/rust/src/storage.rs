//! Read and write objects.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use crate::data_type::DataType;
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::tensor::{Tensor, to_wire};

/// How much [`Upload`] gathers before it hands it to the host, in bytes.
const UPLOAD_BUFFER: usize = 256 << 10;

/// A client of the object store, with the host's credentials.
///
/// A location is a key of the default bucket (`20260131/cat.png`), `s3://bucket/key` or, only to
/// read, an http(s) URL such as a presigned one. Any call may fail with `Invalid` (the location),
/// `Denied`, `Timeout` or `Unavailable`; other kinds are named.
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
    /// The deployment's object store.
    ///
    /// # Errors
    /// `Unavailable`: in a native test outside a
    /// [`testing::Environment`](crate::testing::Environment).
    pub fn new() -> Result<Self> {
        host::storage::ready()?;
        Ok(Self { _private: () })
    }

    /// The whole object.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge`: more than an action may read at once, see [`open`](Self::open).
    pub fn get(&self, location: impl AsRef<str>) -> Result<Vec<u8>> {
        host::storage::get(location.as_ref(), None)
    }

    /// The whole object, or `None` while its etag still is this one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_if_changed(&self, location: impl AsRef<str>, etag: &str) -> Result<Option<Vec<u8>>> {
        match host::storage::get(location.as_ref(), Some(etag)) {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(None),
            other => other.map(Some),
        }
    }

    /// Open an object to read parts of it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn open(&self, location: impl AsRef<str>) -> Result<Object> {
        Ok(Object { host: host::storage::open(location.as_ref())?, position: 0 })
    }

    /// The whole object as a tensor, its bytes not passing through the action.
    ///
    /// # Errors
    /// `NotFound`. `Invalid`: its size is not that of the shape. `TooLarge`: over the activation's
    /// memory limit.
    pub fn get_tensor(
        &self,
        location: impl AsRef<str>,
        data_type: DataType,
        shape: &[usize],
    ) -> Result<Tensor> {
        self.open(location)?.to_tensor(data_type, shape)
    }

    /// Look an object up without reading it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn head(&self, location: impl AsRef<str>) -> Result<ObjectInfo> {
        host::storage::head(location.as_ref())
    }

    /// Store bytes under a new key `YYYYMMDD/uuid`. The content type is a MIME type; `None` means
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

    /// Store bytes at this location, replacing what is there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_at<'a>(
        &self,
        location: impl AsRef<str>,
        data: impl AsRef<[u8]>,
        content_type: impl Into<Option<&'a str>>,
    ) -> Result<Stored> {
        host::storage::put(data.as_ref(), Some(location.as_ref()), content_type.into(), None, None)
    }

    /// Store bytes on conditions.
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
    /// As [`put`](Self::put); `PreconditionFailed`: the condition does not hold, nothing was
    /// written.
    pub fn put_with(&self, data: impl AsRef<[u8]>, options: &PutOptions) -> Result<Stored> {
        host::storage::put(
            data.as_ref(),
            options.location.as_deref(),
            options.content_type.as_deref(),
            options.if_match.as_deref(),
            options.if_absent.then_some("*"),
        )
    }

    /// Store a tensor's data (little-endian, row-major), its bytes not passing through the action;
    /// `None` as location for a new key.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_tensor<'a>(
        &self,
        location: impl Into<Option<&'a str>>,
        tensor: &Tensor,
        content_type: impl Into<Option<&'a str>>,
    ) -> Result<Stored> {
        host::storage::put_tensor(tensor.host(), location.into(), content_type.into())
    }

    /// Write an object in parts, for what does not fit in memory; `None` as location for a new key.
    ///
    /// # Errors
    /// Those of every call.
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

    /// A URL with which anyone can read the object for `ttl` (whole seconds); `None` for the
    /// deployment's default.
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

    /// A URL with which anyone can write the object, once or more, for `ttl` (whole seconds). Who
    /// writes must send this content type.
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

    /// The objects whose location starts with `prefix`, in the order of their keys: a key's start,
    /// or `s3://bucket/` and a key's start. Pages are fetched as the iterator needs them.
    pub fn list(&self, prefix: impl Into<String>) -> List {
        List { prefix: prefix.into(), page: Vec::new().into_iter(), cursor: Cursor::Start }
    }

    /// Delete an object; deleting one that is not there succeeds.
    ///
    /// # Errors
    /// Those of every call.
    pub fn delete(&self, location: impl AsRef<str>) -> Result<()> {
        host::storage::delete(location.as_ref())
    }
}

fn seconds(ttl: Option<Duration>) -> Option<u32> {
    ttl.map(|ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX))
}

/// Where and on which condition [`Storage::put_with`] writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    location: Option<String>,
    content_type: Option<String>,
    if_match: Option<String>,
    if_absent: bool,
}

impl PutOptions {
    /// Under a new key.
    pub fn new() -> Self {
        Self::default()
    }

    /// At this location.
    pub fn at(location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), ..Self::default() }
    }

    /// The MIME type, else `application/octet-stream`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Only over the content that has this etag.
    #[must_use]
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }

    /// Only where nothing is.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.if_absent = true;
        self
    }
}

/// Where an object went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The location it was given, or the new one.
    pub location: String,
    /// A presigned URL that reads it, valid for the deployment's default time; empty where the
    /// action may not read the location.
    pub url: String,
    /// The store's tag for the new content, where it has one.
    pub etag: Option<String>,
}

/// A URL that lets anyone write one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteGrant {
    /// Where the object will be.
    pub location: String,
    /// The URL to send the bytes to, by HTTP PUT.
    pub url: String,
}

/// What the store knows about an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Where it is: hand it to any call of [`Storage`].
    pub location: String,
    /// In bytes.
    pub size: u64,
    /// The MIME type; `None` in a listing or when unknown.
    pub content_type: Option<String>,
    /// The store's tag for this content, where it has one.
    pub etag: Option<String>,
    /// Last change.
    pub modified: Option<SystemTime>,
}

/// The objects of a listing: [`Storage::list`]. After an error there is nothing more.
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

/// An object opened for reading; its bytes stay in the store until asked for.
///
/// Every read is of the content that was there when it was opened: `PreconditionFailed` once it was
/// replaced. `Read` asks the store each time and copies once more: for small reads wrap it in a
/// [`std::io::BufReader`], as image decoders want anyway.
pub struct Object {
    host: host::Object,
    position: u64,
}

impl Object {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.host.size()
    }

    /// Its MIME type, where the store knows it.
    pub fn content_type(&self) -> Option<String> {
        self.host.content_type()
    }

    /// The store's tag for its content, where it has one.
    pub fn etag(&self) -> Option<String> {
        self.host.etag()
    }

    /// `length` bytes from byte `offset` on; fewer, or none, where the object ends. Does not move
    /// the position of `Read`.
    ///
    /// # Errors
    /// `NotFound`: deleted since. `PreconditionFailed`: replaced since. `TooLarge`: more than an
    /// action may read at once.
    pub fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.host.read(offset, length)
    }

    /// The whole object as a tensor, its bytes not passing through the action.
    ///
    /// # Errors
    /// `Invalid`: its size is not that of the shape. `TooLarge`: over the activation's memory
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

/// An object being written in parts. Nobody sees it before [`finish`](Self::finish); dropped
/// without it, it is aborted.
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
    /// Less than [`UPLOAD_BUFFER`]: small writes must not each become a call of the host.
    buffer: Vec<u8>,
}

impl Upload {
    /// Make the object visible as a whole, replacing what is there.
    ///
    /// # Errors
    /// `TooLarge`: more than an action may write.
    pub fn finish(mut self) -> Result<Stored> {
        self.drain()?;
        self.host.finish()
    }

    /// Throw away what was written.
    ///
    /// # Errors
    /// Those of every call.
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
