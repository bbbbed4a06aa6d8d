"""Tensors, models and objects, against the host in memory."""

from __future__ import annotations

import io
import logging

import pytest

from keynet_inference import (
    DataType,
    InputOutput,
    InvalidError,
    KeynetError,
    NotFoundError,
    PreconditionFailedError,
    Storage,
    Tensor,
    TimedOutError,
    TooLargeError,
    TritonPlugin,
    UnavailableError,
)
from keynet_inference.testing import Environment

numpy = pytest.importorskip("numpy")


def test_outside_a_host_calls_say_how_to_have_one():
    with pytest.raises(UnavailableError, match="testing.Environment"):
        Storage().get("cat.png")


# ---- Tensors

ENDS = {
    "BOOL": [True, False],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "INT8": [-128, 127],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "FP16": [-2.0, 65504.0],
    "BF16": [1.0, -3.0],
    "FP32": [-0.5, 2.0**100],
    "FP64": [0.1, 1e300],
    "BYTES": [b"", b"\xff\x00text"],
}


@pytest.mark.parametrize("name", ENDS)
def test_every_type_comes_back(keynet: Environment, name: str):
    tensor = Tensor.from_list(name, [2], ENDS[name])
    assert tensor.tolist() == ENDS[name]
    assert (tensor.data_type, tensor.shape) == (DataType(name), (2,))
    array = tensor.numpy()
    again = Tensor.from_numpy(array, name)
    assert again.tolist() == ENDS[name] and again.data_type is tensor.data_type


def test_arrays_of_any_layout_are_copied_in_order(keynet: Environment):
    array = numpy.arange(12, dtype=">i4").reshape(3, 4)
    for each in (array, array.T, array[::2, 1:], numpy.asfortranarray(array), numpy.float32(3), numpy.zeros((0, 2), numpy.uint8)):
        tensor = Tensor.from_numpy(each)
        assert tensor.shape == numpy.shape(each)
        assert numpy.array_equal(tensor.numpy(), each)
    tensor.numpy()[...] = 1  # a copy that can be written


def test_text_becomes_bytes(keynet: Environment):
    for array in (numpy.array(["a", "é"]), numpy.array(["a", "é"], dtype=object), numpy.array([b"a", "é".encode()])):
        tensor = Tensor.from_numpy(array)
        assert tensor.data_type is DataType.BYTES
        assert tensor.tolist() == [b"a", "é".encode()]
    assert tensor.numpy().dtype == object


def test_bf16_rounds_to_the_nearest_even(keynet: Environment):
    values = numpy.array([1.0, 1.00390625, 1.01171875, -2.5, numpy.inf, numpy.nan], numpy.float32)
    tensor = Tensor.from_numpy(values, "BF16")
    got = tensor.numpy()
    assert got[:5].tolist() == [1.0, 1.0, 1.015625, -2.5, numpy.inf] and numpy.isnan(got[5])
    assert Tensor.from_list("BF16", [6], values.tolist()).tobytes() == tensor.tobytes()


def test_wrong_tensors_are_refused(keynet: Environment):
    with pytest.raises(InvalidError, match="do not fill"):
        Tensor.from_bytes("FP32", [2], b"1234")
    with pytest.raises(InvalidError, match="negative"):
        Tensor.from_bytes("FP32", [-1], b"")
    with pytest.raises(InvalidError, match="FP33"):
        Tensor.from_bytes("FP33", [1], b"1234")
    with pytest.raises(InvalidError, match="complex128"):
        Tensor.from_numpy(numpy.zeros(1, complex))
    with pytest.raises(InvalidError, match="UINT8"):
        Tensor.from_list("UINT8", [1], [256])
    tensor = Tensor.from_list("UINT8", [1], [1])
    tensor.close()
    tensor.close()
    with pytest.raises(InvalidError, match="closed"):
        tensor.tobytes()


# ---- Models


@pytest.fixture
def doubling(keynet: Environment) -> Environment:
    one = [InputOutput("x", "FP32", [-1])]
    return keynet.model("double", lambda inputs: {"y": inputs["x"] * 2, "x": inputs["x"]}, inputs=one)


def test_a_model_is_asked_as_before(doubling: Environment):
    outputs = TritonPlugin().predict(df={"x": numpy.float32([1, 2])})
    assert list(outputs) == ["y", "x"] and outputs["y"].tolist() == [2, 4]
    assert TritonPlugin().predict({"x": numpy.float32([1])}, model_name="models:/double@champion")["y"].tolist() == [2]
    chosen = TritonPlugin(model_name="double:1").predict({"x": numpy.float32([1])}, outputs=["x"], timeout=2.5, parameters={"priority": 1})
    assert list(chosen) == ["x"]


