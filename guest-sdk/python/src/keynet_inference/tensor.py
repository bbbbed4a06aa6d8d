"""Tensors: arrays in the host's memory, and their way from and to numpy arrays and Python values."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _host
from .data_type import DataType
from .errors import InvalidError

if TYPE_CHECKING:
    import numpy

#: numpy's kinds and item sizes, and Triton's types.
_OF_NUMPY = {
    "b1": DataType.BOOL,
    "u1": DataType.UINT8,
    "u2": DataType.UINT16,
    "u4": DataType.UINT32,
    "u8": DataType.UINT64,
    "i1": DataType.INT8,
    "i2": DataType.INT16,
    "i4": DataType.INT32,
    "i8": DataType.INT64,
    "f2": DataType.FP16,
    "f4": DataType.FP32,
    "f8": DataType.FP64,
}
_TO_NUMPY = {data_type: code for code, data_type in _OF_NUMPY.items()}


class Tensor(_host.Held[_host.HostTensor]):
    """An immutable array in the host's memory.

    Its elements stay there until they are asked for: an output can go to the next model or into storage without being
    copied into the action. :meth:`close`, or the end of a ``with`` block, gives the memory back; so does the last reference.
    """

    __slots__ = ()

    # ---- Making one

    @classmethod
    def from_bytes(cls, data_type: DataType | str, shape: Sequence[int], data: bytes | bytearray | memoryview) -> Tensor:
        """Copies ``data``, row-major and little-endian, into a new tensor.

        Raises :class:`InvalidError` if ``data`` does not fill the shape, :class:`TooLargeError` over the memory limit.
        """
        return cls(_host.current().tensor(DataType.of(data_type), [int(size) for size in shape], bytes(data)))

    @classmethod
    def from_list(cls, data_type: DataType | str, shape: Sequence[int], values: Iterable[Any]) -> Tensor:
        """Copies ``values``, flat and in row-major order, into a new tensor.

        ``BYTES`` takes ``bytes`` and ``str`` (as UTF-8). Raises as :meth:`from_bytes`, and :class:`InvalidError` for a value
        that the type cannot hold.
        """
        data_type = DataType.of(data_type)
        return cls.from_bytes(data_type, shape, _pack(data_type, list(values)))

    @classmethod
    def from_numpy(cls, array: numpy.ndarray, data_type: DataType | str | None = None) -> Tensor:
        """Copies a numpy array into a new tensor of the same shape.

        The element type follows from the array's: text and objects become ``BYTES``. With ``data_type``, elements are
        converted first; ``"BF16"``, which numpy does not have, takes any float. Raises as :meth:`from_bytes`.
        """
        import numpy

        array = numpy.asarray(array)
        wanted = None if data_type is None else DataType.of(data_type)
        if wanted is DataType.BF16:
            return cls.from_bytes(wanted, array.shape, _bf16_of(array))
        if wanted is DataType.BYTES or (wanted is None and data_type_of(array) is DataType.BYTES):
            return cls.from_list(DataType.BYTES, array.shape, array.reshape(-1).tolist())
        if wanted is not None:
            array = array.astype(_TO_NUMPY[wanted])
        found = data_type_of(array)
        if found is None:
            raise InvalidError(f"numpy's {array.dtype} is no element type of Triton: convert it first, as .astype(numpy.float32)")
        little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        return cls.from_bytes(found, array.shape, little.tobytes())

    # ---- Looking at it

    @property
    def handle(self) -> _host.HostTensor:
        """The host's handle. Raises :class:`InvalidError` after :meth:`close`."""
        if self._handle is None:
            raise InvalidError("the tensor was closed")
        return self._handle

    @property
    def data_type(self) -> DataType:
        """The type of its elements."""
        return self.handle.data_type()

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions, outermost first; empty for a scalar."""
        return tuple(self.handle.shape())

    @property
    def nbytes(self) -> int:
        """The size of its data in bytes."""
        return self.handle.byte_length()

    def read(self, offset: int, length: int) -> bytes:
        """Returns ``length`` bytes from byte ``offset`` on; fewer, or none, where the data ends."""
        return self.handle.read(offset, length)

    def tobytes(self) -> bytes:
        """Returns a copy of all its data."""
        return self.handle.data()

    def tolist(self) -> list[Any]:
        """Returns its elements, flat and in row-major order; those of ``BYTES`` are ``bytes``."""
        return _unpack(self.data_type, self.tobytes())

    def item(self) -> Any:
        """Returns its only element. Raises :class:`InvalidError` if it has not exactly one."""
        elements = self.tolist()
        if len(elements) != 1:
            raise InvalidError(f"the tensor has {len(elements)} elements, not one")
        return elements[0]

    def numpy(self) -> numpy.ndarray:
        """Returns a numpy array of the same shape. ``BYTES`` elements are ``bytes`` objects, ``BF16`` becomes ``float32``."""
        import numpy

        data_type, shape = self.data_type, self.shape
        if data_type is DataType.BYTES:
            array = numpy.empty(math.prod(shape), dtype=object)
            array[:] = self.tolist()
            return array.reshape(shape)
        if data_type is DataType.BF16:
            halves = numpy.frombuffer(self.tobytes(), dtype="<u2").astype(numpy.uint32)
            return (halves << 16).view(numpy.float32).reshape(shape)
        # A copy that can be written: frombuffer's is read-only.
        return numpy.frombuffer(bytearray(self.tobytes()), dtype=f"<{_TO_NUMPY[data_type]}").reshape(shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __repr__(self) -> str:
        if self._handle is None:
            return "Tensor(closed)"
        return f"Tensor({self.data_type}, shape={self.shape})"


def to_tensor(name: str, value: Any) -> Tensor:
    """Returns ``value`` as a tensor: itself, or a copy of a numpy array, scalar or :mod:`array`.

    Raises :class:`InvalidError` naming the input ``name``.
    """
    if isinstance(value, Tensor):
        return value
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return Tensor.from_numpy(numpy.asarray(value))
    raise InvalidError(
        f"the input {name!r} is a {type(value).__name__}: pass a numpy array, "
        'or a Tensor, such as Tensor.from_list("FP32", [1, 3], [0.1, 0.2, 0.3])'
    )


def data_type_of(array: numpy.ndarray) -> DataType | None:
    """Returns the element type that an array has as it is; ``None`` if Triton has none such."""
    if array.dtype.kind in "OSU":
        return DataType.BYTES
    return _OF_NUMPY.get(f"{array.dtype.kind}{array.dtype.itemsize}")


def numpy_code_of(data_type: DataType) -> str | None:
    """Returns numpy's kind and item size of an element type; ``None`` for ``BF16`` and ``BYTES``."""
    return _TO_NUMPY.get(data_type)


