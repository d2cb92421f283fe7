"""The rectified linear unit, Y = max(0, X)."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size


@dataclass(frozen=True)
class ReLU(Elementwise):
    """y = max(0, x); at x = 0 the derivative is taken as 0, as PyTorch does (JAX's maximum takes ½).

    Backward keeps y, which the layer above keeps too, so it costs no memory of its own.

    >>> ReLU().cost((8, 3)).forward
    24
    """

    equations = Equations(
        forward=(r"Y = \max(0, X)",),
        backward=(r"dX = dY \odot [Y > 0]",),
        source="Nair and Hinton 2010",
    )

    def forward(self, params, x, context):
        y = jnp.maximum(x, 0)  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return jnp.where(y > 0, dy, 0), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=size(x), backward=0, input_gradient=0, keeps_y=True)
