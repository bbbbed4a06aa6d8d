"""What is behind, between and in front of the things: backgrounds, and shapes that are none of the labels.

Everything is drawn in native pixels of a picture of `width` x `height`.
"""

import math

import numpy as np
import skia

from pen import (
    WHITE,
    Pen,
    arc,
    box,
    chance,
    circle,
    curve,
    darker,
    fade,
    hsv,
    lighter,
    mix,
    oval,
    pick,
    regular,
)

Random = np.random.Generator


def any_colour(rng: Random) -> int:
    return hsv(rng.random(), rng.uniform(0.0, 0.9), rng.uniform(0.15, 1.0))


def background(pen: Pen, rng: Random, width: float, height: float) -> None:
    hue = rng.random()
    base = hsv(hue, rng.uniform(0.05, 0.6), rng.uniform(0.35, 0.98))
    other = hsv(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.05, 0.6), rng.uniform(0.35, 0.98))
    whole = box(0, 0, width, height)
    if chance(rng, 0.5):
        pen.down(whole, [base, other], outline=False)
    else:
        pen.round(
            whole, rng.uniform(0, width), rng.uniform(0, height), max(width, height), [base, other], outline=False
        )
    pick(rng, [plain, stripes, dots, tiles, hills, table, waves])(pen, rng, width, height, base)
    if chance(rng, 0.35):
        grain(pen, rng, width, height)


