"""The decorator, the parameters and the result."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any, Dict, List, Literal, Optional, Tuple, TypedDict

import pytest

from keynet_inference import InternalError, InvalidError, UserInput, keynet_function, parameters
from keynet_inference.function import declaration_of
from keynet_inference.testing import Environment


class Mode(enum.Enum):
    FAST = "fast"
    GOOD = "good"


@dataclass
class Args:
    image_url: Annotated[str, "Where the picture is: a URL or a key."]
    threshold: float = 0.5
    labels: list[str] = field(default_factory=list)
    limit: Optional[int] = None
    mode: Mode = Mode.FAST
    size: tuple[int, int] = (640, 640)


class Typed(TypedDict, total=False):
    name: Annotated[str, "Who is greeted."]
    times: int


@dataclass
class Box:
    x: int
    y: int = 0


@dataclass
class Nested:
    boxes: list[Box]
    kind: Literal["a", "b", 3] = "a"


@keynet_function("detect", description="Finds things.")
def detect(args: Args):
    assert UserInput.get("image_url") == args.image_url
    return {"threshold": args.threshold, "labels": args.labels, "mode": args.mode.value, "limit": args.limit}


@keynet_function("plain")
def plain(args: dict):
    """Says what came.

    More about it.
    """
    return {"args": args, "helper": helper()}


def helper():
    return UserInput.get("threshold", 0.5)


def test_parameters_are_found_from_anywhere_and_only_inside():
    assert plain({"threshold": 0.3}) == {"args": {"threshold": 0.3}, "helper": 0.3}
    assert plain({}) == {"args": {}, "helper": 0.5}
    assert UserInput.get_current() is None
    with pytest.raises(RuntimeError, match="keynet_function"):
        UserInput.get("threshold")


def test_a_parameter_sent_as_null_is_no_default():
    assert plain({"threshold": None})["helper"] is None


def test_numbers_of_a_web_action_come_as_text():
    assert plain({"threshold": "0.3", "__ow_method": "get"})["helper"] == 0.3
    assert plain({"threshold": "high", "__ow_method": "get"})["helper"] == "high"
    assert plain({"threshold": "0.3"})["helper"] == "0.3"
    assert Environment().call(detect, {"image_url": "x", "threshold": "0.25", "__ow_method": "get"})["threshold"] == 0.25
    assert Environment().call(detect, {"image_url": "7", "limit": "12", "__ow_method": "get"})["limit"] == 12
    with pytest.raises(InvalidError, match="`limit`.*whole number"):
        Environment().call(detect, {"image_url": "7", "limit": "many", "__ow_method": "get"})


def test_a_number_that_may_be_null_comes_as_text_too():
    assert parameters.read(Args, {"image_url": "x", "limit": " 5 ", "__ow_method": "get"}).limit == 5
    for sent in ({"limit": "0.5", "__ow_method": "get"}, {"limit": "5"}):
        with pytest.raises(InvalidError):
            parameters.read(Args, {"image_url": "x", **sent})


def test_the_docstrings_first_line_describes():
    assert declaration_of(plain).description == "Says what came."
    assert declaration_of(detect).description == "Finds things."
    assert plain.__name__ == "plain"


@pytest.mark.parametrize("name", ["", "  ", "Upper", "a_b", "-a", "x" * 64, None, 3])
def test_names_that_cannot_be_are_refused(name: Any):
    with pytest.raises(ValueError, match="name"):
        keynet_function(name)


def test_signatures_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="exactly one parameter, `args`"):
        keynet_function("a")(lambda: {})

    def two(args, more):
        return {}

    with pytest.raises(ValueError, match="more"):
        keynet_function("a")(two)

    async def waits(args):
        return {}

    with pytest.raises(ValueError, match="async"):
        keynet_function("a")(waits)


def test_an_argument_that_is_no_dict_is_refused():
    with pytest.raises(TypeError, match="str"):
        plain("text")


def test_a_dataclass_becomes_a_schema():
    assert declaration_of(detect).input_schema == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "image_url": {"type": "string", "description": "Where the picture is: a URL or a key."},
            "threshold": {"type": "number", "default": 0.5},
            "labels": {"type": "array", "items": {"type": "string"}},
            "limit": {"type": ["integer", "null"], "default": None},
            "mode": {"enum": ["fast", "good"]},
            "size": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["image_url"],
    }
    assert declaration_of(plain).input_schema is None


def test_a_typed_dict_is_checked_and_stays_a_dict():
    @keynet_function("greet")
    def greet(args: Typed):
        return dict(args)

    assert declaration_of(greet).input_schema["properties"]["name"]["description"] == "Who is greeted."
    assert greet({"name": "Ada", "more": 1}) == {"name": "Ada", "more": 1}
    with pytest.raises(InvalidError, match='the parameter `times`: expected a whole number, came string "3"'):
        greet({"times": "3"})


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, 'the parameter `image_url` is missing: expected a string, "Where the picture is: a URL or a key."'),
        ({"image_url": 3}, "the parameter `image_url`: expected a string, came number `3`"),
        ({"image_url": "x", "threshold": "high"}, 'the parameter `threshold`: expected a number, came string "high"'),
        ({"image_url": "x", "threshold": True}, "the parameter `threshold`: expected a number, came boolean `true`"),
        ({"image_url": "x", "labels": ["a", 1]}, "the parameter `labels[1]`: expected a string, came number `1`"),
        ({"image_url": "x", "limit": 1.5}, "the parameter `limit`: expected a whole number or null, came number `1.5`"),
        ({"image_url": "x", "mode": "slow"}, "the parameter `mode`: expected one of 'fast', 'good', came string \"slow\""),
        ({"image_url": "x", "size": [1]}, "the parameter `size`: expected an array of 2 elements, came an array"),
        ([1], "the parameters: expected an object, came an array"),
    ],
)
def test_a_wrong_parameter_is_named(sent: Any, told: str):
    with pytest.raises(InvalidError) as raised:
        Environment().call(detect, sent)
    assert str(raised.value) == told


def test_literals_and_nested_types_are_read():
    assert parameters.read(Nested, {"boxes": [{"x": 1.0}], "kind": 3}) == Nested([Box(1)], 3)
    with pytest.raises(InvalidError, match=r"`boxes\[0\].x` is missing"):
        parameters.read(Nested, {"boxes": [{}]})


@dataclass
class Bare:
    names: List
    scores: Dict
    size: Tuple


def test_collections_without_types_of_their_elements_are_described_and_read():
    kinds = {name: each["type"] for name, each in parameters.schema(Bare)["properties"].items()}
    assert kinds == {"names": "array", "scores": "object", "size": "array"}
    assert parameters.read(Bare, {"names": ["a", 1], "scores": {"a": 0.5}, "size": [1, 2]}) == Bare(["a", 1], {"a": 0.5}, (1, 2))
    with pytest.raises(InvalidError, match="`scores`: expected an object"):
        parameters.read(Bare, {"names": [], "scores": [], "size": []})


def returning(value: Any):
    @keynet_function("returning")
    def function(args):
        return value

    return Environment().call(function)


def test_results_are_objects_and_arrays():
    assert returning({"a": [1, None, "é"]}) == {"a": [1, None, "é"]}
    assert returning([{"a": 1}]) == [{"a": 1}]
    for value in (None, 3, "text"):
        with pytest.raises(InternalError, match="must be a dict or a list"):
            returning(value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"boxes": [{"score": float("nan")}]}, "`result.boxes[0].score`: JSON has no nan"),
        ({"data": b"x"}, "`result.data`: bytes are not JSON"),
        ({"when": object()}, "`result.when`: a object is not JSON"),
        ({("a", 1): 2}, "a tuple cannot be the name"),
    ],
)
def test_a_value_that_is_no_json_is_named(value: Any, told: str):
    with pytest.raises(InternalError) as raised:
        returning(value)
    assert told in str(raised.value)


def test_a_result_that_contains_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InternalError, match="contains itself"):
        returning(loop)


def test_numbers_of_numpy_are_numbers():
    numpy = pytest.importorskip("numpy")
    result = returning({"score": numpy.float32(0.5), "count": numpy.int64(2**60), "is": numpy.bool_(True)})
    assert result == {"score": 0.5, "count": 2**60, "is": True}
    with pytest.raises(InternalError, match="tolist"):
        returning({"array": numpy.zeros(2)})
    with pytest.raises(InternalError, match="JSON has no"):
        returning({"array": numpy.float32("inf")})


def test_the_sdk_needs_no_numpy():
    import subprocess

    script = "import sys; import keynet_inference.testing; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
