"""The component's side: the exports of the world ``action``, and its imports as the SDK calls them.

Imported only where componentize-py builds a component, by the module that ``keynet-inference build`` writes.
"""

from __future__ import annotations

import gc
import json
import linecache
import logging
import os
import random
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.exports.function import FunctionInfo
from wit_world.imports import storage, triton_predict, types

from . import _host
from ._build import find, user_frames
from .data_type import DataType
from .errors import InternalError, InvalidError, KeynetError, of_kind
from .function import Declaration
from .model_config import InputOutput, ModelConfig
from .result import to_json

T = TypeVar("T")

_HERE = os.path.dirname(__file__)
_KINDS = {kind.name.lower().replace("_", "-"): kind for kind in types.ErrorKind}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_TO_HOST = {each: triton_predict.DataType[each.value] for each in DataType}
_FROM_HOST = {theirs: ours for ours, theirs in _TO_HOST.items()}


# ---- Exports


class Function:
    """The exported interface ``function``; :meth:`of` makes the class that componentize-py looks for."""

    declaration: Declaration
    #: The folder of the project's modules, as it was called when the component was built.
    root: str
    #: Whether the SDK configured ``logging``, since the user's modules did not.
    logs: bool

    @classmethod
    def of(cls, module: ModuleType) -> type[Function]:
        """Returns the exports for the decorated function of a user's module, ``main`` or the only one; all modules must have been imported."""
        _host.set_component(_Component())
        root = os.path.dirname(module.__file__ or "")
        keep_source(root)
        exports = type("Function", (cls,), {"declaration": find(module), "root": root})
        exports.declaration.prepare()
        exports.logs = _log_to_stderr()
        # What is there from the build lives as long as the instance: a collector that looked through it would write to each of its pages.
        gc.collect()
        gc.freeze()
        return exports

    def describe(self) -> FunctionInfo:
        declaration = self.declaration
        schema = declaration.input_schema
        return FunctionInfo(declaration.name, declaration.description, None if schema is None else json.dumps(schema))

    def run(self, args: str) -> str:
        _start(self.logs)
        try:
            return to_json(self.declaration.call(_parsed(args)))
        except MemoryError as error:
            traceback.clear_frames(error.__traceback__)  # what they hold is needed to tell it
            _told(error, self.root)
            _flush()
            os.abort()  # the host then tells which limit the action met, and how to raise it
        except Exception as error:
            raise Err(_told(error, self.root)) from None
        finally:
            _flush()


def keep_source(root: str) -> None:
    """Keeps the lines of the modules below ``root``, so that a traceback shows them: a component has no files."""
    for each in list(sys.modules.values()):
        path = getattr(each, "__file__", None)
        if path and path.startswith(f"{root}/") and not path.startswith(_HERE):
            lines = linecache.getlines(path)
            # Without a time of change the entry is never looked up again.
            linecache.cache[path] = (sum(map(len, lines)), None, lines, path)


def _log_to_stderr() -> bool:
    """Makes ``logging`` write to the activation's logs, while the component is built; whether it did."""
    if logging.getLogger().handlers:
        return False
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return True


def _start(logs: bool) -> None:
    """Makes fresh what the build's snapshot holds: random generators, and the level of logs."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    level = os.environ.get("LOG_LEVEL", "").upper()
    if level and logs and level in logging.getLevelNamesMapping():
        logging.getLogger().setLevel(level)


def _parsed(args: str) -> Any:
    """Returns JSON as Python's objects. ``json.loads`` also looks for white space around it, which takes as long as a small text."""
    try:
        value, end = _DECODER.raw_decode(args)
        if end == len(args):
            return value
    except json.JSONDecodeError:
        pass
    return json.loads(args)


_DECODER = json.JSONDecoder()
#: The kinds of handlers of ``logging`` that keep no record.
_UNBUFFERED = (logging.StreamHandler, logging.NullHandler, type(logging.lastResort))


def _flush() -> None:
    handlers = [each for each in logging._handlerList if type(each()) not in _UNBUFFERED]  # type: ignore[attr-defined]
    if handlers:
        logging.shutdown(handlers)
    sys.stdout.flush()
    sys.stderr.flush()


def _told(error: Exception, root: str) -> types.Error:
    """Returns an uncaught exception as the contract's error, after its traceback went to the logs."""
    frames = user_frames(error.__traceback__)
    if isinstance(error, InvalidError) and not frames:
        return types.Error(_KINDS["invalid"], error.message)  # of the parameters: the caller's to mend
    if frames:
        lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), *traceback.format_exception_only(error)]
        sys.stderr.write("".join(lines).replace(f'File "{root}/', 'File "'))
    if isinstance(error, KeynetError):
        return types.Error(_KINDS[error.kind], error.message)
    message = "".join(traceback.format_exception_only(error)).strip() + _advice(error)
    where = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return types.Error(_KINDS["internal"], message + where)


def _advice(error: Exception) -> str:
    """Returns what to do about errors that CPython on a server would not have raised."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.partition(".")[0] in sys.stdlib_module_names:
            return f"; Python in the sandbox has no `{error.name}`, or it was not imported while the component was built: import it at the top of the file"
        return f"; only modules that were imported while the component was built exist: import `{error.name}` at the top of the file, and add its package to requirements.txt"
    if isinstance(error, LookupError) and str(error).startswith("unknown encoding"):
        return "; only encodings that were used while the component was built exist: call `codecs.lookup` with it at the top of the file"
    if isinstance(error, FileNotFoundError):
        return "; an action has no files: read them while the module is imported, at the top of the file"
    return ""


# ---- Imports


def _call(function: Callable[..., T], *arguments: Any) -> T:
    """Calls the host; its error becomes one of the SDK's, which has no traceback of the bindings."""
    try:
        return function(*arguments)
    except Err as refused:
        error = refused.value
    if isinstance(error, types.Error):
        raise of_kind(_NAMES[error.kind], error.message)
    raise InternalError(f"the host answered with {error!r}")


