"""A model's declaration, as :meth:`keynet_inference.TritonPlugin.get_config` returns it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class InputOutput:
    """An input or output of a model."""

    name: str
    #: Triton's name of the element type, such as ``"FP32"``.
    datatype: str
    #: Dimensions, outermost first; -1 for any size.
    shape: list[int]


@dataclass
class ModelConfig:
    """A model as its server describes it."""

    name: str
    #: The versions that can be asked now.
    versions: list[str]
    #: What runs it, such as ``"onnxruntime_onnx"``.
    platform: str
    ready: bool
    inputs: list[InputOutput] = field(default_factory=list)
    outputs: list[InputOutput] = field(default_factory=list)
