"""Errors of models, objects and parameters, one class for each kind of the contract (``wit/types.wit``).

An action may also raise them: :class:`InvalidError` blames the caller, every other exception the action.
"""

from __future__ import annotations

from typing import ClassVar


class KeynetError(Exception):
    """One failed call of the host; the base of all others.

    ``kind`` is the contract's name of the error, such as ``"not-found"``; ``message`` is one sentence for a person.
    """

    kind: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidError(KeynetError, ValueError):
    """A name, location, shape, type or length is wrong; the same call will fail again."""

    kind = "invalid"


class NotFoundError(KeynetError, LookupError):
    """The model, version, object or bucket does not exist."""

    kind = "not-found"

    def __str__(self) -> str:  # LookupError's subclass KeyError would quote it
        return self.message


class DeniedError(KeynetError):
    """The deployment's policy, or the server behind it, does not allow the call."""

    kind = "denied"


class PreconditionFailedError(KeynetError):
    """The object's etag is not the expected one, or is the one already held."""

    kind = "precondition-failed"


class TooLargeError(KeynetError):
    """More bytes, requests or handles than the deployment allows."""

    kind = "too-large"


class TimedOutError(KeynetError, TimeoutError):
    """No answer in the time given, or in the time the activation has left."""

    kind = "timeout"


class UnavailableError(KeynetError):
    """The server is down, busy or not configured; the same call may work later."""

    kind = "unavailable"


class InternalError(KeynetError):
    """A fault of the host, of a server or of the action itself."""

    kind = "internal"


BY_KIND: dict[str, type[KeynetError]] = {
    error.kind: error
    for error in (
        InvalidError,
        NotFoundError,
        DeniedError,
        PreconditionFailedError,
        TooLargeError,
        TimedOutError,
        UnavailableError,
        InternalError,
    )
}


def of_kind(kind: str, message: str) -> KeynetError:
    """Returns the error of ``kind``, an :class:`InternalError` for a kind that this version does not know."""
    return BY_KIND.get(kind, InternalError)(message)
