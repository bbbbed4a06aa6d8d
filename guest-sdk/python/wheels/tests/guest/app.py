"""The component of these tests: runs an operation, a round of broken pictures or a measurement, by its name."""

import json
import random
import sys
import traceback

import numpy as np

import broken_pictures
import late_imports  # noqa: F401
import figures
import limits
import model_code
import numpy_operations
import pillow_operations
import values

OPERATIONS = {**numpy_operations.OPERATIONS, **pillow_operations.OPERATIONS, **model_code.OPERATIONS}
AT_BUILD = [random.random(), np.random.random()]


def fresh_randomness():
    """Gives generators that were seeded while the component was built new seeds. An SDK does this once per instance."""
    random.seed()
    np.random.seed()


def numbers(_):
    """Returns numbers that must differ from instance to instance."""
    fresh_randomness()
    return [random.random(), np.random.random(), np.random.default_rng().random(), np.random.RandomState().rand(), int(np.random.SeedSequence().entropy % 2**52)]


CHECKS = {"numbers": numbers, "broken": broken_pictures.outcomes, "figures": figures.measure, "tensor": figures.tensor, "limits": limits.messages}


class WitWorld:
    def run(self, name: str, input: str) -> str:
        try:
            if name in OPERATIONS:
                return json.dumps(values.encode(OPERATIONS[name][0]()))
            return json.dumps(CHECKS[name](json.loads(input)))
        except Exception:
            return json.dumps({"error": traceback.format_exc()})
        finally:
            sys.stdout.flush()
