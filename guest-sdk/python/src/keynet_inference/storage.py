"""Objects: reading and writing them with the host's credentials."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, BinaryIO

from . import _host
from .data_type import DataType
from .errors import InvalidError, PreconditionFailedError
from .tensor import Tensor

#: Bytes that an upload gathers before it hands them to the host.
_UPLOAD_BUFFER = 256 << 10


class StoredUrl(str):
    """A presigned URL that reads what was stored: a ``str`` with two more attributes.

    It is empty where the deployment's policy does not let the action read what it wrote.
    """

    #: The object's location: hand it to any method of :class:`Storage`.
    location: str
    #: The store's tag for the content, ``None`` if it has none.
    etag: str | None

    @classmethod
    def _of(cls, stored: _host.Stored) -> StoredUrl:
        url = cls(stored.url)
        url.location, url.etag = stored.location, stored.etag
        return url


@dataclass(frozen=True)
class ObjectInfo:
    """What the store knows about an object without reading it."""

    location: str
    #: In bytes.
    size: int
    #: The MIME type; ``None`` in a listing, or if the store does not know it.
    content_type: str | None
    etag: str | None
    #: The last change; ``None`` if the store does not know it.
    modified: datetime | None


@dataclass(frozen=True)
class WriteGrant:
    """A URL with which anyone can write one object, by HTTP PUT."""

    location: str
    url: str


class Storage:
    """A client of the deployment's object store.

    A location is a key of the default bucket (``20260131/cat.png``), ``s3://bucket/key`` or, only to read, an http(s) URL such
    as a presigned one. Any method may raise :class:`InvalidError` (the location), :class:`DeniedError`,
    :class:`TimedOutError` or :class:`UnavailableError`; other errors are named.
    """

    def get(self, url: str, save_path: str | None = None) -> io.BytesIO:
        """Returns a buffer with the whole object at a URL or other location.

        Raises :class:`NotFoundError`; :class:`TooLargeError`: more than an action may read at once, see :meth:`open`.
        """
        if save_path is not None:
            raise InvalidError("an action has no files: leave `save_path` out and use the buffer that get() returns")
        return io.BytesIO(_host.current().get(_location(url), None))

    def get_if_changed(self, url: str, etag: str) -> io.BytesIO | None:
        """Returns the object as :meth:`get` does, ``None`` while it still has this etag."""
        try:
            return io.BytesIO(_host.current().get(_location(url), etag))
        except PreconditionFailedError:
            return None

    def get_tensor(self, url: str, data_type: DataType | str, shape: Sequence[int]) -> Tensor:
        """Returns the object's bytes as a tensor, which does not pass through the action's memory.

        Raises as :meth:`get`, and :class:`InvalidError` if the size is not that of the shape.
        """
        with self.open(url) as opened:
            return opened.to_tensor(data_type, shape)

    def open(self, url: str) -> StoredObject:
        """Opens an object to read parts of it: a binary file object that can seek. Raises :class:`NotFoundError`."""
        return StoredObject(_host.current().open(_location(url)))

    def head(self, url: str) -> ObjectInfo:
        """Returns what the store knows about an object. Raises :class:`NotFoundError`."""
        return _info(_host.current().head(_location(url)))

    def put(
        self,
        buffer: bytes | bytearray | memoryview | BinaryIO | Tensor,
        content_type: str = "image/png",
        *,
        key: str | None = None,
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> StoredUrl:
        """Stores bytes and returns a presigned URL that reads them, valid for 6,000 s unless the deployment says otherwise.

        A file object is read from its position on. Without ``key`` the object gets a new one, ``YYYYMMDD/uuid``. With
        ``if_match`` it is written only over the content that has this etag, with ``if_absent`` only where nothing is.

        Raises :class:`TooLargeError`: more than an action may write; :class:`PreconditionFailedError`: nothing was written.
        """
        host = _host.current()
        if isinstance(buffer, Tensor):
            if if_match is not None or if_absent:
                raise InvalidError("a tensor is stored without conditions: pass its tobytes() with if_match or if_absent")
            return StoredUrl._of(host.put_tensor(buffer.handle, key, content_type))
        return StoredUrl._of(host.put(_bytes_of(buffer), key, content_type, if_match, "*" if if_absent else None))

    def upload(self, content_type: str = "application/octet-stream", *, key: str | None = None) -> Upload:
        """Begins to write an object in parts, for what does not fit in memory::

            with storage.upload("text/csv", key="rows.csv") as upload:
                for row in rows:
                    upload.write(row)
            return {"url": upload.url}

        The object appears as a whole at the end of the block; an exception throws it away.
        """
        return Upload(_host.current().create_upload(key, content_type))

    def presign(self, key: str, ttl: int | None = 6000) -> str:
        """Returns a URL with which anyone can read the object for ``ttl`` seconds, ``None`` for the deployment's default."""
        return _host.current().presign(_location(key), ttl)

    def presign_put(
        self, key: str | None = None, content_type: str = "application/octet-stream", ttl: int | None = 6000
    ) -> WriteGrant:
        """Returns a URL with which anyone can write an object of this MIME type for ``ttl`` seconds."""
        location, url = _host.current().presign_put(key, content_type, ttl)
        return WriteGrant(location, url)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yields the objects whose location starts with ``prefix``, in the order of their keys."""
        cursor: str | None = None
        while True:
            page, cursor = _host.current().list(prefix, cursor)
            yield from map(_info, page)
            if cursor is None:
                return

    def delete(self, key: str) -> None:
        """Deletes an object; deleting one that does not exist succeeds."""
        _host.current().delete(_location(key))


class StoredObject(io.RawIOBase):
    """An object opened for reading: a binary file object that can seek.

    Its bytes stay in the store until they are read. Every read is of the content that was there when it was opened: it raises
    :class:`PreconditionFailedError` once the object was replaced, :class:`NotFoundError` once it was deleted.
    """

    def __init__(self, handle: _host.HostObject) -> None:
        self._handle: _host.HostObject | None = handle
        self._size = handle.size()
        self._position = 0

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._size

    @property
    def content_type(self) -> str | None:
        """Its MIME type; ``None`` if the store does not know it."""
        return self._opened().content_type()

    @property
    def etag(self) -> str | None:
        """The store's tag for its content; ``None`` if it has none."""
        return self._opened().etag()

    def read_range(self, offset: int, length: int) -> bytes:
        """Returns ``length`` bytes from byte ``offset`` on; fewer, or none, where the object ends."""
        return self._opened().read(offset, length)

    def to_tensor(self, data_type: DataType | str, shape: Sequence[int]) -> Tensor:
        """Returns the whole object as a tensor, which does not pass through the action's memory.

        Raises :class:`InvalidError` if its size is not that of the shape, :class:`TooLargeError` over the memory limit.
        """
        return Tensor(self._opened().to_tensor(DataType.of(data_type), [int(size) for size in shape]))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}, before the object's first byte")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read_range(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        data = self.read_range(self._position, max(0, self._size - self._position))
        self._position += len(data)
        return data

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.drop()
        super().close()

    def _opened(self) -> _host.HostObject:
        if self._handle is None:
            raise ValueError("the object was closed")
        return self._handle


