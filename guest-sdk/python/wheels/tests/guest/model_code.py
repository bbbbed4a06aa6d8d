"""What actions around models of vision, text and audio do before and after the model, as their authors write it."""

import base64
import collections
import io
import json
import math
import re
import struct
import unicodedata
import wave
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

OPERATIONS = {}


def operation(tolerance=0.0):
    def register(function):
        OPERATIONS["model_code." + function.__name__] = (function, tolerance)
        return function
    return register


def scores(*shape, seed=7):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def photograph(width=160, height=120):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([(x * 3 + y) % 256, (y * 5) % 256, (x * y // 9) % 256], -1).astype(np.uint8))


# ---- Vision


@operation(1e-6)
def normalise_for_imagenet():
    image = ImageOps.fit(photograph().convert("RGB"), (96, 96), Image.Resampling.BICUBIC)
    array = np.asarray(image).astype(np.float32) / 255.0
    array = (array - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
    return np.ascontiguousarray(array.transpose(2, 0, 1)[np.newaxis])


@operation(1e-6)
def letterbox_and_back():
    image = photograph(170, 90)
    scale = min(128 / image.width, 128 / image.height)
    size = (round(image.width * scale), round(image.height * scale))
    canvas = Image.new("RGB", (128, 128), (114, 114, 114))
    offset = ((128 - size[0]) // 2, (128 - size[1]) // 2)
    canvas.paste(image.resize(size, Image.Resampling.BILINEAR), offset)
    boxes = np.array([[10.5, 40.25, 90, 100], [0, 30, 127, 98]], np.float32)
    boxes[:, [0, 2]] = (boxes[:, [0, 2]] - offset[0]) / scale
    boxes[:, [1, 3]] = (boxes[:, [1, 3]] - offset[1]) / scale
    return [np.asarray(canvas), boxes.clip(0, [image.width, image.height] * 2)]


def intersection_over_union(box, boxes):
    left_top = np.maximum(box[:2], boxes[:, :2])
    right_bottom = np.minimum(box[2:], boxes[:, 2:])
    overlap = np.prod(np.clip(right_bottom - left_top, 0, None), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return overlap / (np.prod(box[2:] - box[:2]) + area - overlap + 1e-9)


@operation(1e-5)
def decode_a_detector_with_non_maximum_suppression():
    raw = scores(1, 12, 300)  # centre, size, eight classes
    rows = raw[0].T
    confidence = 1 / (1 + np.exp(-rows[:, 4:]))
    label, score = confidence.argmax(1), confidence.max(1)
    centre, size = rows[:, :2] * 40 + 64, np.exp(rows[:, 2:4]) * 12
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    kept = []
    order = np.argsort(-score, kind="stable")
    while order.size and len(kept) < 20:
        best = order[0]
        kept.append(best)
        rest = order[1:]
        order = rest[(intersection_over_union(boxes[best], boxes[rest]) < 0.45) | (label[rest] != label[best])]
    kept = np.array(kept)
    return [boxes[kept], score[kept], label[kept].astype(np.int64)]


@operation()
def a_segmentation_mask_in_colours():
    logits = scores(4, 32, 40)
    mask = logits.argmax(0).astype(np.uint8)
    image = Image.fromarray(mask)
    image.putpalette([0, 0, 0, 220, 30, 30, 30, 220, 30, 30, 30, 220] + [0] * 744)
    large = image.resize((80, 64), Image.Resampling.NEAREST)
    return [large.convert("RGB"), np.bincount(mask.ravel(), minlength=4), Image.blend(photograph(80, 64), large.convert("RGB"), 0.5)]


@operation(1e-5)
def keypoints_from_heat_maps():
    maps = scores(17, 24, 18)
    flat = maps.reshape(17, -1)
    at = flat.argmax(1)
    y, x = np.unravel_index(at, maps.shape[1:])
    weights = np.exp(flat - flat.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    grid = np.indices(maps.shape[1:]).reshape(2, -1)
    return [np.stack([x, y, flat.max(1)], 1), weights @ grid.T]


@operation(1e-6)
def softmax_top_five():
    logits = scores(3, 1000)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
    top = np.argpartition(probabilities, -5, axis=-1)[:, -5:]
    order = np.take_along_axis(probabilities, top, 1).argsort(1)[:, ::-1]
    top = np.take_along_axis(top, order, 1)
    return [top.astype(np.int64), np.take_along_axis(probabilities, top, 1)]


@operation()
def tiles_of_a_large_picture():
    array = np.asarray(photograph(128, 96))
    tiles = array.reshape(3, 32, 4, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
    windows = np.lib.stride_tricks.sliding_window_view(array[..., 0], (16, 16))[::16, ::16]
    return [tiles, windows.copy(), np.pad(array, ((0, 4), (3, 0), (0, 0)), mode="reflect")]


@operation(2)
def boxes_drawn_with_labels():
    image = photograph(240, 160)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=14)
    for at, (label, box) in enumerate([("cat 97%", (20, 30, 110, 120)), ("Hund 81%", (100, 50, 220, 150))]):
        colour = [(255, 77, 77), (26, 163, 255)][at]
        draw.rectangle(box, outline=colour, width=3)
        left, top, right, bottom = draw.textbbox(box[:2], label, font=font, anchor="lb")
        draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=colour)
        draw.text(box[:2], label, font=font, anchor="lb", fill="white")
    file = io.BytesIO()
    image.save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


@operation()
def a_picture_in_a_data_url():
    buffer = io.BytesIO()
    photograph(24, 16).save(buffer, "PNG", optimize=True)
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


# ---- Text

VOCABULARY = {word: at for at, word in enumerate("[PAD] [UNK] [CLS] [SEP] the un ##want ##ed runn ##ing , . cafe 2 ##6 東 京".split())}


def word_pieces(word):
    pieces, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and (("##" if start else "") + word[start:end]) not in VOCABULARY:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(("##" if start else "") + word[start:end])
        start = end
    return pieces


@operation()
def tokens_of_a_transformer():
    rows = []
    for text in ("The unwanted running, café.", "東京 26", "", "Zürich\u200b the"):
        plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        words = re.findall(r"[\u4e00-\u9fff]|\w+|[^\w\s]", plain)
        rows.append([VOCABULARY[piece] for piece in ["[CLS]", *(p for word in words for p in word_pieces(word)), "[SEP]"]])
    length = max(map(len, rows))
    ids = np.array([row + [0] * (length - len(row)) for row in rows], dtype=np.int64)
    return [ids, (ids != 0).astype(np.int64), np.zeros_like(ids), np.arange(length, dtype=np.int64)[None].repeat(len(rows), 0)]


@operation(1e-6)
def mean_pooling_and_cosine_similarity():
    hidden, mask = scores(4, 9, 32), (np.arange(9) < np.array([[9], [4], [1], [6]])).astype(np.float32)
    pooled = (hidden * mask[..., None]).sum(1) / np.maximum(mask.sum(1, keepdims=True), 1e-9)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    return [pooled @ pooled.T, np.einsum("bth,bt->bh", hidden, mask)]


@operation()
def answers_of_a_reader():
    start, end = scores(40, seed=1), scores(40, seed=2)
    total = np.triu(start[:, None] + end[None, :]) - 1e4 * np.tril(np.ones((40, 40), np.float32), -1)
    total = np.where(np.arange(40)[None, :] - np.arange(40)[:, None] < 12, total, -np.inf)
    best = np.dstack(np.unravel_index(np.argsort(-total.ravel(), kind="stable")[:5], total.shape))[0]
    return best.astype(np.int64)


@operation()
def entities_from_tags():
    tags = np.array(["O", "B-PER", "I-PER", "O", "B-LOC"])[scores(12, 5).argmax(1)]
    found = collections.defaultdict(list)
    for at, tag in enumerate(tags.tolist()):
        if tag.startswith("B-"):
            found[tag[2:]].append([at, at + 1])
        elif tag.startswith("I-") and found.get(tag[2:]) and found[tag[2:]][-1][1] == at:
            found[tag[2:]][-1][1] = at + 1
    return json.loads(json.dumps(found))


@operation(1e-12)
def term_frequencies():
    texts = ["the cat sat", "the dog sat on the mat", "안녕 세상 안녕"]
    words = sorted({word for text in texts for word in text.split()})
    counts = np.array([[text.split().count(word) for word in words] for text in texts], np.float64)
    weights = counts * (np.log((1 + len(texts)) / (1 + (counts > 0).sum(0))) + 1)
    return [words, weights / np.linalg.norm(weights, axis=1, keepdims=True)]


@operation()
def sampling_of_the_next_token():
    generator = np.random.default_rng(11)
    logits = scores(50).astype(np.float64) / 0.7
    order = np.argsort(-logits, kind="stable")
    probabilities = np.exp(logits[order] - logits.max())
    probabilities /= probabilities.sum()
    kept = np.searchsorted(probabilities.cumsum(), 0.9) + 1
    return [int(order[generator.choice(kept, p=probabilities[:kept] / probabilities[:kept].sum())]) for _ in range(20)]


# ---- Audio

RATE = 16_000


def tone():
    at = np.arange(RATE // 2) / RATE
    return (0.5 * np.sin(2 * np.pi * 440 * at) + 0.2 * np.sin(2 * np.pi * 1320 * at + 0.3)).astype(np.float32)


@operation()
def a_wave_file_written_and_read():
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((tone() * 32767).astype("<i2").tobytes())
    file.seek(0)
    with wave.open(file) as read:
        samples = np.frombuffer(read.readframes(read.getnframes()), "<i2")
        return [read.getparams()[:4], samples, zlib.crc32(file.getvalue())]


def mel_filters(count=40, size=400):
    def mel(hertz):
        return 2595 * math.log10(1 + hertz / 700)

    edges = 700 * (10 ** (np.linspace(mel(0), mel(RATE / 2), count + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    rising = (frequencies[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


@operation(1e-6)
def a_log_mel_spectrogram():
    padded = np.pad(tone().astype(np.float64), 200, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160] * np.hanning(401)[:-1]
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    log = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    return ((np.maximum(log, log.max() - 8) + 4) / 4).astype(np.float32)


@operation(1e-6)
def resampling_and_levels():
    samples = tone().astype(np.float64)
    at = np.arange(0, samples.size, RATE / 8000)
    slower = np.interp(at, np.arange(samples.size), samples)
    emphasised = np.append(samples[0], samples[1:] - 0.97 * samples[:-1])
    loudness = np.sqrt(np.mean(samples.reshape(-1, 400) ** 2, axis=1))
    smooth = np.convolve(np.abs(samples), np.ones(64) / 64, mode="same")
    return [slower, emphasised, 20 * np.log10(loudness), smooth, (loudness > 0.3).tolist(), np.correlate(samples[:500], samples[100:400])]


@operation()
def text_of_speech_by_greedy_ctc():
    best = scores(60, 6, seed=4).argmax(1)
    changed = np.concatenate([[True], best[1:] != best[:-1]])
    return ["".join(" abcde"[label] for label in best[changed & (best != 0)]), changed.sum()]


# ---- Exchange


@operation()
def tables_of_numbers():
    table = np.genfromtxt(io.StringIO("a,b,c\n1,2.5,x\n3,,y\n"), delimiter=",", names=True, dtype=None, encoding="utf-8")
    out = io.StringIO()
    np.savetxt(out, np.arange(6).reshape(2, 3) / 4, fmt="%.3f", delimiter=",")
    return [table["b"], table["c"].tolist(), out.getvalue(), np.loadtxt(io.StringIO("1 2\n3 4"))]


@operation()
def raw_tensors():
    packed = struct.pack("<3f", 1.5, -2.0, 0.25)
    array = np.frombuffer(packed, "<f4").copy()
    archive = io.BytesIO()
    np.savez_compressed(archive, boxes=array, names=np.array(["a", "ü"]))
    loaded = np.load(io.BytesIO(archive.getvalue()))
    return [array, loaded["boxes"], loaded["names"].tolist(), np.packbits(array > 0), np.unpackbits(np.array([5], np.uint8)), array.astype(">f4").tobytes().hex()]
