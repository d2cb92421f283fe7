"""The native way back through max pooling against the slices in XLA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.kernels.max_pool import FEW, give_back
from deltarule.kernels.native import companion
from deltarule.kernels.taps import write_back
from deltarule.layers import MaxPool

needs_native = pytest.mark.skipif(companion()[0] is None, reason="the native kernels are not installed")
POOLS = [
    (MaxPool(2), (3, 6, 8, 8)),
    (MaxPool(2), (3, 7, 5, 13)),
    (MaxPool(3, stride=2, padding=1), (4, 7, 9, 6)),
    (MaxPool((3, 2), stride=(2, 1), padding=((2, 0), (0, 1))), (2, 6, 5, 9)),
    (MaxPool(2, stride=3, dilation=2), (2, 8, 11, 1)),
    (MaxPool(3, stride=1, padding=1), (5, 9, 8)),
    (MaxPool((1, 2, 3), stride=2, padding="same"), (2, 3, 4, 5, 11)),
]


def slices(window, space, index, dy):
    """The way back in XLA, as the layer takes it without the native kernels."""
    return write_back(window, space, lambda m, index, dy: jnp.where(index == m, dy, 0), index, dy)


@needs_native
@pytest.mark.parametrize(("layer", "shape"), POOLS, ids=str)
@pytest.mark.parametrize("special", [None, np.nan, -np.inf], ids=str)
def test_the_native_pass_gives_what_the_slices_give(layer, shape, special):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    if special is not None:
        x[rng.random(shape) < 0.6] = special
    y, (index, _) = layer.forward({}, jnp.asarray(x), None)
    dy = jnp.asarray(rng.normal(size=y.shape).astype(np.float32))
    window = layer.window(shape)
    program = jax.jit(lambda index, dy: give_back(window, shape[1:-1], index, dy)).lower(index, dy).compile()
    assert "deltarule_max_pool_backward" in program.as_text()
    np.testing.assert_allclose(program(index, dy), slices(window, shape[1:-1], index, dy), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("layer", "channels"), [(MaxPool(2), FEW), (MaxPool(17), 3)], ids=str)
def test_many_channels_and_taps_go_back_in_xla(layer, channels):
    x = jnp.zeros((2, 34, 34, channels))
    y, saved = layer.forward({}, x, None)
    program = jax.jit(lambda saved, dy: layer.backward({}, saved, dy)[0]).lower(saved, y).compile()
    assert "deltarule_max_pool" not in program.as_text()
