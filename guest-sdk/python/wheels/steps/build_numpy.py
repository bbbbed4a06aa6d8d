#!/usr/bin/env python3
"""Builds numpy by its own vendored meson, and makes two wheels: numpy, and numpy-tests with the files that only its tests need."""

import glob
import os
import re
import shutil
import subprocess
import sys

import signatures
import wheel

WORK = os.environ["WORK"]
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = glob.glob(f"{WORK}/sources/numpy-*")[0]
BUILD, SITE = f"{WORK}/numpy-build", f"{WORK}/site/numpy"

CROSS_FILE = f"""
[binaries]
c = 'wasm-cc'
cpp = 'wasm-c++'
ar = 'wasm-ar'
strip = 'true'
python = '{WORK}/bin/target-python'
cython = 'cython'
[properties]
needs_exe_wrapper = true
skip_sanity_check = true
longdouble_format = 'IEEE_QUAD_LE'
[host_machine]
system = 'wasi'
cpu_family = 'wasm32'
cpu = 'wasm32'
endian = 'little'
"""
OPTIONS = ["buildtype=release", "b_ndebug=true", "blas=none", "lapack=none", "allow-noblas=true", "disable-svml=true", "disable-threading=true",
           "disable-optimization=true"]
# What no function calls: types for checkers, headers and libraries for C, the Fortran and the C build tools.
LEFT_OUT = re.compile(r"\.(pyi|pxd|a|h|c)$|^numpy/typing/tests/|/(f2py|distutils|_pyinstaller|include)/|/_core/lib/|^numpy/_core/_simd\.|^bin/")
TESTS_ONLY = re.compile(r"/tests/|/lapack_lite\.cpython-|/conftest\.py$|/_[a-z_]*_tests\.cpython-|_rational_tests|/testing/_private/extbuild\.py$")


def build():
    with open(f"{WORK}/cross.ini", "w") as file:
        file.write(CROSS_FILE)
    install_target_python()
    signatures.correct(SOURCE, signatures.NUMPY)
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.rmtree(f"{WORK}/numpy-installed", ignore_errors=True)
    meson = [sys.executable, f"{SOURCE}/vendored-meson/meson/meson.py"]
    options = [f"-D{option}" for option in OPTIONS]
    subprocess.run([*meson, "setup", BUILD, SOURCE, "--cross-file", f"{WORK}/cross.ini", "--prefix=/", *options], check=True)
    subprocess.run(["ninja", "-C", BUILD, "-j", os.environ.get("JOBS") or str(os.cpu_count())], check=True)
    subprocess.run([*meson, "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", f"{WORK}/numpy-installed"], check=True)

    files = {path: data for path, data in wheel.files_of(f"{WORK}/numpy-installed/site").items() if not LEFT_OUT.search(path)}
    files["numpy/__config__.py"] = without_paths(files["numpy/__config__.py"])
    licenses = {"numpy": f"{SOURCE}/LICENSE.txt"}
    for path in sorted(glob.glob(f"{SOURCE}/numpy/**/LICENSE*", recursive=True)):
        licenses[os.path.relpath(path, SOURCE).replace("/", ".")] = path
    tests = {path: files.pop(path) for path in list(files) if TESTS_ONLY.search(path)}
    wheel.write(files, f"{SOURCE}/PKG-INFO", licenses)
    wheel.write(tests, f"{SOURCE}/PKG-INFO", {"numpy": licenses["numpy"]}, name="numpy-tests")


def without_paths(config):
    """Leaves the paths of this machine out of numpy's record of its build."""
    text = config.decode().replace(WORK, "").replace(os.path.dirname(HERE), "")
    text = re.sub(r'("path": r?)"[^"]*"', r'\1""', text)
    return re.sub(r'("build": \{)[^}]*\}', r"\1}", text).encode()


def install_target_python():
    """Writes the `python` of the cross file, which tells meson about the CPython inside componentize-py."""
    path = f"{WORK}/bin/target-python"
    with open(path, "w") as file:
        file.write(f'#!{sys.executable}\nimport sys\nsys.path.insert(0, "{HERE}")\nimport target_python\ntarget_python.main()\n')
    os.chmod(path, 0o755)


if __name__ == "__main__":
    build()
