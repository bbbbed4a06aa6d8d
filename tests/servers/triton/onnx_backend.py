"""Triton's backend `onnxruntime`, for a Triton that has only Python's: serves a model's ONNX file with ONNX Runtime, on one thread.

As `backends/onnxruntime/model.py` it is what `platform: "onnxruntime_onnx"` means. Like the real one it does not load a model whose
config.pbtxt disagrees with the file: names, element types and dimensions.
"""
import json
import os
import sys

sys.path.append(os.environ["TRITON_ONNXRUNTIME"])  # set by triton.sh
import onnxruntime
import triton_python_backend_utils as pb

TYPES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(double)": "FP64", "tensor(bool)": "BOOL", "tensor(string)": "STRING"}


class TritonPythonModel:
    def initialize(self, args):
        self.config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        name = self.config["default_model_filename"] or "model.onnx"
        file = os.path.join(args["model_repository"], args["model_version"], name)
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.check("input", self.session.get_inputs())
        self.check("output", self.session.get_outputs())

    def check(self, kind, nodes):
        nodes = {node.name: node for node in nodes}
        batch = [-1] if self.config["max_batch_size"] > 0 else []
        for given in self.config[kind]:
            node = nodes.get(given["name"])
            if node is None:
                raise pb.TritonModelException(f"unexpected inference {kind} '{given['name']}', allowed {kind}s are: {', '.join(nodes)}")
            wanted = "TYPE_" + TYPES.get(node.type, node.type[len("tensor("):-1].upper())
            if given["data_type"] != wanted:
                raise pb.TritonModelException(f"{kind} '{node.name}' has elements of {wanted}, not {given['data_type']}")
            shape = [size if isinstance(size, int) else -1 for size in node.shape]
            dims = batch + given.get("reshape", given).get("shape" if "reshape" in given else "dims", [])
            if len(dims) != len(shape) or any(size not in (-1, dim) for size, dim in zip(shape, dims)):
                raise pb.TritonModelException(f"{kind} '{node.name}' has the shape {shape}, not {dims}")

    def execute(self, requests):
        out = []
        for r in requests:
            inputs = {t.name: pb.get_input_tensor_by_name(r, t.name).as_numpy() for t in self.session.get_inputs()}
            names = [t.name for t in self.session.get_outputs()]
            results = self.session.run(names, inputs)
            out.append(pb.InferenceResponse([pb.Tensor(name, array) for name, array in zip(names, results)]))
        return out
