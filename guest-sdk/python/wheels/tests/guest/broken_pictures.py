"""Decodes pictures and fonts that were damaged on purpose; what happens must be what happens under CPython."""

import base64
import hashlib
import io
import warnings

from PIL import Image, ImageDraw, ImageFont

Image.init()
Image.MAX_IMAGE_PIXELS = 4_000_000
warnings.simplefilter("ignore")


def decode(data):
    """Returns a digest of a picture's pixels, of all its frames."""
    image = Image.open(io.BytesIO(data))
    digest = hashlib.sha256()
    for frame in range(min(getattr(image, "n_frames", 1), 4)):
        image.seek(frame)
        digest.update(f"{image.mode} {image.size}".encode() + image.convert("RGBA").tobytes())
    return digest.hexdigest()[:16]


def write_text(data):
    font = ImageFont.truetype(io.BytesIO(data), 24)
    image = Image.new("L", (120, 40))
    ImageDraw.Draw(image).text((2, 2), "Hag 97%", font=font, fill=255)
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def outcome(kind, data):
    """Returns what became of a file: its digest, or the type and the text of the exception."""
    try:
        return ["decoded", write_text(data) if kind == "font" else decode(data)]
    except Exception as error:
        return [type(error).__name__, str(error).split(" <_io")[0].split(" object at")[0][:200]]


def outcomes(files):
    return [outcome(kind, base64.b64decode(data)) for kind, data in files]
