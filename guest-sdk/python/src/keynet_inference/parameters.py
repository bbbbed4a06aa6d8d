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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from .errors import InvalidError

#: Reads a value at a path, such as ``boxes[2].label``; raises :class:`InvalidError`.
Reader = Callable[[Any, str], Any]

_NO_DEFAULT: Any = object()
_UNIONS = (Union, types.UnionType)


@dataclasses.dataclass(frozen=True)
class _Field:
    """A parameter: its type and the reader of it, its default and what people are told of it."""

    type: Any
    read: Reader
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
    return _reader(annotation)(parameters, "") if is_described(annotation) else parameters


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
        required = annotation.__required_keys__
        return {name: _Field(_strip(hint), _reader(hint), required=name in required, description=_description(hint)) for name, hint in hints.items()}
    fields = {}
    for field in dataclasses.fields(annotation):
        if not field.init:
            continue
        hint = hints[field.name]
        default = _NO_DEFAULT if field.default is dataclasses.MISSING else field.default
        given = default is not _NO_DEFAULT or field.default_factory is not dataclasses.MISSING
        described = field.metadata.get("description") or _description(hint)
        fields[field.name] = _Field(_strip(hint), _reader(hint), default, not given, described)
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
        return {"type": "object", "additionalProperties": _schema_of(arguments[1])} if arguments else {"type": "object"}
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


def _reader(hint: Any) -> Reader:
    """Returns the reader of a type: looking at a type costs far more than reading a value, and is done while a component is built."""
    hint = _strip(hint)
    if is_described(hint):
        return functools.partial(_read_object, hint, typing.is_typeddict(hint))
    if hint is Any or isinstance(hint, typing.TypeVar):
        return _read_any
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return functools.partial(_read_union, arguments, [_reader(each) for each in arguments])
    if origin is Literal:
        return functools.partial(_one_of, arguments)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return functools.partial(_read_enum, hint, tuple(each.value for each in hint))
    if origin is tuple and arguments:
        return functools.partial(_read_tuple, [each if each is Ellipsis else _reader(each) for each in arguments])
    if origin in (list, Sequence, set, tuple):
        made = origin if origin in (set, tuple) else list
        return functools.partial(_read_array, made, _reader(arguments[0]) if arguments else _read_any)
    if origin in (dict, Mapping):
        return functools.partial(_read_mapping, _reader(arguments[1]) if arguments else _read_any)
    return _read_any


def _read_any(value: Any, path: str) -> Any:
    return value


def _read_object(hint: Any, stays_dict: bool, value: Any, path: str) -> Any:
    _check(isinstance(value, Mapping), "an object", value, path)
    read_fields = {}
    is_web = "__ow_method" in value
    for name, field in _fields(hint).items():
        if name in value:
            given = _from_query(value[name], field.type) if is_web else value[name]
            read_fields[name] = field.read(given, _join(path, name))
        elif field.required:
            expected = f": expected {_expected(field.type)}" + (f', "{field.description}"' if field.description else "")
            raise InvalidError(f"the parameter `{_join(path, name)}` is missing{expected}")
    return {**value, **read_fields} if stays_dict else hint(**read_fields)


def _from_query(value: Any, hint: Any) -> Any:
    """Returns the number or boolean that a parameter declared so has as text; ``value`` itself where text is allowed or is none."""
    hint = _strip(hint)
    wanted = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
    if str in wanted:
        return value
    readings = (from_text(value, each) for each in wanted)
    return next((reading for reading in readings if not isinstance(reading, str)), value)


def _read_number(value: Any, path: str) -> float:
    _check(isinstance(value, (int, float)) and not isinstance(value, bool), "a number", value, path)
    return float(value)


def _read_whole_number(value: Any, path: str) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    _check(whole and not isinstance(value, bool), "a whole number", value, path)
    return int(value)


def _read_instance(hint: type, expected: str, value: Any, path: str) -> Any:
    _check(isinstance(value, hint), expected, value, path)
    return value


def _read_array(made: type, read_element: Reader, value: Any, path: str) -> Any:
    _check(isinstance(value, list), "an array", value, path)
    return made(read_element(each, f"{path}[{at}]") for at, each in enumerate(value))


def _read_mapping(read_element: Reader, value: Any, path: str) -> Any:
    _check(isinstance(value, dict), "an object", value, path)
    return {name: read_element(each, _join(path, name)) for name, each in value.items()}


def _read_union(hints: tuple[Any, ...], readers: list[Reader], value: Any, path: str) -> Any:
    for read_value in readers:
        try:
            return read_value(value, path)
        except InvalidError:
            continue
    raise _mistaken(" or ".join(_expected(each) for each in hints), value, path)


def _read_tuple(readers: list[Any], value: Any, path: str) -> Any:
    _check(isinstance(value, list), "an array", value, path)
    if len(readers) == 2 and readers[1] is Ellipsis:
        readers = readers[:1] * len(value)
    _check(len(value) == len(readers), f"an array of {len(readers)} elements", value, path)
    return tuple(read_element(given, f"{path}[{at}]") for at, (read_element, given) in enumerate(zip(readers, value)))


def _read_enum(hint: type[enum.Enum], values: tuple[Any, ...], value: Any, path: str) -> Any:
    return hint(_one_of(values, value, path))


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
    if hint in _EXPECTED:
        return _EXPECTED[hint]
    if get_origin(hint) in _UNIONS:
        return " or ".join(_expected(each) for each in get_args(hint))
    if get_origin(hint) in (list, tuple, set, Sequence):
        return "an array"
    return "an object"


_EXPECTED = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    dict: "an object",
    list: "an array",
}
_PLAIN: dict[Any, Reader] = {
    **{each: functools.partial(_read_instance, each, _EXPECTED[each]) for each in (str, bool, type(None), dict, list)},
    float: _read_number,
    int: _read_whole_number,
}


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
