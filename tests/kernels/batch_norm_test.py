"""The native passes of batch normalisation against the layer's own in XLA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.kernels.native import companion
from deltarule.layers import BatchNorm, BatchNormReLU
from deltarule.layers.layer import Context

SHAPES = [(7, 5), (3, 1), (2, 6, 5, 16), (9, 8, 8, 48), (6, 40, 41, 3), (5, 130), (4, 64, 64, 16)]
needs_native = pytest.mark.skipif(companion()[0] is None, reason="the native kernels are not installed")


def arrays(layer, shape, mean=2):
    """Parameters, x and dy, all float32 and random."""
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=a.shape).astype(np.float32) for name, a in layer.init(rng, shape).items()}
    return params, *(rng.normal(m, 3, shape).astype(np.float32) for m in (mean, 0))


def passes(layer):
    """(params, x, dy) to (y, y once more from the digest, μ, σ², dx, dparams)."""

    def both(params, x, dy):
        y, saved = layer.forward(params, x, Context())
        digest = layer.digest(saved)
        again, _ = layer.forward(params, x, Context(digest=digest))
        return y, again, digest, layer.backward(params, saved, dy)

    return both


@needs_native
@pytest.mark.parametrize("layer", [BatchNorm(epsilon=0.01), BatchNormReLU()], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_native_passes_are_the_layers_own(layer, shape):
    given = arrays(layer, shape)
    program = jax.jit(passes(layer)).lower(*given).compile()
    assert {f"deltarule_batch_norm_{which}" in program.as_text() for which in ("forward", "backward")} == {True}
    got = program(*given)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), given)
        expected = jax.jit(passes(layer))(*wide)
    jax.tree.map(near, got, expected)


def near(got, expected):
    within = 2e-5 * max(np.abs(np.asarray(expected)).max(), 1e-2)
    np.testing.assert_allclose(got, expected, rtol=0, atol=within)


@needs_native
def test_statistics_far_from_zero_do_not_cancel():
    params, x, dy = arrays(BatchNorm(), (8, 32, 32, 3), mean=1e4)
    _, _, (mu, variance), _ = jax.jit(passes(BatchNorm()))(params, x, dy)
    rows = x.astype(np.float64).reshape(-1, 3)
    np.testing.assert_allclose(mu, rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, rows.var(0), rtol=1e-5)


@needs_native
@pytest.mark.parametrize("layer", [BatchNorm(), BatchNormReLU()], ids=str)
def test_what_is_not_a_number_goes_through(layer):
    params, x, dy = arrays(layer, (4, 9, 3))
    x[2, 1, 0] = np.nan
    y, again, _, (dx, _) = jax.jit(passes(layer))(params, x, dy)
    for array in (y, again, dx):
        assert np.isnan(array[..., 0]).all()
        assert np.isfinite(array[..., 1:]).all()


@needs_native
@pytest.mark.parametrize("layer", [BatchNorm(scale=False), BatchNorm(offset=False)], ids=str)
def test_a_layer_without_scale_or_offset_is_left_to_xla(layer):
    given = arrays(layer, (7, 5))
    assert "deltarule_" not in jax.jit(passes(layer)).lower(*given).compile().as_text()
