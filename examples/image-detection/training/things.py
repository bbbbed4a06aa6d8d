"""The eight things the detector knows, each drawn about the origin within roughly -1..1, y down.

Every drawing takes its colours, proportions and details from a random generator, so no two are alike.
"""

import math

import numpy as np

from pen import WHITE, Pen, arc, box, chance, circle, curve, darker, fade, hsv, lighter, oval, pick, polygon

Random = np.random.Generator


def paint_colour(rng: Random) -> int:
    """A colour of painted metal, glaze or cloth: mostly vivid, sometimes pale, dark or grey."""
    kind = rng.random()
    if kind < 0.68:
        return hsv(rng.random(), rng.uniform(0.5, 0.92), rng.uniform(0.6, 0.98))
    if kind < 0.85:
        return hsv(rng.random(), rng.uniform(0.08, 0.35), rng.uniform(0.85, 1.0))
    return hsv(rng.random(), rng.uniform(0.0, 0.4), rng.uniform(0.2, 0.5))


def apple(pen: Pen, rng: Random) -> None:
    hue = pick(rng, [rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03), rng.uniform(0.2, 0.3), rng.uniform(0.1, 0.15)])
    skin = hsv(hue, rng.uniform(0.65, 0.95), rng.uniform(0.65, 0.95))
    wide, dip, foot = rng.uniform(0.82, 0.98), rng.uniform(-0.52, -0.38), rng.uniform(0.45, 0.65)
    body = curve(
        (0, dip),
        (0.25, -0.8, wide, -0.75, wide, -0.05),
        (wide, 0.5, foot, 0.98, 0.22, 0.9),
        (0.1, 0.82, -0.1, 0.82, -0.22, 0.9),
        (-foot, 0.98, -wide, 0.5, -wide, -0.05),
        (-wide, -0.75, -0.25, -0.8, 0, dip),
    )
    lean = rng.uniform(-0.25, 0.25)
    stalk = curve((0, dip + 0.12), (lean * 0.2, dip - 0.2, lean, -0.95), closed=False)
    light = rng.uniform(-0.5, 0.5)
    pen.round(body, light, -0.3, 1.5, [lighter(skin, 0.35), skin, darker(skin, 0.5)])
    if chance(rng, 0.4):
        blush = hsv(hue + rng.uniform(-0.12, 0.12), 0.8, 0.9, 0.45)
        with pen.within(body):
            pen.glow(oval(-light, 0.1, 0.55, 0.7), blush, 0.2)
    with pen.within(body):
        pen.glow(oval(0, dip + 0.06, 0.3, 0.12), fade(darker(skin, 0.7), 0.7), 0.08)
    pen.stroke(stalk, hsv(0.07, 0.6, rng.uniform(0.25, 0.45)), rng.uniform(0.08, 0.13))
    if chance(rng, 0.75):
        side = pick(rng, [-1, 1])
        leaf = curve(
            (0.02 * side, -0.62),
            (side * 0.1, -1.02, side * 0.5, -1.05, side * 0.72, -0.8),
            (side * 0.5, -0.58, side * 0.25, -0.5, 0.02 * side, -0.62),
        )
        green = hsv(rng.uniform(0.24, 0.36), rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.75))
        pen.across(leaf, [lighter(green, 0.25), darker(green, 0.15)])
        pen.stroke(
            curve((0.08 * side, -0.65), (side * 0.3, -0.8, side * 0.62, -0.8), closed=False), darker(green, 0.4), 0.025
        )
    if chance(rng, 0.8):
        pen.glow(
            oval(light - 0.12 * math.copysign(1, -light), -0.32, 0.14, 0.2), fade(WHITE, rng.uniform(0.4, 0.8)), 0.05
        )


