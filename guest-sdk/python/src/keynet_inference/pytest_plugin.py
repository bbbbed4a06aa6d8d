"""The pytest fixture ``keynet``: an empty :class:`keynet_inference.testing.Environment` that the test's code meets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .testing import Environment


@pytest.fixture
def keynet() -> Iterator[Environment]:
    """An environment without parameters, objects and models; code of the test meets it."""
    with Environment() as environment:
        yield environment
