"""Lists what the functions of modules import when they are called, as JSON: a component has no files to import from at run time.

usage: late_imports.py FOLDER

Run by the Python that builds components and not inside the component, whose memory the syntax trees would become a part of.
The result has ``modules``, the names by file, and ``encodings``. ``keynet_inference/_late_imports.py`` reads it.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def scan(folder: Path) -> dict[str, object]:
    """Returns what the functions of all modules below ``folder`` import. A file that cannot be read as Python has none."""
    modules: dict[str, list[str]] = {}
    encodings: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        file = path.relative_to(folder)
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        names = set(late_names(tree, ".".join(file.parts[:-1])))
        encodings |= set(named_encodings(tree))
        if names:
            modules[file.as_posix()] = sorted(names)
    return {"modules": modules, "encodings": sorted(encodings)}


def late_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Returns the modules that the functions of a module in ``package`` import, with what may be modules of theirs."""
    nodes = [(tree, False)]
    while nodes:
        node, late = nodes.pop()
        if late:
            yield from _imported(node, package)
        late = late or isinstance(node, FUNCTIONS)
        nodes.extend((child, late) for child in ast.iter_child_nodes(node))


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), package)
        if base:
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
    elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
        name = _absolute(_first_text(node), package)
        if name:
            yield name


def named_encodings(tree: ast.AST) -> Iterator[str]:
    """Returns the encodings that ``encode``, ``decode``, ``open`` and their like are called with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if _called(node) in ("encode", "decode", "lookup"):
                yield _first_text(node)
            for keyword in node.keywords:
                if keyword.arg == "encoding" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                    yield keyword.value.value


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _first_text(node: ast.Call) -> str:
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package) if name else ""
    except (ImportError, ValueError):
        return ""


if __name__ == "__main__":
    json.dump(scan(Path(sys.argv[1])), sys.stdout)