def car(pen: Pen, rng: Random) -> None:
    paint = paint_colour(rng)
    side = pick(rng, [-1, 1])
    roof, waist, sill = rng.uniform(-0.62, -0.46), rng.uniform(-0.12, -0.02), rng.uniform(0.28, 0.36)
    rear, back_roof = pick(rng, [(-0.92, -0.72), (-0.62, -0.38), (-0.75, -0.55)])
    front_roof, front = rng.uniform(0.1, 0.25), rng.uniform(0.42, 0.58)
    radius = rng.uniform(0.19, 0.24)

    def x(value: float) -> float:
        return side * value

    glass = hsv(rng.uniform(0.5, 0.62), rng.uniform(0.15, 0.45), rng.uniform(0.35, 0.95))
    cabin = curve((x(rear), waist + 0.02), (x(back_roof), roof), (x(front_roof), roof), (x(front), waist + 0.02))
    body = curve(
        (x(-0.98), sill - 0.05),
        (x(-1.0), waist + 0.05, x(-0.96), waist, x(-0.85), waist - 0.02),
        (x(front), waist - 0.02),
        (x(0.85), waist + 0.03, x(0.98), waist + 0.1, x(0.99), sill - 0.1),
        (x(0.99), sill, x(0.95), sill + 0.02, x(0.9), sill + 0.02),
        (x(-0.92), sill + 0.02),
        (x(-0.98), sill + 0.02, x(-0.98), sill, x(-0.98), sill - 0.05),
    )
    pen.down(cabin, [lighter(paint, 0.25), paint])
    windows = curve(
        (x(rear + 0.1), waist - 0.03),
        (x(back_roof + 0.05), roof + 0.08),
        (x(front_roof - 0.02), roof + 0.08),
        (x(front - 0.11), waist - 0.03),
    )
    pen.down(windows, [lighter(glass, 0.4), glass], outline=False)
    for pillar in [-0.12] if back_roof > -0.6 else [-0.12, -0.48]:
        pen.line(x(pillar), roof + 0.05, x(pillar), waist, paint, 0.07, flat=True)
    pen.down(body, [lighter(paint, 0.3), paint, darker(paint, 0.45)], [0.0, 0.35, 1.0])
    seam = darker(paint, 0.5)
    pen.line(x(-0.12), waist + 0.02, x(-0.12), sill - 0.06, seam, 0.02)
    pen.line(x(-0.24), waist + 0.11, x(-0.17), waist + 0.11, seam, 0.035)
    pen.fill(oval(x(0.93), waist + 0.15, 0.05, 0.06), hsv(0.14, 0.35, 1.0), outline=False)
    lamp = polygon(
        (x(-0.985), waist + 0.08), (x(-0.92), waist + 0.08), (x(-0.92), waist + 0.2), (x(-0.985), waist + 0.2)
    )
    pen.fill(lamp, hsv(0.0, 0.85, 0.85), outline=False)
    if chance(rng, 0.3):
        pen.line(x(-0.9), sill - 0.12, x(0.92), sill - 0.12, lighter(paint, 0.7), 0.05, flat=True)
    hub = hsv(0.6, 0.03, rng.uniform(0.55, 0.9))
    spokes = int(rng.integers(4, 8))
    for centre in (-0.56, 0.56):
        pen.fill(circle(x(centre), sill, radius + 0.045), darker(paint, 0.8), outline=False)
        pen.fill(circle(x(centre), sill, radius), 0xFF22242A)
        pen.round(
            circle(x(centre), sill, radius * 0.6),
            x(centre) - 0.05,
            sill - 0.05,
            radius,
            [lighter(hub, 0.5), darker(hub, 0.3)],
            outline=False,
        )
        for spoke in range(spokes):
            angle = 2 * math.pi * spoke / spokes
            pen.line(
                x(centre),
                sill,
                x(centre) + radius * 0.5 * math.cos(angle),
                sill + radius * 0.5 * math.sin(angle),
                darker(hub, 0.6),
                0.025,
            )


