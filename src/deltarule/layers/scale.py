"""A scale and an offset for each feature, Y = γ ⊙ X + β."""

from dataclasses import dataclass

import jax
import numpy as np

from deltarule.errors import ShapeError
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Cost, Equations, Layer, Params, Shape, size


@dataclass(frozen=True)
class Scale(Layer):
    """γ and β along the last axis, 1 and 0 at first: the learned half of a normalisation, on its own.

    Raises:
        ShapeError: x has no axis besides the examples.

    >>> Scale().cost((8, 3)).parameters
    6
    """

    equations = Equations(
        forward=(r"Y = \gamma \odot X + \beta",),
        backward=(
            r"dX = \gamma \odot dY",
            r"d\gamma = \sum_n dY_n \odot X_n",
            r"d\beta = \sum_n dY_n",
        ),
        source="Ioffe and Szegedy 2015",
    )

    def mixes_steps(self, x):
        return False

    def shape(self, x):
        if len(x) < 2:
            raise ShapeError(f"Scale: expected an input of shape (n, ..., i), got {x}; reshape it to (n, 1)")
        return x

    def init(self, rng, x):
        return fresh_scale(x[-1:])

    def forward(self, params, x, context):
        return scaled(params, x).astype(x.dtype), x

    def backward(self, params, saved, dy):
        x = saved
        dx, dparams = scaled_backward(params, x, dy)
        return dx.astype(dy.dtype), dparams

    def cost(self, x):
        forward, backward, input_gradient = scaled_cost(size(x), x[-1])
        return Cost(forward, backward, input_gradient, parameters=2 * x[-1], keeps_x=True)

    @classmethod
    def examples(cls):
        yield cls(), (7, 5)
        yield cls(), (2, 3, 4, 5)


def fresh_scale(shape: Shape, scale: bool = True, offset: bool = True) -> Params:
    """γ = 1 and β = 0, those of the two that are asked for."""
    params = {}
    if scale:
        params["gamma"] = np.ones(shape, np.float32)
    if offset:
        params["beta"] = np.zeros(shape, np.float32)
    return params


def scaled(params: Params, x: jax.Array) -> jax.Array:
    """γ ⊙ X + β, with those of the two that there are; they lie along the last axes of X, which may be half."""
    x = wide(x)
    if "gamma" in params:
        x = params["gamma"] * x  # (n, ...)
    if "beta" in params:
        x = x + params["beta"]  # (n, ...)
    return x


def scaled_backward(params: Params, x: jax.Array, dy: jax.Array) -> tuple[jax.Array, Params]:
    """(dX, {dγ, dβ}), where γ and β are summed over the axes that they do not have."""
    x, dy = wide(x), wide(dy)
    dx, dparams = dy, {}
    if "gamma" in params:
        dx = params["gamma"] * dy  # (n, ...)
        dparams["gamma"] = (dy * x).sum(range(x.ndim - params["gamma"].ndim))  # (i,)
    if "beta" in params:
        dparams["beta"] = dy.sum(range(x.ndim - params["beta"].ndim))  # (i,)
    return dx, dparams


def scaled_cost(numbers, features, scale: bool = True, offset: bool = True):
    """FLOPs (forward, backward, of which dX alone needs) for `numbers` numbers in X and `features` in γ and β."""
    scales, offsets = int(scale), int(offset)
    dparams = scales * (2 * numbers - features) + offsets * (numbers - features)
    return (scales + offsets) * numbers, dparams + scales * numbers, scales * numbers
