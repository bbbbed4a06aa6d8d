"""Answers with the request's parameters, as the JSON that the backend makes of them."""
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        texts = [np.array([r.parameters().encode()], dtype=object) for r in requests]
        return [pb.InferenceResponse([pb.Tensor("OUT", text)]) for text in texts]