def clock(pen: Pen, rng: Random) -> None:
    rim = pick(
        rng, [paint_colour(rng), hsv(0.08, 0.55, rng.uniform(0.3, 0.7)), hsv(0.12, 0.6, 0.85), hsv(0.6, 0.05, 0.75)]
    )
    face = pick(rng, [WHITE, hsv(rng.random(), 0.12, 0.98), hsv(rng.random(), 0.4, 0.2), hsv(0.12, 0.25, 0.97)])
    dark_face = sum(face >> s & 255 for s in (0, 8, 16)) < 384
    ink = WHITE if dark_face else darker(face, 0.85)
    square = chance(rng, 0.2)
    thick = rng.uniform(0.09, 0.2)
    alarm = not square and chance(rng, 0.4)
    scale = 0.8 if alarm else 0.97
    if alarm:
        for side in (-1, 1):
            pen.line(side * 0.4, 0.6, side * 0.62, 0.95, darker(rim, 0.4), 0.12)
            pen.canvas.save()
            pen.canvas.rotate(side * 36)
            pen.down(curve((-0.3, -0.8), (-0.28, -1.12, 0.28, -1.12, 0.3, -0.8)), [lighter(rim, 0.5), darker(rim, 0.2)])
            pen.canvas.restore()
    outer = box(-scale, -scale, scale, scale, 0.25) if square else circle(0, 0, scale)
    inner = (
        box(thick - scale, thick - scale, scale - thick, scale - thick, 0.16) if square else circle(0, 0, scale - thick)
    )
    pen.down(outer, [lighter(rim, 0.45), rim, darker(rim, 0.45)])
    pen.down(inner, [darker(face, 0.12), face, lighter(face, 0.2)])
    reach = scale - thick
    ticks = pick(rng, [4, 12, 12, 12])
    for tick in range(ticks):
        angle = 2 * math.pi * tick / ticks
        major = tick * 4 % ticks == 0
        start, end = reach * (0.72 if major else 0.8), reach * 0.9
        pen.line(
            start * math.sin(angle),
            start * math.cos(angle),
            end * math.sin(angle),
            end * math.cos(angle),
            ink,
            0.07 if major else 0.04,
            flat=True,
        )
    hour, minute = rng.uniform(0, 2 * math.pi, 2)
    width = rng.uniform(0.06, 0.11)
    pen.line(0, 0, reach * 0.48 * math.sin(hour), -reach * 0.48 * math.cos(hour), ink, width)
    pen.line(0, 0, reach * 0.72 * math.sin(minute), -reach * 0.72 * math.cos(minute), ink, width * 0.7)
    accent = hsv(rng.random(), 0.8, 0.85)
    if chance(rng, 0.4):
        second = rng.uniform(0, 2 * math.pi)
        pen.line(0, 0, reach * 0.8 * math.sin(second), -reach * 0.8 * math.cos(second), accent, 0.03)
    pen.fill(circle(0, 0, width * 0.9), accent, outline=False)


def fish(pen: Pen, rng: Random) -> None:
    skin = paint_colour(rng)
    fin = pick(rng, [darker(skin, 0.25), hsv(rng.random(), 0.7, 0.85), lighter(skin, 0.2)])
    side, tall, tail = pick(rng, [-1, 1]), rng.uniform(0.36, 0.62), rng.uniform(0.32, 0.55)
    fork = rng.uniform(0.05, 0.25)

    def x(value: float) -> float:
        return side * value

    pen.across(
        curve(
            (x(-0.42), 0),
            (x(-0.7), -tail * 0.4, x(-0.98), -tail),
            (x(fork - 0.98), 0),
            (x(-0.98), tail),
            (x(-0.7), tail * 0.4, x(-0.42), 0),
        ),
        [fin, lighter(fin, 0.25), darker(fin, 0.1)],
    )
    top = rng.uniform(1.1, 1.45) * tall
    pen.down(
        curve((x(0.35), -tall * 0.7), (x(0.1), -top * 1.1, x(-0.2), -top), (x(-0.35), -tall * 0.45)),
        [lighter(fin, 0.2), fin],
    )
    pen.down(
        curve((x(0.1), tall * 0.7), (x(-0.15), top, x(-0.3), top * 0.9), (x(-0.3), tall * 0.5)),
        [fin, lighter(fin, 0.2)],
    )
    body = curve(
        (x(0.98), 0.02),
        (x(0.75), -tall * 0.9, x(0.2), -tall * 1.25, x(-0.55), -0.1),
        (x(-0.58), 0.1),
        (x(0.2), tall * 1.25, x(0.75), tall * 0.9, x(0.98), 0.02),
    )
    pen.down(body, [darker(skin, 0.35), skin, lighter(skin, 0.6)], [0.0, 0.5, 1.0])
    pattern = rng.random()
    with pen.within(body):
        mark = pick(rng, [WHITE, darker(skin, 0.6), hsv(rng.random(), 0.7, 0.9)])
        if pattern < 0.35:
            for stripe in np.arange(-0.3, 0.5, rng.uniform(0.2, 0.32)):
                pen.stroke(
                    curve((x(stripe), -1), (x(stripe + 0.12), 0, x(stripe), 1), closed=False),
                    fade(mark, 0.85),
                    rng.uniform(0.06, 0.12),
                )
        elif pattern < 0.65:
            for row in range(-3, 4):
                for column in range(5):
                    centre = x(-0.4 + 0.17 * column + 0.085 * (row % 2))
                    pen.stroke(
                        arc(centre, row * 0.14, 0.1, 0.1, 90 if side > 0 else -90, 180),
                        fade(darker(skin, 0.5), 0.55),
                        0.025,
                    )
        elif pattern < 0.8:
            for _ in range(int(rng.integers(4, 12))):
                pen.fill(
                    circle(x(rng.uniform(-0.4, 0.5)), rng.uniform(-tall, tall) * 0.7, rng.uniform(0.03, 0.08)),
                    fade(mark, 0.8),
                    outline=False,
                )
    pen.stroke(arc(x(0.42), 0, 0.12, tall * 0.55, 110 if side > 0 else -70, 140), fade(darker(skin, 0.6), 0.7), 0.03)
    pen.fill(
        curve((x(0.3), 0.08), (x(0.0), 0.02, x(-0.08), 0.3), (x(0.12), 0.3, x(0.3), 0.08)),
        fade(fin, 0.9),
        outline=False,
    )
    eye = rng.uniform(0.075, 0.11)
    pen.fill(circle(x(0.66), -tall * 0.25, eye), WHITE)
    pen.fill(circle(x(0.68), -tall * 0.25, eye * 0.6), 0xFF15151C, outline=False)
    pen.stroke(curve((x(0.96), 0.06), (x(0.88), 0.12, x(0.8), 0.1), closed=False), darker(skin, 0.7), 0.03)


