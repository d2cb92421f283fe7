"""A small problem that the tests of training share: two hidden units, weights that differ, a remainder."""

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers import Chain, Dense, Tanh
from deltarule.losses import SquaredError
from deltarule.optimizers import SGD
from deltarule.training.step import Batch, Step

NET = Chain(Dense(3), Tanh(), Dense(2))
RATE = 0.125  # exact in float32, as the state holds it


def step(net=NET, loss=None, optimizer=None, **options):
    return Step(net, loss or SquaredError(), optimizer or SGD(RATE), **options)


def batch(n=10, seed=0):
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(n, 4)), rng.normal(size=(n, 2))
    return Batch(jnp.asarray(x), jnp.asarray(target), jnp.asarray(rng.uniform(0.5, 2, n)))


def fresh(step, x=(10, 4), seed=0):
    """A state whose parameters are in the precision of the test."""
    state = step.init(x, seed)
    floats = jnp.asarray(0.0).dtype
    params, slots = jax.tree.map(lambda a: jnp.asarray(a, floats), (state.params, state.slots))
    return jax.device_put(state._replace(params=params, slots=slots))


def rows(batch, chosen):
    return jax.tree.map(lambda a: a[np.asarray(chosen)], batch)


def close(got, expected, rtol=1e-12):
    """Two trees of the same numbers, but for `rtol` of the largest in each array."""
    got, expected = jax.tree.map(np.asarray, (got, expected))
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(abs(b).max(initial=0), 1e-30))
