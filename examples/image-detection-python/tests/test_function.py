"""The action natively, with a model made of ten lines: `pytest`."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import function
from keynet_inference import InvalidError
from keynet_inference.testing import Environment


def detector(inputs: dict) -> dict:
    """Finds a mug in the left half of any picture, and less surely a fish in the whole."""
    assert inputs["input_0"].shape == (1, 3, 640, 640) and inputs["input_0"].dtype == np.float32
    rows = np.zeros((1, 100, 6), np.float32)
    rows[0, 0] = [0, 0, 640, 640, 0.3, 3]
    rows[0, 1] = [0, 64, 320, 640, 0.8765, 5]
    return {"output_0": rows}


def file(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format=kind)
    return buffer.getvalue()


@pytest.fixture
def environment() -> Environment:
    cups = file(Image.new("RGB", (320, 200), (90, 90, 90)))
    return Environment({"image_url": "cups.png"}, {"cups.png": cups}, {"detector": detector})


def test_what_is_sure_enough_is_found_and_drawn(environment: Environment):
    result = environment.call(function.main)
    assert result["detections"] == [{"label": "mug", "score": 0.877, "box": [0.0, 20.0, 160.0, 200.0]}]
    stored = environment.written[0]
    assert (stored.content_type, result["url"]) == ("image/png", f"https://storage.invalid/{stored.location}")
    drawn = Image.open(BytesIO(stored.data))
    assert drawn.size == (320, 200) and drawn.getpixel((0, 100)) == function.COLOURS[5]
    assert drawn.getpixel((300, 100)) == (90, 90, 90)


def test_a_lower_threshold_finds_more_best_first(environment: Environment):
    found = environment.param("threshold", 0.2).call(function.main)["detections"]
    assert [each["label"] for each in found] == ["mug", "fish"]


@pytest.mark.parametrize(
    ("params", "told"),
    [({}, "`image_url` is missing"), ({"image_url": "cups.png", "threshold": 2}, "from 0 to 1"), ({"image_url": "note.txt"}, "neither")],
)
def test_mistakes_are_the_callers(environment: Environment, params: dict, told: str):
    environment.object("note.txt", b"no picture")
    with pytest.raises(InvalidError, match=told):
        environment.call(function.main, params)


def test_half_a_picture_is_refused(environment: Environment):
    for kind in ("PNG", "JPEG"):
        whole = file(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
        with pytest.raises(InvalidError, match="cannot decode"):
            environment.object("half", whole[: len(whole) // 2]).call(function.main, {"image_url": "half"})
