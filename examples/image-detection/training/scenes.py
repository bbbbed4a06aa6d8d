"""Pictures of everyday things on cluttered backgrounds, with their boxes: the detector's whole world.

`render(seed, index)` is a pure function: the same numbers give the same picture on every machine with the same Skia.
A box is tight around what is **visible** of a thing; a thing more than 70 % hidden has none.

    python scenes.py --seed 3 --index 14 picture.png     # one picture, with its boxes on standard output
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
import skia
from PIL import Image

from clutter import COVERS, SHAPES, background, shape
from pen import Pen, chance, darker, fade, oval, pick
from things import LABELS, THINGS

TRAINING_SEED, VALIDATION_SEED, UNSEEN_SEED = 1, 2, 3  # three series of pictures that share none
NATIVE_SIZES = [(640, 480), (800, 600), (512, 512), (480, 640), (960, 720), (768, 512)]  # width, height in pixels
SMALLEST, LARGEST = 0.05, 0.77  # sqrt(box area / picture area) of a thing
HIDDEN = 0.7  # the share of a thing that may be covered before it loses its box
OPAQUE = 128  # alpha from which a pixel belongs to what was drawn on it


@dataclass
class Picture:
    pixels: np.ndarray  # [height, width, 3] uint8 RGB
    boxes: np.ndarray  # [things, 4] float32: x1, y1, x2, y2 in pixels of `pixels`
    labels: np.ndarray  # [things] int64, indices into LABELS
    native_size: tuple[int, int]  # width, height before any stretching


@dataclass
class Placed:
    """A thing to draw: where its centre is, half its nominal width and height (native pixels), its turn in degrees."""

    label: int
    x: float
    y: float
    half_width: float
    half_height: float
    turn: float

    def overlap(self, other: "Placed") -> float:
        """The shared part of the two nominal boxes, as a share of the smaller one."""
        across = min(self.x + self.half_width, other.x + other.half_width) - max(
            self.x - self.half_width, other.x - other.half_width
        )
        down = min(self.y + self.half_height, other.y + other.half_height) - max(
            self.y - self.half_height, other.y - other.half_height
        )
        smaller = min(self.half_width * self.half_height, other.half_width * other.half_height)
        return max(across, 0.0) * max(down, 0.0) / (4.0 * smaller)


# Height over width of the drawings, so that a drawing's box has about the area it was placed with.
ASPECTS = {
    "apple": 1.0,
    "car": 0.57,
    "clock": 1.0,
    "fish": 0.6,
    "house": 1.2,
    "mug": 1.05,
    "sailboat": 1.0,
    "umbrella": 1.0,
}


def place(rng: np.random.Generator, width: int, height: int) -> list[Placed]:
    """One to six things, most often the largest first (so furthest back), not too much on top of one another."""
    count = int(rng.integers(1, 7))
    sizes = np.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST), count))
    if chance(rng, 0.8):
        sizes = np.sort(sizes)[::-1]
    placed: list[Placed] = []
    for size in sizes:
        label = int(rng.integers(len(LABELS)))
        squeeze = rng.uniform(0.82, 1.22)
        aspect = math.sqrt(ASPECTS[LABELS[label]] * squeeze)
        half = size * math.sqrt(width * height) / 2.0
        turn = rng.normal(0, 10) if chance(rng, 0.7) else rng.uniform(-35, 35)
        best, best_overlap = None, math.inf
        for _ in range(12):
            half_width, half_height = min(half / aspect, width * 0.48), min(half * aspect, height * 0.48)
            x = rng.uniform(half_width * 0.85, width - half_width * 0.85)
            y = rng.uniform(half_height * 0.85, height - half_height * 0.85)
            candidate = Placed(label, x, y, half_width, half_height, float(turn))
            overlap = max((candidate.overlap(other) for other in placed), default=0.0)
            if overlap < best_overlap:
                best, best_overlap = candidate, overlap
            if overlap < rng.uniform(0.0, 0.6):
                break
        placed.append(best)
    return placed


class Canvas:
    """Pixels, and for every pixel the number of the thing that is seen there (-1: none)."""

    def __init__(self, native: tuple[int, int], size: tuple[int, int]):
        self.scale = size[0] / native[0], size[1] / native[1]
        self.pixels, self.surface = self._surface(size)
        self.layer_pixels, self.layer_surface = self._surface(size)
        self.owner = np.full((size[1], size[0]), -1, dtype=np.int16)
        self.drawn: list[int] = []  # pixels that each thing would cover alone

    def _surface(self, size: tuple[int, int]):
        pixels = np.zeros((size[1], size[0], 4), dtype=np.uint8)
        surface = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
        surface.getCanvas().scale(*self.scale)
        return pixels, surface

    def base(self) -> skia.Canvas:
        """Draws behind everything; owns nothing."""
        return self.surface.getCanvas()

    def layer(self) -> skia.Canvas:
        self.layer_pixels[:] = 0
        return self.layer_surface.getCanvas()

    def put(self, thing: int) -> None:
        """Lays the layer on the picture; its opaque pixels belong to `thing`, or to nothing with -1."""
        canvas = self.surface.getCanvas()
        canvas.save()
        canvas.resetMatrix()
        canvas.drawImage(self.layer_surface.makeImageSnapshot(), 0, 0)
        canvas.restore()
        opaque = self.layer_pixels[:, :, 3] >= OPAQUE
        self.owner[opaque] = thing
        if thing >= 0:
            self.drawn.append(int(opaque.sum()))

    def visible_box(self, thing: int) -> tuple[float, float, float, float] | None:
        seen = self.owner == thing
        if seen.sum() < max((1.0 - HIDDEN) * self.drawn[thing], 12):
            return None
        columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def draw_thing(canvas: Canvas, placed: Placed, number: int, seed: int, pen_options: dict) -> None:
    rng = np.random.default_rng(seed)
    if chance(rng, 0.6):
        shadow = oval(placed.x, placed.y + placed.half_height * 0.9, placed.half_width * 0.9, placed.half_height * 0.16)
        Pen(canvas.base()).glow(shadow, fade(0xFF000010, rng.uniform(0.15, 0.45)), placed.half_height * 0.08)
    layer = canvas.layer()
    layer.save()
    layer.translate(placed.x, placed.y)
    layer.rotate(placed.turn)
    half = placed.half_width
    layer.scale(half, placed.half_height / ASPECTS[LABELS[placed.label]])
    THINGS[LABELS[placed.label]](Pen(layer, **pen_options), rng)
    layer.restore()
    canvas.put(number)


def develop(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera does: exposure, a colour cast and a little noise. [h, w, 3] uint8 in and out."""
    gain, offset = rng.normal(1.0, 0.06) * rng.normal(1.0, 0.03, 3), rng.normal(0, 6)
    noise = rng.uniform(2.0, 9.0) if chance(rng, 0.5) else 0.0
    tables = np.clip(np.arange(256)[:, None] * gain + offset, 0, 255).astype(np.uint8)
    developed = np.stack([tables[:, channel][pixels[:, :, channel]] for channel in range(3)], axis=-1)
    if noise:
        grey = rng.standard_normal(pixels.shape[:2], dtype=np.float32) * np.float32(noise)
        developed = np.clip(developed.astype(np.int16) + grey.astype(np.int16)[:, :, None], 0, 255).astype(np.uint8)
    return developed


