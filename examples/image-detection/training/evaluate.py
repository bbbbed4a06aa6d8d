"""Measures the detector on pictures of a seed it has never seen: through the host, or directly with ONNX Runtime.

    python evaluate.py --action detect.wasm          # starts the host, posts every picture, scores the answers
    python evaluate.py --direct                      # the model alone, with the same preprocessing as the action

Through the host, the pictures are PNG files in a storage folder, at their native sizes, and every answer went the
whole way: decode, resize, model, postprocess.
"""

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from scenes import LABELS, UNSEEN_SEED, render
from scoring import Found, Truth, report, score

INPUT_SIDE = 640  # pixels
THRESHOLD = 0.01  # the least score of a detection that is asked for
MODELS = Path(__file__).resolve().parent.parent / "models"

Detect = Callable[[int, np.ndarray], Found]  # the number of a picture and its pixels [height, width, 3] uint8 RGB


def measure(detect: Detect, seed: int, count: int) -> dict[str, float]:
    """Renders pictures 0..count of the seed at their native sizes and scores what `detect` finds on them."""
    truths, founds = [], []
    for index in range(count):
        picture = render(seed, index)
        height, width = picture.pixels.shape[:2]
        truths.append(Truth(width, height, picture.boxes, picture.labels))
        founds.append(detect(index, picture.pixels))
    return score(truths, founds)


def measure_onnx(model: Path, seed: int, count: int) -> dict[str, float]:
    """The model alone: resize to 640x640 without keeping the aspect (triangle filter), /255, channels first."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def detect(_: int, pixels: np.ndarray) -> Found:
        height, width = pixels.shape[:2]
        resized = Image.fromarray(pixels).resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.BILINEAR)
        tensor = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)[None] / 255
        rows = session.run(["output_0"], {"input_0": tensor})[0][0]
        rows = rows[rows[:, 4] >= THRESHOLD]
        scale = np.array([width, height, width, height], dtype=np.float32) / INPUT_SIDE
        return Found(rows[:, :4] * scale, rows[:, 5].astype(int), rows[:, 4])

    return measure(detect, seed, count)


def measure_action(url: str, storage: Path, seed: int, count: int) -> dict[str, float]:
    """The action, served by the host at `url`, which reads the pictures from the folder `storage`."""

    def detect(index: int, pixels: np.ndarray) -> Found:
        key = f"picture-{index:04}.png"
        Image.fromarray(pixels).save(storage / key)
        return found_in(post(url, {"image_url": key, "threshold": THRESHOLD}))

    return measure(detect, seed, count)


def post(url: str, parameters: dict) -> dict:
    request = urllib.request.Request(url, json.dumps(parameters).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        body = error.read().decode(errors="replace")[:2000]
        raise SystemExit(f"{parameters['image_url']}: the host answered {error.code}: {body}") from error
    except (OSError, ValueError) as error:
        raise SystemExit(f"{parameters['image_url']}: no usable answer from {url}: {error}") from error


def found_in(answer: dict) -> Found:
    """Reads {"url": ..., "detections": [{"label", "score", "box": [x1, y1, x2, y2]}]}."""
    try:
        detections = answer["detections"]
        boxes = np.array([one["box"] for one in detections], dtype=np.float32).reshape(-1, 4)
        labels = np.array([LABELS.index(one["label"]) for one in detections], dtype=int)
        scores = np.array([one["score"] for one in detections], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise SystemExit(f"not a result of the action ({error!r}): {json.dumps(answer)[:2000]}") from error
    return Found(boxes, labels, scores)


@contextlib.contextmanager
def served(command: str, action: Path, port: int, models: Path, storage: Path, patience: float) -> Iterator[str]:
    """Runs the host until the block ends; yields the address of the action."""
    with tempfile.TemporaryFile() as log:
        arguments = [
            command,
            "run",
            str(action),
            "--serve",
            f"127.0.0.1:{port}",
            "--models",
            str(models),
            "--storage",
            str(storage),
        ]
        try:
            host = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            raise SystemExit(f"cannot start {command}: {error.strerror}; is keynet-inference installed?") from error
        try:
            wait_for(port, host, log, patience)
            yield f"http://127.0.0.1:{port}/"
        except SystemExit as error:
            raise SystemExit(f"{error}\nlast output of `{' '.join(arguments)}`:\n{tail(log)}") from error
        finally:
            host.terminate()
            try:
                host.wait(timeout=15)
            except subprocess.TimeoutExpired:
                host.kill()
                host.wait()


def wait_for(port: int, host: subprocess.Popen, log, patience: float) -> None:
    """Returns once something listens on the port; `patience` is in seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if host.poll() is not None:
            raise SystemExit(f"the host stopped with exit code {host.returncode} before it listened")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"the host did not listen on port {port} within {patience:.0f} s")


def tail(log, length: int = 4000) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-length:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--action", type=Path, help="the action to measure through the host, a .wasm component")
    way.add_argument("--direct", action="store_true", help="measure the model alone with ONNX Runtime")
    parser.add_argument("--models", type=Path, default=MODELS, help="model repository (default: the example's)")
    parser.add_argument("--cli", default="keynet-inference", help="the command that runs actions")
    parser.add_argument("--port", type=int, default=0, help="where it serves (default: a free port)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait until it listens")
    parser.add_argument("--seed", type=int, default=UNSEEN_SEED)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if mAP@[.5:.95] is lower")
    arguments = parser.parse_args()

    started = time.monotonic()
    if arguments.direct:
        figures = measure_onnx(arguments.models / "detector" / "1" / "model.onnx", arguments.seed, arguments.pictures)
    else:
        if not arguments.action.is_file():
            raise SystemExit(f"{arguments.action}: no such file; build the action first")
        with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
            storage = Path(folder)
            with served(
                arguments.cli,
                arguments.action,
                arguments.port or free_port(),
                arguments.models,
                storage,
                arguments.patience,
            ) as url:
                figures = measure_action(url, storage, arguments.seed, arguments.pictures)
    print(f"{arguments.pictures} pictures of seed {arguments.seed}, {time.monotonic() - started:.0f} s")
    print(report(figures))
    if not figures["mAP@[.5:.95]"] >= arguments.at_least:
        sys.exit(f"mAP is below {arguments.at_least}")


if __name__ == "__main__":
    main()
