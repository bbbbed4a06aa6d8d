"""Tensors of each element type, to a model and back."""

import numpy as np

from keynet_inference import Tensor, TritonPlugin, UserInput


def through():
    """Makes a tensor of `type` and `shape` with `values`, sends it through `model`, if there is one, and returns what comes out."""
    tensor = Tensor.from_list(UserInput.get("type"), UserInput.get("shape"), UserInput.get("values"))
    model = UserInput.get("model")
    if model is not None:
        tensor = TritonPlugin(model_name=model).predict({UserInput.get("input", "in"): tensor}, tensors=True)[UserInput.get("output", "out")]
    values = tensor.tolist()
    if tensor.data_type == "BYTES":
        values = [value.decode() for value in values]
        assert tensor.numpy().reshape(-1).tolist() == tensor.tolist()
    else:
        # The same by numpy, which most actions use.
        assert tensor.numpy().reshape(-1).tolist() == values
        again = Tensor.from_numpy(tensor.numpy(), tensor.data_type)
        assert again.tobytes() == tensor.tobytes() and again.shape == tensor.shape
    return {"type": str(tensor.data_type), "shape": list(tensor.shape), "bytes": tensor.nbytes, "values": values}


def big():
    """Sends a tensor of 12 MiB to a model and back."""
    shape = (1536, 2048)
    data = (np.arange(np.prod(shape)) % 1000).astype(np.float32).reshape(shape)
    out = TritonPlugin(model_name="identity_fp32").predict({"in": data})["out"]
    return {"shape": list(out.shape), "bytes": out.nbytes, "last": out.reshape(-1)[-2:].tolist(), "sum": out.sum(dtype=np.float64)}


def of_another_type():
    """Sends an array of numpy's `dtype` to a model that takes another, and returns the type in which it comes back."""
    array = np.array(UserInput.get("values"), UserInput.get("dtype"))
    out = TritonPlugin(model_name=UserInput.get("model")).predict({UserInput.get("input"): array})[UserInput.get("output")]
    return {"dtype": str(out.dtype), "values": out.reshape(-1).tolist()}