def test_tensors_stay_in_the_host(doubling: Environment):
    outputs = TritonPlugin().predict({"x": Tensor.from_list("FP32", [1], [3])}, tensors=True)
    assert isinstance(outputs["y"], Tensor)
    url = Storage().put(outputs["y"], "application/octet-stream", key="y.raw")
    assert Storage().get_tensor(url, "FP32", [1]).item() == 6


def test_many_are_asked_at_once(doubling: Environment):
    inputs = [{"x": numpy.float32([each])} for each in range(3)]
    assert [each["y"].item() for each in TritonPlugin().predict_many(inputs)] == [0, 2, 4]
    doubling.model("fails", lambda inputs: (_ for _ in ()).throw(TimedOutError("too slow")))
    with pytest.raises(TimedOutError, match="too slow"):
        TritonPlugin().predict_many([{}], model_name="fails")
    (error,) = TritonPlugin().predict_many([{}], model_name="fails", return_exceptions=True)
    assert isinstance(error, TimedOutError) and error.kind == "timeout" and isinstance(error, TimeoutError)
    with pytest.raises(TooLargeError):
        TritonPlugin().predict_many([{}] * 257, model_name="fails")


def test_a_stream_ends(keynet: Environment):
    keynet.model("words", lambda inputs: [{"word": numpy.array([word], object)} for word in ("a", "b")])
    with TritonPlugin().predict_stream({}) as stream:
        assert [each["word"].item() for each in stream] == [b"a", b"b"]
        assert next(stream, None) is None


def test_mistakes_are_told(doubling: Environment):
    with pytest.raises(InvalidError, match="dict of arrays"):
        TritonPlugin().predict(numpy.zeros(1))
    with pytest.raises(InvalidError, match="'x' is a list"):
        TritonPlugin().predict({"x": [1]})
    with pytest.raises(NotFoundError, match="other"):
        TritonPlugin().predict({}, model_name="other")
    with pytest.raises(InvalidError, match="TRITON_URL"):
        TritonPlugin("http://triton:8001")


def test_a_model_describes_itself(doubling: Environment):
    config = TritonPlugin().get_config("double")
    assert (config.name, config.ready, config.inputs[0].datatype) == ("double", True, "FP32")


def test_what_operators_do_names_the_command():
    triton = TritonPlugin()
    for call, command in [
        (lambda: triton.load("m"), "model load m"),
        (lambda: triton.unload("m"), "model unload m"),
        (lambda: triton.create_deployment("m", "models:/m/1", flavor="onnx"), "model deploy models:/m/1 --name m"),
        (lambda: triton.delete_deployment("m"), "model delete m"),
        (lambda: triton.list_deployments(), "model list"),
    ]:
        with pytest.raises(NotImplementedError, match=command):
            call()


# ---- Types of arrays


@pytest.fixture
def typed(keynet: Environment) -> Environment:
    inputs = [InputOutput(name, name.upper(), [-1]) for name in ("fp32", "fp64", "fp16", "int64", "int32", "uint8", "bf16", "bytes")]
    return keynet.model("typed", dict, inputs=inputs)


@pytest.mark.parametrize(
    "name, array, wanted",
    [
        ("int64", numpy.array([1, -(2**31)], numpy.int32), "int64"),
        ("int32", numpy.array([1, 2**31 - 1], numpy.int64), "int32"),
        ("uint8", numpy.array([0, 255], numpy.int64), "uint8"),
        ("fp32", numpy.array([0.5, numpy.nan, -numpy.inf]), "float32"),
        ("fp32", numpy.array([2**24, -3], numpy.int32), "float32"),
        ("fp64", numpy.array([0.1], numpy.float32), "float64"),
        ("fp64", numpy.float32(0.5), "float64"),
        ("fp16", numpy.array([2.0, 65504.0], numpy.float32), "float16"),
        ("int32", numpy.array([], numpy.int64), "int32"),
    ],
)
def test_arrays_become_the_type_that_the_model_declares(typed: Environment, name, array, wanted):
    with typed:
        plugin = TritonPlugin(model_name="typed")
        [many] = plugin.predict_many([{name: array}])
        for found in (plugin.predict({name: array})[name], many[name]):
            assert found.dtype == wanted
            numpy.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "name, array, told",
    [
        ("fp32", numpy.array([0.1]), "'fp32' is float64, but the model typed takes FP32, which.* values: .*astype.numpy.float32"),
        ("fp32", numpy.array([2**24 + 1], numpy.int32), "'fp32' is int32"),
        ("fp64", numpy.array([2**63 - 1], numpy.int64), "'fp64' is int64"),
        ("int32", numpy.array([2**31], numpy.int64), "'int32' is int64, but the model typed takes INT32"),
        ("uint8", numpy.array([-1], numpy.int32), "'uint8' is int32"),
        ("int64", numpy.array([1.0]), "'int64' is float64"),
        ("int64", numpy.array([True]), "'int64' is bool, but the model typed takes INT64: convert"),
        ("bf16", numpy.array([1.0], numpy.float32), "Tensor.from_numpy.array, .BF16"),
        ("bytes", numpy.array([1.0], numpy.float32), "takes BYTES"),
    ],
)
def test_an_array_that_would_change_is_refused_by_name(typed: Environment, name, array, told):
    with typed:
        plugin = TritonPlugin(model_name="typed")
        with pytest.raises(InvalidError, match=told):
            plugin.predict({name: array})
        fine = {"int64": numpy.array([1], numpy.int64)}
        refused, answer = plugin.predict_many([{name: array}, fine], return_exceptions=True)
        assert isinstance(refused, InvalidError) and answer["int64"] == 1


