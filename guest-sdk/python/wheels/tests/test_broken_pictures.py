"""A damaged file is decoded or is a Python exception, as with the published wheels; the instance goes on in every case."""

import base64
import io
import random

from PIL import Image, ImageFont

import broken_pictures
import pillow_operations

PER_FILE = 30
ROUND = 100


def whole_files():
    """Returns files of every kind that has a decoder in C, by their names."""
    picture = pillow_operations.picture
    saved = pillow_operations.saved
    color = picture(size=(150, 110))
    files = {
        "JPEG": saved(color, "JPEG"), "JPEG, progressive": saved(color, "JPEG", progressive=True), "JPEG, restart markers": saved(color, "JPEG", restart_marker_rows=1),
        "JPEG, gray": saved(color.convert("L"), "JPEG"), "JPEG, CMYK": saved(color.convert("CMYK"), "JPEG"), "PNG": saved(color, "PNG"), "PNG, palette": saved(color.convert("P"), "PNG"),
        "PNG, 16 bits": saved(color.convert("L").convert("I").convert("I;16"), "PNG"), "GIF": saved(color.convert("P"), "GIF"), "TIFF": saved(color, "TIFF"), "WEBP": saved(color, "WEBP"),
        "WEBP, lossless": saved(color.convert("RGBA"), "WEBP", lossless=True), "ICO": saved(color.resize((64, 64)), "ICO"), "BMP": saved(color.convert("P"), "BMP"), "TGA": saved(color, "TGA", compression="tga_rle"),
        "PCX": saved(color, "PCX"), "PPM": saved(color, "PPM"), "SGI": saved(color, "SGI"), "QOI": b"qoif" + (40).to_bytes(4, "big") + (30).to_bytes(4, "big") + b"\3\0" + bytes(range(1, 254)) * 8,
    }
    frames = [color.convert("P").rotate(90 * i) for i in range(3)]
    files["GIF, frames"] = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    return {name: ("picture", data) for name, data in files.items()} | {"font": ("font", default_font())}


def default_font():
    """Returns the TrueType font that Pillow carries."""
    font = ImageFont.load_default(size=20)
    data = font.path.getvalue() if isinstance(font.path, io.BytesIO) else font.font_bytes
    assert data[:4] in (b"\0\1\0\0", b"OTTO", b"true")
    return data


def damaged(data, chance):
    """Returns a copy that is cut off, or in which bytes are other ones, zero, missing or repeated."""
    data = bytearray(data)
    way = chance.randrange(6)
    at, length = chance.randrange(len(data)), chance.randrange(1, 40)
    if way == 0:
        del data[at:]
    elif way == 1:
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif way == 2:
        data[at:at + length] = bytes(len(data[at:at + length]))
    elif way == 3:
        del data[at:at + length]
    elif way == 4:
        data[at:at] = data[at:at + length]
    else:  # in the header, where sizes and offsets are
        data[chance.randrange(min(len(data), 120))] = chance.choice((0, 1, 127, 128, 255))
    return bytes(data)


def test_damaged_files_end_as_on_cpython_and_never_end_the_instance(sandbox):
    chance = random.Random(20260101)
    files = [(f"{name} {i}", kind, damaged(data, chance) if i else data) for name, (kind, data) in whole_files().items() for i in range(PER_FILE)]
    run = sandbox.instance()
    different, decoded = [], 0
    for at in range(0, len(files), ROUND):
        part = files[at:at + ROUND]
        found = run("broken", [[kind, base64.b64encode(data).decode()] for _, kind, data in part])
        for (name, kind, data), outcome in zip(part, found, strict=True):
            wanted = broken_pictures.outcome(kind, data)
            decoded += outcome[0] == "decoded"
            if outcome[0] != wanted[0]:
                different.append(f"{name}: {outcome} in place of {wanted}")
    print(f"{len(files)} files: {decoded} decoded, {len(files) - decoded} raised; {len(different)} ended otherwise than on CPython", *different, sep="\n")
    assert decoded > len(files) // 10
    assert decoded < len(files) * 9 // 10
    assert different == []
