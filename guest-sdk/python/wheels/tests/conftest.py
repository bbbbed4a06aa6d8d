"""Fixtures: the wheels, and a component of everything in guest/."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/guest"]

import sandbox as sandboxes  # noqa: E402


@pytest.fixture(scope="session")
def wheels():
    """Paths of the wheels by the names of their packages."""
    folder = os.environ["WHEELS"]
    return {name.split("-")[0]: os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".whl")}


@pytest.fixture(scope="session")
def sandbox(wheels, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("sandbox"))
    site = sandboxes.unpack([wheels["numpy"], wheels["pillow"]], f"{folder}/site")
    sandboxes.build("app", [f"{HERE}/guest", site], f"{folder}/app.wasm")
    return sandboxes.Sandbox(f"{folder}/app.wasm")


@pytest.fixture(scope="session")
def shared(sandbox):
    """One instance for all operations that leave nothing behind."""
    return sandbox.instance()
