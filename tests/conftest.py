"""Fixtures that any test may ask for."""

import os

os.environ["DELTARULE_CACHE"] = "off"  # the tests leave the user's cache alone

import jax
import pytest


@pytest.fixture
def float64():
    """The test runs in float64, so that a formula is held to rounding and not to float32's."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def torch():
    """PyTorch, or the test is skipped; such a test is marked `torch` too."""
    return pytest.importorskip("torch")
