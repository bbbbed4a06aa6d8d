"""Imports what functions import when they are called: a component has no files to import from at run time.

What that is, ``toolchain/late_imports.py`` found in the sources before the component was built.
"""

from __future__ import annotations

import codecs
import importlib
import json
import os
import sys
from types import ModuleType

#: What CPython imports by itself when a function of the standard library needs it, and encodings that files commonly have.
_STANDARD = ["_strptime", "unicodedata"]
_ENCODINGS = "ascii latin-1 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 cp437 cp1252 euc-kr cp949"

#: Tools for people and tests, and what needs sockets or processes: no function needs them, and they are large. They and their
#: submodules are left out for packages, never for what the project itself imports.
_NOT_NEEDED = frozenset(
    "IPython antigravity asyncio distutils doctest email ensurepip ftplib http idlelib lib2to3 matplotlib multiprocessing numpy.core "
    "numpy.ctypeslib numpy.distutils numpy.f2py numpy.testing numpy.typing pdb pip pydoc pytest setuptools socket subprocess test "
    "tkinter turtle unittest urllib.request venv".split()
)
#: The most modules that are imported this way, so that a package cannot make the build endless.
_MOST = 2000


def load(folders: dict[str, str]) -> None:
    """Imports, until there are no more, what the functions of all modules that are loaded import when they are called.

    ``folders`` has the lists of late imports by the folders that they are of, the project's first. What cannot be imported is left
    out, as if its function were never called: many packages try several modules.
    """
    late = {folder: _read(path) for folder, path in folders.items()}
    own = next(iter(folders))
    for name in _STANDARD:
        _import(name)
    for encoding in [*_ENCODINGS.split(), *(each for found in late.values() for each in found["encodings"])]:
        _look_up(encoding)
    seen: set[str] = set()
    tried: set[str] = set()
    while len(tried) < _MOST:
        _initialise_plugins()
        fresh = [(name, module) for name, module in list(sys.modules.items()) if name not in seen and isinstance(module, ModuleType)]
        if not fresh:
            return
        for name, module in fresh:
            seen.add(name)
            path = getattr(module, "__file__", None) or ""
            for folder, found in late.items():
                if path.startswith(f"{folder}/"):
                    for each in found["modules"].get(os.path.relpath(path, folder), ()):
                        if each not in tried and each not in sys.modules and (folder == own or not _is_not_needed(each)):
                            tried.add(each)
                            _import(each)


def _read(path: str) -> dict:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _initialise_plugins() -> None:
    """Imports the picture formats of Pillow, which it finds by their names."""
    image = sys.modules.get("PIL.Image")
    if image is not None:
        image.init()


def _is_not_needed(name: str) -> bool:
    parts = name.split(".")
    return "tests" in parts or any(".".join(parts[:count]) in _NOT_NEEDED for count in range(1, len(parts) + 1))


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit):  # a module that needs another system, or a name that is no module's
        pass


def _look_up(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        pass
