"""numpy arrays in the element types that a model declares, where no value changes.

``numpy.array([1, 2])`` has 32-bit integers in a component and 64-bit ones elsewhere, and literals are float64: code that a
server accepts on one machine would be refused in the other.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .data_type import DataType
from .errors import InvalidError
from .model_config import ModelConfig
from .tensor import data_type_of, numpy_code_of

if TYPE_CHECKING:
    import numpy

#: The largest whole numbers up to which each floating-point type has every one.
_WHOLE = {"f2": 2**11, "f4": 2**24, "f8": 2**53}


def to_declared(inputs: Mapping[str, Any], model: ModelConfig) -> dict[str, Any] | None:
    """Returns ``inputs`` with its arrays in the types that ``model`` declares; ``None`` if they have them already.

    Raises :class:`InvalidError` naming the input, both types and the conversion to write, for an array with a value that the
    declared type does not have.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    declared = {each.name: DataType(each.datatype) for each in model.inputs}
    converted = {}
    for name, value in inputs.items():
        if name in declared and isinstance(value, (numpy.ndarray, numpy.generic)):
            array = numpy.asarray(value)
            if data_type_of(array) is not declared[name]:
                converted[name] = _convert(name, array, declared[name], model.name)
    return {**inputs, **converted} if converted else None


def _convert(name: str, array: numpy.ndarray, wanted: DataType, model: str) -> numpy.ndarray:
    code = numpy_code_of(wanted)
    if code is None or array.dtype.kind not in "iuf" or code[0] not in "iuf":
        raise InvalidError(f"the input {name!r} is {array.dtype}, but the model {model} takes {wanted}: {_advice(wanted, code)}")
    if not _is_lossless(array, code):
        raise InvalidError(
            f"the input {name!r} is {array.dtype}, but the model {model} takes {wanted}, which does not have all of its values: "
            f"{_advice(wanted, code)}"
        )
    return array.astype(code)


def _is_lossless(array: numpy.ndarray, code: str) -> bool:
    import numpy

    if array.size == 0:
        return True
    if array.dtype.kind == "f":
        if code[0] != "f":
            return False  # how to round is the action's choice
        with numpy.errstate(all="ignore"):
            return bool(numpy.array_equal(array.astype(code).astype(array.dtype), array, equal_nan=True))
    lowest, highest = int(array.min()), int(array.max())
    if code[0] == "f":
        return -_WHOLE[code] <= lowest and highest <= _WHOLE[code]
    limits = numpy.iinfo(code)
    return int(limits.min) <= lowest and highest <= int(limits.max)


def _advice(wanted: DataType, code: str | None) -> str:
    if code is None:
        return f'convert it by Tensor.from_numpy(array, "{wanted}")'
    import numpy

    return f"convert it, as array.astype(numpy.{numpy.dtype(code).name})"