def test_what_is_wrong_for_another_reason_is_told_as_it_was(keynet: Environment):
    def refuse(_):
        raise InvalidError("the picture is upside down")

    keynet.model("refuses", refuse, inputs=[InputOutput("x", "FP32", [-1])])
    with pytest.raises(InvalidError, match="upside down"):
        TritonPlugin(model_name="refuses").predict({"x": numpy.array([1], numpy.float32)})


# ---- Objects


def test_objects_are_read_and_stored(keynet: Environment):
    keynet.object("cat.png", b"cat", "image/png")
    storage = Storage()
    assert storage.get("cat.png").read() == b"cat"
    buffer = io.BytesIO(b"..dog")
    buffer.seek(2)
    url = storage.put(buffer)
    assert isinstance(url, str) and storage.get(url).read() == b"dog"
    assert keynet.written[0].content_type == "image/png" and keynet.written[0].location == url.location
    assert storage.get_if_changed(url, url.etag) is None
    with pytest.raises(InvalidError, match="save_path"):
        storage.get("cat.png", save_path="/tmp/x")
    with pytest.raises(NotFoundError, match="dog.png"):
        storage.get("dog.png")
    with pytest.raises(InvalidError, match="NoneType"):
        storage.get(None)
    with pytest.raises(InvalidError, match="encode"):
        storage.put("text")


def test_conditions_are_kept(keynet: Environment):
    storage = Storage()
    first = storage.put(b"1", key="lock", if_absent=True)
    with pytest.raises(PreconditionFailedError):
        storage.put(b"2", key="lock", if_absent=True)
    second = storage.put(b"2", key="lock", if_match=first.etag)
    assert second.etag != first.etag
    with pytest.raises(PreconditionFailedError):
        storage.put(b"3", key="lock", if_match=first.etag)


def test_an_object_is_a_file(keynet: Environment):
    keynet.object("rows", b"0123456789", "text/csv")
    with Storage().open("rows") as opened:
        assert (opened.size, opened.content_type) == (10, "text/csv")
        assert opened.read(3) == b"012" and opened.read() == b"3456789" and opened.read(1) == b""
        assert opened.seek(-2, io.SEEK_END) == 8 and opened.read() == b"89"
        assert opened.read_range(4, 2) == b"45"
        assert opened.to_tensor("UINT8", [2, 5]).shape == (2, 5)
        Storage().put(b"other", key="rows")
        with pytest.raises(PreconditionFailedError):
            opened.read_range(0, 1)
    assert Storage().head("rows").size == 5
    assert [each.location for each in Storage().list("ro")] == ["rows"]
    Storage().delete("rows")
    Storage().delete("rows")
    assert list(Storage().list()) == []


def test_an_upload_appears_as_a_whole_or_not_at_all(keynet: Environment):
    with Storage().upload("text/plain", key="a") as upload:
        for _ in range(3):
            upload.write(b"x" * 200_000)
        assert keynet.written == []
    assert upload.url is not None and len(keynet.written[0].data) == 600_000
    with pytest.raises(RuntimeError), Storage().upload(key="b") as upload:
        upload.write(b"half")
        raise RuntimeError
    assert [each.location for each in keynet.written] == ["a"]
    with pytest.raises(InvalidError, match="finished or aborted"):
        upload.write(b"more")


def test_urls_are_presigned(keynet: Environment):
    keynet.object("a", b"1")
    assert Storage().get(Storage().presign("a", ttl=60)).read() == b"1"
    grant = Storage().presign_put("b", "text/plain")
    assert grant.location == "b" and grant.url.endswith("/b")
    with pytest.raises(InvalidError):
        Storage().presign("a", 0)


def test_every_kind_of_error_has_a_class():
    from keynet_inference import errors

    for kind, error in errors.BY_KIND.items():
        made = errors.of_kind(kind, "why")
        assert type(made) is error and str(made) == "why" and isinstance(made, KeynetError)
    assert errors.of_kind("new", "why").kind == "internal"


def test_the_sdk_does_not_touch_logging():
    assert logging.getLogger("keynet_inference").handlers == []
