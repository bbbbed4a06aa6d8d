"""The result of a function as JSON text, with errors that name the value that cannot be written."""

from __future__ import annotations

import json
import math
from typing import Any

from .errors import InternalError


def to_json(result: Any) -> str:
    """Returns the JSON text of a function's result.

    numpy's numbers are written as plain numbers. Raises :class:`InternalError` for a result that is not a dict or list, and
    for a value in it that JSON does not have, naming where it is.
    """
    if not isinstance(result, (dict, list, tuple)):
        raise InternalError(
            f"the function returned {_shown(result)}, but a result must be a dict or a list: return {{\"result\": …}}"
        )
    try:
        return _ENCODER.encode(result)
    except (TypeError, ValueError, RecursionError):
        where, why = _culprit(result, "result", 0) or ("result", "it cannot be written as JSON")
        raise InternalError(f"the function's result cannot be written as JSON: `{where}`: {why}") from None


def _default(value: Any) -> Any:
    """Returns a numpy number as a plain one."""
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        plain = value.item()
        if isinstance(plain, (bool, int, float, str)):
            if isinstance(plain, float) and not math.isfinite(plain):
                raise ValueError("not finite")
            return plain
    raise TypeError("no JSON value")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_default)


def _culprit(value: Any, path: str, depth: int) -> tuple[str, str] | None:
    if depth > 200:
        return path, "it is nested too deeply, or contains itself"
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, (str, int, float, bool, type(None))):
                return f"{path}[{_shown(key)}]", f"a {type(key).__name__} cannot be the name of a JSON value: use text"
            if found := _culprit(each, f"{path}.{key}", depth + 1):
                return found
        return None
    if isinstance(value, (list, tuple)):
        for at, each in enumerate(value):
            if found := _culprit(each, f"{path}[{at}]", depth + 1):
                return found
        return None
    try:
        json.dumps(value, allow_nan=False, default=_default)
        return None
    except ValueError:
        return path, f"JSON has no {value}"
    except TypeError:
        return path, _advice(value)


def _advice(value: Any) -> str:
    kind = type(value).__name__
    if kind == "ndarray":
        return "a numpy array is not JSON: use .tolist()"
    if kind == "Tensor":
        return "a tensor is not JSON: use .tolist(), or store it and return its URL"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes are not JSON: store them and return their URL, or use base64"
    return f"a {kind} is not JSON"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
