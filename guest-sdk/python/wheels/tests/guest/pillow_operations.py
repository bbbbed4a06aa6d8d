"""Operations of Pillow that code around models uses: each function's result must be that of CPython with the published wheel."""

import io
import re

import numpy as np
from PIL import (
    Image, ImageChops, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageMath, ImageMorph, ImageOps, ImagePalette, ImageSequence, ImageStat,
    ImageTransform, features,
)

Image.init()
OPERATIONS = {}
RESAMPLING = (Image.Resampling.NEAREST, Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.HAMMING, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def operation(levels=0):
    def register(function):
        OPERATIONS["pillow." + function.__name__] = (function, levels)
        return function
    return register


def picture(mode="RGB", size=(97, 61)):
    """Returns a picture with slopes, edges and fine structure, made of integers only."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    planes = [(x * 3 + y * 2) % 256, (x * y // 7) % 256, np.where((x // 9 + y // 7) % 2, 220, 35)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8)).convert(mode)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def again(image, kind, **options):
    loaded = Image.open(io.BytesIO(saved(image, kind, **options)))
    loaded.load()
    return loaded


@operation()
def what_there_is():
    return {name: features.check(name) for name in ("jpg", "zlib", "webp", "freetype2", "libjpeg_turbo")}


@operation()
def lossless_formats():
    out = []
    for kind, modes in {"PNG": "1 L LA P RGB RGBA I;16", "BMP": "1 L P RGB RGBA", "PPM": "1 L RGB", "TIFF": "1 L P RGB RGBA CMYK F I;16", "TGA": "L P RGB RGBA", "GIF": "L P", "ICO": "RGBA",
                        "PCX": "1 L P RGB", "SGI": "L RGB RGBA", "DIB": "RGB", "IM": "L RGB F"}.items():
        for mode in modes.split():
            image = picture("L").convert("I").convert("I;16") if mode == "I;16" else picture().convert(mode)
            size = (32, 32) if kind == "ICO" else image.size
            out.append(again(image.resize(size) if kind == "ICO" else image, kind))
    return out


@operation()
def jpeg_decoding():
    """Files that this process writes; encoders agree exactly, so that decoders get the same input."""
    return [again(picture(), "JPEG", quality=q, subsampling=s, progressive=p) for q, s, p in ((90, 0, False), (75, 2, False), (50, 1, True))] + [
        again(picture("L"), "JPEG"), again(picture("CMYK"), "JPEG"), again(picture(), "JPEG", optimize=True, restart_marker_rows=1)]


@operation()
def jpeg_files():
    return [saved(picture(), "JPEG"), saved(picture("L", (640, 300)), "JPEG", quality=95), saved(picture(), "JPEG", quality=60, subsampling=0)]


@operation()
def jpeg_draft_and_exif():
    image = picture(size=(400, 300))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a test"
    data = saved(image, "JPEG", exif=exif, dpi=(72, 72))
    small = Image.open(io.BytesIO(data))
    small.draft("RGB", (100, 75))
    loaded = Image.open(io.BytesIO(data))
    return [small.size, small.copy(), dict(loaded.getexif()), ImageOps.exif_transpose(loaded).size, loaded.info["dpi"]]


@operation()
def webp():
    image = picture("RGBA")
    return [again(image, "WEBP", lossless=True), again(picture(), "WEBP", quality=80).size, again(picture(), "WEBP", lossless=True)]


@operation(3)
def webp_lossy():
    return again(picture(), "WEBP", quality=90)


@operation()
def png_details():
    from PIL.PngImagePlugin import PngInfo
    text = PngInfo()
    text.add_text("Title", "häuser")
    p = picture("P")
    loaded = again(p, "PNG", pnginfo=text, transparency=3, dpi=(100, 100))
    return [loaded.info["Title"], loaded.info["transparency"], loaded.convert("RGBA"), again(picture("RGBA"), "PNG", optimize=True), again(picture(), "PNG", compress_level=1)]


@operation()
def animations():
    frames = [picture("P").rotate(90 * i) for i in range(3)]
    loaded = again(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0)
    png = again(picture(), "PNG", save_all=True, append_images=[picture().transpose(Image.Transpose.FLIP_TOP_BOTTOM)])
    tiff = again(picture(), "TIFF", save_all=True, append_images=[picture("L")])
    return [[f.convert("RGB") for f in ImageSequence.Iterator(i)] for i in (loaded, png, tiff)]


@operation()
def modes():
    source = picture("RGBA")
    return [source.convert(m) for m in ("1", "L", "LA", "P", "RGB", "RGBa", "CMYK", "YCbCr", "HSV", "I", "F", "RGBX") if m != "P"] + [
        picture("YCbCr").convert("RGB"), picture("CMYK").convert("RGB"), picture("HSV").convert("RGB"), picture().convert("P", palette=Image.Palette.ADAPTIVE, colors=16),
        picture().convert("L", matrix=(0.3, 0.6, 0.1, 0))]


@operation()
def resizing():
    return [picture(m).resize(s, r) for m in ("RGB", "L", "RGBA", "F") for s in ((64, 64), (200, 130)) for r in RESAMPLING if m != "F"] + [
        picture().reduce(3), picture().resize((50, 50), box=(3.5, 2, 80, 50), reducing_gap=2.0), picture("I").resize((40, 40)), picture("1").resize((40, 40))]


@operation(1)
def resizing_floats():
    return [np.asarray(picture("F").resize((64, 40), r)).round(2) for r in RESAMPLING]


@operation()
def thumbnails():
    out = picture(size=(500, 300))
    out.thumbnail((128, 128))
    return [out, ImageOps.fit(picture(), (40, 40)), ImageOps.pad(picture(), (80, 80), color="red"), ImageOps.contain(picture(), (50, 50)), ImageOps.cover(picture(), (50, 50)), ImageOps.scale(picture(), 0.5)]


@operation()
def cropping_and_pasting():
    base = picture()
    base.paste(picture("L"), (10, 10))
    base.paste((255, 0, 0), (50, 5, 90, 30), picture("L", (40, 25)))
    layer = picture("RGBA")
    layer.putalpha(picture("L"))
    return [picture().crop((5, 6, 70, 50)), picture().crop((-5, -5, 200, 40)), base, Image.alpha_composite(picture("RGBA"), layer), Image.blend(picture(), picture().rotate(180), 0.3),
            Image.composite(picture(), base, picture("L")), Image.merge("RGB", picture().split()[::-1]), picture().getchannel("G")]


@operation()
def transposing():
    return [picture().transpose(t) for t in Image.Transpose] + [picture().rotate(30), picture().rotate(90, expand=True), picture().rotate(-17.5, Image.Resampling.BICUBIC, expand=True, fillcolor="blue"),
                                                               picture().rotate(45, Image.Resampling.BILINEAR, center=(0, 0), translate=(10, 5))]


@operation(1)
def transforming():
    image = picture()
    return [image.transform((80, 80), Image.Transform.AFFINE, (1, 0.2, -5, 0.1, 0.9, 3), r) for r in RESAMPLING[::2][:2]] + [
        image.transform((80, 80), Image.Transform.PERSPECTIVE, (1, 0.1, 0, 0.05, 1, 0, 0.001, 0.002), Image.Resampling.BILINEAR),
        image.transform((60, 60), Image.Transform.QUAD, (2, 3, 5, 55, 90, 58, 88, 4), Image.Resampling.BICUBIC), image.transform((50, 40), ImageTransform.ExtentTransform((5, 5, 60, 45)))]


@operation()
def pointwise():
    image = picture()
    return [ImageOps.autocontrast(image), ImageOps.equalize(image), ImageOps.invert(image), ImageOps.grayscale(image), ImageOps.posterize(image, 3), ImageOps.solarize(image), ImageOps.mirror(image), ImageOps.flip(image),
            ImageOps.colorize(image.convert("L"), "black", "yellow"), ImageOps.expand(image, 5, "green"), ImageOps.crop(image, 4), image.point(lambda v: v // 2), image.convert("L").point(lambda v: 255 * (v > 99), "1"),
            ImageOps.deform(image, type("Mesh", (), {"getmesh": lambda self, i: [((0, 0, 40, 40), (0, 0, 3, 38, 39, 40, 37, 2))]})()), image.histogram(), image.getcolors(10000)[:3], image.getextrema(), image.getbbox(), image.entropy()]


@operation()
def enhancing():
    return [e(picture()).enhance(f) for e in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color, ImageEnhance.Sharpness) for f in (0.4, 1.6)]


@operation()
def filtering():
    image = picture()
    kernels = [ImageFilter.BLUR, ImageFilter.CONTOUR, ImageFilter.DETAIL, ImageFilter.EDGE_ENHANCE, ImageFilter.EMBOSS, ImageFilter.FIND_EDGES, ImageFilter.SHARPEN, ImageFilter.SMOOTH_MORE, ImageFilter.MedianFilter(3),
               ImageFilter.MinFilter(3), ImageFilter.MaxFilter(5), ImageFilter.ModeFilter(3), ImageFilter.RankFilter(3, 2), ImageFilter.Kernel((3, 3), (1, 2, 1, 0, 0, 0, -1, -2, -1), 1, 128), ImageFilter.BoxBlur(2.5),
               ImageFilter.GaussianBlur(3), ImageFilter.UnsharpMask(2, 120, 2), ImageFilter.Color3DLUT.generate(5, lambda r, g, b: (g, b, r))]
    return [image.filter(k) for k in kernels] + [image.convert("L").filter(ImageFilter.GaussianBlur(1.2))]


@operation()
def channel_operations():
    a, b = picture(), picture().rotate(180)
    return [f(a, b) for f in (ImageChops.add, ImageChops.subtract, ImageChops.difference, ImageChops.multiply, ImageChops.screen, ImageChops.lighter, ImageChops.darker, ImageChops.overlay, ImageChops.soft_light)] + [
        ImageChops.offset(a, 10, 5), ImageMath.lambda_eval(lambda e: e["convert"](e["a"] * 2 - e["b"] + 3, "L"), a=a.convert("L"), b=b.convert("L")), list(ImageStat.Stat(a).mean), list(ImageStat.Stat(a).stddev),
        ImageMorph.MorphOp(op_name="edge").apply(a.convert("L").point(lambda v: 255 * (v > 99)))[0]]


@operation()
def drawing_shapes():
    image = picture(size=(200, 150))
    draw = ImageDraw.Draw(image, "RGBA")
    draw.rectangle([10, 10, 90, 70], outline="red", width=3)
    draw.rounded_rectangle([100, 10, 190, 60], 12, fill=(0, 200, 0, 120), outline="white")
    draw.ellipse([20, 80, 90, 140], fill="#33669980", outline="black", width=2)
    draw.line([(0, 0), (199, 149), (199, 0)], fill=ImageColor.getrgb("hsl(300, 100%, 50%)"), width=5, joint="curve")
    draw.polygon([(110, 80), (180, 90), (150, 140)], fill="yellow", outline="blue", width=2)
    draw.arc([100, 70, 190, 145], 20, 200, fill="white", width=4)
    draw.chord([30, 30, 70, 70], 0, 120, fill="cyan")
    draw.pieslice([120, 30, 160, 70], 30, 300, fill="orange")
    draw.point([(1, 1), (3, 3)], fill="white")
    draw.regular_polygon((60, 110, 20), 6, fill="purple")
    ImageDraw.floodfill(image, (5, 140), (1, 2, 3), thresh=20)
    return image


@operation(2)
def drawing_text():
    image = picture(size=(320, 160))
    draw = ImageDraw.Draw(image)
    font, large = ImageFont.load_default(), ImageFont.load_default(size=28)
    draw.text((5, 5), "person 0.97", fill="red", font=font)
    draw.text((5, 30), "Größe Ωλ 12.5%", fill="white", font=large, stroke_width=2, stroke_fill="black")
    draw.multiline_text((5, 70), "two\nlines", font=large, align="center", spacing=6, fill=(255, 255, 0))
    draw.text((160, 120), "anchored", font=large, anchor="mm", fill="blue")
    draw.rectangle(draw.textbbox((200, 60), "box", font=large), outline="lime")
    return [image, font.getbbox("hello"), large.getlength("width"), large.getmask("mask").size, large.getname(), ImageFont.load_default_imagefont().getbbox("abc")]


@operation()
def numpy_exchange():
    image = picture()
    a = np.asarray(image)
    return [a, np.array(image.convert("L")), np.array(image.convert("1")), Image.fromarray(a[::-1, ::-1].copy()), Image.fromarray(np.linspace(0, 1, 100, dtype="f4").reshape(10, 10)), Image.fromarray(a[..., 0] > 99),
            Image.frombytes("RGB", (4, 4), bytes(range(48))), Image.frombuffer("L", (6, 8), bytes(range(48)), "raw", "L", 0, 1), image.tobytes("raw", "BGR")[:60], np.array(image.resize((32, 32)), dtype=np.float32).transpose(2, 0, 1) / 255]


@operation()
def quantizing():
    return [picture().quantize(12, m).convert("RGB") for m in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE, Image.Quantize.FASTOCTREE)] + [
        picture().quantize(palette=picture("P"), dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"), bytes(ImagePalette.make_linear_lut(0, 255))]


@operation()
def errors():
    out = []
    calls = (lambda: Image.open(io.BytesIO(b"no picture")), lambda: Image.open(io.BytesIO(saved(picture(), "JPEG")[:300])).load(), lambda: picture().resize((0, 5)), lambda: picture("RGBA").save(io.BytesIO(), "JPEG"),
             lambda: Image.new("XYZ", (1, 1)), lambda: Image.open("/nowhere/x.png"), lambda: ImageColor.getrgb("nocolor"), lambda: picture().crop((5, 5, 1, 1)), lambda: Image.open(io.BytesIO(saved(picture(), "PNG")[:200])).load())
    for f in calls:
        try:
            out.append(str(f()))
        except Exception as e:
            out.append(re.sub(r"\[Errno \d+\]|<_io.*", "", f"{type(e).__name__}: {e}"))
    return out


@operation()
def preprocessing():
    """Makes the input of a detector out of a JPEG file: letterbox, 1x3x64x64, normalised."""
    image = Image.open(io.BytesIO(saved(picture(size=(320, 180)), "JPEG", quality=92))).convert("RGB")
    boxed = ImageOps.pad(image, (64, 64), Image.Resampling.BILINEAR, color=(114, 114, 114))
    x = np.asarray(boxed, dtype=np.float32) / 255
    return ((x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])).transpose(2, 0, 1)[None]