def plain(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    """Nothing more than the gradient."""


def stripes(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    colour, angle = fade(mix(base, any_colour(rng), 0.4), rng.uniform(0.2, 0.7)), rng.uniform(0, 180)
    step = rng.uniform(0.02, 0.12) * width
    reach = width + height
    pen.canvas.save()
    pen.canvas.rotate(angle, width / 2, height / 2)
    for x in np.arange(-reach, reach, step):
        pen.line(x, -reach, x, reach, colour, step * 0.4, flat=True)
    pen.canvas.restore()


def dots(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    colour = fade(mix(base, any_colour(rng), 0.5), rng.uniform(0.2, 0.7))
    step = rng.uniform(0.05, 0.14) * width
    radius = step * rng.uniform(0.1, 0.35)
    for row, y in enumerate(np.arange(0, height + step, step)):
        for x in np.arange(step / 2 * (row % 2), width + step, step):
            pen.fill(circle(x, y, radius), colour, outline=False)


def tiles(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    line = fade(darker(base, 0.4), rng.uniform(0.2, 0.7))
    across, up = rng.uniform(0.06, 0.2, 2) * width
    for row, y in enumerate(np.arange(0, height, up)):
        for x in np.arange(-across / 2 * (row % 2), width, across):
            shade = mix(base, any_colour(rng), 0.12)
            pen.fill(box(x, y, x + across, y + up), fade(shade, 0.6), outline=False)
            pen.stroke(box(x, y, x + across, y + up), line, width * 0.004)


def hills(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    horizon = rng.uniform(0.4, 0.7) * height
    hue, layers = rng.uniform(0.2, 0.65), int(rng.integers(2, 5))
    for layer in range(layers):
        y = horizon + (height - horizon) * layer / layers
        colour = hsv(hue + 0.03 * layer, rng.uniform(0.25, 0.6), 0.85 - 0.12 * layer)
        swell = rng.uniform(-0.15, 0.15) * height
        pen.down(
            curve((0, y), (width * 0.33, y - swell, width * 0.66, y + swell, width, y), (width, height), (0, height)),
            [lighter(colour, 0.2), colour],
            outline=False,
        )
    for _ in range(int(rng.integers(0, 4))):
        cloud(pen, rng, rng.uniform(0, width), rng.uniform(0, horizon), rng.uniform(0.05, 0.12) * width)


def table(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    edge = rng.uniform(0.35, 0.7) * height
    wood = hsv(rng.uniform(0.04, 0.12), rng.uniform(0.2, 0.65), rng.uniform(0.4, 0.9))
    pen.down(box(0, edge, width, height), [lighter(wood, 0.15), darker(wood, 0.2)], outline=False)
    for y in np.linspace(edge, height, int(rng.integers(2, 8))):
        pen.line(0, y, width, y, fade(darker(wood, 0.5), 0.5), height * 0.004, flat=True)


def waves(pen: Pen, rng: Random, width: float, height: float, base: int) -> None:
    colour, step = fade(mix(base, any_colour(rng), 0.4), rng.uniform(0.3, 0.8)), rng.uniform(0.05, 0.15) * height
    length = rng.uniform(0.08, 0.25) * width
    for y in np.arange(step, height + step, step):
        path = skia.Path()
        path.moveTo(-length, y)
        for i in range(int(width / length) + 2):
            path.rQuadTo(length / 2, step * (0.5 if i % 2 else -0.5), length, 0)
        pen.stroke(path, colour, step * 0.15)


def grain(pen: Pen, rng: Random, width: float, height: float) -> None:
    """Cloudy noise at a random scale over the whole picture."""
    frequency = 1.0 / (rng.uniform(0.01, 0.3) * width)
    paint = skia.Paint(
        Shader=skia.PerlinNoiseShader.MakeFractalNoise(frequency, frequency, 2, int(rng.integers(1, 9999)))
    )
    paint.setAlphaf(rng.uniform(0.1, 0.4))
    pen.canvas.drawRect(skia.Rect.MakeWH(width, height), paint)


# Shapes: each is drawn about (x, y) with a half-size of `size`.


def cloud(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    for dx, dy, r in ((-0.6, 0.1, 0.4), (-0.15, -0.1, 0.5), (0.35, 0.0, 0.45), (0.7, 0.15, 0.3)):
        pen.fill(circle(x + dx * size, y + dy * size, r * size), fade(WHITE, 0.8), outline=False)


def disc(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    colour = any_colour(rng)
    if chance(rng, 0.5):
        pen.round(
            oval(x, y, size, size * rng.uniform(0.5, 1)),
            x - size / 3,
            y - size / 3,
            size * 1.5,
            [lighter(colour, 0.4), darker(colour, 0.4)],
        )
    else:
        pen.fill(circle(x, y, size), colour)


def ring(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    pen.stroke(circle(x, y, size * 0.8), any_colour(rng), size * rng.uniform(0.1, 0.5))
    if chance(rng, 0.3):
        pen.fill(circle(x, y, size * 0.5), any_colour(rng))


def half_disc(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    pen.fill(arc(x, y, size, size, rng.uniform(0, 360), rng.uniform(120, 240)), any_colour(rng))


def slab(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    colour, tall = any_colour(rng), size * rng.uniform(0.3, 1.0)
    pen.across(
        box(x - size, y - tall, x + size, y + tall, tall * rng.uniform(0, 0.6)),
        [lighter(colour, 0.2), darker(colour, 0.2)],
    )
    if chance(rng, 0.4):
        for i in range(1, int(rng.integers(2, 6))):
            edge = y - tall + 2 * tall * i / 6
            pen.line(
                x - size * 0.8,
                edge,
                x + size * rng.uniform(-0.4, 0.8),
                edge,
                fade(darker(colour, 0.7), 0.7),
                tall * 0.1,
            )


def corners(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    inner = size * rng.uniform(0.35, 0.6) if chance(rng, 0.4) else None
    pen.fill(regular(x, y, size, int(rng.integers(3, 7)), rng.uniform(0, 6.3), inner), any_colour(rng))


def leaf(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    green = hsv(rng.uniform(0.1, 0.42), rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.85))
    wide = size * rng.uniform(0.3, 0.6)
    pen.across(
        curve((x - size, y), (x, y - wide * 1.6, x + size, y), (x, y + wide * 1.6, x - size, y)),
        [lighter(green, 0.2), darker(green, 0.2)],
    )
    pen.line(x - size, y, x + size * 0.8, y, darker(green, 0.4), size * 0.05)


def crate(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    wood = any_colour(rng)
    pen.fill(box(x - size, y - size, x + size, y + size), wood)
    for i in range(4):
        pen.line(
            x - size,
            y - size + size * i / 1.5,
            x + size,
            y - size + size * i / 1.5,
            darker(wood, 0.4),
            size * 0.08,
            flat=True,
        )


def bottle(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    glass, wide = any_colour(rng), size * rng.uniform(0.25, 0.4)
    pen.across(
        curve(
            (x - wide, y + size),
            (x - wide, y - size * 0.2),
            (x - wide, y - size * 0.5, x - wide * 0.4, y - size * 0.5, x - wide * 0.4, y - size),
            (x + wide * 0.4, y - size),
            (x + wide * 0.4, y - size * 0.5, x + wide, y - size * 0.5, x + wide, y - size * 0.2),
            (x + wide, y + size),
        ),
        [darker(glass, 0.3), lighter(glass, 0.4), darker(glass, 0.3)],
    )
    pen.fill(box(x - wide, y, x + wide, y + size * 0.5), any_colour(rng), outline=False)


def flower(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    petals, colour = int(rng.integers(5, 9)), any_colour(rng)
    for i in range(petals):
        angle = 2 * math.pi * i / petals
        pen.fill(circle(x + size * 0.6 * math.cos(angle), y + size * 0.6 * math.sin(angle), size * 0.38), colour)
    pen.fill(circle(x, y, size * 0.35), hsv(0.13, 0.7, 0.95))


def writing(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    """Lines of short strokes that look like text from afar."""
    ink, lines = any_colour(rng), int(rng.integers(1, 5))
    tall = size * rng.uniform(0.1, 0.25)
    for line in range(lines):
        left, base = x - size, y + (line - lines / 2) * tall * 2
        while left < x + size * rng.uniform(0.5, 1.0):
            wide = tall * rng.uniform(0.3, 0.8)
            kind = rng.random()
            if kind < 0.4:
                pen.stroke(oval(left + wide / 2, base, wide / 2, tall / 2), ink, tall * 0.15)
            elif kind < 0.8:
                pen.line(left, base - tall * pick(rng, [0.5, 0.9]), left, base + tall * 0.5, ink, tall * 0.15)
                pen.stroke(
                    curve((left, base), (left + wide, base - tall * 0.5, left + wide, base + tall * 0.5), closed=False),
                    ink,
                    tall * 0.15,
                )
            else:
                left += wide
            left += wide * 1.4


def squiggle(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    points = [(x + rng.uniform(-1, 1) * size, y + rng.uniform(-1, 1) * size) for _ in range(4)]
    pen.stroke(curve(points[0], tuple(points[1:]), closed=False), any_colour(rng), size * rng.uniform(0.03, 0.16))


def cane(pen: Pen, rng: Random, x: float, y: float, size: float) -> None:
    pen.stroke(
        curve(
            (x, y - size),
            (x, y + size * 0.5),
            (x, y + size, x + size * 0.5, y + size, x + size * 0.5, y + size * 0.5),
            closed=False,
        ),
        any_colour(rng),
        size * rng.uniform(0.06, 0.15),
    )


SHAPES = [disc, ring, half_disc, slab, corners, leaf, crate, bottle, flower, writing, squiggle, cane, cloud]
COVERS = [disc, slab, corners, leaf, leaf, squiggle, squiggle, writing, bottle, cane, half_disc]


def shape(pen: Pen, rng: Random, choices: list, x: float, y: float, size: float) -> None:
    """One of the choices, turned at random."""
    pen.canvas.save()
    pen.canvas.rotate(rng.uniform(-180, 180), x, y)
    pick(rng, choices)(pen, rng, x, y, size)
    pen.canvas.restore()
