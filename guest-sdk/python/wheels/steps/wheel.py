"""Writes wheels: the same bytes for the same files, on any machine (stored, sorted, one date)."""

import base64
import email
import hashlib
import os
import zipfile

OUT = os.environ["OUT"]
ZIG = os.path.dirname(os.environ["ZIG"])
TAG = "cp314-cp314-wasi_0_0_0_wasm32"
EXTENSION = ".cpython-314-wasm32-wasi.so"
DATE = (2026, 1, 1, 0, 0, 0)
# What runtime.py puts into every shared library.
RUNTIME_LICENSES = {
    "zig": f"{ZIG}/LICENSE",
    "libcxx": f"{ZIG}/lib/libcxx/LICENSE.TXT",
    "wasi-libc": f"{ZIG}/lib/libc/wasi/LICENSE",
    "wasi-libc.musl": f"{ZIG}/lib/libc/wasi/libc-top-half/musl/COPYRIGHT",
}


def files_of(folder):
    """Returns the contents of all files of a folder by their paths in it."""
    files = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    return files


def write(files, metadata, licenses, name=None):
    """Writes a wheel of files with the metadata of a source distribution (its PKG-INFO), perhaps under another name."""
    with open(metadata, encoding="utf-8") as file:
        text = file.read()
    message = email.message_from_string(text)
    if name:
        text = text.replace(f"Name: {message['Name']}\n", f"Name: {name}\n", 1)
    name = (name or message["Name"]).replace("-", "_").lower()
    info = f"{name}-{message['Version']}.dist-info"
    files = dict(files)
    files[f"{info}/METADATA"] = without_license_files(text).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: keynet-inference\nRoot-Is-Purelib: false\nTag: {TAG}\n".encode()
    for title, path in {**licenses, **RUNTIME_LICENSES}.items():
        with open(path, "rb") as file:
            files[f"{info}/licenses/{title}.txt"] = file.read()
    record = [f"{path},sha256={digest(data)},{len(data)}\n" for path, data in sorted(files.items())]
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    os.makedirs(OUT, exist_ok=True)
    with zipfile.ZipFile(f"{OUT}/{name}-{message['Version']}-{TAG}.whl", "w") as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[path])


def without_license_files(metadata):
    """Leaves out the lines of metadata that name licence files by their paths in the source distribution."""
    head, separator, body = metadata.partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith("License-File:")]
    return "\n".join(lines) + separator + body


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
