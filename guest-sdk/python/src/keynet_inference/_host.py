"""The host's side of the contract, as the rest of the SDK calls it.

Two modules implement :class:`Host`: ``_component`` inside a component, over the bindings that componentize-py generates,
and ``testing`` under plain CPython. Every method raises :class:`~keynet_inference.errors.KeynetError`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from .data_type import DataType
from .errors import KeynetError, UnavailableError
from .model_config import ModelConfig


class Droppable(Protocol):
    """What the host keeps for the action until it is given back."""

    def drop(self) -> None: ...


Handle = TypeVar("Handle", bound=Droppable)
Self = TypeVar("Self", bound="Held[Any]")


class Held(Generic[Handle]):
    """A handle of the host that is given back by :meth:`close`, at the end of a ``with`` block, or with the last reference."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle: Handle | None = handle

    def close(self) -> None:
        """Gives it back to the host now. Closing it twice changes nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.drop()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.close()


class HostTensor(Protocol):
    """A tensor in the host's memory: immutable, row-major, little-endian."""

    def data_type(self) -> DataType: ...

    def shape(self) -> list[int]: ...

    def byte_length(self) -> int: ...

    def data(self) -> bytes: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def drop(self) -> None: ...


@dataclass
class Request:
    """One question to one model; the fields of the contract's ``request``."""

    model: str
    inputs: list[tuple[str, HostTensor]]
    outputs: list[str] = field(default_factory=list)
    timeout_ms: int | None = None
    parameters: str = ""


Outputs = list[tuple[str, HostTensor]]


class HostStream(Protocol):
    """The answers of a model that may answer many times."""

    def next(self) -> Outputs | None: ...

    def drop(self) -> None: ...


@dataclass
class Info:
    """The contract's ``object-info``."""

    location: str
    size: int
    content_type: str | None
    etag: str | None
    modified_ms: int | None


@dataclass
class Stored:
    """The contract's ``stored``."""

    location: str
    url: str
    etag: str | None


class HostObject(Protocol):
    """An object opened for reading."""

    def size(self) -> int: ...

    def content_type(self) -> str | None: ...

    def etag(self) -> str | None: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def to_tensor(self, data_type: DataType, shape: list[int]) -> HostTensor: ...

    def drop(self) -> None: ...


class HostUpload(Protocol):
    """An object being written in parts."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> Stored: ...

    def abort(self) -> None: ...

    def drop(self) -> None: ...


class Host(Protocol):
    """Every import of the world ``action`` but ``user-input``, which the decorated function's argument replaces."""

    def tensor(self, data_type: DataType, shape: list[int], data: bytes) -> HostTensor: ...

    def predict(self, request: Request) -> Outputs: ...

    def predict_many(self, requests: list[Request]) -> list[Outputs | KeynetError]: ...

    def predict_stream(self, request: Request) -> HostStream: ...

    def metadata(self, model: str) -> ModelConfig: ...

    def get(self, location: str, if_none_match: str | None) -> bytes: ...

    def open(self, location: str) -> HostObject: ...

    def head(self, location: str) -> Info: ...

    def put(
        self,
        data: bytes,
        location: str | None,
        content_type: str | None,
        if_match: str | None,
        if_none_match: str | None,
    ) -> Stored: ...

    def put_tensor(self, tensor: Any, location: str | None, content_type: str | None) -> Stored: ...

    def create_upload(self, location: str | None, content_type: str | None) -> HostUpload: ...

    def presign(self, location: str, ttl_seconds: int | None) -> str: ...

    def presign_put(
        self, location: str | None, content_type: str | None, ttl_seconds: int | None
    ) -> tuple[str, str]: ...

    def list(self, prefix: str, cursor: str | None) -> tuple[list[Info], str | None]: ...

    def delete(self, location: str) -> None: ...


_component: Host | None = None
_testing: ContextVar[Host | None] = ContextVar("keynet_inference_host", default=None)


def set_component(host: Host) -> None:
    """Makes ``host`` the one that this component's code meets. Called once, when the component is built."""
    global _component
    _component = host


def enter(host: Host) -> Any:
    """Makes ``host`` the one that code of this context meets, and returns the token for :func:`leave`."""
    return _testing.set(host)


def leave(token: Any) -> None:
    """Ends what :func:`enter` began."""
    _testing.reset(token)


def current() -> Host:
    """Returns the host that this code runs on.

    Raises :class:`~keynet_inference.errors.UnavailableError` outside a component and a test environment.
    """
    host = _testing.get() or _component
    if host is None:
        raise UnavailableError(
            "there is no host here: run the action with `keynet-inference run`, "
            "or inside `with keynet_inference.testing.Environment():` in a test"
        )
    return host
