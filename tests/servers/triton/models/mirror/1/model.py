"""A large input and a large output of a size that is known before: OUT = -IN.

With the request's parameter delay_ms it takes that long, or until the caller has cancelled.
"""
import json
import time

import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        out = []
        for r in requests:
            delay = int(json.loads(r.parameters() or "{}").get("delay_ms", 0)) / 1000
            end = time.monotonic() + delay
            while time.monotonic() < end and not r.is_cancelled():
                time.sleep(0.005)
            out.append(pb.InferenceResponse([pb.Tensor("OUT", -pb.get_input_tensor_by_name(r, "IN").as_numpy())]))
        return out
