#!/usr/bin/env python3
"""Compiles Pillow's extension modules file by file and makes its wheel."""

import glob
import os
import re
import shutil

import c_libraries
import signatures
import wheel
from objects import WORK, compile_files, link

SOURCE = glob.glob(f"{WORK}/sources/pillow-*")[0]
SITE = f"{WORK}/site/pillow"
# Modules for other systems or for libraries that are not in this build.
LEFT_OUT = ["*.pyi", "__pycache__", "ImageQt.py", "ImageTk.py", "_tkinter_finder.py"]


def listed(setup, name):
    """Returns the names in a tuple of setup.py."""
    return re.findall(r'"(\w+)"', re.search(rf"^{name} = \((.*?)\)", setup, re.S | re.M)[1])


def build():
    signatures.correct(SOURCE, signatures.PILLOW)
    with open(f"{SOURCE}/setup.py") as file:
        setup = file.read()
    with open(f"{SOURCE}/src/PIL/_version.py") as file:
        version = re.search(r'"(.*?)"', file.read())[1]
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(f"{SOURCE}/src/PIL", f"{SITE}/PIL", ignore=shutil.ignore_patterns(*LEFT_OUT))

    zlib, zlib_flags = c_libraries.zlib()
    jpeg, jpeg_flags = c_libraries.jpeg()
    freetype, freetype_flags = c_libraries.freetype(zlib_flags)
    webp, webp_flags = c_libraries.webp()
    flags = [f"-I{WORK}/include/python3.14", f"-I{SOURCE}/src/libImaging", f'-DPILLOW_VERSION="{version}"', "-DHAVE_LIBJPEG", "-DHAVE_LIBZ",
             f'-DLIBJPEG_TURBO_VERSION="{c_libraries.jpeg_version()}"', *zlib_flags, *jpeg_flags, *freetype_flags, *webp_flags]

    def module(name, files, libraries=()):
        link(compile_files("pillow", f"{SOURCE}/src", files, *flags) + list(libraries), f"{SITE}/PIL/{name}{wheel.EXTENSION}")

    mode = ["libImaging/Mode"]
    module("_imaging", ["_imaging", *listed(setup, "_IMAGING"), *(f"libImaging/{n}" for n in listed(setup, "_LIB_IMAGING"))] + mode, jpeg + zlib)
    module("_imagingmath", ["_imagingmath"] + mode)
    module("_imagingmorph", ["_imagingmorph"])
    module("_imagingft", ["_imagingft"] + mode, freetype + zlib)
    module("_webp", ["_webp"] + mode, webp)
    licenses = {"pillow": f"{SOURCE}/LICENSE", **c_libraries.LICENSES}
    wheel.write(wheel.files_of(SITE), f"{SOURCE}/PKG-INFO", licenses)


if __name__ == "__main__":
    build()
