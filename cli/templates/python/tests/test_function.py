"""The function under plain Python: objects and models are in memory, see `keynet_inference.testing`."""

import pytest

import function
from keynet_inference import InvalidError
from keynet_inference.testing import Environment


def test_it_greets():
    assert Environment({"name": "Ada"}).call(function.main) == {"greeting": "Hello, Ada!"}


def test_an_empty_name_is_refused():
    with pytest.raises(InvalidError, match="is empty"):
        Environment({"name": ""}).call(function.main)