def house(pen: Pen, rng: Random) -> None:
    wall = pick(rng, [hsv(rng.random(), rng.uniform(0.1, 0.45), rng.uniform(0.8, 1.0)), paint_colour(rng)])
    roof = pick(rng, [hsv(rng.uniform(-0.02, 0.06), rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.8)), paint_colour(rng)])
    wide, eaves, overhang = rng.uniform(0.62, 0.88), rng.uniform(-0.3, 0.0), rng.uniform(0.06, 0.12)
    gable = rng.uniform(0.0, 0.06) if chance(rng, 0.6) else wide * rng.uniform(0.45, 0.7)
    if chance(rng, 0.65):
        at = pick(rng, [-1, 1]) * wide * rng.uniform(0.4, 0.6)
        brick = hsv(0.03, rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.7))
        pen.across(box(at - 0.1, -0.95, at + 0.1, eaves), [lighter(brick, 0.15), darker(brick, 0.25)])
        pen.fill(box(at - 0.13, -0.97, at + 0.13, -0.87), darker(brick, 0.2))
    front = box(-wide, eaves - 0.02, wide, 0.95)
    pen.across(front, [lighter(wall, 0.15), wall, darker(wall, 0.2)])
    if chance(rng, 0.35):
        with pen.within(front):
            for y in np.arange(eaves, 0.95, 0.11):
                pen.line(-wide, y, wide, y, fade(darker(wall, 0.5), 0.35), 0.02, flat=True)
    span = min(wide + overhang, 0.98)
    pen.down(
        polygon((-span, eaves), (-gable, -0.93), (gable, -0.93), (span, eaves)),
        [lighter(roof, 0.15), darker(roof, 0.2)],
    )
    if gable > 0.1 and chance(rng, 0.6):
        for y in np.arange(-0.8, eaves - 0.05, 0.13):
            edge = gable + (span - gable) * (y + 0.93) / (eaves + 0.93)
            pen.line(-edge, y, edge, y, fade(darker(roof, 0.5), 0.5), 0.02, flat=True)
    frame = pick(rng, [WHITE, darker(wall, 0.6), lighter(wall, 0.7)])
    glass = pick(
        rng, [hsv(0.55, rng.uniform(0.2, 0.5), rng.uniform(0.6, 0.95)), hsv(0.13, 0.5, 1.0), hsv(0.6, 0.4, 0.3)]
    )

    def window(x: float, y: float, size: float) -> None:
        pen.fill(box(x - size, y - size, x + size, y + size), frame)
        pen.down(
            box(x - size * 0.8, y - size * 0.8, x + size * 0.8, y + size * 0.8),
            [lighter(glass, 0.3), darker(glass, 0.15)],
            outline=False,
        )
        pen.line(x, y - size, x, y + size, frame, size * 0.16, flat=True)
        pen.line(x - size, y, x + size, y, frame, size * 0.16, flat=True)

    if gable < 0.1 and chance(rng, 0.5):
        pen.fill(circle(0, (eaves - 0.93) / 2 + 0.08, 0.12), frame)
        pen.fill(circle(0, (eaves - 0.93) / 2 + 0.08, 0.09), glass, outline=False)
    door_x = pick(rng, [0.0, -wide * 0.45, wide * 0.45])
    door = paint_colour(rng)
    pen.across(box(door_x - 0.15, 0.38, door_x + 0.15, 0.95), [door, darker(door, 0.25)])
    pen.fill(circle(door_x + 0.09, 0.68, 0.03), hsv(0.13, 0.5, 0.95), outline=False)
    spots = [-wide * 0.55, wide * 0.55] if door_x == 0.0 else [-door_x * 0.95]
    for x in spots:
        window(x, rng.uniform(0.28, 0.4), rng.uniform(0.13, 0.17))


