"""The hyperbolic tangent, Y = tanh X."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size


@dataclass(frozen=True)
class Tanh(Elementwise):
    """y = tanh x, so dy/dx = 1 − y².

    >>> Tanh().shape((8, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"Y = \tanh X",),
        backward=(r"dX = dY \odot (1 - Y \odot Y)",),
    )

    def forward(self, params, x, context):
        y = jnp.tanh(x)  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return dy * (1 - y * y), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=size(x), backward=3 * size(x), input_gradient=3 * size(x), keeps_y=True)
