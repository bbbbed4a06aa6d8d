"""Each operation gives in the sandbox what it gives on CPython with the published wheels."""

import json

import pytest

import model_code
import numpy_operations
import pillow_operations
import values

OPERATIONS = {**numpy_operations.OPERATIONS, **pillow_operations.OPERATIONS, **model_code.OPERATIONS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_same_result_as_cpython(shared, name):
    function, tolerance = OPERATIONS[name]
    found = shared(name)
    wanted = json.loads(json.dumps(values.encode(function())))
    assert values.difference(found, wanted, tolerance) is None
