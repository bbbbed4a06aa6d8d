"""Element types of tensors, with Triton's names."""

from __future__ import annotations

from enum import Enum

from .errors import InvalidError


class DataType(str, Enum):
    """The type of one element of a tensor. ``DataType("FP32") == "FP32"``."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    BF16 = "BF16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    def __str__(self) -> str:
        return self.value

    @property
    def size(self) -> int | None:
        """Bytes of one element; ``None`` for ``BYTES``, whose elements have any length."""
        return _SIZES.get(self)

    @property
    def struct_code(self) -> str | None:
        """The element's code in :mod:`struct`; ``None`` for ``BF16`` and ``BYTES``."""
        return _STRUCT_CODES.get(self)

    @classmethod
    def of(cls, name: DataType | str) -> DataType:
        """Returns the type of that name.

        Raises :class:`~keynet_inference.errors.InvalidError` for a name that is not one of Triton's.
        """
        try:
            return cls(name.upper() if isinstance(name, str) else name)
        except ValueError:
            known = ", ".join(each.value for each in cls)
            raise InvalidError(f"{name!r} is not a data type of Triton: use one of {known}") from None


_SIZES = {
    DataType.BOOL: 1,
    DataType.UINT8: 1,
    DataType.UINT16: 2,
    DataType.UINT32: 4,
    DataType.UINT64: 8,
    DataType.INT8: 1,
    DataType.INT16: 2,
    DataType.INT32: 4,
    DataType.INT64: 8,
    DataType.FP16: 2,
    DataType.BF16: 2,
    DataType.FP32: 4,
    DataType.FP64: 8,
}

_STRUCT_CODES = {
    DataType.BOOL: "?",
    DataType.UINT8: "B",
    DataType.UINT16: "H",
    DataType.UINT32: "I",
    DataType.UINT64: "Q",
    DataType.INT8: "b",
    DataType.INT16: "h",
    DataType.INT32: "i",
    DataType.INT64: "q",
    DataType.FP16: "e",
    DataType.FP32: "f",
    DataType.FP64: "d",
}