def mug(pen: Pen, rng: Random) -> None:
    glaze = paint_colour(rng)
    side, top_half = pick(rng, [-1, 1]), rng.uniform(0.58, 0.68)
    foot_half = top_half * rng.uniform(0.78, 1.0)
    rim, lip = rng.uniform(-0.85, -0.65), rng.uniform(0.08, 0.2)
    shift = -side * 0.22

    def x(value: float) -> float:
        return side * value + shift

    handle = curve(
        (x(top_half - 0.04), rim + 0.3), (x(1.3), rim + 0.15, x(1.25), 0.62, x(foot_half - 0.02), 0.5), closed=False
    )
    thick = rng.uniform(0.13, 0.2)
    if pen.ink is not None:
        pen.stroke(handle, pen.ink, thick + 2 * pen.ink_width)
    pen.stroke(handle, darker(glaze, 0.2), thick)
    pen.stroke(handle, lighter(glaze, 0.15), thick * 0.4)
    body = curve(
        (x(-top_half), rim),
        (x(-foot_half), 0.75),
        (x(-foot_half), 0.95, x(foot_half), 0.95, x(foot_half), 0.75),
        (x(top_half), rim),
    )
    light = [darker(glaze, 0.25), lighter(glaze, 0.35), glaze, darker(glaze, 0.45)]
    pen.across(body, light if side > 0 or chance(rng, 0.5) else light[::-1], [0.0, 0.3, 0.6, 1.0])
    mark = pick(rng, [WHITE, hsv(rng.random(), 0.75, 0.9), darker(glaze, 0.5)])
    pattern = rng.random()
    with pen.within(body):
        if pattern < 0.3:
            for y in (-0.1, 0.2, 0.5)[: int(rng.integers(1, 4))]:
                pen.stroke(
                    curve((x(-1), y), (x(0), y + 0.25, x(1), y), closed=False), fade(mark, 0.8), rng.uniform(0.06, 0.14)
                )
        elif pattern < 0.5:
            for row in range(4):
                for column in range(4):
                    pen.fill(
                        circle(x(-0.45 + 0.3 * column + 0.15 * (row % 2)), -0.3 + 0.3 * row, 0.07),
                        fade(mark, 0.8),
                        outline=False,
                    )
        elif pattern < 0.7:
            pen.fill(
                curve(
                    (x(0), 0.45),
                    (x(-0.55), 0.05, x(-0.3), -0.35, x(0), -0.05),
                    (x(0.3), -0.35, x(0.55), 0.05, x(0), 0.45),
                ),
                fade(mark, 0.9),
                outline=False,
            )
    pen.fill(oval(x(0), rim, top_half, lip), lighter(glaze, 0.3))
    drink = pick(rng, [hsv(0.07, 0.75, 0.3), hsv(0.08, 0.5, 0.6), hsv(0.1, 0.8, 0.7), darker(glaze, 0.5)])
    pen.down(oval(x(0), rim + 0.01, top_half * 0.87, lip * 0.78), [darker(drink, 0.5), drink], outline=False)


