"""What a sandbox does not have: the error must say so."""

import os
import tempfile
import threading

import numpy as np
from PIL import Image, ImageGrab


def message(function):
    try:
        return f"no error: {function()!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def start_process():
    import subprocess
    return subprocess.run(["true"])


def load_c_library():
    import ctypes
    return ctypes.CDLL("libc.so")


def messages(_):
    return {name: message(function) for name, function in {
        "thread": lambda: threading.Thread(target=print).start(),
        "process": start_process,
        "memory map": lambda: np.memmap("data.bin", dtype="u1", mode="w+", shape=(10,)),
        "file to read": lambda: Image.open("picture.png"),
        "file to write": lambda: Image.new("RGB", (1, 1)).save("picture.png"),
        "array from a file": lambda: np.load("array.npy"),
        "temporary file": lambda: tempfile.NamedTemporaryFile(),
        "ctypes": load_c_library,
        "ctypeslib": lambda: np.ctypeslib.load_library("x", "."),
        "pointer": lambda: np.zeros(3).ctypes.data_as(None),
        "font by name": lambda: __import__("PIL.ImageFont").ImageFont.truetype("DejaVuSans.ttf"),
        "screenshot": lambda: ImageGrab.grab(),
        "home": lambda: os.listdir("/"),
    }.items()}
