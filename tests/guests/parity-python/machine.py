"""What the sandbox gives and takes: time, memory, randomness, files."""

import os
import random
import secrets
import time
import uuid

import numpy as np

# Generators that the snapshot of the build holds: the SDK seeds those of the modules again.
random.seed(1)
np.random.seed(1)


def fresh():
    """Answers with what must be another in each activation, and the clock."""
    return {
        "different": {
            "random": random.random(),
            "random.SystemRandom": random.SystemRandom().random(),
            "numpy.random": np.random.random(),
            "numpy.random.default_rng": np.random.default_rng().random(),
            "uuid1": str(uuid.uuid1()),
            "uuid4": str(uuid.uuid4()),
            "secrets": secrets.token_hex(8),
            "os.urandom": os.urandom(8).hex(),
            "nanoseconds": time.time_ns(),
        },
        "seconds": time.time(),
    }


def files():
    def works(path, mode):
        try:
            open(path, mode).close()
        except OSError:
            return False
        return True

    return {"read": works("/etc/passwd", "rb"), "written": works("/tmp/parity", "wb") or works("parity", "wb")}


def allocate():
    held = []
    while True:
        held.append(b"x" * (1 << 20) + bytes([len(held) % 256]))


def compute():
    number = 0
    while True:
        number += 1


def sleep():
    print("sleeping")
    time.sleep(600)


def recurse(depth):
    return recurse(depth + 1) + 1
