"""Tests of an action's code under plain CPython: parameters, objects and models in memory.

::

    from keynet_inference.testing import Environment
    import function

    def test_it_finds_the_cat():
        environment = Environment(
            params={"image_url": "cat.png"},
            objects={"cat.png": PICTURE},
            models={"detector": lambda inputs: {"output_0": numpy.zeros((1, 6), numpy.float32)}},
        )
        assert environment.call(function.main) == {"found": []}
        assert environment.written[0].content_type == "image/png"

With pytest the fixture ``keynet`` is an empty environment. Keys, etags and URLs of what is stored follow from the order of
storing, so that a test can expect them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from . import _host
from .data_type import DataType
from .errors import InvalidError, KeynetError, NotFoundError, PreconditionFailedError, TooLargeError
from .function import declaration_of
from .model_config import InputOutput, ModelConfig
from .result import to_json
from .tensor import Tensor, to_tensor

__all__ = ["Environment", "Written"]

#: A model of a test: from its inputs by name to its outputs by name, or to an iterable of them for a stream.
Model = Callable[[dict[str, Any]], Any]

_URL = "https://storage.invalid/"
_DAY = "20260131"
_MAX_REQUESTS = 256


@dataclass(frozen=True)
class Written:
    """An object that the action stored."""

    location: str
    data: bytes
    content_type: str


class Environment:
    """What an action's code meets in a test: in ``with environment:``, or while :meth:`call` runs its function."""

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        objects: Mapping[str, bytes] | None = None,
        models: Mapping[str, Model] | None = None,
    ) -> None:
        self._host = _Memory()
        self._tokens: list[Any] = []
        self.params: dict[str, Any] = dict(params or {})
        for location, data in (objects or {}).items():
            self.object(location, data)
        for name, model in (models or {}).items():
            self.model(name, model)

    def param(self, name: str, value: Any) -> Environment:
        """Adds a parameter that the caller sends."""
        self.params[name] = value
        return self

    def object(self, location: str, data: bytes | bytearray, content_type: str | None = None) -> Environment:
        """Adds an object: under a key, an ``s3://bucket/key``, or an http(s) URL to be read."""
        self._host.store(location, bytes(data), content_type, by_action=False)
        return self

    def model(
        self,
        name: str,
        model: Model,
        *,
        inputs: Iterable[InputOutput] = (),
        outputs: Iterable[InputOutput] = (),
        platform: str = "python",
        versions: Iterable[str] = ("1",),
    ) -> Environment:
        """Adds a model. The first is the one asked when no name is given.

        ``model`` gets its inputs by name, numpy arrays where numpy was imported, and returns its outputs by name; an iterable
        of them answers a stream. It may raise an error of this package. ``inputs`` and ``outputs`` are what ``get_config`` tells; an
        input of another type than is declared is refused, as a server refuses it.
        """
        config = ModelConfig(name, list(versions), platform, True, list(inputs), list(outputs))
        self._host.models[name] = _Model(model, config)
        return self

    @property
    def written(self) -> list[Written]:
        """The objects that the action stored and did not delete, in the order of their locations."""
        stored = sorted(self._host.objects.items())
        return [Written(key, each.data, each.content_type or "application/octet-stream") for key, each in stored if each.by_action]

    def call(self, function: Callable[[Any], Any], params: Any = None) -> Any:
        """Runs a decorated function as the runtime does: parameters and result pass through JSON.

        Raises what the function raises, and :class:`InternalError` for a result that cannot be JSON.
        """
        if declaration_of(function) is None:
            raise TypeError(f"{function!r} is not decorated with @keynet_function")
        arguments = json.loads(json.dumps(self.params if params is None else params))
        with self:
            return json.loads(to_json(function(arguments)))

    def __enter__(self) -> Environment:
        self._tokens.append(_host.enter(self._host))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        _host.leave(self._tokens.pop())


@dataclass
class _Model:
    answer: Model
    config: ModelConfig


@dataclass
class _Object:
    data: bytes
    content_type: str | None
    etag: str
    by_action: bool