def render(seed: int, index: int, side: int | None = None) -> Picture:
    """Picture `index` of the series `seed`: at its native size, or stretched to `side` x `side` pixels."""
    rng = np.random.default_rng([seed, index])
    native = pick(rng, NATIVE_SIZES)
    width, height = native
    canvas = Canvas(native, (side, side) if side else native)
    shorter = min(width, height)

    ink = darker(int(rng.integers(0xFF000000, 0xFFFFFFFF)), 0.85)
    outlined = chance(rng, 0.35)
    things_pen = {"ink": ink, "ink_width": rng.uniform(0.02, 0.06)} if outlined else {}
    shapes_pen = Pen(canvas.base(), ink, shorter * 0.004) if outlined else Pen(canvas.base())
    background(Pen(canvas.base()), rng, width, height)
    for _ in range(int(rng.integers(0, 14))):
        size = shorter * np.exp(rng.uniform(math.log(0.02), math.log(0.25)))
        shape(shapes_pen, rng, SHAPES, rng.uniform(0, width), rng.uniform(0, height), size)

    placed = place(rng, width, height)
    for number, thing in enumerate(placed):
        draw_thing(canvas, thing, number, int(rng.integers(2**31)), things_pen)
        if chance(rng, 0.3):  # something in front of it, smaller than it
            reach = max(thing.half_width, thing.half_height)
            angle, size = rng.uniform(0, 2 * math.pi), reach * rng.uniform(0.15, 0.6)
            layer = canvas.layer()
            pen = Pen(layer, shapes_pen.ink, shapes_pen.ink_width)
            shape(
                pen, rng, COVERS, thing.x + reach * math.cos(angle) * 0.8, thing.y + reach * math.sin(angle) * 0.8, size
            )
            canvas.put(-1)

    found = [(canvas.visible_box(number), thing.label) for number, thing in enumerate(placed)]
    found = [(visible, label) for visible, label in found if visible is not None]
    return Picture(
        pixels=develop(canvas.pixels[:, :, :3], rng),
        boxes=np.array([visible for visible, _ in found], dtype=np.float32).reshape(-1, 4),
        labels=np.array([label for _, label in found], dtype=np.int64),
        native_size=native,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="render one picture")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("path", help="where to write the PNG")
    arguments = parser.parse_args()
    picture = render(arguments.seed, arguments.index)
    Image.fromarray(picture.pixels).save(arguments.path, optimize=True)
    for corners, label in zip(picture.boxes, picture.labels):
        print(LABELS[label], *corners.astype(int))


if __name__ == "__main__":
    main()
