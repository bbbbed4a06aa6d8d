"""Write inference actions in Python: fetch an input, ask a model, store the result.

An action is a module with one decorated function::

    from keynet_inference import Storage, TritonPlugin, UserInput, keynet_function

    @keynet_function("image-detection", description="Finds things in a picture.")
    def main(args: dict):
        picture = Storage().get(UserInput.get("image_url"))
        outputs = TritonPlugin().predict(df={"input_0": preprocess(picture)})
        return {"url": Storage().put(postprocess(outputs["output_0"]))}

``keynet-inference build`` compiles it to a WebAssembly component, ``keynet-inference push`` publishes it.
Under plain CPython the same functions run against the in-memory host of :mod:`keynet_inference.testing`.
"""

from .data_type import DataType
from .errors import (
    DeniedError,
    InternalError,
    InvalidError,
    KeynetError,
    NotFoundError,
    PreconditionFailedError,
    TimedOutError,
    TooLargeError,
    UnavailableError,
)
from .function import UserInput, keynet_function
from .model_config import InputOutput, ModelConfig
from .plugin import PredictionStream, TritonPlugin
from .storage import ObjectInfo, Storage, StoredObject, StoredUrl, Upload, WriteGrant
from .tensor import Tensor

__version__ = "0.1.0"

__all__ = [
    "DataType",
    "DeniedError",
    "InputOutput",
    "InternalError",
    "InvalidError",
    "KeynetError",
    "ModelConfig",
    "NotFoundError",
    "ObjectInfo",
    "PreconditionFailedError",
    "PredictionStream",
    "Storage",
    "StoredObject",
    "StoredUrl",
    "Tensor",
    "TimedOutError",
    "TooLargeError",
    "TritonPlugin",
    "UnavailableError",
    "Upload",
    "UserInput",
    "WriteGrant",
    "keynet_function",
]
