"""Prints figures of a component with numpy and Pillow, beside CPython with the published wheels.

usage: measure.py [JPEG_FILE]      (default: a picture of 1280x720 that is made here)
"""

import base64
import gc
import io
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/guest"]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import figures  # noqa: E402
import sandbox  # noqa: E402

REPETITIONS = 9


def photograph():
    """Returns a JPEG of 1280x720 with about as much detail as a photograph."""
    chance = np.random.default_rng(1)
    y, x = np.mgrid[0:720, 0:1280]
    slopes = np.stack([127 + 100 * np.sin(x / 37 + y / 91), 127 + 90 * np.cos(y / 23) * np.sin(x / 301), (x * y / 3600) % 256], -1)
    spots = Image.fromarray(chance.integers(0, 60, (180, 320, 3), dtype=np.uint8)).resize((1280, 720))
    out = io.BytesIO()
    Image.fromarray((slopes + np.asarray(spots) + chance.normal(0, 4, slopes.shape)).clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def milliseconds(function, repetitions=REPETITIONS):
    """Returns the shortest time of a call, and its last result."""
    taken = []
    for _ in range(repetitions):
        began = time.perf_counter()
        result = function()
        taken.append(time.perf_counter() - began)
    return min(taken) * 1e3, result


def main():
    jpeg = open(sys.argv[1], "rb").read() if len(sys.argv) > 1 else photograph()
    wheels = [os.path.join(os.environ["WHEELS"], name) for name in os.listdir(os.environ["WHEELS"]) if not name.startswith("numpy_tests")]
    with tempfile.TemporaryDirectory() as folder:
        site = sandbox.unpack(wheels, f"{folder}/site")
        sandbox.build("app", [f"{HERE}/guest", site], f"{folder}/app.wasm")
        component = sandbox.Sandbox(f"{folder}/app.wasm")
        component.figures["load, ms"] = milliseconds(lambda: sandbox.Sandbox(f"{folder}/app.wasm"))[0]
        gc.collect()
        before = sandbox.resident_mb()
        component.figures["fresh instance, ms"], run = milliseconds(component.instance)
        component.figures["its memory, MB"] = sandbox.resident_mb() - before
        request = {"jpeg": base64.b64encode(jpeg).decode(), "repetitions": 1}
        component.figures["first JPEG to tensor, ms"] = run("tensor", request)
        component.figures["memory after that, MB"] = sandbox.resident_mb() - before
        for name, value in component.figures.items():
            print(f"{name:34} {value:8.1f}")
        request["repetitions"] = REPETITIONS
        inside, outside = run("figures", request), figures.measure(request)
        print(f"\n{'ms':34} {'sandbox':>8} {'CPython':>8}")
        for name in inside:
            print(f"{name:34} {inside[name]:8.2f} {outside[name]:8.2f}")


if __name__ == "__main__":
    main()
