"""Stands in for the target's `python` while numpy is configured: answers meson's questions with the sysconfig variables of the
CPython inside componentize-py, and runs everything else (numpy's code generators) with the Python of this machine."""

import json
import os
import sys

import sdk
import wheel


def answer():
    """Returns what meson's python_info.py would print on the target."""
    include, site = f"{sdk.WORK}/include/python3.14", "/site"
    paths = {"stdlib": "/lib", "platstdlib": "/lib", "purelib": site, "platlib": site, "include": include, "platinclude": include,
             "scripts": "/bin", "data": ""}
    variables = {**sdk.build_time_variables(), "base_prefix": "/", "LIBPYTHON": "", "INCLUDEPY": include, "LIBDIR": "/none"}
    return {"variables": variables, "paths": paths, "sysconfig_paths": paths, "install_paths": paths, "version": "3.14", "platform": "wasi-wasm32",
            "is_pypy": False, "is_venv": False, "link_libpython": False, "suffix": wheel.EXTENSION, "limited_api_suffix": ".abi3.so",
            "is_freethreaded": False}


def main():
    if sys.argv[-1].endswith("python_info.py"):
        print(json.dumps(answer()))
    else:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
