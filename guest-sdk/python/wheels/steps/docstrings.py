"""Takes the documentation out of Python source, as `python -OO` does, and keeps every line in its place."""

import ast

OWNERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def strip(source):
    """Returns source, as bytes, with empty lines for a module's docstring, and `pass` and empty lines for each other one."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, OWNERS) or not node.body:
            continue
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            start, end = first.lineno - 1, first.end_lineno - 1
            rest = lines[end][first.end_col_offset:]
            nothing = b"" if isinstance(node, ast.Module) else b"pass"
            lines[start] = lines[start][:first.col_offset] + nothing + (rest if start == end else b"\n")
            for i in range(start + 1, end):
                lines[i] = b"\n"
            if end > start:
                lines[end] = rest if rest.strip() == b"" else b" " * first.end_col_offset + rest
    stripped = b"".join(lines)
    compile(stripped, "stripped source", "exec")
    return stripped
