"""Builds components with the wheels and runs them under wasmtime, with the time and memory of each step."""

import json
import os
import resource
import subprocess
import sys
import sysconfig
import time
import zipfile

from wasmtime import Config, Engine, Store, WasiConfig
from wasmtime.component import Component, Linker

HERE = os.path.dirname(os.path.abspath(__file__))


def unpack(wheels, folder):
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def build(app, folders, output):
    """Makes the component of a Python module. The first folder has the module."""
    program = os.path.join(sysconfig.get_path("scripts"), "componentize-py")
    paths = [argument for folder in folders for argument in ("-p", folder)]
    result = subprocess.run([program, "-q", "-d", f"{HERE}/wit", "-w", "check", "componentize", app, *paths, "-o", output], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"componentize-py failed: {result.stderr or result.stdout}")


class Sandbox:
    """A compiled component."""

    def __init__(self, path):
        config = Config()
        config.wasm_component_model = True
        self.engine = Engine(config)
        self.figures = {"component MB": os.path.getsize(path) / 1e6}
        compiled = f"{path}.compiled"
        if not os.path.exists(compiled) or os.path.getmtime(compiled) < os.path.getmtime(path):
            began = time.process_time()
            with open(compiled, "wb") as file:
                file.write(Component.from_file(self.engine, path).serialize())
            self.figures["compile, s of processor time"] = time.process_time() - began
            self.figures["compile, peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.figures["compiled MB"] = os.path.getsize(compiled) / 1e6
        began = time.process_time()
        self.component = Component.deserialize_file(self.engine, compiled)
        self.figures["load, ms"] = (time.process_time() - began) * 1e3
        self.linker = Linker(self.engine)
        self.linker.add_wasip2()

    def instance(self, folders=None):
        """Returns a fresh instance as a function of a check's name and input. It sees only the folders given, if any."""
        store = Store(self.engine)
        wasi = WasiConfig()
        wasi.inherit_stderr()
        wasi.inherit_stdout()
        for guest, host in (folders or {}).items():
            wasi.preopen_dir(host, guest)
        store.set_wasi(wasi)
        function = self.linker.instantiate(store, self.component).get_func(store, "run")

        def run(name, value=None):
            answer = function(store, name, json.dumps(value))
            function.post_return(store)
            result = json.loads(answer)
            if isinstance(result, dict) and "error" in result:
                raise RuntimeError(result["error"])
            return result

        return run


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit("this file is used by the tests")
