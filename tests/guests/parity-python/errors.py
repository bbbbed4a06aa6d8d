"""Errors: raised by the action, and those of the host, caught by their classes."""

import numpy as np

from keynet_inference import (
    DeniedError,
    InternalError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    Storage,
    TimedOutError,
    TooLargeError,
    TritonPlugin,
    UnavailableError,
)

CLASSES = {
    "invalid": InvalidError,
    "not-found": NotFoundError,
    "denied": DeniedError,
    "precondition-failed": PreconditionFailedError,
    "too-large": TooLargeError,
    "timeout": TimedOutError,
    "unavailable": UnavailableError,
    "internal": InternalError,
}


def raise_kind(kind, message):
    raise CLASSES[kind](message)


def catch(call):
    """Makes a call that fails, and answers with how it was caught."""
    for kind, error_class in CLASSES.items():
        try:
            CALLS[call]()
        except error_class as error:
            print(error)
            assert error.kind == kind and error.message == str(error)
            return {"caught": kind}
        except Exception:
            continue
    raise AssertionError("the call did not fail")


def predict(model, name="in", **options):
    TritonPlugin(model_name=model).predict({name: np.array([[1.5, -2.0]], np.float32)}, **options)


def write_twice():
    for content in (b"1", b"2"):
        Storage().put(content, key="parity/once", if_absent=True)


def read_too_much():
    Storage().put(bytes(4096), key="parity/large")
    Storage().get("parity/large")


CALLS = {
    "missing-object": lambda: Storage().get("parity/missing"),
    "bad-location": lambda: Storage().get("ftp://host/key"),
    "other-bucket": lambda: Storage().get("s3://parity-elsewhere/key"),
    "write-twice": write_twice,
    "read-too-much": read_too_much,
    "missing-model": lambda: predict("nobody"),
    "wrong-input": lambda: predict("identity_fp32", "nothing"),
    "no-registry": lambda: predict("models:/identity_fp32@best"),
    "no-time": lambda: predict("identity_fp32", timeout=0),
}
