"""Finds things in a picture and draws a box around each."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from keynet_inference import InvalidError, Storage, TritonPlugin, keynet_function

SIDE = 640  # the model sees every picture as a square with sides of this many pixels
MAX_PIXELS = 12_000_000
LABELS = ["apple", "car", "clock", "fish", "house", "mug", "sailboat", "umbrella"]
COLOURS = [(255, 77, 77), (26, 163, 255), (255, 204, 0), (0, 204, 136), (204, 102, 255), (255, 136, 26), (77, 230, 230), (255, 102, 178)]

# Read while the component is built: an action has no files.
FONT = Path(__file__).with_name("inter-semibold-latin1.otf").read_bytes()


@dataclass
class Args:
    image_url: Annotated[str, "The picture, PNG or JPEG: a URL, `s3://bucket/key`, or a key of the default bucket."]
    threshold: Annotated[float, "Detections with a lower score are left out; 0 to 1."] = 0.5
    model: Annotated[str, "The model: `detector`, or one version of it as `detector:3` or `models:/detector@champion`."] = "detector"


@keynet_function("image-detection-python", description="Finds things in a picture and draws a box around each.")
def main(args: Args):
    if not 0 <= args.threshold <= 1:
        raise InvalidError(f"`threshold` is {args.threshold}, but it must be from 0 to 1")
    storage = Storage()
    picture = decode(storage.get(args.image_url))
    outputs = TritonPlugin(model_name=args.model).predict({"input_0": preprocess(picture)})
    detections = postprocess(outputs["output_0"], args.threshold, picture.size)
    draw(picture, detections)
    file = BytesIO()
    picture.save(file, format="PNG", compress_level=1)
    return {"url": storage.put(file.getvalue(), "image/png"), "detections": detections}


def decode(file: BytesIO) -> Image.Image:
    """Returns the picture as upright RGB. Raises InvalidError for a file that is no whole PNG or JPEG."""
    try:
        picture = Image.open(file, formats=["PNG", "JPEG"])
    except UnidentifiedImageError:
        raise InvalidError("the picture is neither a PNG nor a JPEG file") from None
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise InvalidError(f"the picture has {width}x{height} pixels: at most {MAX_PIXELS:,} are allowed")
    try:
        return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidError(f"cannot decode the picture: {error}") from None


def preprocess(picture: Image.Image) -> np.ndarray:
    """Returns the model's input: 1 x 3 x 640 x 640 values in 0..1."""
    resized = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return (np.asarray(resized, dtype=np.float32) / 255).transpose(2, 0, 1)[np.newaxis]


def postprocess(output: np.ndarray, threshold: float, size: tuple[int, int]) -> list[dict]:
    """Returns the detections of the model's rows (x1, y1, x2, y2 in pixels of its input, score, class), best first."""
    rows = output.reshape(-1, 6).astype(np.float64)
    rows = rows[(rows[:, 4] > 0) & (rows[:, 4] >= threshold)]
    corners = (rows[:, :4] / SIDE * np.tile(size, 2)).clip(0, np.tile(size, 2)).round(1)
    found = [
        {"label": LABELS[int(label)], "score": round(float(score), 3), "box": corner.tolist()}
        for corner, score, label in zip(corners, rows[:, 4], rows[:, 5])
        if corner[0] < corner[2] and corner[1] < corner[3]
    ]
    return sorted(found, key=lambda each: -each["score"])


def draw(picture: Image.Image, detections: list[dict]) -> None:
    """Draws a box and a label for each detection, the best on top. Lines and letters grow with the picture."""
    canvas = ImageDraw.Draw(picture)
    short_side = min(picture.size)
    line, text_size = max(2, short_side // 160), min(160, max(16, short_side / 25))
    font = font_of_height(text_size)
    for each in reversed(detections):
        left, top, right, bottom = (round(edge) for edge in each["box"])
        canvas.rectangle((left, top, right - 1, bottom - 1), outline=colour(each), width=line)
    for each in reversed(detections):
        label(picture, canvas, each, font, text_size)


def label(picture: Image.Image, canvas: ImageDraw.ImageDraw, detection: dict, font: ImageFont.FreeTypeFont, size: float) -> None:
    text = f"{detection['label']} {detection['score'] * 100:.0f}%"
    padding, height = size / 4, round(size)
    width = int(np.ceil(font.getlength(text) + 2 * padding))
    left, top = (round(edge) for edge in detection["box"][:2])
    left, top = max(0, min(left, picture.width - width)), top - height if top >= height else top
    red, green, blue = colour(detection)
    canvas.rectangle((left, top, left + width - 1, top + height - 1), fill=(red, green, blue))
    ink = (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)
    canvas.text((left + padding, top), text, font=font, fill=ink)


def font_of_height(pixels: float) -> ImageFont.FreeTypeFont:
    """Returns the font in the size whose lines are so high."""
    ascent, descent = ImageFont.truetype(BytesIO(FONT), 1000).getmetrics()
    return ImageFont.truetype(BytesIO(FONT), pixels * 1000 / (ascent + descent))


def colour(detection: dict) -> tuple[int, int, int]:
    return COLOURS[LABELS.index(detection["label"])]
