"""Softplus, Y = log(1 + e^X): a smooth rectifier."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size


@dataclass(frozen=True)
class Softplus(Elementwise):
    """y = log(1 + e^x), computed as max(x, 0) + log(1 + e^−|x|), which never overflows.

    dy/dx = 1 / (1 + e^−x) = 1 − e^−y, so backward needs y alone.

    >>> Softplus().forward({}, jnp.array([1000.0]), None)[0].tolist()
    [1000.0]
    """

    equations = Equations(
        forward=(r"Y = \log(1 + e^X)",),
        backward=(r"dX = dY \odot (1 - e^{-Y})",),
        source="Dugas et al. 2001",
    )

    def forward(self, params, x, context):
        y = jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return dy * -jnp.expm1(-y), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=4 * size(x), backward=2 * size(x), input_gradient=2 * size(x), keeps_y=True)
