"""The logistic sigmoid, Y = 1 / (1 + e^{−X})."""

from dataclasses import dataclass

import jax

from deltarule.layers.layer import Cost, Elementwise, Equations, size


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """y = 1 / (1 + e^−x), so dy/dx = y (1 − y), at most ¼: why deep sigmoid networks learn slowly.

    >>> Sigmoid().shape((8, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"Y = \frac{1}{1 + e^{-X}}",),
        backward=(r"dX = dY \odot Y \odot (1 - Y)",),
    )

    def forward(self, params, x, context):
        y = jax.lax.logistic(x)  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return dy * y * (1 - y), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=size(x), backward=3 * size(x), input_gradient=3 * size(x), keeps_y=True)