@dataclass
class _Memory:
    """The host in memory."""

    objects: dict[str, _Object] = field(default_factory=dict)
    models: dict[str, _Model] = field(default_factory=dict)
    stored: int = 0

    # ---- Tensors and models

    def tensor(self, data_type: DataType, shape: list[int], data: bytes) -> _Tensor:
        return _Tensor.checked(data_type, shape, data)

    def predict(self, request: _host.Request) -> _host.Outputs:
        answers = self._answers(request)
        if isinstance(answers, Mapping):
            return _chosen(answers, request.outputs)
        raise InvalidError(f"the model {request.model!r} answers many times: use predict_stream")

    def predict_many(self, requests: list[_host.Request]) -> list[_host.Outputs | KeynetError]:
        if len(requests) > _MAX_REQUESTS:
            refused = TooLargeError(f"{len(requests)} requests in one predict_many: at most {_MAX_REQUESTS} may go at once")
            return [refused for _ in requests]
        answers: list[_host.Outputs | KeynetError] = []
        for request in requests:
            try:
                answers.append(self.predict(request))
            except KeynetError as error:
                answers.append(error)
        return answers

    def predict_stream(self, request: _host.Request) -> _Stream:
        answers = self._answers(request)
        each = [answers] if isinstance(answers, Mapping) else answers
        return _Stream(_chosen(answer, request.outputs) for answer in each)

    def metadata(self, model: str) -> ModelConfig:
        return self._model(model).config

    def _answers(self, request: _host.Request) -> Any:
        model = self._model(request.model)
        declared = {each.name: each.datatype for each in model.config.inputs}
        for name, tensor in request.inputs:
            if tensor.data_type().value != declared.get(name, tensor.data_type().value):
                raise InvalidError(f"model {model.config.name}, input {name}: expected {declared[name]}, got {tensor.data_type()}")
        return model.answer({name: _to_model(Tensor(tensor)) for name, tensor in request.inputs})

    def _model(self, name: str) -> _Model:
        if not name and self.models:
            return next(iter(self.models.values()))
        bare = name.removeprefix("models:/").split("@")[0].split("/")[0].split(":")[0]
        if bare not in self.models:
            raise NotFoundError(f"there is no model {name!r} in this test: Environment().model({bare!r}, …) adds one")
        return self.models[bare]

    # ---- Objects

    def store(self, location: str, data: bytes, content_type: str | None, by_action: bool = True) -> _host.Stored:
        self.stored += 1
        etag = f'"{self.stored}"'
        self.objects[location] = _Object(data, content_type, etag, by_action)
        return _host.Stored(location, self.presign(location, None), etag)

    def _find(self, location: str) -> tuple[str, _Object]:
        key = location if location in self.objects else location.removeprefix(_URL)
        if not location:
            raise InvalidError("the location is empty")
        if key not in self.objects:
            raise NotFoundError(f"there is no object at {location!r} in this test: Environment().object({location!r}, …) adds one")
        return key, self.objects[key]

    def get(self, location: str, if_none_match: str | None) -> bytes:
        _, found = self._find(location)
        if if_none_match == found.etag:
            raise PreconditionFailedError(f"the object {location!r} still has the etag {found.etag}")
        return found.data

    def open(self, location: str) -> _Opened:
        key, found = self._find(location)
        return _Opened(self, key, found)

    def head(self, location: str) -> _host.Info:
        key, found = self._find(location)
        return _host.Info(key, len(found.data), found.content_type, found.etag, 0)

    def put(
        self, data: bytes, location: str | None, content_type: str | None, if_match: str | None, if_none_match: str | None
    ) -> _host.Stored:
        key = self._writable(location)
        found = self.objects.get(key)
        if (if_none_match and found) or (if_match and (found is None or found.etag != if_match)):
            raise PreconditionFailedError(f"the object {key!r} is not the one that is expected")
        return self.store(key, data, content_type)

    def put_tensor(self, tensor: _Tensor, location: str | None, content_type: str | None) -> _host.Stored:
        return self.store(self._writable(location), tensor.data(), content_type)

    def create_upload(self, location: str | None, content_type: str | None) -> _Upload:
        return _Upload(self, self._writable(location), content_type)

    def presign(self, location: str, ttl_seconds: int | None) -> str:
        if ttl_seconds is not None and ttl_seconds < 1:
            raise InvalidError("a presigned URL is valid for 1 second or more")
        return _URL + location.removeprefix(_URL)

    def presign_put(self, location: str | None, content_type: str | None, ttl_seconds: int | None) -> tuple[str, str]:
        key = self._writable(location)
        return key, self.presign(key, ttl_seconds)

    def list(self, prefix: str, cursor: str | None) -> tuple[list[_host.Info], str | None]:
        is_key = [each for each in self.objects if "://" not in each or each.startswith("s3://")]
        found = sorted(each for each in is_key if each.startswith(prefix) and (prefix or "://" not in each))
        return [self.head(each) for each in found], None

    def delete(self, location: str) -> None:
        self.objects.pop(self._writable(location), None)

    def _writable(self, location: str | None) -> str:
        if location is None:
            return f"{_DAY}/{self.stored + 1:08x}-0000-4000-8000-000000000000"
        if location.startswith(("http://", "https://")):
            raise InvalidError(f"{location!r} is a URL, which can only be read: write to a key or an s3:// location")
        if not location or location.startswith("/"):
            raise InvalidError(f"{location!r} is not a key")
        return location


