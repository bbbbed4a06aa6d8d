#!/usr/bin/env python3
"""Prepares what the compiler needs, in $WORK: lib/ (componentize-py's libraries), stdlib/ (its standard library),
include/ (headers of its CPython) and runtime/ (a library of what compilers take for granted)."""

import glob
import importlib.metadata
import importlib.util
import io
import os
import sys
import tarfile

import componentize_py
import zstandard

import python_headers
import runtime

WORK = os.environ["WORK"]
HERE = os.path.dirname(os.path.abspath(__file__))
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# A text that only this library holds, and whether it is smaller than 9 KB (the emulation libraries name each other's symbols).
LIBRARIES = {
    "libpython3.14.so": (b"Py_InitializeFromConfig", False),
    "libc++.so": (b"_ZNSt3__29to_stringEi", False),
    "libc++abi.so": (b"__cxa_pure_virtual", False),
    "libwasi-emulated-mman.so": (b"munmap", True),
    "libwasi-emulated-process-clocks.so": (b"getrusage", True),
    "libwasi-emulated-getpid.so": (b"getpid", True),
    "libwasi-emulated-signal.so": (b"__SIG_IGN", True),
    "libc.so": (b"__wasilibc_", False),
}


def frames(blob):
    """Yields the contents of each zstd frame inside a file."""
    at = 0
    while (at := blob.find(ZSTD_MAGIC, at)) >= 0:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        try:
            data = decompressor.decompress(blob[at:])
        except zstandard.ZstdError:
            data = b""
        if decompressor.eof:
            yield data
            at = len(blob) - len(decompressor.unused_data)
        else:
            at += 1


def take_libraries():
    """Writes the WASI libraries and the standard library that componentize-py's extension module contains."""
    extension = glob.glob(os.path.join(os.path.dirname(componentize_py.__file__), "*.so"))[0]
    os.makedirs(f"{WORK}/lib", exist_ok=True)
    missing = {"stdlib", *LIBRARIES}
    with open(extension, "rb") as file:
        blob = file.read()
    for data in frames(blob):
        if data[257:262] == b"ustar" and b"_sysconfigdata__wasi_wasm32-wasi.py" in data:
            tarfile.open(fileobj=io.BytesIO(data)).extractall(f"{WORK}/stdlib")
            missing.discard("stdlib")
        elif data.startswith(b"\0asm") and b"componentize-py:init" not in data:
            for name, (text, small) in LIBRARIES.items():
                if name in missing and text in data and (len(data) < 9000) == small:
                    with open(f"{WORK}/lib/{name}", "wb") as file:
                        file.write(data)
                    missing.discard(name)
                    break
    if missing:
        sys.exit(f"componentize-py {version('componentize-py')} does not contain {', '.join(sorted(missing))}: adapt steps/sdk.py")


def version(package):
    return importlib.metadata.version(package)


def build_time_variables():
    """Returns the sysconfig variables of the CPython inside componentize-py."""
    path = f"{WORK}/stdlib/_sysconfigdata__wasi_wasm32-wasi.py"
    spec = importlib.util.spec_from_file_location("sysconfigdata", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_time_vars


def write_pyconfig(path):
    """Writes pyconfig.h from the sysconfig variables, which hold its macros beside the Makefile's variables."""
    prefixes = ("HAVE_", "SIZEOF_", "ALIGNOF_", "Py_", "PY_", "WITH_")
    others = {"DOUBLE_IS_LITTLE_ENDIAN_IEEE754", "STDC_HEADERS", "SIGNED_RIGHT_SHIFT_ZERO_FILLS", "TIMEMODULE_LIB"}
    lines = ["#ifndef Py_PYCONFIG_H", "#define Py_PYCONFIG_H"]
    for name, value in sorted(build_time_variables().items()):
        if not (name.startswith(prefixes) or name in others) or not isinstance(value, int):
            continue
        # An undefined macro is 0 here, too. A 0 means something only for a size or a declaration.
        if value != 0 or name.startswith(("SIZEOF_", "ALIGNOF_", "HAVE_DECL_")):
            lines.append(f"#define {name} {value}")
    with open(path, "w") as file:
        file.write("\n".join(lines + ["#endif", ""]))


def install_compiler():
    os.makedirs(f"{WORK}/bin", exist_ok=True)
    for name in ("wasm-cc", "wasm-c++", "wasm-ar"):
        path = f"{WORK}/bin/{name}"
        with open(path, "w") as file:
            file.write(f'#!{sys.executable}\nimport sys\nsys.argv[0] = "{name}"\nsys.path.insert(0, "{HERE}")\nimport compiler\ncompiler.main()\n')
        os.chmod(path, 0o755)


if __name__ == "__main__":
    take_libraries()
    python_headers.install(f"{WORK}/include")
    write_pyconfig(f"{WORK}/include/python3.14/pyconfig.h")
    install_compiler()
    runtime.build()
