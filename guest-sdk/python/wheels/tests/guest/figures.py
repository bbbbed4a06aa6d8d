"""Times of common steps, in milliseconds."""

import base64
import io
import time

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def to_tensor(jpeg):
    image = Image.open(io.BytesIO(jpeg)).convert("RGB").resize((640, 640))
    return np.ascontiguousarray((np.asarray(image, dtype=np.float32) / 255).transpose(2, 0, 1)[None])


def tensor(request):
    """Does what an activation of a detector does first; returns the milliseconds it took."""
    began = time.perf_counter()
    to_tensor(base64.b64decode(request["jpeg"]))
    return (time.perf_counter() - began) * 1e3


def measure(request):
    """Returns the shortest time of each step over some repetitions: other work on the machine only adds to it. `request`: a JPEG file (base64) and the repetitions."""
    data = base64.b64decode(request["jpeg"])
    times = {}

    def timed(name, function):
        taken = []
        for _ in range(request["repetitions"]):
            began = time.perf_counter()
            result = function()
            taken.append(time.perf_counter() - began)
        times[name] = round(min(taken) * 1e3, 2)
        return result

    image = timed("decode the JPEG", lambda: Image.open(io.BytesIO(data)).convert("RGB"))
    small = timed("resize to 640x640", lambda: image.resize((640, 640)))
    array = timed("to FP32, scaled", lambda: np.asarray(small, dtype=np.float32) / 255)
    timed("to 1x3x640x640", lambda: np.ascontiguousarray(array.transpose(2, 0, 1)[None]))
    timed("JPEG to tensor", lambda: to_tensor(data))
    draw = ImageDraw.Draw(small)
    font = ImageFont.load_default()
    timed("draw a box and a text", lambda: (draw.rectangle([10, 20, 300, 400], outline="red", width=3), draw.text((15, 25), "person 0.97", fill="red", font=font)))
    timed("write JPEG", lambda: small.save(io.BytesIO(), "JPEG"))
    timed("write PNG", lambda: small.save(io.BytesIO(), "PNG"))
    timed("blur", lambda: small.filter(__import__("PIL.ImageFilter").ImageFilter.GaussianBlur(2)))
    million = np.random.default_rng(0).random(1_000_000, dtype=np.float32)
    for name, function in {
        "exp": lambda: np.exp(million), "sum": lambda: million.sum(), "add": lambda: million + million, "clip": lambda: np.clip(million, 0.2, 0.8), "mask": lambda: million[million > 0.5],
        "maximum by row": lambda: million.reshape(1000, 1000).max(axis=1), "sort": lambda: np.sort(million), "argsort": lambda: np.argsort(million), "to FP64": lambda: million.astype(np.float64),
    }.items():
        timed(f"{name} of 1M FP32", function)
    square = million[:65536].reshape(256, 256)
    timed("256x256 matrix product, FP32", lambda: square @ square)
    return times
