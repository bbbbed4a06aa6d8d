"""Compiles C files to objects and links them, with the compiler in $WORK/bin."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

WORK = os.environ["WORK"]
JOBS = int(os.environ.get("JOBS") or os.cpu_count())


def compile_files(group, folder, files, *flags):
    """Compiles FOLDER/FILE.c for each file; returns the objects in the order of the files."""
    destination = f"{WORK}/objects/{group}"
    os.makedirs(destination, exist_ok=True)

    def compile_one(file):
        output = f"{destination}/{re.sub(r'[^A-Za-z0-9]', '_', file)}.o"
        subprocess.run([f"{WORK}/bin/wasm-cc", "-O3", "-DNDEBUG", "-w", *flags, "-c", f"{folder}/{file}.c", "-o", output], check=True)
        return output

    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(compile_one, files))


def link(objects, output):
    subprocess.run([f"{WORK}/bin/wasm-cc", "-shared", *objects, "-o", output], check=True)
