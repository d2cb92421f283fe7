"""The Gaussian error linear unit, Y = X Φ(X), with Φ the normal distribution function."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size


@dataclass(frozen=True)
class GELU(Elementwise):
    """y = x Φ(x), exact; dy/dx = Φ(x) + x φ(x) with φ the normal density. `GELUTanh` is the quick form,
    JAX's default; PyTorch's and Keras's is this one.

    >>> GELU().shape((8, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"\Phi(X) = \tfrac12 \operatorname{erfc}(-X / \sqrt 2)", r"Y = X \odot \Phi(X)"),
        backward=(r"dX = dY \odot (\Phi(X) + X \odot \tfrac{1}{\sqrt{2\pi}} e^{-X^2/2})",),
        source="Hendrycks and Gimpel 2016",
    )

    def forward(self, params, x, context):
        return x * normal_distribution(x), x  # (n, ...)

    def backward(self, params, saved, dy):
        x = saved
        density = math.sqrt(1 / (2 * math.pi)) * jnp.exp(-0.5 * x * x)  # (n, ...)
        return dy * (normal_distribution(x) + x * density), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=4 * size(x), backward=10 * size(x), input_gradient=10 * size(x), keeps_x=True)


def normal_distribution(x):
    """Φ(x) = ½ erfc(−x / √2), which keeps its digits far left, where 1 + erf would cancel."""
    return 0.5 * jax.lax.erfc(-math.sqrt(0.5) * x)
