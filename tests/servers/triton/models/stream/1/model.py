"""Decoupled: COUNT responses of SIZE elements, until the caller has cancelled; the first element is the response's number.

With COUNT = -1 it says in one response what became of the request before: how many responses it sent, and whether it was cancelled.
FAIL_AFTER responses it answers with an error instead.
"""
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.sent, self.cancelled = 0, 0

    def execute(self, requests):
        for request in requests:
            number = lambda name: None if (t := pb.get_input_tensor_by_name(request, name)) is None else int(t.as_numpy()[0])
            count, size, fail_after = number("COUNT"), number("SIZE"), number("FAIL_AFTER")
            sender = request.get_response_sender()
            send = lambda array: sender.send(pb.InferenceResponse([pb.Tensor("OUT", array)]))
            if count < 0:
                send(np.array([self.sent, self.cancelled], np.int32))
            else:
                self.sent, self.cancelled = 0, 0
                for index in range(count):
                    if sender.is_cancelled():
                        self.cancelled = 1
                        break
                    if index == fail_after:
                        error = pb.TritonError(f"failed after {index}", pb.TritonError.INVALID_ARG)
                        sender.send(pb.InferenceResponse(error=error))
                        break
                    send(np.full(size, index, np.int32))
                    self.sent += 1
                    time.sleep(0.001)
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return None