@dataclass
class _Tensor:
    _data_type: DataType
    _shape: list[int]
    _data: bytes

    @classmethod
    def checked(cls, data_type: DataType, shape: list[int], data: bytes) -> _Tensor:
        if any(size < 0 for size in shape):
            raise InvalidError(f"the shape {shape} has a negative dimension")
        elements = 1
        for size in shape:
            elements *= size
        if data_type.size is None:
            found = len(Tensor(cls(data_type, shape, data)).tolist())
            if found != elements:
                raise InvalidError(f"{found} elements do not fill the shape {shape}, which has {elements}")
        elif elements * data_type.size != len(data):
            raise InvalidError(f"{len(data)} bytes do not fill the shape {shape} of {data_type}, which takes {elements * data_type.size}")
        return cls(data_type, shape, data)

    def data_type(self) -> DataType:
        return self._data_type

    def shape(self) -> list[int]:
        return self._shape

    def byte_length(self) -> int:
        return len(self._data)

    def data(self) -> bytes:
        return self._data

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def drop(self) -> None:
        pass


class _Stream:
    def __init__(self, answers: Iterator[_host.Outputs]) -> None:
        self._answers = answers

    def next(self) -> _host.Outputs | None:
        return next(self._answers, None)

    def drop(self) -> None:
        pass


@dataclass
class _Opened:
    _memory: _Memory
    _key: str
    _object: _Object

    def size(self) -> int:
        return len(self._object.data)

    def content_type(self) -> str | None:
        return self._object.content_type

    def etag(self) -> str | None:
        return self._object.etag

    def read(self, offset: int, length: int) -> bytes:
        now = self._memory.objects.get(self._key)
        if now is None:
            raise NotFoundError(f"the object {self._key!r} was deleted")
        if now.etag != self._object.etag:
            raise PreconditionFailedError(f"the object {self._key!r} was replaced")
        return self._object.data[offset : offset + length]

    def to_tensor(self, data_type: DataType, shape: list[int]) -> _Tensor:
        return _Tensor.checked(data_type, shape, self.read(0, self.size()))

    def drop(self) -> None:
        pass


class _Upload:
    def __init__(self, memory: _Memory, key: str, content_type: str | None) -> None:
        self._memory, self._key, self._content_type = memory, key, content_type
        self._parts: list[bytes] | None = []

    def write(self, data: bytes) -> None:
        self._open().append(data)

    def finish(self) -> _host.Stored:
        data, self._parts = b"".join(self._open()), None
        return self._memory.store(self._key, data, self._content_type)

    def abort(self) -> None:
        self._parts = None

    def drop(self) -> None:
        self._parts = None

    def _open(self) -> list[bytes]:
        if self._parts is None:
            raise InvalidError("the upload was finished or aborted before")
        return self._parts


def _to_model(tensor: Tensor) -> Any:
    return tensor.numpy() if "numpy" in sys.modules else tensor


def _chosen(answer: Mapping[str, Any], wanted: list[str]) -> _host.Outputs:
    missing = [name for name in wanted if name not in answer]
    if missing:
        raise InvalidError(f"the model has no output {missing[0]!r}; it has {', '.join(answer)}")
    return [(name, to_tensor(name, answer[name]).handle) for name in (wanted or answer)]
