"""The decorator of an action's function, and the parameters of the activation that runs."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from . import parameters

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MAX_DESCRIPTION = 1024


class UserInput(dict):
    """The parameters of this activation as its caller sent them; never configuration or credentials.

    ``UserInput.get("threshold", 0.5)`` works anywhere in the code that a decorated function calls. An activation whose
    argument is an array, in a sequence, has none.
    """

    _current: ContextVar[UserInput | None] = ContextVar("keynet_inference_user_input", default=None)

    @classmethod
    def get_current(cls) -> UserInput | None:
        """Returns the parameters of the running activation; ``None`` outside a decorated function."""
        return cls._current.get()

    @classmethod
    def get(cls, key: str, default: Any = None) -> Any:  # type: ignore[override]  # by the class, as its users know it
        """Returns one parameter, ``default`` if it was not sent.

        A web action's query string sends text: there a number or boolean is read from it if ``default`` is one.
        Raises ``RuntimeError`` outside a decorated function.
        """
        current = cls.get_current()
        if current is None:
            raise RuntimeError("UserInput.get() was called outside a function decorated with @keynet_function: there are no parameters")
        if key not in current:
            return default
        value = current[key]
        return parameters.from_text(value, type(default)) if "__ow_method" in current else value


class Declaration:
    """What ``@keynet_function`` says about its function."""

    def __init__(self, function: Callable[[Any], Any], name: str, description: str) -> None:
        self.function = function
        self.name = name
        self.description = description
        self.annotation = _annotation(function)

    @property
    def input_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of its parameters; ``None`` if they are not described."""
        return parameters.schema(self.annotation)

    def prepare(self) -> None:
        """Does now what is the same for every call: reading the annotation of the parameters."""
        parameters.schema(self.annotation)

    def call(self, args: Any) -> Any:
        """Runs the function with the caller's parameters; code that it calls meets them in :class:`UserInput`.

        Raises :class:`InvalidError` for parameters that do not suit the annotation, ``TypeError`` for an ``args`` that is
        neither a dict nor a list.
        """
        if isinstance(args, (dict, list)):
            given, argument = args if isinstance(args, dict) else {}, parameters.read(self.annotation, args)
        elif dataclasses.is_dataclass(args) and type(args) is self.annotation:
            given, argument = dataclasses.asdict(args), args  # a test made the annotated type itself
        else:
            raise TypeError(f"`args` must be a dict, not {type(args).__name__}")
        token = UserInput._current.set(UserInput(given))
        try:
            return self.function(argument)
        finally:
            UserInput._current.reset(token)


def keynet_function(name: str, *, description: str | None = None, base_image: str | None = None) -> Callable[[F], F]:
    """Makes a function the entry point of an action.

    ``name`` is what callers invoke: 1 to 63 of a-z, 0-9 and ``-``. ``description`` is one or two sentences for them; without
    it the first line of the function's docstring counts. ``base_image`` is accepted and not used: an action is no image.

    The function takes one parameter, ``args``: the caller's parameters as a ``dict`` (or a list, in a sequence), or as the
    dataclass or ``TypedDict`` that it is annotated with. It returns a ``dict`` or ``list`` that can be written as JSON.

    Raises ``ValueError`` for a name, a description or a signature that cannot be used.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError('@keynet_function needs the function\'s name: @keynet_function("image-detection")')
    if not _NAME.fullmatch(name):
        raise ValueError(f"the function's name {name!r} is not allowed: 1 to 63 of a-z, 0-9 and `-`, not beginning with `-`")
    if description is not None and (not isinstance(description, str) or not description.strip()):
        raise ValueError("the description of @keynet_function must be text that is not empty")

    def decorate(function: F) -> F:
        _check_signature(function)
        declaration = Declaration(function, name, description or _first_line(function))
        if len(declaration.description.encode()) > _MAX_DESCRIPTION:
            raise ValueError(f"the description of {name!r} is longer than {_MAX_DESCRIPTION} bytes")

        @functools.wraps(function)
        def wrapper(args: Any = None) -> Any:
            return declaration.call({} if args is None else args)

        wrapper._keynet_declaration = declaration  # type: ignore[attr-defined]
        return typing.cast("F", wrapper)

    return decorate


def declaration_of(function: Any) -> Declaration | None:
    """Returns what a decorated function was declared as; ``None`` for any other object."""
    return getattr(function, "_keynet_declaration", None)


def _check_signature(function: Callable[..., Any]) -> None:
    if not inspect.isfunction(function):
        raise ValueError(f"@keynet_function decorates a function, not {function!r}")
    if inspect.iscoroutinefunction(function):
        raise ValueError(f"{function.__name__} is an async function: @keynet_function takes a plain one, whose calls wait by themselves")
    names = list(inspect.signature(function).parameters)
    if names != ["args"]:
        raise ValueError(f"the function {function.__name__} must have exactly one parameter, `args`; it has {names}")


def _annotation(function: Callable[..., Any]) -> Any:
    try:
        return typing.get_type_hints(function, include_extras=True).get("args")
    except (NameError, TypeError):  # an annotation only for type checkers
        return None


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").strip().split("\n")[0].strip()