class Upload:
    """An object being written in parts. Nobody sees it before :meth:`finish`; without it the object is thrown away."""

    def __init__(self, handle: _host.HostUpload) -> None:
        self._handle: _host.HostUpload | None = handle
        self._gathered = bytearray()
        #: The URL that reads the object, after :meth:`finish`.
        self.url: StoredUrl | None = None

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Appends bytes and returns their number. Raises :class:`TooLargeError`: more than an action may write."""
        handle = self._open()
        self._gathered += data
        if len(self._gathered) >= _UPLOAD_BUFFER:
            gathered, self._gathered = bytes(self._gathered), bytearray()
            handle.write(gathered)
        return len(data)

    def finish(self) -> StoredUrl:
        """Makes the object visible as a whole, and returns a presigned URL that reads it."""
        handle = self._open()
        if self._gathered:
            handle.write(bytes(self._gathered))
        self.url = StoredUrl._of(handle.finish())
        self._end(handle)
        return self.url

    def abort(self) -> None:
        """Throws away what was written; after :meth:`finish` it changes nothing."""
        handle = self._handle
        if handle is not None:
            handle.abort()
            self._end(handle)

    def _open(self) -> _host.HostUpload:
        if self._handle is None:
            raise InvalidError("the upload was finished or aborted before")
        return self._handle

    def _end(self, handle: _host.HostUpload) -> None:
        self._handle, self._gathered = None, bytearray()
        handle.drop()

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if kind is not None:
            self.abort()
        elif self._handle is not None:
            self.finish()


def _location(url: Any) -> str:
    if not isinstance(url, str):
        raise InvalidError(f"a location is text, a URL or a key, not {type(url).__name__}: was the parameter sent?")
    return str(url)


def _bytes_of(buffer: Any) -> bytes:
    if isinstance(buffer, (bytes, bytearray, memoryview)):
        return bytes(buffer)
    read = getattr(buffer, "read", None)
    data = read() if callable(read) else buffer
    if isinstance(data, str):
        raise InvalidError("text is not stored as it is: encode it first, as text.encode()")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidError(f"a {type(buffer).__name__} is not stored: pass bytes, a buffer such as io.BytesIO, or a Tensor")
    return bytes(data)


def _info(info: _host.Info) -> ObjectInfo:
    modified = None if info.modified_ms is None else datetime.fromtimestamp(info.modified_ms / 1000, timezone.utc)
    return ObjectInfo(info.location, info.size, info.content_type, info.etag, modified)
