"""The build of a component: imports the user's module while componentize-py takes its snapshot.

What goes wrong is reported on standard error as one line, which ``keynet-inference build`` reads: :data:`MARK`, then JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import typing
from types import TracebackType

from . import _late_imports
from .function import Declaration

if typing.TYPE_CHECKING:
    from ._component import Function

MARK = "keynet-build: "

_TOOLS = (f"{os.path.dirname(__file__)}/", f"{os.path.dirname(importlib.__file__)}/", "<frozen")
#: The largest report: a traceback of a deep recursion has many lines.
_MAX_TEXT = 16_000


class BuildError(Exception):
    """What keeps a module from becoming an action; its text is for the user."""


def function_of(name: str, project: str, late_imports: dict[str, str]) -> type[Function]:
    """Imports the module ``name`` from the folder ``project`` and returns the exports of its function.

    Folders are named as the Python of the build sees them; ``late_imports`` has the files with what the functions in the project's and
    the packages' folder import when they are called. Ends the build with a report if the module cannot be an action.
    """
    try:
        if not os.path.isfile(os.path.join(project, f"{name}.py")):
            raise BuildError(f"{name}.py is not in the project's folder")
        module = importlib.import_module(name)
        find(module)
        _late_imports.load(late_imports)
        from ._component import Function

        return Function.of(module)
    except BaseException as error:
        print(f"\n{MARK}{json.dumps(report(error, project))}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def find(module: object) -> Declaration:
    """Returns the declaration of a module's entry point: ``main``, or its only decorated function."""
    from .function import declaration_of

    main = declaration_of(getattr(module, "main", None))
    if main is not None:
        return main
    found = {id(each): each for each in map(declaration_of, vars(module).values()) if each is not None}
    if len(found) == 1:
        return next(iter(found.values()))
    name = os.path.basename(getattr(module, "__file__", None) or getattr(module, "__name__"))
    if found:
        raise BuildError(f"{name} has {len(found)} functions with @keynet_function: call the one to run `main`")
    raise BuildError(f'{name} has no function with @keynet_function: put @keynet_function("my-action") before `def main(args):`')


def report(error: BaseException, project: str) -> dict[str, str]:
    """Returns what happened as the command line tells it: ``kind``, ``text``, for a missing module its ``name``, and ``where``."""
    if isinstance(error, BuildError):
        return {"kind": "action", "text": str(error)}
    frames = user_frames(error.__traceback__)
    where = f"{_relative(frames[-1].filename, project)}, line {frames[-1].lineno}" if frames else ""
    last = "".join(traceback.format_exception_only(error))
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(f"{project}/"):
        where = f"{_relative(error.filename, project)}, line {error.lineno}"
        return {"kind": "syntax", "where": where, "text": _syntax(error)}
    text = last
    if frames:
        text = "".join(["Traceback (most recent call last):\n", *traceback.format_list(frames), last])
    text = text.replace(f'File "{project}/', 'File "')[-_MAX_TEXT:].rstrip()
    if isinstance(error, ModuleNotFoundError) and error.name:
        kind = "standard" if error.name.partition(".")[0] in sys.stdlib_module_names else "module"
        return {"kind": kind, "name": error.name, "where": where, "text": text}
    return {"kind": "exception", "where": where, "text": text}


def user_frames(trace: TracebackType | None) -> traceback.StackSummary:
    """Returns the frames of a traceback without the SDK's and the import system's."""
    frames = [each for each in traceback.extract_tb(trace) if not each.filename.startswith(_TOOLS)]
    return traceback.StackSummary.from_list(frames[1:] if frames and frames[0].filename.endswith("/keynet_entry.py") else frames)


def _relative(path: str, project: str) -> str:
    return os.path.relpath(path, project) if path.startswith(f"{project}/") else path


def _syntax(error: SyntaxError) -> str:
    """Returns the reason, then the line with a mark under what is wrong: what Python shows, less the name of the file."""
    *lines, reason = "".join(traceback.format_exception_only(error)).rstrip().split("\n")
    return "\n".join([reason, *(line for line in lines if not line.lstrip().startswith("File "))])
