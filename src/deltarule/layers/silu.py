"""The sigmoid linear unit (swish), Y = X σ(X)."""

from dataclasses import dataclass

import jax

from deltarule.layers.layer import Cost, Elementwise, Equations, size


@dataclass(frozen=True)
class SiLU(Elementwise):
    """y = x s with s = 1 / (1 + e^−x), so dy/dx = s (1 + x (1 − s)). Not monotone: backward needs x.

    >>> SiLU().shape((8, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"S = \frac{1}{1 + e^{-X}}", r"Y = X \odot S"),
        backward=(r"dX = dY \odot S \odot (1 + X \odot (1 - S))",),
        source="Elfwing, Uchibe and Doya 2018",
    )

    def forward(self, params, x, context):
        return x * jax.lax.logistic(x), x  # (n, ...)

    def backward(self, params, saved, dy):
        x = saved
        s = jax.lax.logistic(x)  # (n, ...)
        return dy * s * (1 + x * (1 - s)), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=2 * size(x), backward=6 * size(x), input_gradient=6 * size(x), keeps_x=True)