def sailboat(pen: Pen, rng: Random) -> None:
    hull, cloth = paint_colour(rng), pick(rng, [WHITE, hsv(0.12, 0.12, 0.98), paint_colour(rng)])
    side, deck = pick(rng, [-1, 1]), rng.uniform(0.42, 0.55)
    mast, keel = rng.uniform(-0.12, 0.15), rng.uniform(0.85, 0.97)

    def x(value: float) -> float:
        return side * value

    pen.line(
        x(mast),
        -0.95,
        x(mast),
        deck + 0.05,
        hsv(0.08, rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.6)),
        rng.uniform(0.045, 0.07),
    )
    boom, belly = deck - rng.uniform(0.06, 0.12), rng.uniform(0.05, 0.3)
    main = curve((x(mast - 0.05), -0.9), (x(mast - 0.35 - belly), -0.35, x(-0.85), boom), (x(mast - 0.05), boom - 0.02))
    pen.across(
        main, [lighter(cloth, 0.2), darker(cloth, 0.18)] if side > 0 else [darker(cloth, 0.18), lighter(cloth, 0.2)]
    )
    second = pick(rng, [cloth, paint_colour(rng)])
    if chance(rng, 0.8):
        high = rng.uniform(-0.85, -0.5)
        pen.across(
            curve(
                (x(mast + 0.06), high),
                (x(mast + 0.3 + belly * 0.5), -0.1, x(rng.uniform(0.7, 0.88)), boom),
                (x(mast + 0.06), boom - 0.05),
            ),
            [darker(second, 0.15), lighter(second, 0.15)],
        )
    with pen.within(main):
        pattern = rng.random()
        mark = paint_colour(rng)
        if pattern < 0.3:
            for y in np.arange(-0.6, boom, 0.3):
                pen.line(-1, y, 1, y + 0.05, fade(mark, 0.8), 0.1, flat=True)
        elif pattern < 0.55:
            for y in np.arange(-0.5, boom, 0.25):
                pen.line(-1, y, 1, y, fade(darker(cloth, 0.5), 0.4), 0.02, flat=True)
    if chance(rng, 0.5):
        pen.fill(
            polygon((x(mast), -0.98), (x(mast - 0.22), -0.9), (x(mast), -0.82)),
            hsv(rng.random(), 0.8, 0.9),
            outline=False,
        )
    shell = curve(
        (x(-0.92), deck),
        (x(0.98), deck - 0.04),
        (x(0.85), keel, x(0.5), keel),
        (x(-0.6), keel),
        (x(-0.82), keel, x(-0.92), deck),
    )
    pen.down(shell, [lighter(hull, 0.25), hull, darker(hull, 0.4)])
    with pen.within(shell):
        if chance(rng, 0.6):
            pen.line(
                -1,
                deck + 0.12,
                1,
                deck + 0.1,
                lighter(hull, 0.8) if chance(rng, 0.5) else darker(hull, 0.6),
                0.07,
                flat=True,
            )


def umbrella(pen: Pen, rng: Random) -> None:
    cloth, other = paint_colour(rng), paint_colour(rng)
    if chance(rng, 0.5):
        other = cloth
    hem, top, panels = rng.uniform(-0.12, 0.08), -0.88, int(rng.integers(4, 8))
    stick = hsv(0.08, rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.6))
    hook, width = pick(rng, [-1, 1]) * rng.uniform(0.12, 0.2), rng.uniform(0.06, 0.09)
    pen.line(0, -0.98, 0, top + 0.05, stick, width)
    shaft = curve((0, hem - 0.1), (0, 0.8), (0, 1.02, hook * 2, 1.02, hook * 2, 0.78), closed=False)
    if pen.ink is not None:
        pen.stroke(shaft, pen.ink, width + 2 * pen.ink_width)
    pen.stroke(shaft, stick, width)
    edges = [-0.98 * math.cos(math.pi * i / panels) for i in range(panels + 1)]
    scallop = rng.uniform(0.06, 0.16)

    def rib(edge: float) -> tuple:
        return (edge * 1.02, (hem + top) / 2 - 0.28, edge * 0.55, top)

    for i in range(panels):
        left, right = edges[i], edges[i + 1]
        lx, ly, lx2, _ = rib(left)
        rx, ry, rx2, _ = rib(right)
        panel = curve(
            (0, top),
            (lx2, top, lx, ly, left, hem),
            ((left + right) / 2, hem - scallop, right, hem),
            (rx, ry, rx2, top, 0, top),
        )
        colour = cloth if i % 2 == 0 else other
        shade = abs((i + 0.5) / panels - 0.35)
        pen.down(panel, [lighter(colour, 0.3 * (1 - shade)), darker(colour, 0.1 + 0.5 * shade)])
    if pen.ink is None and chance(rng, 0.6):
        for edge in edges[1:-1]:
            ex, ey, ex2, _ = rib(edge)
            pen.stroke(
                curve((0, top), (ex2, top, ex, ey, edge, hem), closed=False), fade(darker(cloth, 0.6), 0.5), 0.02
            )


THINGS = {thing.__name__: thing for thing in (apple, car, clock, fish, house, mug, sailboat, umbrella)}
LABELS = list(THINGS)