class _Handle:
    """A resource of the host, given back once."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource

    def drop(self) -> None:
        resource, self.resource = self.resource, None
        if resource is not None:
            resource.__exit__(None, None, None)


class _Tensor(_Handle):
    def data_type(self) -> DataType:
        return _FROM_HOST[self.resource.data_type()]

    def shape(self) -> list[int]:
        return self.resource.shape()

    def byte_length(self) -> int:
        return self.resource.byte_length()

    def data(self) -> bytes:
        return self.resource.data()

    def read(self, offset: int, length: int) -> bytes:
        return self.resource.read(offset, length)


class _Stream(_Handle):
    def next(self) -> _host.Outputs | None:
        answer = _call(self.resource.next)
        return None if answer is None else _outputs(answer)


class _Object(_Handle):
    def size(self) -> int:
        return self.resource.size()

    def content_type(self) -> str | None:
        return self.resource.content_type()

    def etag(self) -> str | None:
        return self.resource.etag()

    def read(self, offset: int, length: int) -> bytes:
        return _call(self.resource.read, offset, length)

    def to_tensor(self, data_type: DataType, shape: list[int]) -> _Tensor:
        return _Tensor(_call(self.resource.to_tensor, _TO_HOST[data_type], shape))


class _Upload(_Handle):
    def write(self, data: bytes) -> None:
        _call(self.resource.write, data)

    def finish(self) -> _host.Stored:
        return _stored(_call(self.resource.finish))

    def abort(self) -> None:
        _call(self.resource.abort)


class _Component:
    """The imports of the world, as :class:`_host.Host`."""

    def tensor(self, data_type: DataType, shape: list[int], data: bytes) -> _Tensor:
        return _Tensor(_call(triton_predict.Tensor.create, _TO_HOST[data_type], shape, data))

    def predict(self, request: _host.Request) -> _host.Outputs:
        return _outputs(_call(triton_predict.predict, _request(request)))

    def predict_many(self, requests: list[_host.Request]) -> list[_host.Outputs | KeynetError]:
        answers: list[_host.Outputs | KeynetError] = []
        for answer in triton_predict.predict_many([_request(request) for request in requests]):
            if isinstance(answer, Err):
                answers.append(of_kind(_NAMES[answer.value.kind], answer.value.message))
            else:
                answers.append(_outputs(answer.value))
        return answers

    def predict_stream(self, request: _host.Request) -> _Stream:
        return _Stream(_call(triton_predict.predict_stream, _request(request)))

    def metadata(self, model: str) -> ModelConfig:
        told = _call(triton_predict.metadata, model)
        infos = [[InputOutput(each.name, _FROM_HOST[each.data_type].value, each.shape) for each in side] for side in (told.inputs, told.outputs)]
        return ModelConfig(told.name, told.versions, told.platform, bool(told.versions), *infos)

    def get(self, location: str, if_none_match: str | None) -> bytes:
        return _call(storage.get, location, if_none_match)

    def open(self, location: str) -> _Object:
        return _Object(_call(storage.open, location))

    def head(self, location: str) -> _host.Info:
        return _info(_call(storage.head, location))

    def put(
        self, data: bytes, location: str | None, content_type: str | None, if_match: str | None, if_none_match: str | None
    ) -> _host.Stored:
        return _stored(_call(storage.put, data, location, content_type, if_match, if_none_match))

    def put_tensor(self, tensor: _Tensor, location: str | None, content_type: str | None) -> _host.Stored:
        return _stored(_call(storage.put_tensor, tensor.resource, location, content_type))

    def create_upload(self, location: str | None, content_type: str | None) -> _Upload:
        return _Upload(_call(storage.create_upload, location, content_type))

    def presign(self, location: str, ttl_seconds: int | None) -> str:
        return _call(storage.presign, location, _ttl(ttl_seconds))

    def presign_put(self, location: str | None, content_type: str | None, ttl_seconds: int | None) -> tuple[str, str]:
        grant = _call(storage.presign_put, location, content_type, _ttl(ttl_seconds))
        return grant.location, grant.url

    def list(self, prefix: str, cursor: str | None) -> tuple[list[_host.Info], str | None]:
        page = _call(storage.list, prefix, cursor)
        return [_info(each) for each in page.objects], page.next

    def delete(self, location: str) -> None:
        _call(storage.delete, location)


def _request(request: _host.Request) -> triton_predict.Request:
    inputs = [triton_predict.Input(name, tensor.resource) for name, tensor in request.inputs]
    return triton_predict.Request(request.model, inputs, request.outputs, request.timeout_ms, request.parameters)


def _outputs(answer: list[triton_predict.Output]) -> _host.Outputs:
    return [(each.name, _Tensor(each.tensor)) for each in answer]


def _ttl(seconds: int | None) -> int | None:
    return None if seconds is None else max(0, min(int(seconds), 2**31 - 1))


def _stored(stored: storage.Stored) -> _host.Stored:
    return _host.Stored(stored.location, stored.url, stored.etag)


def _info(info: storage.ObjectInfo) -> _host.Info:
    return _host.Info(info.location, info.size, info.content_type, info.etag, info.modified_ms)
