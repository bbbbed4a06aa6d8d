"""The action natively: `pytest`."""

import pytest

import function
from keynet_inference import InvalidError
from keynet_inference.testing import Environment


def test_it_greets():
    assert Environment({"name": "Ada"}).call(function.main) == {"greeting": "Hello, Ada!"}


def test_a_missing_name_is_named():
    with pytest.raises(InvalidError, match="`name` is missing: expected a string"):
        Environment().call(function.main)