def _pack(data_type: DataType, values: list[Any]) -> bytes:
    if data_type is DataType.BYTES:
        return b"".join(_length_and_bytes(value) for value in values)
    if data_type is DataType.BF16:
        return b"".join(struct.pack("<H", _bf16(value)) for value in values)
    try:
        return struct.pack(f"<{len(values)}{data_type.struct_code}", *values)
    except (struct.error, OverflowError, TypeError) as error:
        raise InvalidError(f"a value does not fit the data type {data_type}: {error}") from None


def _unpack(data_type: DataType, data: bytes) -> list[Any]:
    if data_type is DataType.BYTES:
        elements, at = [], 0
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            elements.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        return elements
    if data_type is DataType.BF16:
        return [struct.unpack("<f", b"\0\0" + data[at : at + 2])[0] for at in range(0, len(data), 2)]
    return list(struct.unpack(f"<{len(data) // (data_type.size or 1)}{data_type.struct_code}", data))


def _length_and_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidError(f"an element of the data type BYTES is bytes or text, not {type(value).__name__}")
    value = bytes(value)
    return struct.pack("<I", len(value)) + value


def _bf16(value: float) -> int:
    """Returns the upper half of the single-precision float, rounded to the nearest even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if math.isnan(value):
        return (bits >> 16) | 0x40
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF


def _bf16_of(array: numpy.ndarray) -> bytes:
    import numpy

    single = numpy.ascontiguousarray(array, dtype="<f4")
    bits = single.reshape(-1).view("<u4")
    rounded = (bits + numpy.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    rounded = numpy.where(numpy.isnan(single.reshape(-1)), (bits >> 16) | 0x40, rounded)
    return rounded.astype("<u2").tobytes()
