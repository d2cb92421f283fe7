"""A quick trial of this installation: the derivative of a layer, and one compiled training step."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers import Chain, Dense, Tanh
from deltarule.layers.layer import Context
from deltarule.losses import SquaredError
from deltarule.optimizers import SGD
from deltarule.training.step import Batch, Step

TOLERANCE = 1e-6  # of a central difference in float64, whose own error is near 1e-9
SPACING = 1e-5


class Trial(NamedTuple):
    """What was measured.

    Attributes:
        gradient_error: of Dense's backward against a central difference, relative.
        before, after: the loss of the batch, before the step and after it.
        seconds: for all of it, the compiling included.
    """

    gradient_error: float
    before: float
    after: float
    seconds: float

    @property
    def works(self) -> bool:
        """Whether the derivative is right, and a step along it makes the loss smaller."""
        return self.gradient_error <= TOLERANCE and self.after < self.before


def trial() -> Trial:
    """Tries both on random numbers.

    >>> trial().works
    True
    """
    start = time.perf_counter()
    error = gradient_error()
    before, after = losses()
    return Trial(error, before, after, time.perf_counter() - start)


def gradient_error() -> float:
    """|⟨δ, (f(θ + hd) − f(θ − hd)) / 2h⟩ − ⟨dθ, d⟩| / |⟨dθ, d⟩| of a Dense layer, along a random direction."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        layer, x = Dense(3), jnp.asarray(rng.normal(size=(5, 4)))
        params = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), layer.init(rng, x.shape))
        direction = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), params)
        y, saved = layer.forward(params, x, Context())
        delta = jnp.asarray(rng.normal(size=y.shape))
        _, dparams = layer.backward(params, saved, delta)

        def along(h: float) -> jax.Array:
            moved = jax.tree.map(lambda a, d: a + h * d, params, direction)
            return jnp.vdot(delta, layer.forward(moved, x, Context())[0])

        difference = float(along(SPACING) - along(-SPACING)) / (2 * SPACING)
        written = sum(float(jnp.vdot(dparams[name], direction[name])) for name in params)
    return abs(difference - written) / abs(written)


def losses() -> tuple[float, float]:
    """The loss of a batch in the first compiled step, and in the second."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype(np.float32)
    batch = Batch(*map(jnp.asarray, (x, x[:, :2] ** 2, np.ones(32, np.float32))))
    step = Step(Chain(Dense(8), Tanh(), Dense(2)), SquaredError(), SGD(0.05))
    program = jax.jit(step.structure())
    state, first = program(step.init(x.shape, 0), batch)
    _, second = program(state, batch)
    return float(first.loss), float(second.loss)
