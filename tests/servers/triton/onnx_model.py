"""Serves the `model.onnx` beside it with ONNX Runtime: what Triton's onnxruntime backend does, for a Triton that has only Python's.

Copy it beside the ONNX file as `model.py`, with a config.pbtxt that says `backend: "python"`.
"""
import os
import sys

sys.path.append(os.environ["TRITON_ONNXRUNTIME"])  # set by triton.sh
import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        file = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        out = []
        for r in requests:
            inputs = {t.name: pb.get_input_tensor_by_name(r, t.name).as_numpy() for t in self.session.get_inputs()}
            names = [t.name for t in self.session.get_outputs()]
            results = self.session.run(names, inputs)
            out.append(pb.InferenceResponse([pb.Tensor(name, array) for name, array in zip(names, results)]))
        return out
