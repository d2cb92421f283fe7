"""The native scans against the cells' own in XLA, forward and back."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.kernels.native import companion
from deltarule.layers.layer import Context

CELLS = [dr.LSTM(7), dr.GRU(7), dr.SimpleRNN(7), dr.SimpleRNN(7, "relu")]
needs_native = pytest.mark.skipif(companion()[0] is None, reason="the native kernels are not installed")


def arrays(cell, n, steps, seed=0):
    """Parameters, x (n, t, 3), memory and dy, all float32 and random."""
    rng = np.random.default_rng(seed)

    def draw(shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    params = jax.tree.map(lambda a: draw(a.shape), cell.init(rng, 3))
    return (
        params,
        draw((n, steps, 3)),
        tuple(draw(shape) for shape in cell.state(n)),
        draw((n, steps, cell.features)),
    )


def passes(layer, memory, **flags):
    """(params, x, dy) to (y, dx, dparams, memory)."""

    def both(params, x, dy):
        y, saved = layer.forward(params, x, Context(memory=memory, **flags))
        return y, layer.backward(params, saved, dy[:, -1] if layer.last else dy), layer.remember(memory, saved)

    return both


def relative(got, expected):
    pairs = zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (got, expected)), strict=True)
    return max(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3) for a, b in pairs)


@needs_native
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
@pytest.mark.parametrize(("n", "steps"), [(5, 6), (1, 4), (3, 1)])
@pytest.mark.parametrize("settings", [{}, {"reverse": True}, {"last": True}, {"carry": True}], ids=str)
def test_the_native_scan_is_the_cells_own(cell, n, steps, settings):
    layer = dr.Recurrent(cell, **settings)
    params, x, memory, dy = arrays(cell, n, steps)
    both = passes(layer, memory if layer.carry else {})
    assert "deltarule_" in jax.jit(both).lower(params, x, dy).compile().as_text()
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype(jnp.float64), (params, x, dy, memory))
        expected = jax.jit(passes(layer, wide[3] if layer.carry else {}))(*wide[:3])
    assert relative(jax.jit(both)(params, x, dy), expected) <= 2e-5


@needs_native
@pytest.mark.parametrize("cell", [dr.LSTM(7), dr.GRU(7)], ids=str)
def test_large_numbers_saturate_as_they_do_in_xla(cell):
    layer = dr.Recurrent(cell)
    params, x, _, dy = arrays(cell, 4, 5)
    x = 100 * x
    y, (dx, dparams), _ = jax.jit(passes(layer, {}))(params, x, dy)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype(jnp.float64), (params, x, dy))
        expected, (expected_dx, _), _ = jax.jit(passes(layer, {}))(*wide)
    assert relative(y, expected) <= 1e-5
    assert relative(dx, expected_dx) <= 1e-3
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(dparams))


@needs_native
def test_what_is_not_a_number_goes_through():
    layer = dr.Recurrent(dr.LSTM(7))
    params, x, _, _ = arrays(layer.cell, 2, 5)
    y, _ = jax.jit(lambda p, x: layer.forward(p, x, Context()))(params, x.at[0, 2].set(jnp.nan))
    assert np.isnan(y[0, 2:]).all()
    assert np.isfinite(y[0, :2]).all()
    assert np.isfinite(y[1]).all()


@pytest.mark.parametrize(
    ("layer", "flags"),
    [
        (dr.Recurrent(dr.LSTM(7, peephole=True)), {}),
        (dr.Recurrent(dr.GRU(7, "before")), {}),
        (dr.Recurrent(dr.LSTM(7)), {"mask": jnp.ones((2, 5), bool)}),
        (dr.Recurrent(dr.LSTM(7)), {"starts": jnp.zeros((2, 5), bool)}),
    ],
    ids=str,
)
def test_cells_without_a_kernel_and_interrupted_sequences_take_their_own_scan(layer, flags):
    params, x, _, dy = arrays(layer.cell, 2, 5)
    text = jax.jit(passes(layer, {}, **flags)).lower(params, x, dy).compile().as_text()
    assert not re.search("deltarule_(lstm|gru|rnn)", text)


@needs_native
def test_models_side_by_side_are_those_models_alone():
    layer = dr.Recurrent(dr.GRU(7))
    cases = [arrays(layer.cell, 3, 4, seed) for seed in range(2)]
    params, x, dy = (jax.tree.map(lambda *a: jnp.stack(a), *(case[i] for case in cases)) for i in (0, 1, 3))
    mapped, alone = jax.jit(jax.vmap(passes(layer, {})))(params, x, dy), jax.jit(passes(layer, {}))
    for m, (p, x_m, _, dy_m) in enumerate(cases):
        assert relative(jax.tree.map(lambda a, m=m: a[m], mapped), alone(p, x_m, dy_m)) <= 1e-6
