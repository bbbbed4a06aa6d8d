"""Drawing in the words the pictures need: colours, closed curves, shaded fills, strokes.

A colour is 0xAARRGGBB, as Skia takes it. Lengths are in the canvas' current units; y points down.
"""

import colorsys
import math

import numpy as np
import skia

Colour = int
WHITE, BLACK = 0xFFFFFFFF, 0xFF000000


def hsv(hue: float, saturation: float, value: float, alpha: float = 1.0) -> Colour:
    """Each in 0..1; the hue wraps around."""
    rgb = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return int(skia.Color4f(*rgb, alpha).toColor())


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` at share 0, `second` at share 1; the alpha of `first`."""
    channels = (round((first >> s & 255) * (1 - share) + (second >> s & 255) * share) << s for s in (16, 8, 0))
    return (first & 0xFF000000) | sum(channels)


def lighter(colour: Colour, share: float) -> Colour:
    return mix(colour, WHITE, share)


def darker(colour: Colour, share: float) -> Colour:
    return mix(colour, 0xFF101028, share)


def fade(colour: Colour, alpha: float) -> Colour:
    return (colour & 0xFFFFFF) | round(alpha * 255) << 24


def curve(start: tuple, *parts: tuple, closed: bool = True) -> skia.Path:
    """A path from `start`; a part of one point is a line, of two a quadratic, of three a cubic curve."""
    path = skia.Path()
    path.moveTo(*start)
    for part in parts:
        numbers = [number for point in part for number in point] if isinstance(part[0], tuple) else list(part)
        {2: path.lineTo, 4: path.quadTo, 6: path.cubicTo}[len(numbers)](*numbers)
    if closed:
        path.close()
    return path


def polygon(*points: tuple, closed: bool = True) -> skia.Path:
    return curve(points[0], *points[1:], closed=closed)


def circle(x: float, y: float, radius: float) -> skia.Path:
    return skia.Path.Circle(x, y, radius)


def oval(x: float, y: float, rx: float, ry: float) -> skia.Path:
    return skia.Path.Oval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))


def box(x1: float, y1: float, x2: float, y2: float, radius: float = 0.0) -> skia.Path:
    return skia.Path.RRect(skia.Rect.MakeLTRB(x1, y1, x2, y2), radius, radius)


def arc(x: float, y: float, rx: float, ry: float, start: float, sweep: float) -> skia.Path:
    """Part of an oval; degrees, clockwise from the right."""
    path = skia.Path()
    path.addArc(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry), start, sweep)
    return path


def regular(
    x: float, y: float, radius: float, corners: int, turn: float = 0.0, inner: float | None = None
) -> skia.Path:
    """A regular polygon, or a star when `inner` gives the radius of every second corner."""
    count = corners if inner is None else corners * 2
    points = []
    for i in range(count):
        r = radius if inner is None or i % 2 == 0 else inner
        angle = turn + 2 * math.pi * i / count
        points.append((x + r * math.cos(angle), y + r * math.sin(angle)))
    return polygon(*points)


class Pen:
    """Draws on a canvas. With an `ink` every outlined fill gets a line of `ink_width` around it."""

    def __init__(self, canvas: skia.Canvas, ink: Colour | None = None, ink_width: float = 0.0):
        self.canvas, self.ink, self.ink_width = canvas, ink, ink_width

    def fill(self, path: skia.Path, colour: Colour, outline: bool = True, shader: skia.Shader | None = None) -> None:
        paint = skia.Paint(AntiAlias=True, Color=colour)
        if shader is not None:
            paint.setShader(shader)
        self.canvas.drawPath(path, paint)
        if outline and self.ink is not None:
            self.stroke(path, self.ink, self.ink_width)

    def across(self, path: skia.Path, colours: list[Colour], stops: list[float] | None = None, **more) -> None:
        """A fill shaded from left to right."""
        bounds = path.getBounds()
        ends = [skia.Point(bounds.left(), 0), skia.Point(bounds.right(), 0)]
        self.fill(path, BLACK, shader=skia.GradientShader.MakeLinear(ends, colours, stops), **more)

    def down(self, path: skia.Path, colours: list[Colour], stops: list[float] | None = None, **more) -> None:
        """A fill shaded from top to bottom."""
        bounds = path.getBounds()
        ends = [skia.Point(0, bounds.top()), skia.Point(0, bounds.bottom())]
        self.fill(path, BLACK, shader=skia.GradientShader.MakeLinear(ends, colours, stops), **more)

    def round(self, path: skia.Path, x: float, y: float, radius: float, colours: list[Colour], **more) -> None:
        """A fill shaded outwards from a highlight at (x, y)."""
        self.fill(path, BLACK, shader=skia.GradientShader.MakeRadial(skia.Point(x, y), radius, colours), **more)

    def stroke(self, path: skia.Path, colour: Colour, width: float, flat: bool = False) -> None:
        cap = skia.Paint.kButt_Cap if flat else skia.Paint.kRound_Cap
        paint = skia.Paint(AntiAlias=True, Color=colour, Style=skia.Paint.kStroke_Style, StrokeWidth=width)
        paint.setStrokeCap(cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: Colour, width: float, flat: bool = False
    ) -> None:
        self.stroke(polygon((x1, y1), (x2, y2), closed=False), colour, width, flat)

    def glow(self, path: skia.Path, colour: Colour, blur: float) -> None:
        """A fill with soft edges, for shadows and highlights."""
        paint = skia.Paint(AntiAlias=True, Color=colour)
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self.canvas.drawPath(path, paint)

    def within(self, path: skia.Path):
        """`with pen.within(path):` clips what is drawn to the path."""
        return _Clip(self.canvas, path)


class _Clip:
    def __init__(self, canvas: skia.Canvas, path: skia.Path):
        self.canvas, self.path = canvas, path

    def __enter__(self):
        self.canvas.save()
        self.canvas.clipPath(self.path, skia.ClipOp.kIntersect, True)

    def __exit__(self, *_):
        self.canvas.restore()


def chance(rng: np.random.Generator, probability: float) -> bool:
    return rng.random() < probability


def pick(rng: np.random.Generator, choices):
    return choices[int(rng.integers(len(choices)))]
