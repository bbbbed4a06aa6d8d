"""Parameters: their JSON Schema from annotations, and reading them into the annotated type.

A function's ``args`` may be annotated with ``dict`` (any parameters, not described), a ``TypedDict`` (checked, stays a dict)
or a dataclass (checked, becomes an instance). A description of a parameter is the text in ``Annotated[str, "…"]``, or
``metadata={"description": "…"}`` of a dataclass's field.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from .errors import InvalidError

_NO_DEFAULT: Any = object()
_UNIONS = (Union, types.UnionType)


@dataclasses.dataclass(frozen=True)
class _Field:
    """A parameter: its type, its default and what people are told of it."""

    type: Any
    default: Any = _NO_DEFAULT
    required: bool = True
    description: str | None = None


def is_described(annotation: Any) -> bool:
    """Whether ``annotation`` is a dataclass or a ``TypedDict``."""
    return _is_dataclass(annotation) or typing.is_typeddict(annotation)


def schema(annotation: Any) -> dict[str, Any] | None:
    """Returns the JSON Schema of parameters annotated so; ``None`` for ``dict`` and its like, which say nothing."""
    if not is_described(annotation):
        return None
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema_of(annotation)}


def read(annotation: Any, parameters: Mapping[str, Any]) -> Any:
    """Returns ``parameters`` as the annotated type.

    Raises :class:`InvalidError` naming the parameter, the expected type and the value that came.
    """
    return _read(annotation, parameters, "") if is_described(annotation) else parameters


def from_text(value: Any, wanted: Any) -> Any:
    """Returns a number or boolean that a web action's query string sent as text; ``value`` itself if it is none.

    OpenWhisk sends the parameters of ``?threshold=0.3`` as text.
    """
    wanted = _unless_null(wanted)
    if not isinstance(value, str) or wanted not in (bool, int, float):
        return value
    text = value.strip()
    if wanted is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), value)
    try:
        return wanted(text)
    except ValueError:
        return value


def _unless_null(hint: Any) -> Any:
    """Returns ``float`` for ``float | None``, and any other hint as it is."""
    others = [each for each in get_args(hint) if each is not type(None)] if get_origin(hint) in _UNIONS else []
    return others[0] if len(others) == 1 else hint


# ---- Fields of a type


def _is_dataclass(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


@functools.cache
def _fields(annotation: Any) -> dict[str, _Field]:
    """Returns the parameters that a dataclass or ``TypedDict`` declares; a component has them from its build."""
    hints = typing.get_type_hints(annotation, include_extras=True)
    if typing.is_typeddict(annotation):
        return {
            name: _Field(_strip(hint), required=name in annotation.__required_keys__, description=_description(hint))
            for name, hint in hints.items()
        }
    fields = {}
    for field in dataclasses.fields(annotation):
        if not field.init:
            continue
        hint = hints[field.name]
        default = _NO_DEFAULT if field.default is dataclasses.MISSING else field.default
        given = default is not _NO_DEFAULT or field.default_factory is not dataclasses.MISSING
        described = field.metadata.get("description") or _description(hint)
        fields[field.name] = _Field(_strip(hint), default, not given, described)
    return fields


def _strip(hint: Any) -> Any:
    """Takes ``Annotated``, ``Required`` and ``NotRequired`` off a hint."""
    while hasattr(hint, "__metadata__") or get_origin(hint) in _QUALIFIERS:
        hint = hint.__origin__ if hasattr(hint, "__metadata__") else get_args(hint)[0]
    return hint


_QUALIFIERS = tuple(getattr(typing, name) for name in ("Required", "NotRequired", "ReadOnly") if hasattr(typing, name))


def _description(hint: Any) -> str | None:
    while get_origin(hint) in _QUALIFIERS:
        hint = get_args(hint)[0]
    return next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, str)), None)


# ---- Schema

_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", dict: "object", list: "array"}


def _schema_of(hint: Any) -> dict[str, Any]:
    hint = _strip(hint)
    if is_described(hint):
        fields = _fields(hint)
        properties = {name: _schema_of_field(field) for name, field in fields.items()}
        made: dict[str, Any] = {"type": "object", "properties": properties}
        required = [name for name, field in fields.items() if field.required]
        return {**made, "required": required} if required else made
    if hint in _NAMES:
        return {"type": _NAMES[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return _schema_of_union(arguments)
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [each.value for each in hint]}
    if origin in (list, Sequence, tuple, set):
        items = [each for each in arguments if each is not Ellipsis]
        return {"type": "array", "items": _schema_of(items[0])} if items else {"type": "array"}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _schema_of(arguments[1])}
    return {}


def _schema_of_union(arguments: tuple[Any, ...]) -> dict[str, Any]:
    of_each = [_schema_of(each) for each in arguments]
    if all(set(each) == {"type"} for each in of_each):
        return {"type": [each["type"] for each in of_each]}
    return {"anyOf": of_each}


def _schema_of_field(field: _Field) -> dict[str, Any]:
    made = _schema_of(field.type)
    if field.description:
        made["description"] = field.description
    if isinstance(field.default, (str, int, float, bool, type(None))):
        made["default"] = field.default
    return made


# ---- Reading


def _read(hint: Any, value: Any, path: str) -> Any:
    hint = _strip(hint)
    if is_described(hint):
        return _read_object(hint, value, path)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return value
    if hint in _NAMES:
        return _read_plain(hint, value, path)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return _read_union(arguments, value, path)
    if origin is Literal:
        return _one_of(arguments, value, path)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(_one_of(tuple(each.value for each in hint), value, path))
    if origin in (list, Sequence, set):
        _check(isinstance(value, list), "an array", value, path)
        elements = [_read(arguments[0], each, f"{path}[{at}]") for at, each in enumerate(value)]
        return set(elements) if origin is set else elements
    if origin is tuple:
        return _read_tuple(arguments, value, path)
    if origin in (dict, Mapping):
        _check(isinstance(value, dict), "an object", value, path)
        return {name: _read(arguments[1], each, _join(path, name)) for name, each in value.items()}
    return value


def _read_object(hint: Any, value: Any, path: str) -> Any:
    _check(isinstance(value, Mapping), "an object", value, path)
    fields, read_fields = _fields(hint), {}
    is_web = "__ow_method" in value
    for name, field in fields.items():
        if name in value:
            given = _from_query(value[name], field.type) if is_web else value[name]
            read_fields[name] = _read(field.type, given, _join(path, name))
        elif field.required:
            expected = f": expected {_expected(field.type)}" + (f', "{field.description}"' if field.description else "")
            raise InvalidError(f"the parameter `{_join(path, name)}` is missing{expected}")
    if typing.is_typeddict(hint):
        return {**value, **read_fields}
    return hint(**read_fields)


def _from_query(value: Any, hint: Any) -> Any:
    """Returns the number or boolean that a parameter declared so has as text; ``value`` itself where text is allowed or is none."""
    hint = _strip(hint)
    wanted = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
    if str in wanted:
        return value
    readings = (from_text(value, each) for each in wanted)
    return next((reading for reading in readings if not isinstance(reading, str)), value)


def _read_plain(hint: type, value: Any, path: str) -> Any:
    if hint is float:
        _check(isinstance(value, (int, float)) and not isinstance(value, bool), "a number", value, path)
        return float(value)
    if hint is int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        _check(whole and not isinstance(value, bool), "a whole number", value, path)
        return int(value)
    _check(isinstance(value, hint), _expected(hint), value, path)
    return value


def _read_union(arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    for each in arguments:
        try:
            return _read(each, value, path)
        except InvalidError:
            continue
    raise _mistaken(" or ".join(_expected(each) for each in arguments), value, path)


def _read_tuple(arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    _check(isinstance(value, list), "an array", value, path)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    _check(len(value) == len(arguments), f"an array of {len(arguments)} elements", value, path)
    return tuple(_read(each, given, f"{path}[{at}]") for at, (each, given) in enumerate(zip(arguments, value)))


def _one_of(allowed: tuple[Any, ...], value: Any, path: str) -> Any:
    for each in allowed:
        if each == value and type(each) is type(value):
            return each
    raise _mistaken("one of " + ", ".join(repr(each) for each in allowed), value, path)


def _check(holds: bool, expected: str, value: Any, path: str) -> None:
    if not holds:
        raise _mistaken(expected, value, path)


def _mistaken(expected: str, value: Any, path: str) -> InvalidError:
    what = f"the parameter `{path}`" if path else "the parameters"
    return InvalidError(f"{what}: expected {expected}, came {_came(value)}")


def _expected(hint: Any) -> str:
    hint = _strip(hint)
    names = {
        str: "a string",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        type(None): "null",
        dict: "an object",
        list: "an array",
    }
    if hint in names:
        return names[hint]
    if get_origin(hint) in _UNIONS:
        return " or ".join(_expected(each) for each in get_args(hint))
    if get_origin(hint) in (list, tuple, set, Sequence):
        return "an array"
    return "an object"


def _came(value: Any) -> str:
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:60] + "…"
        return f'string "{shown}"'
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"number `{value}`"
    return {dict: "an object", list: "an array", type(None): "null"}.get(type(value), type(value).__name__)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
